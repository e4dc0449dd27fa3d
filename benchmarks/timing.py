"""Shared by the benchmarks of the networks: times as ratios within one run.

The speed of shared machines varies by a third from minute to minute. The matrix rate is therefore
measured again with every repeat, and the median of the ratios counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

SIDE = 2048


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def product_seconds() -> float:
    """Return the least time of three fp32 products of two square matrices."""
    a, b = torch.randn(2, SIDE, SIDE)
    return min(seconds(lambda: a @ b) for _ in range(3))


def over_floor(function: Callable[[], object], flop: float, repeats: int) -> tuple[float, float]:
    """Return the median seconds of a function, and of its ratio to ``flop`` at the matrix rate."""
    function()
    product_seconds()
    times, ratios = [], []
    for _ in range(repeats):
        before = product_seconds()
        times.append(seconds(function))
        rate = 2 * SIDE**3 / ((before + product_seconds()) / 2)
        ratios.append(times[-1] / (flop / rate))
    return statistics.median(times), statistics.median(ratios)


def machine() -> str:
    return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"
