import numpy as np
import pytest
import torch
import torch.nn.functional as F

from xsleep.models.layers import (
    FCNN,
    Attention,
    BatchNormLSTM,
    Bidirectional,
    Convolution,
    Filterbank,
    GRULayer,
    Output,
    StepNorm,
    dropout,
    triangles,
)
from xsleep.settings import NetworkSettings


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize(
    ("samples", "left", "right"), [(3000, 14, 15), (375, 15, 15), (188, 14, 15), (47, 15, 15)]
)
def test_released_convolutions_pad_as_tensorflow_same(generator, samples, left, right):
    convolution = Convolution(2, 4, 31, 0.02, generator)
    x = torch.randn(3, samples, 2, generator=generator)
    padded = F.pad(x.transpose(1, 2), (left, right))
    expected = F.conv1d(padded, convolution.weight, convolution.bias, stride=2)
    torch.testing.assert_close(convolution(x), expected.transpose(1, 2))


@pytest.mark.parametrize("kernel", (1, 2, 7, 16))
def test_convolutions_of_other_kernels(generator, kernel):
    convolution = Convolution(3, 2, kernel, 0.02, generator)
    x = torch.randn(2, 46, 3, generator=generator)
    padding = max(2 * 22 + kernel - 46, 0)
    padded = F.pad(x.transpose(1, 2), (padding // 2, padding - padding // 2))
    expected = F.conv1d(padded, convolution.weight, convolution.bias, stride=2)
    torch.testing.assert_close(convolution(x), expected.transpose(1, 2))


def test_released_fcnn_halves_3000_samples_nine_times(generator):
    fcnn = FCNN(1, 3000, NetworkSettings(filters=(2,) * 9), generator)
    lengths, x = [], torch.zeros(1, 3000, 1)
    for convolution in fcnn.convolutions:
        x = convolution(x)
        lengths.append(x.shape[1])
    assert lengths == [1500, 750, 375, 188, 94, 47, 24, 12, 6]
    assert fcnn.features == 6 * 2


def test_released_fcnn_drops_nothing_after_the_last_convolution(generator):
    fcnn = FCNN(1, 3000, NetworkSettings(filters=(4,)), generator).train()
    x = torch.randn(2, 3000, 1, generator=generator)
    torch.testing.assert_close(fcnn(x), fcnn(x))
    assert (fcnn(x) != 0).all()


def test_paper_fcnn_drops_after_the_last_convolution_as_well(generator):
    settings = NetworkSettings(filters=(4,), dropout_after_last_convolution=True)
    fcnn = FCNN(1, 3000, settings, generator).train()
    x = torch.randn(2, 3000, 1, generator=generator)
    assert (fcnn(x) == 0).float().mean() == pytest.approx(0.5, abs=0.05)
    assert (fcnn.eval()(x) != 0).all()


def test_paper_fcnn_has_feature_maps_of_the_printed_lengths(generator):
    halved, printed = (
        FCNN(1, 3000, NetworkSettings(filters=(2,) * 9, convolution_lengths=lengths), generator)
        for lengths in ("halved", "printed")
    )
    assert printed.lengths == [1500, 750, 325, 163, 82, 41, 21, 11, 6]
    assert printed.features == halved.features
    seen = []
    for convolution in printed.convolutions:
        convolution.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[1]))
    assert printed(torch.zeros(1, 3000, 1)).shape == (1, 6 * 2)
    assert seen == [3000, *printed.lengths[:-1]]


def test_paper_printed_length_keeps_the_middle_of_the_third_feature_map(generator):
    settings = [
        NetworkSettings(filters=(2,) * 3, convolution_lengths=lengths)
        for lengths in ("halved", "printed")
    ]
    halved, printed = (FCNN(1, 3000, s, generator).eval() for s in settings)
    printed.load_state_dict(halved.state_dict())
    x = torch.randn(2, 3000, 1, generator=generator)
    maps = halved(x).view(2, 375, 2)
    torch.testing.assert_close(printed(x), maps[:, 25:-25].flatten(1))


def test_released_activation_is_leaky_relu_of_slope_0_3(generator):
    fcnn = FCNN(1, 8, NetworkSettings(filters=(4,)), generator)
    x = torch.randn(2, 8, 1, generator=generator)
    y = fcnn.convolutions[0](x)
    torch.testing.assert_close(fcnn(x), torch.where(y < 0, 0.3 * y, y).flatten(1))


def test_paper_prelu_has_a_slope_for_each_filter(generator):
    fcnn = FCNN(1, 8, NetworkSettings(filters=(4,), activation="prelu"), generator)
    slope = fcnn.activations[0].slope
    assert slope.tolist() == [0.25] * 4
    slope.data = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    x = torch.randn(2, 8, 1, generator=generator)
    y = fcnn.convolutions[0](x)
    torch.testing.assert_close(fcnn(x), torch.where(y < 0, slope * y, y).flatten(1))


def test_released_filterbank_is_32_triangles_from_0_to_50_hz():
    bank = triangles(32).numpy()
    corners = np.floor(257 * np.linspace(0, 50, 34) / 100).astype(int)
    assert bank.shape == (129, 32) and (bank >= 0).all() and (bank.max(0) == 1).all()
    np.testing.assert_array_equal(bank.argmax(0), corners[1:-1])
    for filter, start, stop in zip(bank.T, corners[:-2], corners[2:], strict=True):
        np.testing.assert_array_equal(np.flatnonzero(filter), np.arange(start + 1, stop))


def test_released_filterbanks_are_one_for_each_channel(generator):
    filterbank = Filterbank(2, 32, generator)
    x = torch.randn(3, 29, 129, 2, generator=generator)
    before = filterbank(x)
    x[..., 1] += 1
    same = filterbank(x) == before
    assert before.shape == (3, 29, 64)
    assert same[..., :32].all() and not same[..., 32:].any()


def test_released_initial_values(generator):
    lstm = BatchNormLSTM(128, 64, 20, generator)
    for kernel in (lstm.W_xh, lstm.W_hh):
        torch.testing.assert_close(kernel @ kernel.T, torch.eye(len(kernel)), atol=1e-5, rtol=0)
    assert lstm.hh.offset.tolist() == [1.0] * 64 + [0.0] * 192
    assert lstm.xh.offset is None and not lstm.c.offset.any()
    assert all((norm.scale == 0.1).all() for norm in (lstm.xh, lstm.hh, lstm.c))

    gru = GRULayer(100, 64, generator)
    for kernel, fans in ((gru.gates_kernel, 164 + 128), (gru.candidate_kernel, 164 + 64)):
        assert kernel.abs().max() <= (6 / fans) ** 0.5
        assert kernel.abs().max() > 0.99 * (6 / fans) ** 0.5
    assert (gru.gates_bias == 1).all() and not gru.candidate_bias.any()

    output = Output(128, 5, generator)
    assert 0.95 * (6 / 133) ** 0.5 < output.weight.abs().max() <= (6 / 133) ** 0.5
    assert 0 < output.bias.abs().max() <= 0.6**0.5

    convolution = Convolution(16, 64, 31, 0.02, generator)
    assert 0.039 < convolution.weight.abs().max() <= 0.04
    assert convolution.weight.std().item() == pytest.approx(
        0.02 * 0.88, rel=0.02
    )  # of the truncated
    assert not convolution.bias.any()

    attention = Attention(128, 64, generator)
    assert attention.kernel.std().item() == pytest.approx(0.1, rel=0.05)
    assert Filterbank(1, 32, generator).weight.std().item() == pytest.approx(1, rel=0.05)


