"""The kernels against the plain functions, by Triton's interpreter where there is no GPU."""

import os
import subprocess
import sys

import pytest
import torch

from tests.helpers.recordings import ROOT
from xsleep.compute import device

DEVICE = device.best()
pytest.importorskip("triton", reason="Triton is not installed: make test-kernels installs it")

from tests.helpers.rounding import SINGLE  # noqa: E402
from tests.networks.compile_kernels import SEQUENCES, SHARED_MEMORY, SOME, VARIANTS  # noqa: E402
from xsleep.config.network import NetworkSettings  # noqa: E402
from xsleep.networks import recurrent  # noqa: E402
from xsleep.networks.fast import acceleration, activation, convolution, kernels, steps  # noqa: E402
from xsleep.networks.fcnn_rnn import FCNN  # noqa: E402

HOW = "interpreted" if DEVICE.type == "cpu" else "on a GPU"

SIZES = [(2, 3, 6, 4), (1, 4, 17, 5), (2, 2, 40, 9), (2, 1, 5, 3)]
"""D, T, N, u."""


def lstm_inputs(D, T, N, u):
    scales = [(D, 4 * u), (D, 4 * u), (D, 4 * u), (D, u), (D, u)]
    return [torch.randn(D, T, N, 4 * u), torch.randn(D, u, 4 * u), *map(torch.randn, scales)]


def gru_inputs(D, T, N, u):
    return [torch.randn(s) for s in ((D, T, N, 3 * u), (D, u, 2 * u), (D, u, u))]


def check(plain, fused, inputs):
    """Values, and the gradients of all inputs."""
    inputs = [value.to(DEVICE).requires_grad_() for value in inputs]
    expected, values = plain(*inputs), fused(*inputs)
    if isinstance(expected, torch.Tensor):
        expected, values = (expected,), (values,)
    torch.testing.assert_close(values, expected, rtol=1e-4, atol=2e-5)
    grad = torch.randn_like(expected[0])
    ours, theirs = (torch.autograd.grad(v[0], inputs, grad) for v in (values, expected))
    for number, (gradient, reference) in enumerate(zip(ours, theirs, strict=True)):
        distance, spread = (gradient - reference).abs().max(), reference.abs().max()
        assert distance <= 1e-4 * spread, f"input {number}: {distance} of {spread}"


@pytest.fixture(autouse=True)
def buffers_start_as_nan():
    """Fill new buffers with NaN, so that a kernel that reads one before it is written shows."""
    deterministic = torch.utils.deterministic
    before = torch.get_deterministic_debug_mode(), deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    deterministic.fill_uninitialized_memory = True
    assert torch.empty(1, device=DEVICE).isnan()
    yield
    torch.set_deterministic_debug_mode(before[0])
    deterministic.fill_uninitialized_memory = before[1]


def least_shared_memory(rows):
    """Bytes that a product of so many rows of the LSTM needs: 16 columns of each, and of its 8."""
    return 4 * 16 * (rows + 8)


@pytest.mark.parametrize("at_once", ("all rows", 16))
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{HOW}, {sizes}")
def test_lstm_kernels_give_the_plain_functions_values_and_gradients(monkeypatch, sizes, at_once):
    if at_once == 16:
        monkeypatch.setattr(kernels, "_shared_memory", lambda device: least_shared_memory(16))
    torch.manual_seed(1)
    check(steps.lstm, kernels.lstm, lstm_inputs(*sizes))


@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{HOW}, {sizes}")
def test_gru_kernels_give_the_plain_functions_values_and_gradients(sizes):
    torch.manual_seed(1)
    check(steps.gru, kernels.gru, gru_inputs(*sizes))


