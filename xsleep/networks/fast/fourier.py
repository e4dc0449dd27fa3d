"""Correlation with long filters in the frequency domain, by matrix products.

In the time domain a filter of 16 taps costs 16 products for each output. Here the spectra of filter
and pieces of the signal are multiplied frequency by frequency, with three real products for a
complex one: 2.5 products for each output of a piece of 24. The transforms are matrix products as
well, the same for every epoch and channel, so the period need not suit a fast transform. Rounding
is that of the plain sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

PIECE = {"cpu": 24, "cuda": 94}
"""Approximate number of outputs of a piece: on a GPU fewer and larger steps are faster."""

CACHED = 20_480
"""Number of values per frequency that fit into a processor's cache for all frequencies."""


@dataclass(frozen=True)
class Piece:
    """Neighbouring outputs, the rows of the input that they read, and the places of these rows."""

    outputs: slice
    rows: slice
    columns: slice


@dataclass(frozen=True)
class Plan:
    """Pieces of a correlation, and the matrices between time and f frequencies.

    A spectrum has 2f rows: the sines and cosines of an input, the real and imaginary parts of an
    output. ``to_input`` is ``(2f, rows)``, ``from_output`` ``(outputs, 2f)``.
    ``to_filter``, ``(3f, taps)``, gives the factors of the sines, of the cosines, of their sums.
    """

    pieces: tuple[Piece, ...]
    period: int
    to_filter: Tensor
    to_input: Tensor
    from_output: Tensor

    def each(self, x: Tensor, features: int) -> Iterator[tuple[Piece, slice, Tensor, Tensor]]:
        """Yield pieces and ranges of as many epochs as the cache holds.

        With them come the same two buffers each time, for the factors and for the products.
        """
        N, K = x.shape[1:]
        J = len(self.to_filter)
        most = N if x.is_cuda else min(max(CACHED // max(K, features), 1), N)
        V, M = x.new_empty(J * most * K), x.new_empty(J * most * features)
        for piece in self.pieces:
            for first in range(0, N, most):
                n = min(most, N - first)
                v, m = V[: J * n * K].view(3, -1, n, K), M[: J * n * features]
                yield piece, slice(first, first + n), v, m.view(3, -1, n, features)


@lru_cache
def plan(
    rows: int,
    taps: int,
    before: int,
    outputs: int,
    *,
    piece: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Plan:
    """Return the plan to correlate ``rows`` samples, after ``before`` zeros, with ``taps``."""
    size = -(-outputs // -(-outputs // piece))
    span = size + taps - 1
    pieces = []
    for first in range(0, outputs, size):
        low, high = max(before - first, 0), min(before - first + rows, span)
        pieces.append(
            Piece(
                slice(first, min(first + size, outputs)),
                slice(first - before + low, first - before + high),
                slice(low, high),
            )
        )
    # A periodic signal must not meet a tap twice, nor one out of reach.
    period, reach = span, slice(0, taps)
    if len(pieces) == 1:
        period = min(span, rows + size - 1)
        reach = slice(max(low - size + 1, 0), high)

    def waves(numbers: int) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of every frequency, ``(f, numbers)``."""
        turns = torch.outer(torch.arange(period // 2 + 1), torch.arange(numbers)) % period
        angles = turns.double() * (2 * math.pi / period)
        return angles.cos(), angles.sin()

    cosine, sine = waves(taps)
    to_filter = torch.cat([-cosine - sine, sine - cosine, cosine])
    reached = torch.zeros_like(to_filter)
    reached[:, reach] = 1
    cosine, sine = waves(span)
    to_input = torch.cat([-sine, cosine])
    cosine, sine = waves(size)
    # Every frequency but 0 and the highest of an even period stands for two.
    cosine[0] /= 2
    if period % 2 == 0:
        cosine[-1] /= 2
    from_output = 2 / period * torch.cat([cosine, -sine])
    matrices = (to_filter * reached, to_input, from_output.T)
    return Plan(tuple(pieces), period, *(m.to(device, dtype).contiguous() for m in matrices))


class _Correlation(torch.autograd.Function):
    """Correlation as in `correlate`.

    With cosines a, c and sines b, d of input and filter the products are -b (c + d), a (d - c) and
    (a + b) c; the last is added to the others, which gives real and imaginary parts. The backward
    pass is the same with input and output exchanged.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, before: int, outputs: int
    ) -> Tensor:
        R, N, K = x.shape
        taps, _, F = weight.shape
        size = PIECE[x.device.type]
        p = plan(R, taps, before, outputs, piece=size, dtype=x.dtype, device=x.device)
        ctx.plan = p
        ctx.save_for_backward(x, weight)
        filters = (p.to_filter @ weight.flatten(1)).view(-1, K, F)
        y = x.new_empty(outputs, N, F)
        for piece, some, V, M in p.each(x, F):
            rows = x[piece.rows, some].flatten(1)
            torch.mm(p.to_input[:, piece.columns], rows, out=V[:2].view(len(p.to_input), -1))
            torch.add(V[0], V[1], out=V[2])
            torch.bmm(V.flatten(0, 1), filters, out=M.flatten(0, 1))
            M[:2] += M[2]
            M[0, 0] += p.period * bias
            part = y[piece.outputs, some].flatten(1)
            torch.mm(p.from_output[: len(part)], M[:2].view(len(p.to_input), -1), out=part)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias, *_ = ctx.needs_input_grad
        p: Plan = ctx.plan
        grad = grad.contiguous()
        K, F = weight.shape[1:]
        filters = (p.to_filter @ weight.flatten(1)).view(-1, K, F).transpose(1, 2).contiguous()
        grad_x = torch.zeros_like(x) if for_x else None
        grad_filters = x.new_zeros(len(filters), K, F)
        grad_bias = x.new_zeros(1, F)
        for piece, some, V, M in p.each(x, F):
            part = grad[piece.outputs, some].flatten(1)
            torch.mm(p.from_output[: len(part)].T, part, out=M[:2].view(len(p.to_input), -1))
            torch.add(M[0], M[1], out=M[2])
            rows = (piece.rows, some)
            to_input = p.to_input[:, piece.columns]
            spectrum = V[:2].view(len(to_input), -1)
            if for_weight:
                torch.mm(to_input, x[rows].flatten(1), out=spectrum)
                torch.add(V[0], V[1], out=V[2])
                factors = V.flatten(0, 1).transpose(1, 2)
                torch.baddbmm(grad_filters, factors, M.flatten(0, 1), out=grad_filters)
            if for_bias:
                grad_bias.addmm_(M.new_ones(1, M.shape[2]), M[0, 0], alpha=p.period)
            if grad_x is not None:
                torch.bmm(M.flatten(0, 1), filters, out=V.flatten(0, 1))
                V[:2] += V[2]
                part = grad_x[rows].flatten(1)
                torch.addmm(part, to_input.T, spectrum, out=part)
        grad_weight = (p.to_filter.T @ grad_filters.flatten(1)).view(weight.shape)
        return grad_x, grad_weight, grad_bias[0], None, None


def correlate(x: Tensor, weight: Tensor, bias: Tensor, *, before: int, outputs: int) -> Tensor:
    """Return ``y[t] = bias + sum over q of x[t + q - before] @ weight[q]``; x is padded with zeros.

    x is ``(rows, N, K)``, time first, weight ``(taps, K, F)``, bias ``(F,)`` and y ``(outputs, N,
    F)``; ``before`` is the number of zeros before x.
    """
    inputs = x.contiguous(), weight, bias, before, outputs
    y: Tensor = _Correlation.apply(*inputs)  # type: ignore[no-untyped-call]
    return y
