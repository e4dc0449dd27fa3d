"""The kernels against the plain functions, by Triton's interpreter where there is no GPU."""

import os
import subprocess
import sys

import pytest
import torch

from tests.helpers.recordings import ROOT
from xsleep.compute import device

DEVICE = device.best()
if DEVICE.type == "cpu":  # Triton asks when it is imported
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton", reason="Triton is not installed: make test-kernels installs it")

from tests.networks.compile_kernels import SHARED_MEMORY  # noqa: E402
from xsleep.networks import recurrent  # noqa: E402
from xsleep.networks.fast import acceleration, kernels, steps  # noqa: E402

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


def test_kernels_compile_for_a_hopper_gpu_and_fit_its_shared_memory(tmp_path):
    """The interpreter takes what the compiler may refuse."""
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.networks.compile_kernels"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= SHARED_MEMORY
