"""Leaky ReLU, dropout and pairing of samples as one GPU kernel, and their gradient as another.

PyTorch takes some five kernels either way, which do little but read and write feature maps. Values
are bit for bit those of `xsleep.networks.fast.convolution`; float32 only.

Shapes: T samples, N epochs, C filters.
"""

# The arguments of kernels have types of Triton's own, of which there are no stubs.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from xsleep.networks.fast.convolution import SLOPE

BLOCK = 1024
"""Values of a program."""


@triton.jit
def _places(T, N, C: tl.constexpr, BLOCK: tl.constexpr):
    """Return which values of a pair ``(N, 2, C)`` a program has: whether they exist, and where.

    They are at these places of the pairs, of the samples ``(T, N, C)`` and of the draws
    ``(N, T, C)``. After an odd last sample there is no other.
    """
    pair = tl.program_id(1).to(tl.int64)
    values = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    epoch, time, channel = values // (2 * C), 2 * pair + values // C % 2, values % C
    exists = values < N * 2 * C
    sample_at = (time * N + epoch) * C + channel
    draw_at = (epoch.to(tl.int64) * T + time) * C + channel
    return exists, exists & (time < T), pair * N * 2 * C + values, sample_at, draw_at


@triton.jit
def _leaky(x, sign, draws, draw_at, is_sample, SLOPE: tl.constexpr, DROPPED: tl.constexpr):
    """Return x times the slope, where ``sign`` is not above 0, and times the factor of dropout."""
    x = tl.where(sign > 0, x, x * SLOPE)
    if DROPPED > 0:
        draw = tl.load(draws + draw_at, mask=is_sample, other=0).to(tl.int32)
        x *= (draw >= DROPPED).to(tl.float32) * (256 / (256 - DROPPED))
    return x


@triton.jit
def _leaky_dropout_forward(
    x, draws, y, T, N,
    C: tl.constexpr, SLOPE: tl.constexpr, DROPPED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    exists, is_sample, pair_at, sample_at, draw_at = _places(T, N, C, BLOCK)
    value = tl.load(x + sample_at, mask=is_sample, other=0.0)
    value = _leaky(value, value, draws, draw_at, is_sample, SLOPE, DROPPED)
    tl.store(y + pair_at, value, mask=exists)


@triton.jit
def _leaky_dropout_backward(
    grad, draws, y, x_grad, T, N,
    C: tl.constexpr, SLOPE: tl.constexpr, DROPPED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    _, is_sample, pair_at, sample_at, draw_at = _places(T, N, C, BLOCK)
    value = tl.load(y + pair_at, mask=is_sample, other=0.0)
    d = tl.load(grad + pair_at, mask=is_sample, other=0.0)
    d = _leaky(d, value, draws, draw_at, is_sample, SLOPE, DROPPED)
    tl.store(x_grad + sample_at, d, mask=is_sample)


def _by_pairs(
    T: int, N: int, C: int, dropped: int
) -> tuple[tuple[int, int], dict[str, int | float | bool]]:
    """Return the grid and the compiler's arguments of either kernel."""
    launch = {"C": C, "SLOPE": SLOPE, "DROPPED": dropped, "BLOCK": BLOCK, "enable_fp_fusion": False}
    return (triton.cdiv(2 * N * C, BLOCK), (T + 1) // 2), launch


class _LeakyDropout(torch.autograd.Function):
    """The same as in `xsleep.networks.fast.convolution`, whose draws are by epoch."""

    @staticmethod
    def forward(ctx, x, draws, dropped):
        T, N, C = x.shape
        if draws is not None:
            draws = draws.transpose(0, 1).contiguous()  # as they were drawn
        y = x.new_empty((T + 1) // 2, N, 2 * C)
        grid, launch = _by_pairs(T, N, C, dropped)
        _leaky_dropout_forward[grid](x.contiguous(), draws, y, T, N, **launch)
        ctx.save_for_backward(y, draws)
        ctx.shape, ctx.dropped = x.shape, dropped
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        y, draws = ctx.saved_tensors
        T, N, C = ctx.shape
        x_grad = grad.new_empty(ctx.shape)
        grid, launch = _by_pairs(T, N, C, ctx.dropped)
        _leaky_dropout_backward[grid](grad.contiguous(), draws, y, x_grad, T, N, **launch)
        return x_grad, None, None


leaky_dropout = _LeakyDropout.apply
