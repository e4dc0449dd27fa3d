"""Kernels of a real GPU at full size, as they are and with what a benchmark changes.

That the self-check gives no warning is part of each test.
"""

import pytest
import torch

from tests.gpu.marks import ON_GPU
from tests.gpu.test_gpu_networks import ROUNDED
from tests.gpu.test_gpu_step import assert_same, trained
from tests.helpers.rounding import SINGLE
from xsleep.compute import device
from xsleep.config.network import NetworkSettings
from xsleep.networks.fast import acceleration, convolution, steps

pytest.importorskip("triton", reason="Triton is not installed")

from tests.networks.compile_kernels import SEQUENCES, SOME, VARIANTS
from xsleep.networks.fast import activation, kernels

pytestmark = ON_GPU

SETTINGS = NetworkSettings()
PLAIN = {"lstm": steps.lstm, "gru": steps.gru}


@pytest.fixture(autouse=True)
def checked_anew():
    acceleration._chosen.cache_clear()
    convolution._fused.cache_clear()
    yield
    acceleration._chosen.cache_clear()
    convolution._fused.cache_clear()


@pytest.fixture
def variant(monkeypatch, request):
    for name, value in VARIANTS.get(request.param, {}).items():
        monkeypatch.setattr(kernels, name, value)
    return request.param


def inputs(layer, sequences):
    """A layer's inputs at full size on the GPU: of the LSTM between the frames of all epochs."""
    generator = torch.Generator().manual_seed(1)
    if layer == "lstm":
        N, u = SETTINGS.sequence_length * sequences, SETTINGS.frame_units
        shapes = [(2, 4, N, 4 * u), (2, u, 4 * u), *[(2, 4 * u)] * 3, *[(2, u)] * 2]
    else:
        N, u = sequences, SETTINGS.gru_units
        shapes = [(2, 4, N, 3 * u), (2, u, 2 * u), (2, u, u)]
    given = [torch.randn(shape, generator=generator).to(device.best()) for shape in shapes]
    for weights in given[1:] if layer == "gru" else given[1:2]:
        weights /= u**0.5
    return given


SIZES = [("default", sequences) for sequences in (1, *SEQUENCES, 200)]
SIZES += [(variant, sequences) for variant in VARIANTS for sequences in SOME]


@pytest.mark.parametrize(("variant", "sequences"), SIZES, indirect=["variant"])
@pytest.mark.parametrize("layer", PLAIN)
def test_kernels_serve_minibatches_of_any_size(layer, sequences, variant):
    given, plain = inputs(layer, sequences), PLAIN[layer]
    found, expected = acceleration.accelerated(layer, plain, *given), plain(*given)
    if layer == "lstm":
        (found, *_), (expected, *_) = found, expected
    assert (found - expected).norm() <= acceleration.TOLERANCE * expected.norm()


@pytest.mark.parametrize("variant", ("default", *VARIANTS), indirect=True)
@pytest.mark.parametrize("layer", PLAIN)
def test_kernels_round_as_float32_does(layer, variant):
    """Values and gradients; factors in plain TF32 would be off by 8,192 times as much."""
    given = inputs(layer, 32)

    def computed(take, dtype):
        leaves = [value.to(dtype).requires_grad_() for value in given]
        values = take(*leaves)
        values = (values,) if isinstance(values, torch.Tensor) else values
        gradients = torch.autograd.grad(values[0].square().sum(), leaves)
        return [value.detach().double() for value in (*values, *gradients)]

    plain = PLAIN[layer]
    exact, single = (computed(plain, dtype) for dtype in (torch.float64, torch.float32))
    found = computed(getattr(kernels, layer), torch.float32)
    for number, (ours, theirs, expected) in enumerate(zip(found, single, exact, strict=True)):
        rounding = max((theirs - expected).norm(), SINGLE * expected.norm())
        assert (ours - expected).norm() <= ROUNDED * rounding, number


@pytest.mark.parametrize("variant", ("default", *VARIANTS), indirect=True)
@pytest.mark.parametrize("layer", PLAIN)
def test_kernels_repeat_bit_for_bit(layer, variant):
    found = []
    for _ in range(2):
        leaves = [value.requires_grad_() for value in inputs(layer, 32)]
        values = getattr(kernels, layer)(*leaves)
        hidden = values if layer == "gru" else values[0]
        found.append((hidden, *torch.autograd.grad(hidden.square().sum(), leaves)))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize("graphed", (False, True), ids=("eager", "captured"))
def test_steps_with_fused_activations_are_those_without_bit_for_bit(monkeypatch, graphed):
    """Weights, statistics and random numbers at full size."""
    calls = []
    kernel = activation.leaky_dropout
    monkeypatch.setattr(activation, "leaky_dropout", lambda *x: calls.append(1) or kernel(*x))
    expected = trained("XSleepNet2", SETTINGS, graphed)
    assert not calls
    monkeypatch.setattr(convolution, "FUSED", True)
    assert_same(trained("XSleepNet2", SETTINGS, graphed), expected)
    assert calls
