"""Initial values, from the distributions of TensorFlow's initialisers."""

from __future__ import annotations

import math

import torch
from torch import Generator, nn


def glorot(*shape: int, generator: Generator, fans: int | None = None) -> nn.Parameter:
    """Glorot-uniform values; a vector counts its length as both fans, as in TensorFlow.

    ``fans`` is the sum of both where it is not that of the first and the last axis.
    """
    limit = math.sqrt(6 / (fans or shape[0] + shape[-1]))
    return nn.Parameter(torch.empty(shape).uniform_(-limit, limit, generator=generator))


def normal(*shape: int, deviation: float, generator: Generator) -> nn.Parameter:
    """Normal values around 0."""
    return nn.Parameter(deviation * torch.randn(shape, generator=generator))
