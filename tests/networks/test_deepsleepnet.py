import pytest
import torch
import torch.nn.functional as F

from tests.helpers.rounding import assert_alike, chance
from xsleep.config.network import NetworkSettings
from xsleep.networks.deepsleepnet import Convolution, EpochPart, Pool, SequencePart
from xsleep.networks.layers import same

SMALL = NetworkSettings(deepsleepnet_filters=(3, 4), deepsleepnet_units=5, deepsleepnet_dropout=0.0)


def dropping(rate):
    return SMALL.model_copy(update={"deepsleepnet_dropout": rate})


def test_transfer_3000_samples_become_16_and_8_times_128_features(generator):
    part = EpochPart(2, 3000, NetworkSettings(), generator)
    assert (part.small.length, part.large.length) == (16, 8)
    assert part.convolved == (16 + 8) * 128 == 3072
    assert part.shortcut.weight.shape == (3072, 1024)
    assert part.eval()(torch.zeros(1, 3000, 2)).shape == (1, part.features) == (1, 3072 + 1024)


@pytest.mark.parametrize(
    ("samples", "size", "stride", "zeros"),
    [
        (3000, 50, 6, (22, 22)),
        (500, 8, 8, (2, 2)),
        (63, 8, 1, (3, 4)),
        (63, 4, 4, (0, 1)),
        (3000, 400, 50, (175, 175)),
        (60, 4, 4, (0, 0)),
        (15, 6, 1, (2, 3)),
        (15, 2, 2, (0, 1)),
    ],
)
def test_transfer_padding_is_tensorflows_same(samples, size, stride, zeros):
    assert same(samples, size, stride) == zeros


