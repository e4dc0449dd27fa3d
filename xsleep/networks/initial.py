"""Initial weights, from the distributions of TensorFlow's initialisers."""

from __future__ import annotations

import math

import torch
from torch import Generator, nn


def glorot(*shape: int, generator: Generator, fans: int | None = None) -> nn.Parameter:
    """Return a Glorot-uniform parameter; the length of a vector is both its fans, as in TensorFlow.

    Args:
        fans: sum of both fans; by default that of the first and the last axis.
    """
    limit = math.sqrt(6 / (fans or shape[0] + shape[-1]))
    return nn.Parameter(torch.empty(shape).uniform_(-limit, limit, generator=generator))


def truncated(*shape: int, deviation: float, generator: Generator) -> nn.Parameter:
    """Return a parameter of a normal distribution that is cut off at twice this deviation."""
    values = torch.empty(shape)
    nn.init.trunc_normal_(values, 0, deviation, -2 * deviation, 2 * deviation, generator)
    return nn.Parameter(values)


def normal(*shape: int, deviation: float, generator: Generator) -> nn.Parameter:
    """Return a normally distributed parameter of mean 0 and this standard deviation."""
    return nn.Parameter(deviation * torch.randn(shape, generator=generator))
