"""The epoch-level part of the time-frequency stream, and the output layer."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor, nn

from xsleep.networks.initial import glorot, normal

BINS = 129
"""Frequency bins of a spectrogram frame, 0 to 50 Hz."""


def triangles(filters: int) -> Tensor:
    """Bank of linear triangles between 0 and 50 Hz, ``(129, filters)``.

    The corners are equidistant frequencies rounded down to bins of a 256-point
    spectrum at 100 Hz.
    """
    corners = np.floor(257 * np.linspace(0, 50, filters + 2) / 100)
    bins = np.arange(BINS)
    bank = [np.interp(bins, corners[i : i + 3], (0, 1, 0)) for i in range(filters)]
    return torch.tensor(np.stack(bank, axis=1), dtype=torch.float32)


class Filterbank(nn.Module):
    """Learned filterbank, one for each channel, outputs side by side (Section 3).

    ``(N, 29, 129, C)`` to ``(N, 29, C * filters)``. A sigmoid keeps the weights
    non-negative, the triangles keep each filter in its band.
    """

    def __init__(self, channels: int, filters: int, generator: Generator):
        super().__init__()
        self.weight = normal(channels, BINS, filters, deviation=1.0, generator=generator)
        self.register_buffer("triangles", triangles(filters), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        bank = torch.sigmoid(self.weight) * self.triangles  # (C, 129, filters)
        return torch.cat([x[..., c] @ bank[c] for c in range(len(bank))], dim=-1)


def unshifted_softmax(scores: Tensor) -> Tensor:
    """Softmax over the first axis as eq. 5 reads; scores above 88 overflow."""
    weights = scores.exp()
    return weights / weights.sum(0)


ATTENTION_SOFTMAX = {"shifted": partial(torch.softmax, dim=0), "unshifted": unshifted_softmax}


class Attention(nn.Module):
    """Weighted mean over time, weights learned (eq. 5): ``(T, N, F)`` to ``(N, F)``."""

    def __init__(self, features: int, size: int, softmax: str, generator: Generator):
        super().__init__()
        self.softmax = ATTENTION_SOFTMAX[softmax]
        self.kernel = normal(features, size, deviation=0.1, generator=generator)
        self.bias = normal(size, deviation=0.1, generator=generator)
        self.context = normal(size, deviation=0.1, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.tanh(x @ self.kernel + self.bias) @ self.context  # (T, N)
        return (x * self.softmax(scores).unsqueeze(2)).sum(0)


class Output(nn.Module):
    """Linear layer to the logits of the stages, ``(..., F)`` to ``(..., stages)``."""

    def __init__(self, features: int, stages: int, generator: Generator):
        super().__init__()
        self.weight = glorot(features, stages, generator=generator)
        self.bias = glorot(stages, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias
