import pytest
import torch
from torch import nn

from tests.helpers.rounding import assert_alike, chance
from xsleep.networks.recurrent import (
    GRU,
    BatchNormLSTM,
    Bidirectional,
    GRULayer,
    PeepholeLSTM,
    StepNorm,
)

T, N, F, U = 5, 6, 3, 4


def lstm_cell(generator):
    lstm = BatchNormLSTM(F, U, T + 1, generator).double()
    for norm in (lstm.xh, lstm.hh, lstm.c):
        norm.scale.data.uniform_(0.5, 2, generator=generator)
        norm.mean.normal_(generator=generator)
        norm.variance.uniform_(0.5, 2, generator=generator)
    return lstm


def plain_lstm(lstm, x, training):
    """Step by step as the released code has it; also the moments of the parts, ``(T, size)``."""
    moments = {"xh": [], "hh": [], "c": []}

    def normalise(part, values, step):
        norm = getattr(lstm, part)
        mean, variance = norm.mean[step], norm.variance[step]
        if training:
            mean, variance = values.mean(0), values.var(0, correction=0)
            moments[part].append((mean, variance))
        offset = 0 if norm.offset is None else norm.offset
        return norm.scale * (values - mean) / (variance + 1e-5).sqrt() + offset

    h = c = x.new_zeros(x.shape[1], U)
    hidden = []
    for t in range(len(x)):
        gates = normalise("xh", x[t] @ lstm.W_xh, t) + normalise("hh", h @ lstm.W_hh, t)
        f, i, o, j = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(j)
        h = torch.sigmoid(o) * torch.tanh(normalise("c", c, t))
        hidden.append(h)
    return torch.stack(hidden), moments


def plain_gru(gru, x):
    h, hidden = x.new_zeros(x.shape[1], U), []
    for step in x:
        gates = torch.cat((step, h), 1) @ gru.gates_kernel + gru.gates_bias
        reset, update = torch.sigmoid(gates).split(U, dim=1)
        candidate = torch.cat((step, reset * h), 1) @ gru.candidate_kernel + gru.candidate_bias
        h = update * h + (1 - update) * torch.tanh(candidate)
        hidden.append(h)
    return torch.stack(hidden)


def peephole_cell(features, generator):
    cell = PeepholeLSTM(features, U, generator).double()
    cell.bias.data.normal_(generator=generator)
    return cell


def plain_peephole(cell, x):
    h = c = x.new_zeros(x.shape[1], U)
    hidden = []
    for step in x:
        gates = torch.cat((step, h), 1) @ torch.cat((cell.W_xh, cell.W_hh)) + cell.bias
        i, j, f, o = gates.split(U, dim=1)
        keep = torch.sigmoid(f + 1 + cell.forget * c)
        c = keep * c + torch.sigmoid(i + cell.enter * c) * torch.tanh(j)
        h = torch.sigmoid(o + cell.leave * c) * torch.tanh(c)
        hidden.append(h)
    return torch.stack(hidden)


def bidirectional(direction):
    return Bidirectional(direction, rate=0.0).double()


def both_ways(plain, layer, x):
    ways = plain(layer.fw, x), plain(layer.bw, x.flip(0)).flip(0)
    return torch.cat(ways, dim=2)


def check(layer, x, expected):
    """Values, and the gradients of the input and of every parameter."""
    y = layer(x)
    assert_alike(y, expected)
    weights = torch.randn(y.shape, dtype=y.dtype)
    inputs = {"input": x, **dict(layer.named_parameters())}
    ours, theirs = (
        torch.autograd.grad((weights * values).sum(), [*inputs.values()])
        for values in (y, expected)
    )
    assert_alike(*(dict(zip(inputs, values, strict=True)) for values in (ours, theirs)))


