import pytest
import torch
import torch.nn.functional as F

from tests.helpers.recordings import NETWORK
from tests.helpers.rounding import SINGLE, assert_alike, chance, of_sum
from xsleep.config.network import NetworkSettings
from xsleep.networks import build
from xsleep.networks.dropout import dropout
from xsleep.networks.fast.convolution import Convolution, LeakyReLU, compute_in_bf16, pairs
from xsleep.networks.fcnn_rnn import FCNN

BF16 = 2.0**-7
"""Distance from 1 to the next number of bfloat16."""


def plain(convolution, x, left, right):
    """The convolution as a library computes it, with the zeros on either side given."""
    padded = F.pad(x.transpose(1, 2), (left, right))
    y = F.conv1d(padded, convolution.weight, convolution.bias, stride=2)
    return y.transpose(1, 2)


def in_pairs(convolution, x):
    """The convolution of ``(N, samples, C)``, by way of pairs with time first."""
    return convolution(pairs(x.transpose(0, 1))).transpose(0, 1)


@pytest.mark.parametrize(
    ("samples", "left", "right"),
    [(3000, 14, 15), (375, 15, 15), (188, 14, 15), (47, 15, 15), (24, 14, 15), (11, 15, 15)],
)
@pytest.mark.parametrize("channels", (1, 15, 16))  # the last by way of spectra
def test_released_convolutions_pad_as_tensorflow_same(generator, samples, left, right, channels):
    convolution = Convolution(
        samples, channels, 16, 31, deviation=0.02, generator=generator
    ).double()
    convolution.bias.data.normal_(generator=generator)
    x = torch.randn(3, samples, channels, generator=generator, dtype=torch.float64)
    x.requires_grad_()
    y, expected = in_pairs(convolution, x), plain(convolution, x, left, right)
    assert_alike(y, expected)
    weights = torch.randn(y.shape, generator=generator, dtype=y.dtype)
    inputs = (x, *convolution.parameters())
    gradients = torch.autograd.grad((weights * y).sum(), inputs)
    assert_alike(gradients, torch.autograd.grad((weights * expected).sum(), inputs))


@pytest.mark.parametrize("kernel", (1, 2, 7, 16))
@pytest.mark.parametrize("samples", (3, 46))
def test_convolutions_of_other_kernels(generator, kernel, samples):
    convolution = Convolution(samples, 3, 2, kernel, deviation=0.02, generator=generator).double()
    x = torch.randn(2, samples, 3, generator=generator, dtype=torch.float64)
    padding = max(2 * (convolution.outputs - 1) + kernel - samples, 0)
    left, right = padding // 2, padding - padding // 2
    assert_alike(in_pairs(convolution, x), plain(convolution, x, left, right))


@pytest.mark.parametrize("filters", (4, 64))  # in float32 the latter by way of spectra
def test_bf16_rounds_factors_and_results_and_sums_in_float32(generator, filters):
    """Forwards and backwards; a result of the library is rounded to bfloat16 as well."""
    convolution = Convolution(188, 32, filters, 31, deviation=0.1, generator=generator)
    convolution.bias.data.normal_(generator=generator)
    assert compute_in_bf16(convolution)
    x = torch.randn(3, 188, 32, generator=generator).requires_grad_()
    y = in_pairs(convolution, x)
    given = torch.randn(y.shape, generator=generator)
    found = y, *torch.autograd.grad(y, (x, convolution.weight), given)
    assert {value.dtype for value in found} == {torch.float32}

    def of(change):
        """Return output and gradients in double precision, of rounded and changed values."""
        rounded = (v.detach().bfloat16().double() for v in (x, convolution.weight, given))
        signal, weight, grad = map(change, rounded)
        signal.requires_grad_(), weight.requires_grad_()
        z = F.conv1d(F.pad(signal.transpose(1, 2), (14, 15)), weight, stride=2).transpose(1, 2)
        return z, *torch.autograd.grad(z, (signal, weight), grad)

    exact, magnitudes = of(torch.Tensor.clone), of(torch.abs)
    terms = 31 * 32, 16 * filters, 3 * 94
    for ours, theirs, size, n in zip(found, exact, magnitudes, terms, strict=True):
        shift = convolution.bias if ours is y else 0
        bound = BF16 / 2 * theirs.abs() + of_sum(n, size) + SINGLE * (theirs + shift).abs()
        assert ((ours - (theirs + shift)).abs() <= bound).all()


