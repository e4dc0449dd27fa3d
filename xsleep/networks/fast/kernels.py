"""Training steps of the recurrent layers as fused GPU kernels, in Triton.

A step in PyTorch is some twenty kernels that each run for a microsecond, and no step can begin
before the previous one ends. Here a step of the LSTM is one kernel and a step of the GRU are two,
in either direction of time. What does not wait for the step before stays with PyTorch, for all
steps at once: the inputs' products and normalisation, and the weights' gradients.

A program owns some units of one direction and all N rows, so that the batch statistics of its
columns are its own. Values are those of `xsleep.networks.fast.steps` up to rounding; float32 only.

Shapes: D directions, T time steps, N sequences, u units.
"""

# The arguments of kernels have types of Triton's own, of which there are no stubs.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators

from __future__ import annotations

import sys
from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from xsleep.networks.fast.steps import product_of_steps

EPSILON = tl.constexpr(1e-5)
"""Added to variances, as in `xsleep.networks.fast.steps`."""

UNITS = 2
"""Units of a program of the LSTM. With their gates these are 8 columns, a sector of memory in each
row, and for 640 rows as many values as the registers of a Hopper GPU hold (4 units would spill)."""

COLUMNS, ROWS = 16, 32
"""Units and rows of a program of the GRU, which needs no statistics over the rows."""

DEPTH = 16
"""Elements of a product's inner dimension that are read at once."""

PRECISION = "ieee"
"""Precision of the products: float32, as in the released code. With ``tf32x3`` tensor cores compute
them in three parts, nearly as exactly."""

APART = False
"""True: the product of a step of the LSTM is a kernel of its own, in tiles of `ROWS` and `COLUMNS`;
the programs that have all rows are left with what needs their statistics."""

APART_DEPTH = 32
"""Elements of the inner dimension that such a tile reads at once."""