@pytest.mark.parametrize(
    "direction",
    [lambda g: recurrent.GRU(3, 4, 2, g), lambda g: recurrent.BatchNormLSTM(3, 4, 5, g)],
    ids=(f"{HOW}, GRU", f"{HOW}, LSTM"),
)
def test_a_layer_trains_by_the_kernels_as_without_them(monkeypatch, recwarn, generator, direction):
    def trained(devices):
        monkeypatch.setattr(acceleration, "DEVICES", devices)
        acceleration._chosen.cache_clear()
        generator.manual_seed(1)
        layer = recurrent.Bidirectional(lambda: direction(generator), rate=0.0).to(DEVICE).train()
        y = layer(torch.randn(5, 6, 3, generator=generator).to(DEVICE))
        y.square().sum().backward()
        gradients = {name: value.grad for name, value in layer.named_parameters()}
        return {"hidden states": y, **gradients, **dict(layer.named_buffers())}

    calls = []
    for name in ("lstm", "gru"):
        kernel = getattr(kernels, name)
        monkeypatch.setattr(kernels, name, lambda *x, k=kernel: calls.append(k) or k(*x))
    expected = trained(set())
    assert not calls
    torch.testing.assert_close(trained({DEVICE.type}), expected, rtol=1e-4, atol=2e-5)
    assert calls and not recwarn.list


def test_kernels_normalise_with_the_epsilon_of_the_plain_functions():
    assert kernels.EPSILON.value == recurrent.StepNorm.EPSILON


@pytest.mark.parametrize(
    ("gpu", "shared_memory"),
    [("H200", SHARED_MEMORY), ("A100", 163 * 1024), ("RTX 4090", 99 * 1024), ("T4", 64 * 1024)],
)
@pytest.mark.parametrize("sequences", (1, 8, 32, 33, 64, 128, 256, 1000))
def test_a_product_of_the_lstm_has_as_many_rows_at_once_as_fit(gpu, shared_memory, sequences):
    """Rows are the frames of sequences of 20 epochs; powers of two, as Triton asks for."""
    _, launch = kernels._by_units(2, 20 * sequences, 64, shared_memory)
    rows, at_once = launch["R"], launch["P"]
    assert rows // 2 < max(20 * sequences, 16) <= rows
    assert least_shared_memory(at_once) <= shared_memory
    assert at_once == rows or least_shared_memory(2 * at_once) > shared_memory


def test_on_a_hopper_gpu_the_rows_of_64_sequences_are_one_product_and_those_of_128_two():
    launches = [kernels._by_units(2, 20 * n, 64, SHARED_MEMORY)[1] for n in (32, 64, 128)]
    assert [(launch["R"], launch["P"]) for launch in launches] == [
        (1024, 1024),
        (2048, 2048),
        (4096, 2048),
    ]


ROUNDED = 10 if DEVICE.type == "cpu" else 100
"""Times the rounding of the plain functions in single precision that kernels may be off: they add
in another order, and a GPU has other functions for tanh and the sigmoid (tests/gpu)."""


@pytest.mark.parametrize("layer", ("lstm", "gru"))
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{HOW}, {sizes}")
def test_variants_round_as_the_plain_functions_do(monkeypatch, sizes, variant, layer):
    """Against double precision. The interpreter takes products in TF32 for ones in float32."""
    for name, value in VARIANTS[variant].items():
        monkeypatch.setattr(kernels, name, value)
    torch.manual_seed(1)
    inputs = {"lstm": lstm_inputs, "gru": gru_inputs}[layer](*sizes)
    plain, fused = getattr(steps, layer), getattr(kernels, layer)
    grad = torch.randn(*sizes)

    def computed(take, place, dtype):
        given = [value.to(place, dtype).requires_grad_() for value in inputs]
        values = take(*given)
        values = (values,) if isinstance(values, torch.Tensor) else values
        gradients = torch.autograd.grad(values[0], given, grad.to(place, dtype))
        return [value.detach().to("cpu", torch.float64) for value in (*values, *gradients)]

    exact, single = (computed(plain, "cpu", dtype) for dtype in (torch.float64, torch.float32))
    found = computed(fused, DEVICE, torch.float32)
    for number, (ours, theirs, expected) in enumerate(zip(found, single, exact, strict=True)):
        rounding = max((theirs - expected).norm(), SINGLE * expected.norm())
        assert (ours - expected).norm() <= ROUNDED * rounding, number


