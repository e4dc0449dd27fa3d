import pytest
import torch
import torch.nn.functional as F

from tests.helpers.rounding import assert_alike, chance
from xsleep.config.network import NetworkSettings
from xsleep.networks.dropout import dropout
from xsleep.networks.fast.convolution import Convolution, LeakyReLU, pairs
from xsleep.networks.fcnn_rnn import FCNN


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
