"""Dropout with masks of bytes, which are cheap to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def threshold(rate: float) -> int:
    """Return the value of a byte below which an element is dropped.

    Rates are rounded to multiples of 1/256; 0.25 and 0.5 are exact.
    """
    return round(256 * rate)


def draw(shape: Sequence[int], device: torch.device) -> Tensor:
    """Return random bytes, one for each element.

    On CPUs this is several times faster than ``F.dropout``, which draws a number for each.
    """
    size = math.prod(shape)
    words = torch.empty(size // 8 + 1, dtype=torch.int64, device=device)
    return words.random_(-(2**63), None).view(torch.uint8)[:size].view(shape)


def factors(draws: Tensor, dropped: int, dtype: torch.dtype) -> Tensor:
    """Return the factors of inverted dropout: 0 for draws below ``dropped``, else constant."""
    out = torch.empty(draws.shape, dtype=dtype, device=draws.device)
    return torch.ge(draws, dropped, out=out).mul_(256 / (256 - dropped))


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Apply inverted dropout to a tensor of any shape."""
    dropped = threshold(rate)
    if not training or dropped == 0:
        return x
    return x * factors(draw(x.shape, x.device), dropped, x.dtype)