def test_released_step_norm_moves_the_population_by_a_twentieth(generator):
    norm = StepNorm(3, 4, offset=torch.zeros(4)).train()
    x = 2 + 3 * torch.randn(10, 4, generator=generator)
    y = norm(x, 1)
    torch.testing.assert_close(y.mean(0), torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(norm.mean[1], 0.05 * x.mean(0))
    biased = x.var(0, correction=0)
    torch.testing.assert_close(norm.variance[1], 0.95 + 0.05 * biased)
    assert not norm.mean[[0, 2]].any() and (norm.variance[[0, 2]] == 1).all()

    population = norm.mean.clone()
    expected = 0.1 * (x - norm.mean[1]) / (norm.variance[1] + 1e-5).sqrt()
    torch.testing.assert_close(norm.eval()(x, 1), expected)
    assert torch.equal(norm.mean, population)


def test_released_lstm_carries_the_raw_cell_and_outputs_the_normalised(generator):
    lstm = BatchNormLSTM(3, 4, 5, generator).eval()
    for norm in (lstm.xh, lstm.hh, lstm.c):
        norm.mean.normal_(generator=generator)
        norm.variance.uniform_(0.5, 2, generator=generator)

    def normalise(norm, x, step):
        offset = 0 if norm.offset is None else norm.offset
        return norm.scale * (x - norm.mean[step]) / (norm.variance[step] + 1e-5).sqrt() + offset

    x = torch.randn(5, 2, 3, generator=generator)
    h = c = torch.zeros(2, 4)
    expected = []
    for t in range(5):
        gates = normalise(lstm.xh, x[t] @ lstm.W_xh, t) + normalise(lstm.hh, h @ lstm.W_hh, t)
        f, i, o, j = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(j)
        h = torch.sigmoid(o) * torch.tanh(normalise(lstm.c, c, t))
        expected.append(h)
    torch.testing.assert_close(lstm(x), torch.stack(expected))


def test_released_gru_resets_the_state_before_the_candidates_product(generator):
    gru = GRULayer(3, 4, generator)
    x = torch.randn(5, 2, 3, generator=generator)
    h, expected = torch.zeros(2, 4), []
    for step in x:
        gates = torch.cat((step, h), 1) @ gru.gates_kernel + gru.gates_bias
        reset, update = torch.sigmoid(gates).split(4, dim=1)
        candidate = torch.cat((step, reset * h), 1) @ gru.candidate_kernel + gru.candidate_bias
        h = update * h + (1 - update) * torch.tanh(candidate)
        expected.append(h)
    torch.testing.assert_close(gru(x), torch.stack(expected))


def test_sec3_directions_read_the_sequence_from_both_ends(generator):
    layer = Bidirectional(lambda: GRULayer(3, 4, generator), rate=0.0)
    x = torch.randn(6, 2, 3, generator=generator)
    later = x.clone()
    later[4:] += 1
    same = (layer(x) == layer(later)).all(1).all(-1)
    same_forwards = (layer(x)[..., :4] == layer(later)[..., :4]).all(1).all(-1)
    same_backwards = (layer(x)[..., 4:] == layer(later)[..., 4:]).all(1).all(-1)
    assert not same.any() and not same_backwards.any()
    assert same_forwards.tolist() == [True] * 4 + [False] * 2


def test_eq5_attention_is_a_mean_with_positive_weights(generator):
    attention = Attention(4, 3, generator)
    x = torch.randn(29, 2, 4, generator=generator)
    y = attention(x)
    assert (y <= x.max(0).values).all() and (y >= x.min(0).values).all()
    torch.testing.assert_close(attention(x.flip(0)), y)
    attention.context.data.zero_()
    torch.testing.assert_close(attention(x), x.mean(0))


@pytest.mark.parametrize("rate", (0.25, 0.5))
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    torch.manual_seed(2)
    y = dropout(torch.ones(1000, 1001), rate, training=True)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / (1 - rate)).item()}
    assert (y == 0).float().mean() == pytest.approx(rate, abs=0.002)
    assert not torch.equal(y, dropout(torch.ones(1000, 1001), rate, training=True))


def test_dropout_does_nothing_in_evaluation_or_at_rate_0():
    x = torch.ones(3)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x


def test_released_recurrent_dropout_is_new_at_every_time_step():
    torch.manual_seed(3)
    layer = Bidirectional(torch.nn.Identity, rate=0.25).train()
    kept = layer(torch.ones(29, 8, 64)) != 0  # (T, N, 2 * 64)
    assert kept.float().mean() == pytest.approx(0.75**2, abs=0.02)  # on input and on output
    assert len({step.numpy().tobytes() for step in kept}) == 29
    assert not torch.equal(kept[..., :64], kept[..., 64:])
