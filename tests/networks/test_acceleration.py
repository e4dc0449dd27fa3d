"""Kernels serve where they agree with the plain functions; else a warning is given, and these do.

Functions on the CPU stand in for kernels; the real ones are those of test_kernels and tests/gpu.
"""

import sys
from types import SimpleNamespace

import pytest
import torch

from xsleep.networks.fast import acceleration, convolution, steps

SHAPES = {
    "lstm": [(2, 4, 6, 12), (2, 3, 12), (2, 12), (2, 12), (2, 12), (2, 3), (2, 3)],
    "gru": [(2, 4, 6, 9), (2, 3, 6), (2, 3, 3)],
}
PLAIN = {"lstm": steps.lstm, "gru": steps.gru}


class Counted:
    """A stand-in for kernels: the plain function with its hidden states changed, and a count."""

    def __init__(self, plain, change=lambda values: values):
        self.plain, self.change, self.calls = plain, change, 0

    def __call__(self, *inputs):
        self.calls += 1
        values = self.plain(*inputs)
        if isinstance(values, tuple):
            return self.change(values[0]), *values[1:]
        return self.change(values)


class WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, grad):
        return 1.01 * grad


@pytest.fixture(autouse=True)
def cpu_is_accelerated(monkeypatch):
    monkeypatch.setattr(acceleration, "DEVICES", {"cpu"})
    acceleration._chosen.cache_clear()
    yield
    acceleration._chosen.cache_clear()


def install(monkeypatch, kernels):
    names = dict.fromkeys(SHAPES, kernels)
    monkeypatch.setitem(sys.modules, "xsleep.networks.fast.kernels", SimpleNamespace(**names))


def inputs(name):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for shape in SHAPES[name]]


def run(name):
    """Hidden states as a layer gets them."""
    values = acceleration.accelerated(name, PLAIN[name], *inputs(name))
    return values[0] if isinstance(values, tuple) else values


@pytest.mark.parametrize("name", SHAPES)
def test_functions_in_place_of_kernels_serve_where_they_agree_and_are_checked_once(
    monkeypatch, name
):
    kernels = Counted(PLAIN[name], lambda values: values * (1 + 1e-6))
    install(monkeypatch, kernels)
    run(name), run(name)
    assert kernels.calls == 1 + 2


def fails(values):
    raise RuntimeError("out of resource:\nshared memory")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("Triton Error [CUDA]: out of memory"),
    ],
    ids=("of PyTorch", "of Triton"),
)
def test_a_check_that_finds_no_memory_does_not_choose_the_plain_functions(monkeypatch, error):
    """They round differently, so that the training would be another one."""

    def full(values):
        raise error

    install(monkeypatch, Counted(PLAIN["lstm"], full))
    with pytest.raises(type(error), match="out of memory"):
        run("lstm")
    install(monkeypatch, kernels := Counted(PLAIN["lstm"]))
    run("lstm")
    assert kernels.calls == 2  # checked again, and used


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (fails, "RuntimeError: out of resource: shared memory"),
        (lambda values: values * 1.01, "differ by"),
        (WrongGradient.apply, "differ by"),
        (lambda values: values * float("nan"), "differ by nan"),
    ],
    ids=("raises", "wrong values", "wrong gradients", "nan"),
)
def test_functions_in_place_of_kernels_that_fail_or_differ_are_replaced_after_one_warning(
    monkeypatch, recwarn, name, change, reason
):
    kernels = Counted(PLAIN[name], change)
    install(monkeypatch, kernels)
    for _ in range(2):
        expected = PLAIN[name](*inputs(name))
        assert torch.equal(run(name), expected[0] if name == "lstm" else expected)
    (warning,) = recwarn
    message = str(warning.message)
    assert reason in message and message.startswith(f"{name}: without the GPU kernels")
    assert "\n" not in message
    assert kernels.calls == 1


def test_without_triton_the_plain_functions_serve(monkeypatch, recwarn):
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "xsleep.networks.fast.kernels", raising=False)
    assert torch.equal(run("gru"), PLAIN["gru"](*inputs("gru")))
    (warning,) = recwarn
    assert "triton" in str(warning.message)