COMPILER = {"num_stages": 2, "enable_fp_fusion": True}
"""Arguments of the compiler. Like the numbers above they are read when a layer runs: a benchmark
may change them, and clear `xsleep.networks.fast.acceleration._chosen` to have the kernels checked
anew."""


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _product(
    left, row_stride, rows, N, right, inner_stride, column_stride, columns, valid, depth,
    R: tl.constexpr, C: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Return ``left[rows, :depth] @ right[:depth, columns]``, (R, C); 0 in rows from N on."""
    product = tl.zeros((R, C), tl.float32)
    for start in range(0, depth, K):
        inner = start + tl.arange(0, K)
        a = tl.load(
            left + rows[:, None] * row_stride + inner[None, :],
            mask=(rows[:, None] < N) & (inner[None, :] < depth),
            other=0.0,
        )
        b = tl.load(
            right + inner[:, None] * inner_stride + columns[None, :] * column_stride,
            mask=(inner[:, None] < depth) & valid[None, :],
            other=0.0,
        )
        product = tl.dot(a, b, product, input_precision=PRECISION)
    return product


@triton.jit
def _product_of_all_rows(
    left, row_stride, rows, N, right, inner_stride, column_stride, columns, valid, depth,
    room, room_stride, places,
    R: tl.constexpr, P: tl.constexpr, C: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Return `_product` of all R rows, computed for P at a time where shared memory is short.

    The parts meet in ``room[rows, places]``, memory of this program alone. With P = 0 the product
    is there already (`_lstm_product`).
    """
    if P == R:
        product = _product(
            left, row_stride, rows, N, right, inner_stride, column_stride, columns, valid, depth,
            R, C, K, PRECISION,
        )  # fmt: skip
    else:
        if P > 0:
            for first in range(0, N, P):
                some = first + tl.arange(0, P)
                part = _product(
                    left, row_stride, some, N, right, inner_stride, column_stride, columns, valid,
                    depth, P, C, K, PRECISION,
                )  # fmt: skip
                at = some[:, None] * room_stride + places[None, :]
                tl.store(room + at, part, mask=(some[:, None] < N) & valid[None, :])
            tl.debug_barrier()  # other threads read what these have written
        at = rows[:, None] * room_stride + places[None, :]
        last = N if P > 0 else tl.where(depth > 0, N, 0)
        product = tl.load(room + at, mask=(rows[:, None] < last) & valid[None, :], other=0.0)
        tl.debug_barrier()  # and the room may be written anew
    return product


@triton.jit
def _lstm_tiles(t, T, N, u, R: tl.constexpr, U: tl.constexpr):
    """Return where a program's values are in the buffers of all steps.

    Returns direction, rows, units and gate columns, then which values and where, of both. The four
    gates of a unit are side by side.
    """
    d = tl.program_id(0)
    rows = tl.arange(0, R)
    units = tl.program_id(1) * U + tl.arange(0, U)
    columns = tl.program_id(1) * 4 * U + tl.arange(0, 4 * U)
    row = (d.to(tl.int64) * T + t) * N + rows[:, None]
    exists = rows[:, None] < N
    unit_in, gate_in = exists & (units < u)[None, :], exists & (columns < 4 * u)[None, :]
    unit_at, gate_at = row * u + units[None, :], row * 4 * u + columns[None, :]
    return d, rows, units, columns, unit_in, gate_in, unit_at, gate_at


@triton.jit
def _moments(x, exists, N):
    """Return mean and variance over the rows, and the distance from the mean (0 outside rows)."""
    mean = tl.sum(x, 0) / N
    centred = tl.where(exists, x - mean[None, :], 0.0)
    return mean, tl.sum(centred * centred, 0) / N, centred


@triton.jit
def _through(d, centred, variance, scale, N):
    """Return the gradient before a normalisation, given ``d`` after it.

    Also returned are the rows' means of ``d`` and of ``d`` times the normalised value, which are
    the gradients of offset and scale.
    """
    inverse = tl.rsqrt(variance + EPSILON)
    mean = tl.sum(d, 0) / N
    product = tl.sum(d * centred, 0) / N * inverse
    before = d - mean[None, :] - centred * (product * inverse)[None, :]
    return before * (scale * inverse)[None, :], mean, product


@triton.jit(do_not_specialize=["t"])
def _lstm_product(
    states, W, room, t, T, N, u,
    BACKWARD: tl.constexpr,
    R: tl.constexpr, C: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute the product of a step of the LSTM for the programs that have all rows.

    Forwards it is that of the hidden states of the step before, one column of ``room`` for each
    gate; backwards that of the gradients of the step after, every fourth column for a unit.
    """
    d = tl.program_id(0)
    columns = tl.program_id(1) * C + tl.arange(0, C)
    rows = tl.program_id(2) * R + tl.arange(0, R)
    step, W = d.to(tl.int64) * T + t, W + d * 4 * u * u
    if BACKWARD:
        valid, places = columns < u, 4 * columns
        after = states + (step + 1) * N * 4 * u
        product = _product(
            after, 4 * u, rows, N, W, 1, 4 * u, columns, valid, 4 * u, R, C, K, PRECISION
        )
    else:
        valid, places = columns < 4 * u, columns
        before = states + (step - 1) * N * u
        product = _product(before, u, rows, N, W, 4 * u, 1, columns, valid, u, R, C, K, PRECISION)
    at = (step * N + rows[:, None]) * 4 * u + places[None, :]
    tl.store(room + at, product, mask=(rows[:, None] < N) & valid[None, :])


@triton.jit(do_not_specialize=["t"])
def _lstm_forward(
    inputs, W, h_scale, c_scale, c_offset,
    h_centred, gates, cells, c_centred, outputs, hidden,
    h_mean, h_variance, c_mean, c_variance,
    t, T, N, u,
    R: tl.constexpr, P: tl.constexpr, U: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    d, rows, units, columns, unit_in, gate_in, unit_at, gate_at = _lstm_tiles(t, T, N, u, R, U)
    is_unit, is_column = units < u, columns < 4 * u
    unit_moment, gate_moment = (d * T + t) * u + units, (d * T + t) * 4 * u + columns

    before = hidden + (d.to(tl.int64) * T + t - 1) * N * u
    kept = tl.where(t > 0, u, 0)  # units that the step before left
    room = h_centred + (d.to(tl.int64) * T + t) * N * 4 * u
    product = _product_of_all_rows(
        before, u, rows, N, W + d * 4 * u * u, 4 * u, 1, columns, is_column, kept,
        room, 4 * u, columns,
        R, P, 4 * U, K, PRECISION,
    )  # fmt: skip
    mean, variance, centred = _moments(product, gate_in, N)
    tl.store(h_mean + gate_moment, mean, mask=is_column)
    tl.store(h_variance + gate_moment, variance, mask=is_column)
    tl.store(h_centred + gate_at, centred, mask=gate_in)

    scale = tl.load(h_scale + d * 4 * u + columns, mask=is_column, other=0.0)
    a = tl.load(inputs + gate_at, mask=gate_in, other=0.0)
    a += centred * (scale * tl.rsqrt(variance + EPSILON))[None, :]
    is_candidate = (columns % 4 == 3)[None, :]
    a = tl.where(is_candidate, _tanh(a), tl.sigmoid(a))
    tl.store(gates + gate_at, a, mask=gate_in)

    forget_leave, enter_candidate = tl.split(tl.reshape(a, (R, U, 2, 2)))
    forget, leave = tl.split(forget_leave)
    enter, candidate = tl.split(enter_candidate)
    c = tl.load(cells + unit_at - N * u, mask=unit_in & (units < kept)[None, :], other=0.0)
    c = tl.where(unit_in, forget * c + enter * candidate, 0.0)
    mean, variance, centred = _moments(c, unit_in, N)
    tl.store(cells + unit_at, c, mask=unit_in)
    tl.store(c_mean + unit_moment, mean, mask=is_unit)
    tl.store(c_variance + unit_moment, variance, mask=is_unit)
    tl.store(c_centred + unit_at, centred, mask=unit_in)

    scale = tl.load(c_scale + d * u + units, mask=is_unit, other=0.0)
    offset = tl.load(c_offset + d * u + units, mask=is_unit, other=0.0)
    factor = scale * tl.rsqrt(variance + EPSILON)
    output = _tanh(centred * factor[None, :] + offset[None, :])
    tl.store(outputs + unit_at, output, mask=unit_in)
    tl.store(hidden + unit_at, output * leave, mask=unit_in)


@triton.jit(do_not_specialize=["t"])
def _lstm_backward(
    grad, W, h_scale, c_scale, h_variance, c_variance, h_centred, gates, cells, c_centred, outputs,
    a_grad, h_grad, c_grad, h_product, c_product, o_mean,
    t, T, N, u,
    R: tl.constexpr, P: tl.constexpr, U: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    d, rows, units, columns, unit_in, gate_in, unit_at, gate_at = _lstm_tiles(t, T, N, u, R, U)
    is_unit, is_column = units < u, columns < 4 * u
    unit_moment, gate_moment = (d * T + t) * u + units, (d * T + t) * 4 * u + columns
    unit_carried = (d * N + rows[:, None]) * u + units[None, :]

    after = h_grad + (d.to(tl.int64) * T + t + 1) * N * 4 * u
    come = tl.where(t + 1 < T, u, 0)  # units whose gradients the step after left
    room = a_grad + (d.to(tl.int64) * T + t) * N * 4 * u
    d_h = _product_of_all_rows(
        after, 4 * u, rows, N, W + d * 4 * u * u, 1, 4 * u, units, is_unit, 4 * come,
        room, 4 * u, 4 * units,
        R, P, U, K, PRECISION,
    )  # fmt: skip
    d_h += tl.load(grad + unit_at, mask=unit_in, other=0.0)

    a = tl.load(gates + gate_at, mask=gate_in, other=0.0)
    forget_leave, enter_candidate = tl.split(tl.reshape(a, (R, U, 2, 2)))
    forget, leave = tl.split(forget_leave)
    enter, candidate = tl.split(enter_candidate)
    output = tl.load(outputs + unit_at, mask=unit_in, other=0.0)
    d_c, mean, product = _through(
        d_h * leave * (1 - output * output),
        tl.load(c_centred + unit_at, mask=unit_in, other=0.0),
        tl.load(c_variance + unit_moment, mask=is_unit, other=0.0),
        tl.load(c_scale + d * u + units, mask=is_unit, other=0.0),
        N,
    )
    tl.store(o_mean + unit_moment, mean, mask=is_unit)
    tl.store(c_product + unit_moment, product, mask=is_unit)
    d_c += tl.load(c_grad + unit_carried, mask=unit_in & (units < come)[None, :], other=0.0)
    tl.store(c_grad + unit_carried, d_c * forget, mask=unit_in)

    kept = tl.where(t > 0, u, 0)
    before = tl.load(cells + unit_at - N * u, mask=unit_in & (units < kept)[None, :], other=0.0)
    d_gates = tl.join(
        tl.join(d_c * before, d_h * output), tl.join(d_c * candidate, d_c * enter)
    )  # (R, U, 2, 2), as the gates were split
    d_gates = tl.reshape(d_gates, (R, 4 * U))
    is_candidate = (columns % 4 == 3)[None, :]
    d_gates *= tl.where(is_candidate, 1 - a * a, a * (1 - a))
    d_gates = tl.where(gate_in, d_gates, 0.0)
    tl.store(a_grad + gate_at, d_gates, mask=gate_in)
    d_product, _, product = _through(
        d_gates,
        tl.load(h_centred + gate_at, mask=gate_in, other=0.0),
        tl.load(h_variance + gate_moment, mask=is_column, other=0.0),
        tl.load(h_scale + d * 4 * u + columns, mask=is_column, other=0.0),
        N,
    )
    tl.store(h_product + gate_moment, product, mask=is_column)
    tl.store(h_grad + gate_at, d_product, mask=gate_in)


class _LSTM(torch.autograd.Function):
    """All steps, given the normalised inputs' part of the gates ``(D, T, N, 4u)`` with offsets.

    The four gates of a unit are side by side, also in W_hh and scale. Returns hidden states, then
    means and variances ``(D, T, size)`` of state and cell.
    """

    @staticmethod
    def forward(ctx, inputs, W_hh, h_scale, c_scale, c_offset):
        D, T, N, _ = inputs.shape
        u = W_hh.shape[1]
        weights = [value.contiguous() for value in (W_hh, h_scale, c_scale, c_offset)]
        h_centred, gates = torch.empty_like(inputs), torch.empty_like(inputs)
        cells, c_centred, outputs, hidden = (inputs.new_empty(D, T, N, u) for _ in range(4))
        moments = [inputs.new_empty(D, T, size) for size in (4 * u, 4 * u, u, u)]
        grid, launch = _by_units(D, N, u, _shared_memory(inputs.device))
        kept = h_centred, gates, cells, c_centred, outputs, hidden
        tiles, tiled = _by_tiles(D, N, 4 * u, APART_DEPTH)
        for t in range(T):
            if APART and t:
                states = hidden, weights[0], h_centred
                _lstm_product[tiles](*states, t, T, N, u, BACKWARD=False, **tiled)
            _lstm_forward[grid](inputs, *weights, *kept, *moments, t, T, N, u, **launch)
        ctx.save_for_backward(*weights[:3], moments[1], moments[3], *kept)
        ctx.mark_non_differentiable(*moments)
        return hidden, *moments

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):
        *kept, hidden = ctx.saved_tensors
        D, T, N, u = hidden.shape
        a_grad, h_grad = (grad.new_empty(D, T, N, 4 * u) for _ in range(2))
        c_grad = grad.new_empty(D, N, u)
        h_product = grad.new_empty(D, T, 4 * u)
        c_product, o_mean = (grad.new_empty(D, T, u) for _ in range(2))
        grad = grad.contiguous()
        grid, launch = _by_units(D, N, u, _shared_memory(grad.device))
        made = a_grad, h_grad, c_grad, h_product, c_product, o_mean
        tiles, tiled = _by_tiles(D, N, u, APART_DEPTH)
        for t in reversed(range(T)):
            if APART and t + 1 < T:
                states = h_grad, kept[0], a_grad
                _lstm_product[tiles](*states, t, T, N, u, BACKWARD=True, **tiled)
            _lstm_backward[grid](grad, *kept, *made, t, T, N, u, **launch)
        W_grad = product_of_steps(hidden[:, :-1], h_grad[:, 1:])
        scales = (N * means.sum(1) for means in (h_product, c_product, o_mean))
        return a_grad, W_grad, *scales


def lstm(projected: Tensor, W_hh: Tensor, *vectors: Tensor) -> tuple[Tensor, ...]:
    """Compute what `xsleep.networks.fast.steps.lstm` does; the products must be contiguous."""
    x_scale, h_scale, h_offset, c_scale, c_offset = vectors
    variance, mean = torch.var_mean(projected, 2, correction=0, keepdim=True)
    factor = x_scale[:, None, None] * torch.rsqrt(variance + EPSILON.value)
    inputs = torch.addcmul(h_offset[:, None, None], projected - mean, factor)
    by_unit = (_exchanged(values, (4, -1)) for values in (inputs, W_hh, h_scale))
    hidden, *moments = _LSTM.apply(*by_unit, c_scale, c_offset)  # type: ignore[no-untyped-call]
    h_moments = (_exchanged(moment, (-1, 4)) for moment in moments[:2])
    x_moments = (moment.detach().squeeze(2) for moment in (mean, variance))
    return hidden, *x_moments, *h_moments, *moments[2:]


def _exchanged(x: Tensor, sizes: tuple[int, int]) -> Tensor:
    """Return columns ``(..., 4u)`` ordered by unit if they are by gate ``(4, -1)``, or by gate."""
    ordered: Tensor = x.unflatten(-1, sizes).transpose(-1, -2).flatten(-2)
    return ordered


@triton.jit
def _gru_tiles(t, T, N, u, R: tl.constexpr, C: tl.constexpr):
    """Return direction, rows, units, masks of units and values, and the first row of the step."""
    d = tl.program_id(0)
    units = tl.program_id(1) * C + tl.arange(0, C)
    rows = tl.program_id(2) * R + tl.arange(0, R)
    valid = (rows[:, None] < N) & (units[None, :] < u)
    return d, rows, units, units < u, valid, (d.to(tl.int64) * T + t) * N


@triton.jit(do_not_specialize=["t"])
def _gru_gates(
    projected, W_gates, hidden, gates, resets,
    t, T, N, u,
    R: tl.constexpr, C: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute both gates, and the state times the reset gate."""
    d, rows, units, is_unit, valid, step = _gru_tiles(t, T, N, u, R, C)
    row = step + rows[:, None]
    before = hidden + (step - N) * u
    kept = tl.where(t > 0, u, 0)
    W = W_gates + d * 2 * u * u
    reset = _product(before, u, rows, N, W, 2 * u, 1, units, is_unit, kept, R, C, K, PRECISION)
    update = _product(before, u, rows, N, W, 2 * u, 1, units + u, is_unit, kept, R, C, K, PRECISION)
    reset += tl.load(projected + row * 3 * u + units[None, :], mask=valid, other=0.0)
    update += tl.load(projected + row * 3 * u + u + units[None, :], mask=valid, other=0.0)
    reset = tl.sigmoid(reset)
    at = rows[:, None] * u + units[None, :]
    h = tl.load(before + at, mask=valid & (units < kept)[None, :], other=0.0)
    tl.store(gates + row * 2 * u + units[None, :], reset, mask=valid)
    tl.store(gates + row * 2 * u + u + units[None, :], tl.sigmoid(update), mask=valid)
    tl.store(resets + row * u + units[None, :], reset * h, mask=valid)


@triton.jit(do_not_specialize=["t"])
def _gru_state(
    projected, W_candidate, gates, resets, candidates, hidden,
    t, T, N, u,
    R: tl.constexpr, C: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute candidate and state."""
    d, rows, units, is_unit, valid, step = _gru_tiles(t, T, N, u, R, C)
    row = step + rows[:, None]
    at = row * u + units[None, :]
    W = W_candidate + d * u * u
    candidate = _product(
        resets + step * u, u, rows, N, W, u, 1, units, is_unit, u, R, C, K, PRECISION
    )
    candidate += tl.load(projected + row * 3 * u + 2 * u + units[None, :], mask=valid, other=0.0)
    candidate = _tanh(candidate)
    update = tl.load(gates + row * 2 * u + u + units[None, :], mask=valid, other=0.0)
    kept = tl.where(t > 0, u, 0)
    h = tl.load(hidden + at - N * u, mask=valid & (units < kept)[None, :], other=0.0)
    tl.store(candidates + at, candidate, mask=valid)
    tl.store(hidden + at, candidate + update * (h - candidate), mask=valid)


@triton.jit(do_not_specialize=["t"])
def _gru_state_backward(
    grad, W_gates, gates, candidates, h_grad, projected_grad,
    t, T, N, u,
    R: tl.constexpr, C: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of state and candidate from those of the next step's gates."""
    d, rows, units, is_unit, valid, step = _gru_tiles(t, T, N, u, R, C)
    row = step + rows[:, None]
    at = row * u + units[None, :]
    carried = (d * N + rows[:, None]) * u + units[None, :]
    after = projected_grad + (step + N) * 3 * u
    come = tl.where(t + 1 < T, u, 0)
    W = W_gates + d * 2 * u * u
    d_h = _product(after, 3 * u, rows, N, W, 1, 2 * u, units, is_unit, 2 * come, R, C, K, PRECISION)
    d_h += tl.load(h_grad + carried, mask=valid & (units < come)[None, :], other=0.0)
    d_h += tl.load(grad + at, mask=valid, other=0.0)
    tl.store(h_grad + carried, d_h, mask=valid)
    update = tl.load(gates + row * 2 * u + u + units[None, :], mask=valid, other=0.0)
    candidate = tl.load(candidates + at, mask=valid, other=0.0)
    d_candidate = d_h * (1 - update) * (1 - candidate * candidate)
    tl.store(projected_grad + row * 3 * u + 2 * u + units[None, :], d_candidate, mask=valid)


@triton.jit(do_not_specialize=["t"])
def _gru_gates_backward(
    W_candidate, gates, hidden, candidates, h_grad, projected_grad,
    t, T, N, u,
    R: tl.constexpr, C: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of the gates, and the previous state's that bypasses them."""
    d, rows, units, is_unit, valid, step = _gru_tiles(t, T, N, u, R, C)
    row = step + rows[:, None]
    at = row * u + units[None, :]
    carried = (d * N + rows[:, None]) * u + units[None, :]
    d_candidates = projected_grad + step * 3 * u + 2 * u
    W = W_candidate + d * u * u
    d_product = _product(
        d_candidates, 3 * u, rows, N, W, 1, u, units, is_unit, u, R, C, K, PRECISION
    )
    d_h = tl.load(h_grad + carried, mask=valid, other=0.0)
    kept = tl.where(t > 0, u, 0)
    h = tl.load(hidden + at - N * u, mask=valid & (units < kept)[None, :], other=0.0)
    candidate = tl.load(candidates + at, mask=valid, other=0.0)
    reset = tl.load(gates + row * 2 * u + units[None, :], mask=valid, other=0.0)
    update = tl.load(gates + row * 2 * u + u + units[None, :], mask=valid, other=0.0)
    d_reset = d_product * h * reset * (1 - reset)
    d_update = d_h * (h - candidate) * update * (1 - update)
    tl.store(projected_grad + row * 3 * u + units[None, :], d_reset, mask=valid)
    tl.store(projected_grad + row * 3 * u + u + units[None, :], d_update, mask=valid)
    tl.store(h_grad + carried, d_h * update + d_product * reset, mask=valid)


class _GRU(torch.autograd.Function):
    """All steps, as `xsleep.networks.fast.steps.gru`."""

    @staticmethod
    def forward(ctx, projected, W_gates, W_candidate):
        D, T, N, _ = projected.shape
        u = W_candidate.shape[1]
        W_gates, W_candidate = W_gates.contiguous(), W_candidate.contiguous()
        gates = projected.new_empty(D, T, N, 2 * u)
        resets, candidates, hidden = (projected.new_empty(D, T, N, u) for _ in range(3))
        grid, launch = _by_tiles(D, N, u, DEPTH)
        for t in range(T):
            sizes = t, T, N, u
            _gru_gates[grid](projected, W_gates, hidden, gates, resets, *sizes, **launch)
            made = gates, resets, candidates, hidden
            _gru_state[grid](projected, W_candidate, *made, *sizes, **launch)
        ctx.save_for_backward(W_gates, W_candidate, gates, resets, candidates, hidden)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        W_gates, W_candidate, gates, resets, candidates, hidden = ctx.saved_tensors
        D, T, N, u = hidden.shape
        projected_grad = grad.new_empty(D, T, N, 3 * u)
        h_grad = grad.new_empty(D, N, u)
        grad = grad.contiguous()
        grid, launch = _by_tiles(D, N, u, DEPTH)
        for t in reversed(range(T)):
            made = candidates, h_grad, projected_grad
            sizes = t, T, N, u
            _gru_state_backward[grid](grad, W_gates, gates, *made, *sizes, **launch)
            _gru_gates_backward[grid](W_candidate, gates, hidden, *made, *sizes, **launch)
        return (
            projected_grad,
            product_of_steps(hidden[:, :-1], projected_grad[:, 1:, :, : 2 * u]),
            product_of_steps(resets, projected_grad[..., 2 * u :]),
        )


gru = _GRU.apply


@cache
def _shared_memory(device: torch.device) -> int:
    """Return the bytes of shared memory of a program; unlimited for Triton's interpreter."""
    if device.type != "cuda":
        return sys.maxsize
    properties = torch.cuda.get_device_properties(device)
    return int(properties.shared_memory_per_block_optin)  # type: ignore[attr-defined]


def _by_units(
    D: int, N: int, u: int, shared_memory: int
) -> tuple[tuple[int, int], dict[str, int | bool | str]]:
    """Return the grid and the compiler's arguments where each program has all rows.

    A product keeps `DEPTH` columns of its rows and of its 4 `UNITS` columns in shared memory, for
    as many rows at once (P) as fit; none if products are `APART`. The values of more than 2048 rows
    exceed the registers; with 32 warps fewer of them are spilled than with 16.
    """
    rows = at_once = max(triton.next_power_of_2(N), 16)
    while 4 * DEPTH * (at_once + 4 * UNITS) > shared_memory:
        at_once //= 2
    warps = min(max(rows // 64, 4), 16 if rows <= 2048 else 32)
    sizes = {"R": rows, "P": 0 if APART else at_once, "U": UNITS, "K": DEPTH}
    return (D, triton.cdiv(u, UNITS)), {**sizes, **_compiler(warps)}


def _by_tiles(
    D: int, N: int, columns: int, depth: int
) -> tuple[tuple[int, int, int], dict[str, int | bool | str]]:
    """Return the grid and the compiler's arguments where programs have tiles of rows."""
    grid = D, triton.cdiv(columns, COLUMNS), triton.cdiv(N, ROWS)
    return grid, {"R": ROWS, "C": COLUMNS, "K": depth, **_compiler(4)}


def _compiler(warps: int) -> dict[str, int | bool | str]:
    return {"PRECISION": PRECISION, "num_warps": warps, **COMPILER}