@pytest.mark.parametrize("name", ("PRECISION", "DEPTH", "COLUMNS", "ROWS", "APART_DEPTH"))
def test_what_a_benchmark_changes_is_read_when_a_layer_runs(monkeypatch, name):
    def launches():
        by_units = kernels._by_units(2, 640, 64, SHARED_MEMORY)
        return by_units, kernels._by_tiles(2, 32, 256, kernels.DEPTH), kernels.APART_DEPTH

    before = launches()
    monkeypatch.setattr(kernels, name, "tf32x3" if name == "PRECISION" else 64)
    assert launches() != before


def test_the_lstm_takes_its_products_apart_only_when_it_is_told(monkeypatch):
    calls = []

    class Counted:
        def __init__(self, kernel):
            self.kernel = kernel

        def __getitem__(self, grid):
            calls.append(grid)
            return self.kernel[grid]

    monkeypatch.setattr(kernels, "_lstm_product", Counted(kernels._lstm_product))
    D, T, N, u = SIZES[0]
    for apart in (False, True):
        monkeypatch.setattr(kernels, "APART", apart)
        given = [value.to(DEVICE).requires_grad_() for value in lstm_inputs(D, T, N, u)]
        kernels.lstm(*given)[0].sum().backward()
        assert len(calls) == (2 * (T - 1) if apart else 0)


@pytest.mark.parametrize("dropped", (0, 64, 128))
@pytest.mark.parametrize("sizes", [(1, 3, 4), (6, 5, 16), (7, 130, 5)], ids=lambda s: f"{HOW}, {s}")
def test_fused_activation_is_the_plain_one_bit_for_bit(sizes, dropped):
    T, N, C = sizes
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(sizes, generator=generator)
    x[0, 0, :2] = torch.tensor([0.0, -0.0])
    draws = torch.randint(256, (N, T, C), generator=generator, dtype=torch.uint8).transpose(0, 1)
    grad = torch.randn((T + 1) // 2, N, 2 * C, generator=generator).to(DEVICE)
    found = []
    for apply in (convolution._LeakyDropout.apply, activation.leaky_dropout):
        given = x.to(DEVICE).requires_grad_()
        y = apply(given, draws.to(DEVICE) if dropped else None, dropped)
        found.append((y, *torch.autograd.grad(y, given, grad)))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
        assert torch.equal(ours.signbit(), theirs.signbit())


@pytest.mark.parametrize("training", (True, False), ids=(f"{HOW}, training", f"{HOW}, evaluation"))
def test_fused_activations_are_in_a_network_what_the_plain_ones_are(monkeypatch, recwarn, training):
    def computed(fused):
        monkeypatch.setattr(convolution, "FUSED", fused)
        monkeypatch.setattr(acceleration, "DEVICES", {DEVICE.type})
        fcnn = FCNN(1, 60, NetworkSettings(filters=(4, 8, 8)), torch.Generator().manual_seed(1))
        fcnn.to(DEVICE).train(training)
        torch.manual_seed(1)
        features = fcnn(torch.randn(3, 60, 1, device=DEVICE))
        features.square().sum().backward()
        gradients = [parameter.grad for parameter in fcnn.parameters()]
        return [features, *gradients, torch.rand(1, device=DEVICE)]

    calls = []
    kernel = activation.leaky_dropout
    monkeypatch.setattr(activation, "leaky_dropout", lambda *x: calls.append(x) or kernel(*x))
    convolution._fused.cache_clear()
    expected = computed(fused=False)
    assert not calls
    for ours, theirs in zip(computed(fused=True), expected, strict=True):
        assert torch.equal(ours, theirs)
    assert calls and not recwarn.list
    convolution._fused.cache_clear()


def test_kernels_compile_for_a_hopper_gpu_and_fit_its_shared_memory(tmp_path):
    """By variant and number of sequences. The interpreter takes what the compiler may refuse."""
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.networks.compile_kernels"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [line.split(": ") for line in done.stdout.splitlines()]
    compiled = {(variant, sequences) for variant, sequences, _ in found}
    assert compiled == {
        *(("default", str(sequences)) for sequences in SEQUENCES),
        *((variant, str(sequences)) for variant in VARIANTS for sequences in SOME),
        ("fused", "any"),
    }
    assert not [line for line in found if int(line[-1]) > SHARED_MEMORY]
