"""Choice between fused GPU kernels and the functions that they replace."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from xsleep.compute.device import lacks_memory

Steps = Callable[..., Tensor | tuple[Tensor, ...]]
"""Function of a layer's inputs ``(D, T, ...)`` and weights that returns hidden states and more."""

DEVICES = {"cuda"}
"""Types of the devices that the kernels run on."""

CHECKED_STEPS = 3
"""Time steps of a self-check: a first, a last and one between."""

TOLERANCE = 1e-3
"""Largest accepted difference relative to the largest value; rounding is below a tenth of it."""

NEGLIGIBLE = 1e-2
"""Least value that differences are relative to. Smaller ones are sums that cancel, as gradients
through a normalisation over two rows, whose rounding is that of their terms."""


def accelerated(name: str, plain: Steps, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Return ``plain(*inputs)``, computed by the kernels of this name where they agree with it.

    Both are compared when a layer first runs, at its sizes.
    """
    first = inputs[0]
    if not serves(first):
        return plain(*inputs)
    return _chosen(name, plain, tuple(value.shape for value in inputs), first.device)(*inputs)


def serves(x: Tensor) -> bool:
    """Return whether there are kernels for a tensor's device and type."""
    return x.device.type in DEVICES and x.dtype == torch.float32


@cache
def _chosen(name: str, plain: Steps, shapes: Sequence[torch.Size], device: torch.device) -> Steps:
    """Return the kernels or the plain function, for inputs of these shapes."""
    return agreeing("kernels", name, plain, partial(_noise, shapes, device))


def agreeing(module: str, name: str, plain: Steps, sample: Callable[[], Sequence[Any]]) -> Steps:
    """Return the kernels of this name in a module if they agree with the plain function.

    Where they fail, or differ on a sample of the inputs, a warning is given and the plain function
    is returned.

    Raises:
        RuntimeError: the GPU's memory is full, which says nothing about the kernels. The plain
            function rounds differently, and would make it another training.
    """
    try:
        kernels: Steps = getattr(import_module(f"xsleep.networks.fast.{module}"), name)
        found = _difference(plain, kernels, sample())
        reason = None if found <= TOLERANCE else f"they differ by {found:.1g} of the largest value"
    except Exception as error:  # of any type, in the compiler or on the device
        if lacks_memory(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if reason is None:
        return kernels
    warnings.warn(f"{name}: without the GPU kernels, {reason}", RuntimeWarning, stacklevel=3)
    return plain


def _noise(shapes: Sequence[torch.Size], device: torch.device) -> list[Tensor]:
    """Return inputs of a recurrent layer, with few time steps."""
    # A separate generator, so that the check does not change the random numbers of the training.
    generator = torch.Generator(device).manual_seed(1)
    D, T, *rest = shapes[0]
    inputs = [
        torch.randn(shape, generator=generator, device=device)
        for shape in ((D, min(T, CHECKED_STEPS), *rest), *shapes[1:])
    ]
    for weights in inputs[1:]:
        weights /= weights.shape[-2] ** 0.5  # sums over the units stay near 1
    return inputs


def _difference(plain: Steps, kernels: Steps, inputs: Sequence[Any]) -> float:
    """Return the largest difference of values and gradients, relative to the largest of each.

    Gradients are those of the inputs that are tensors of floating-point numbers.
    """
    results = []
    for steps in (plain, kernels):
        given = [value.clone() if isinstance(value, Tensor) else value for value in inputs]
        leaves = [
            x.requires_grad_() for x in given if isinstance(x, Tensor) and x.is_floating_point()
        ]
        values = steps(*given)
        values = (values,) if isinstance(values, Tensor) else values
        results.append((*values, *torch.autograd.grad(values[0].square().sum(), leaves)))
    differences = [
        (ours - theirs).abs().max() / theirs.abs().max().clamp(min=NEGLIGIBLE)
        for theirs, ours in zip(*results, strict=True)
    ]
    return torch.stack(differences).max().item()  # NaN where there is any
