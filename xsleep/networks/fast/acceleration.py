"""Choice between fused GPU kernels and the functions that they replace."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module

import torch
from torch import Tensor

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

    Both are compared when a layer first runs, at its sizes. Where the kernels fail or differ, a
    warning is given and the plain function is used from then on.
    """
    first = inputs[0]
    if first.device.type not in DEVICES or first.dtype != torch.float32:
        return plain(*inputs)
    return _chosen(name, plain, tuple(value.shape for value in inputs), first.device)(*inputs)


@cache
def _chosen(name: str, plain: Steps, shapes: Sequence[torch.Size], device: torch.device) -> Steps:
    """Return the kernels or the plain function, for inputs of these shapes."""
    try:
        kernels: Steps = getattr(import_module("xsleep.networks.fast.kernels"), name)
        found = _difference(plain, kernels, shapes, device)
        reason = None if found <= TOLERANCE else f"they differ by {found:.1g} of the largest value"
    except Exception as error:  # of any type, in the compiler or on the device
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if reason is None:
        return kernels
    warnings.warn(f"{name}: without the GPU kernels, {reason}", RuntimeWarning, stacklevel=2)
    return plain


def _difference(
    plain: Steps, kernels: Steps, shapes: Sequence[torch.Size], device: torch.device
) -> float:
    """Return the largest difference of values and gradients, relative to the largest of each."""
    # A separate generator, so that the check does not change the random numbers of the training.
    generator = torch.Generator(device).manual_seed(1)
    D, T, *rest = shapes[0]
    inputs = [
        torch.randn(shape, generator=generator, device=device)
        for shape in ((D, min(T, CHECKED_STEPS), *rest), *shapes[1:])
    ]
    for weights in inputs[1:]:
        weights /= weights.shape[-2] ** 0.5  # sums over the units stay near 1
    results = []
    for steps in (plain, kernels):
        leaves = [value.clone().requires_grad_() for value in inputs]
        values = steps(*leaves)
        values = (values,) if isinstance(values, Tensor) else values
        results.append((*values, *torch.autograd.grad(values[0].square().sum(), leaves)))
    differences = [
        (ours - theirs).abs().max() / theirs.abs().max().clamp(min=NEGLIGIBLE)
        for theirs, ours in zip(*results, strict=True)
    ]
    return torch.stack(differences).max().item()  # NaN where there is any
