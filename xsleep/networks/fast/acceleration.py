"""Choice between the fused kernels and the plain functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module

import torch
from torch import Tensor

Steps = Callable[..., Tensor | tuple[Tensor, ...]]
"""All steps of a recurrent layer: inputs ``(D, T, ...)`` and weights to hidden states and more."""

DEVICES = {"cuda"}
"""Types of devices that the kernels run on."""

CHECKED_STEPS = 3
"""Steps of a self-check: a first, a last and one between."""

TOLERANCE = 1e-3
"""Of the largest value; rounding stays below a tenth of it, a wrong step does not."""

NEGLIGIBLE = 1e-2
"""A largest value below this is a sum that cancels, such as a gradient through a normalisation over
two rows: its rounding is not measured by what is left of it."""


def accelerated(name: str, plain: Steps, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
    """What ``plain`` returns, by the kernels of this name where there are some that agree.

    They are compared when a layer first runs, at its sizes; where they fail or differ, a warning
    says so and the plain function serves from then on.
    """
    first = inputs[0]
    if first.device.type not in DEVICES or first.dtype != torch.float32:
        return plain(*inputs)
    return _chosen(name, plain, tuple(value.shape for value in inputs), first.device)(*inputs)


@cache
def _chosen(name: str, plain: Steps, shapes: Sequence[torch.Size], device: torch.device) -> Steps:
    try:
        kernels = getattr(import_module("xsleep.networks.fast.kernels"), name)
        found = _difference(plain, kernels, shapes, device)
        reason = None if found <= TOLERANCE else f"they differ by {found:.1g} of the largest value"
    except Exception as error:  # of whatever kind, in the compiler or on the device
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if reason is None:
        return kernels
    warnings.warn(f"{name}: without the GPU kernels, {reason}", RuntimeWarning, stacklevel=2)
    return plain


def _difference(
    plain: Steps, kernels: Steps, shapes: Sequence[torch.Size], device: torch.device
) -> float:
    """The largest difference of values and gradients, each relative to its largest value."""
    # A generator of its own: the training's random numbers do not depend on the check.
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