def as_released(part, x, training):
    """The released graph on ``(N, 3000, C)``: images of width 1, and first filters of width 3."""

    def convolution(layer, x, columns):
        weight = torch.randn(*layer.weight.shape, columns, dtype=x.dtype)
        weight[..., columns // 2] = layer.weight
        before, after = same(x.shape[2], weight.shape[2], layer.stride)
        x = F.pad(x, (columns // 2, columns // 2, before, after))
        x = F.conv2d(x, weight, layer.bias, (layer.stride, 1))
        mean, variance = layer.norm.running_mean, layer.norm.running_var
        if training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        mean, factor = (v[:, None, None] for v in (mean, (variance + 1e-3).rsqrt()))
        scale, offset = (v[:, None, None] for v in (layer.norm.weight, layer.norm.bias))
        return F.relu(scale * (x - mean) * factor + offset)

    def pool(x, size):
        x = F.pad(x, (0, 0, *same(x.shape[2], size, size)), value=-torch.inf)
        return F.max_pool2d(x, (size, 1))

    maps = []
    for branch, (first, last) in ((part.small, (8, 4)), (part.large, (4, 2))):
        layers = [layer for layer in branch if isinstance(layer, Convolution)]
        y = pool(convolution(layers[0], x.transpose(1, 2).unsqueeze(3), 3), first)
        for layer in layers[1:]:
            y = convolution(layer, y, 1)
        maps.append(pool(y, last).squeeze(3).transpose(1, 2))  # (N, time, filters)
    features = torch.cat(maps, dim=1).flatten(1)
    norm = part.shortcut.norm
    around = features @ part.shortcut.weight + part.shortcut.bias
    mean, variance = norm.running_mean, norm.running_var
    if training:
        mean, variance = around.mean(0), around.var(0, correction=0)
    around = norm.weight * (around - mean) * (variance + 1e-3).rsqrt() + norm.bias
    return torch.cat((features, F.relu(around)), dim=1)


@pytest.mark.parametrize("training", (True, False))
def test_transfer_epoch_part_is_the_released_graph(generator, training):
    part = EpochPart(2, 3000, SMALL, generator).double().train(training)
    for name, value in (*part.named_parameters(), *part.named_buffers()):
        if "norm" in name and value.is_floating_point():
            value.data.uniform_(0.5, 2, generator=generator)
    x = 20 * torch.randn(3, 3000, 2, generator=generator, dtype=torch.float64)
    expected = as_released(part, x, training)
    y = part(x)
    assert_alike(y, expected)
    weights = torch.randn(y.shape, generator=generator, dtype=y.dtype)
    parameters = dict(part.named_parameters())
    ours, theirs = (
        torch.autograd.grad((weights * values).sum(), [*parameters.values()])
        for values in (y, expected)
    )
    assert_alike(*(dict(zip(parameters, values, strict=True)) for values in (ours, theirs)))


def test_transfer_population_moves_by_a_thousandth(generator):
    part = EpochPart(1, 3000, SMALL, generator)
    norms = [m for m in part.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert [(norm.momentum, norm.eps) for norm in norms] == [(1e-3, 1e-3)] * 9


def test_transfer_first_filters_start_as_if_they_were_three_columns_wide(generator):
    part = EpochPart(1, 3000, NetworkSettings(), generator)
    for branch, kernel, width in ((part.small, 50, 8), (part.large, 400, 6)):
        first, *others = (m.weight for m in branch if isinstance(m, Convolution))
        limit = (6 / (3 * kernel * (1 + 64))) ** 0.5
        assert 0.99 * limit < first.abs().max() <= limit
        limit = (6 / (width * (64 + 128))) ** 0.5
        assert 0.99 * limit < others[0].abs().max() <= limit


def test_transfer_dropout_is_after_the_first_pools_and_before_the_shortcut(generator):
    torch.manual_seed(1)
    part = EpochPart(1, 3000, dropping(0.5), generator)
    x = 20 * torch.randn(4, 3000, 1, generator=generator)
    seen = []
    for module in part.modules():
        if isinstance(module, torch.nn.Dropout):
            module.register_forward_hook(lambda m, given, out: seen.append((given[0], out)))
    part.train()(x)
    assert [given.shape[1:] for given, _ in seen] == [(3, 63), (3, 15), (part.convolved,)]
    for given, out in seen:
        dropped = out[given != 0] == 0
        assert dropped.float().mean() == pytest.approx(0.5, abs=chance(0.5, dropped.numel()))


def test_transfer_shortcut_is_added_to_the_lstm(generator):
    part = SequencePart(7, 5, 2, 0.0, generator).double().eval()
    x = torch.randn(6, 3, 7 + 10, generator=generator, dtype=torch.float64)
    assert_alike(part(x), part.rnn(x[..., :7]) + x[..., 7:])
    assert [len(way) for way in (part.rnn.fw, part.rnn.bw)] == [2, 2]


def test_transfer_overlapping_sequences_are_the_plain_ones(generator):
    part = SequencePart(7, 5, 2, 0.0, generator).double().eval()
    x = torch.randn(9, 7 + 10, generator=generator, dtype=torch.float64)
    windows = torch.stack([x[s : s + 5] for s in range(5)], dim=1)
    assert_alike(part.overlapping(x, 5), part(windows))
    assert_alike(part.overlapping(x[:5], 5), part(x[:5].unsqueeze(1)))


def test_transfer_dropout_is_on_the_lstms_input_and_output_and_on_the_sum(generator):
    torch.manual_seed(2)
    part = SequencePart(7, 5, 2, 0.5, generator).train()
    x = torch.randn(20, 30, 7 + 10, generator=generator)
    assert part.rnn.dropout == 0.5
    dropped = part(x) == 0
    assert dropped.float().mean() == pytest.approx(0.5, abs=chance(0.5, dropped.numel()))
    part.eval()
    assert torch.equal(part(x), part(x)) and (part(x) != 0).all()


def test_transfer_pool_takes_the_largest_of_what_is_there():
    x = torch.tensor([[[1.0, 3.0, 2.0, 0.0, 0.5]]])
    assert Pool(2)(x).tolist() == [[[3.0, 2.0, 0.5]]]