@pytest.fixture
def x(generator):
    return torch.randn(T, N, F, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("training", (True, False))
def test_released_lstm_normalises_input_state_and_cell_apart_at_every_step(generator, x, training):
    layer = bidirectional(lambda: lstm_cell(generator)).train(training)
    check(layer, x, both_ways(lambda cell, x: plain_lstm(cell, x, training)[0], layer, x))


def test_released_lstm_moves_the_population_by_a_twentieth(generator, x):
    layer = bidirectional(lambda: lstm_cell(generator)).train()
    before = {name: value.clone() for name, value in layer.named_buffers()}
    moments = {
        "fw": plain_lstm(layer.fw, x, True)[1],
        "bw": plain_lstm(layer.bw, x.flip(0), True)[1],
    }
    layer(x)
    for way, parts in moments.items():
        for part, values in parts.items():
            for step, (mean, variance) in enumerate(values):
                for name, batch in (("mean", mean), ("variance", variance)):
                    key = f"{way}.{part}.{name}"
                    expected = 0.95 * before[key][step] + 0.05 * batch
                    assert_alike(layer.get_buffer(key)[step], expected)
    # The sequence is a step shorter than the longest.
    assert torch.equal(layer.fw.c.mean[T], before["fw.c.mean"][T])
    population = {name: value.clone() for name, value in layer.named_buffers()}
    layer.eval()(x)
    assert all(torch.equal(value, population[name]) for name, value in layer.named_buffers())


@pytest.mark.parametrize("training", (True, False))
@pytest.mark.parametrize("layers", (1, 2))
def test_released_gru_resets_the_state_before_the_candidates_product(
    generator, x, training, layers
):
    layer = bidirectional(lambda: GRU(F, U, layers, generator)).train(training)

    def plain(cells, x):
        for cell in cells:
            x = plain_gru(cell, x)
        return x

    check(layer, x, both_ways(plain, layer, x))


@pytest.mark.parametrize("training", (True, False))
@pytest.mark.parametrize("layers", (1, 2))
def test_transfer_lstm_gates_see_the_cell_and_the_forget_gate_begins_open(
    generator, x, training, layers
):
    def direction():
        return nn.Sequential(*(peephole_cell(size, generator) for size in (F, U)[:layers]))

    def plain(cells, x):
        for cell in cells:
            x = plain_peephole(cell, x)
        return x

    layer = bidirectional(direction).train(training)
    check(layer, x, both_ways(plain, layer, x))


def test_transfer_lstm_starts_from_glorots_values_of_one_matrix(generator):
    cell = PeepholeLSTM(300, 100, generator)
    limit = (6 / (300 + 100 + 400)) ** 0.5
    for values in (cell.W_xh, cell.W_hh):
        assert 0.99 * limit < values.abs().max() <= limit
    assert not cell.bias.any()
    for values in (cell.enter, cell.forget, cell.leave):
        assert 0.9 * 0.03**0.5 < values.abs().max() <= 0.03**0.5  # 6 / (100 + 100)


@pytest.mark.parametrize(
    "direction",
    [
        lambda generator: GRU(F, U, 2, generator).double(),
        lambda generator: lstm_cell(generator),
        lambda generator: nn.Sequential(peephole_cell(F, generator), peephole_cell(U, generator)),
    ],
    ids=["GRU", "LSTM", "peephole LSTM"],
)
def test_overlapping_sequences_share_the_inputs_products_and_nothing_changes(generator, direction):
    layer = bidirectional(lambda: direction(generator)).eval()
    x = torch.randn(9, F, generator=generator, dtype=torch.float64)
    windows = torch.stack([x[s : s + T] for s in range(9 - T + 1)], dim=1)
    assert_alike(layer.overlapping(x, T), layer(windows))
    assert_alike(layer.overlapping(x[:T], T), layer(x[:T].unsqueeze(1)))


def test_sec3_1_directions_read_the_sequence_from_both_ends(generator):
    layer = Bidirectional(lambda: GRU(3, 4, 1, generator), rate=0.0)
    x = torch.randn(6, 2, 3, generator=generator)
    later = x.clone()
    later[4:] += 1
    same = (layer(x) == layer(later)).all(1).all(-1)
    same_forwards = (layer(x)[..., :4] == layer(later)[..., :4]).all(1).all(-1)
    same_backwards = (layer(x)[..., 4:] == layer(later)[..., 4:]).all(1).all(-1)
    assert not same.any() and not same_backwards.any()
    assert same_forwards.tolist() == [True] * 4 + [False] * 2


def test_released_recurrent_dropout_is_new_at_every_time_step(generator, monkeypatch):
    torch.manual_seed(3)
    # A layer that hands on what it gets.
    monkeypatch.setattr(GRULayer, "project", lambda cells, x: x)
    monkeypatch.setattr(GRULayer, "train_steps", lambda cells, projected: projected)
    layer = Bidirectional(lambda: GRU(64, 64, 1, generator), rate=0.25).train()
    kept = layer(torch.ones(29, 8, 64)) != 0  # (T, N, 2 * 64)
    share = 0.75**2  # on input and on output
    assert kept.float().mean() == pytest.approx(share, abs=chance(share, kept.numel()))
    assert len({step.numpy().tobytes() for step in kept}) == 29
    assert not torch.equal(kept[..., :64], kept[..., 64:])


def test_released_step_norm_evaluates_by_the_population(generator):
    norm = StepNorm(3, 4, offset=torch.randn(4, generator=generator)).double()
    norm.mean.normal_(generator=generator)
    norm.variance.uniform_(0.5, 2, generator=generator)
    x = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    factors, shifts = norm.population()
    expected = norm.scale * (x - norm.mean) / (norm.variance + 1e-5).sqrt() + norm.offset
    assert_alike(factors * x + shifts, expected)