def test_the_check_draws_no_random_numbers_of_a_training_on_a_cpu(monkeypatch):
    install(monkeypatch, Counted(PLAIN["gru"]))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    run("gru")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("rows", (1, 2))
def test_gradients_that_cancel_in_place_of_kernels_are_not_taken_for_wrong_ones(
    monkeypatch, recwarn, rows
):
    """Batch statistics over so few rows leave nothing but rounding of some gradients."""
    monkeypatch.setitem(SHAPES, "lstm", [(2, 4, rows, 12), *SHAPES["lstm"][1:]])

    class InDouble(torch.autograd.Function):
        """The same with other roundings."""

        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return tuple(v.float() for v in PLAIN["lstm"](*(i.double() for i in inputs)))

        @staticmethod
        def backward(ctx, grad, *_):
            with torch.enable_grad():
                doubles = [v.detach().double().requires_grad_() for v in ctx.saved_tensors]
                hidden = PLAIN["lstm"](*doubles)[0]
            return tuple(g.float() for g in torch.autograd.grad(hidden, doubles, grad.double()))

    install(monkeypatch, InDouble.apply)
    run("lstm")
    assert not recwarn.list


@pytest.mark.parametrize("change", ({"device": "cuda"}, {"dtype": torch.float64}))
def test_other_devices_and_types_have_the_plain_functions(monkeypatch, change):
    install(monkeypatch, fails)
    if "device" in change:
        monkeypatch.setattr(acceleration, "DEVICES", {"cuda"})
    given = [value.to(change.get("dtype", torch.float32)) for value in inputs("gru")]
    values = acceleration.accelerated("gru", PLAIN["gru"], *given)
    assert torch.equal(values, PLAIN["gru"](*given))


@pytest.fixture
def activation(monkeypatch):
    """The activation of a layer, which asks for kernels, and a way to install stand-ins."""
    monkeypatch.setattr(convolution, "FUSED", True)
    convolution._fused.cache_clear()

    def installed(kernel):
        module = SimpleNamespace(leaky_dropout=kernel)
        monkeypatch.setitem(sys.modules, "xsleep.networks.fast.activation", module)

    yield convolution.LeakyReLU().train(), installed
    convolution._fused.cache_clear()


def activated(layer, rate=0.5):
    torch.manual_seed(1)
    x = torch.randn(5, 3, 4, requires_grad=True)
    y = layer(x, rate)
    (gradient,) = torch.autograd.grad(y.square().sum(), x)
    return torch.stack([y.flatten()[: x.numel()], gradient.flatten()])


def test_a_function_in_place_of_the_activations_kernel_serves_where_it_agrees(
    activation, monkeypatch, recwarn
):
    layer, installed = activation
    calls = []
    installed(lambda *given: calls.append(given) or convolution._LeakyDropout.apply(*given))
    found = [activated(layer) for _ in range(2)]
    assert len(calls) == 1 + 2 and not recwarn.list
    activated(layer.eval())
    assert calls[-1][1:] == (None, 0)
    layer.train()
    monkeypatch.setattr(convolution, "FUSED", False)
    calls.clear()
    expected = activated(layer)
    assert not calls
    assert all(torch.equal(values, expected) for values in found)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (fails, "RuntimeError"),
        (lambda y: 1.01 * y, "differ by"),
        (WrongGradient.apply, "differ by"),
    ],
    ids=("raises", "wrong values", "wrong gradients"),
)
def test_a_function_in_place_of_the_activations_kernel_is_replaced_after_one_warning(
    activation, monkeypatch, change, reason
):
    layer, installed = activation
    installed(lambda *given: change(convolution._LeakyDropout.apply(*given)))
    with pytest.warns(RuntimeWarning, match=f"leaky_dropout: .*{reason}") as warned:
        found = [activated(layer) for _ in range(2)]
    assert len(warned) == 1
    monkeypatch.setattr(convolution, "FUSED", False)
    assert all(torch.equal(values, activated(layer)) for values in found)