def test_bf16_is_of_training_alone(generator):
    network = build("FCNN+RNN", 1, NETWORK, seed=1).eval()
    raw = torch.randn(2, NETWORK.sequence_length, 3000, 1, generator=generator)
    expected = network(raw, None)["raw"]
    assert compute_in_bf16(network)
    assert torch.equal(network(raw, None)["raw"], expected)
    assert not compute_in_bf16(build("ARNN+RNN", 1, NETWORK, seed=1))


def test_released_fcnn_halves_3000_samples_nine_times(generator):
    fcnn = FCNN(1, 3000, NetworkSettings(filters=(2,) * 9), generator)
    assert [c.outputs for c in fcnn.convolutions] == [1500, 750, 375, 188, 94, 47, 24, 12, 6]
    assert fcnn.lengths == [c.outputs for c in fcnn.convolutions]
    assert fcnn(torch.zeros(1, 3000, 1)).shape == (1, 6 * 2)
    assert fcnn.features == 6 * 2


def test_released_fcnn_drops_nothing_after_the_last_convolution(generator):
    fcnn = FCNN(1, 3000, NetworkSettings(filters=(4,)), generator).double().train()
    x = torch.randn(2, 3000, 1, generator=generator, dtype=torch.float64)
    assert_alike(fcnn(x), fcnn(x))
    assert (fcnn(x) != 0).all()


def test_sec3_1_fcnn_drops_after_the_last_convolution_as_well(generator):
    settings = NetworkSettings(filters=(4,), dropout_after_last_convolution=True)
    fcnn = FCNN(1, 3000, settings, generator).train()
    x = torch.randn(2, 3000, 1, generator=generator)
    dropped = fcnn(x) == 0
    assert dropped.float().mean() == pytest.approx(0.5, abs=chance(0.5, dropped.numel()))
    assert (fcnn.eval()(x) != 0).all()


def test_sec3_1_fcnn_feature_maps_have_the_printed_lengths(generator):
    halved, printed = (
        FCNN(1, 3000, NetworkSettings(filters=(2,) * 9, convolution_lengths=lengths), generator)
        for lengths in ("halved", "printed")
    )
    assert printed.lengths == [1500, 750, 325, 163, 82, 41, 21, 11, 6]
    assert printed.features == halved.features
    assert printed(torch.zeros(1, 3000, 1)).shape == (1, 6 * 2)
    assert [c.outputs for c in printed.convolutions] == [1500, 750, 375, 163, 82, 41, 21, 11, 6]


def test_sec3_1_printed_length_325_keeps_the_middle_of_the_third_feature_map(generator):
    settings = [
        NetworkSettings(filters=(2,) * 3, convolution_lengths=lengths)
        for lengths in ("halved", "printed")
    ]
    halved, printed = (FCNN(1, 3000, s, generator).double().eval() for s in settings)
    printed.load_state_dict(halved.state_dict())
    x = torch.randn(2, 3000, 1, generator=generator, dtype=torch.float64)
    maps = halved(x).view(2, 375, 2)
    assert_alike(printed(x), maps[:, 25:-25].flatten(1))


def test_released_activation_is_leaky_relu_of_slope_0_3(generator):
    fcnn = FCNN(1, 8, NetworkSettings(filters=(4,)), generator).double()
    x = torch.randn(2, 8, 1, generator=generator, dtype=torch.float64)
    y = in_pairs(fcnn.convolutions[0], x)
    assert_alike(fcnn(x), torch.where(y < 0, 0.3 * y, y).flatten(1))


def test_sec3_1_prelu_has_a_slope_for_each_filter(generator):
    fcnn = FCNN(1, 8, NetworkSettings(filters=(4,), activation="prelu"), generator).double()
    slope = fcnn.activations[0].slope
    assert slope.tolist() == [0.25] * 4
    slope.data = torch.tensor([-1.0, 0.0, 0.5, 1.0], dtype=torch.float64)
    x = torch.randn(2, 8, 1, generator=generator, dtype=torch.float64)
    y = in_pairs(fcnn.convolutions[0], x)
    assert_alike(fcnn(x), torch.where(y < 0, slope * y, y).flatten(1))


@pytest.mark.parametrize("samples", (10, 11, 4001))
@pytest.mark.parametrize("training", (True, False))
def test_leaky_relu_and_dropout_in_one_are_those_one_after_another(generator, training, samples):
    activation = LeakyReLU().train(training)
    x = torch.randn(samples, 33, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(5)
    y = activation(x, 0.25)
    torch.manual_seed(5)
    thinned = dropout(F.leaky_relu(x, 0.3).transpose(0, 1), 0.25, training)
    expected = pairs(thinned.transpose(0, 1))
    assert_alike(y, expected)
    weights = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    assert_alike(
        torch.autograd.grad((weights * y).sum(), x),
        torch.autograd.grad((weights * expected).sum(), x),
    )
