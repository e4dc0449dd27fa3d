"""Training steps of the recurrent layers, with backward passes written by hand.

A loop of small operations costs more where autograd follows it than its arithmetic does. The
functions here keep what their backward passes need in buffers of all steps, and compute the
weights' gradients by one product over all steps.

Shapes: D directions, T time steps, N sequences, F features, u units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from xsleep.compute import parallel

EPSILON = 1e-5
"""Added to the variances of the normalised LSTM."""

sigmoid_backward = torch.ops.aten.sigmoid_backward
tanh_backward: Callable[..., Tensor] = torch.ops.aten.tanh_backward


def _mean(average: Tensor, x: Tensor) -> Tensor:
    """Return the mean ``(D, 1, size)`` of ``(D, N, size)`` over the minibatch of all processes."""
    return parallel.sum_(torch.bmm(average, x))


def product_of_steps(states: Tensor, grads: Tensor) -> Tensor:
    """Return a weight's gradient ``(D, u, v)`` from ``(D, T, N, u)`` and ``(D, T, N, v)``."""
    states, grads = (value.flatten(1, 2) for value in (states, grads))
    return torch.bmm(states.transpose(1, 2), grads)


class _LSTM(torch.autograd.Function):
    """All steps of the normalised LSTM; see `lstm`.

    For the backward pass each normalised value is kept as its distance from the mean and the
    inverse standard deviation.
    """

    @staticmethod
    def forward(ctx: Any, xh: Tensor, W_hh: Tensor, *vectors: Tensor) -> tuple[Tensor, ...]:
        D, T, N, _ = xh.shape
        u = W_hh.shape[1]
        x_scale, h_scale, h_offset, c_scale, c_offset = (value.unsqueeze(1) for value in vectors)
        average = xh.new_full((D, 1, N), 1 / (N * parallel.size()))
        x_centred, h_centred, gates = (torch.empty_like(xh) for _ in range(3))
        cells, c_centred, outputs, hidden = (xh.new_empty(D, T, N, u) for _ in range(4))
        moments = [xh.new_empty(D, T, 1, size) for size in (4 * u,) * 4 + (u,) * 2]
        inverses = [xh.new_empty(D, T, 1, size) for size in (4 * u, 4 * u, u)]

        def centre(part: int, t: int, x: Tensor, out: Tensor) -> Tensor:
            """Centre over the batch and return the inverse deviation ``(D, 1, size)``."""
            mean, variance = (moment[:, t] for moment in moments[2 * part : 2 * part + 2])
            mean.copy_(_mean(average, x))
            torch.sub(x, mean, out=out)
            variance.copy_(_mean(average, out * out))
            return torch.rsqrt(variance + EPSILON, out=inverses[part][:, t])

        h = xh.new_zeros(D, N, u)
        c = h
        for t in range(T):
            x_inverse = centre(0, t, xh[:, t], x_centred[:, t])
            h_inverse = centre(1, t, torch.bmm(h, W_hh), h_centred[:, t])
            a = torch.addcmul(h_offset, h_centred[:, t], h_scale * h_inverse, out=gates[:, t])
            a.addcmul_(x_centred[:, t], x_scale * x_inverse)
            forget, enter, leave = a[..., : 3 * u].sigmoid_().chunk(3, dim=-1)
            candidate = a[..., 3 * u :].tanh_()
            c = torch.mul(c, forget, out=cells[:, t]).addcmul_(enter, candidate)
            c_inverse = centre(2, t, c, c_centred[:, t])
            output = outputs[:, t]
            torch.addcmul(c_offset, c_centred[:, t], c_scale * c_inverse, out=output).tanh_()
            h = torch.mul(output, leave, out=hidden[:, t])

        buffers = x_centred, h_centred, gates, cells, c_centred, outputs, hidden
        ctx.save_for_backward(W_hh, x_scale, h_scale, c_scale, *inverses, *buffers)
        moments = [moment.squeeze(2) for moment in moments]
        ctx.mark_non_differentiable(*moments)
        return hidden, *moments

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        W_hh, x_scale, h_scale, c_scale, x_inverse, h_inverse, c_inverse, *kept = ctx.saved_tensors
        x_centred, h_centred, gates, cells, c_centred, outputs, hidden = kept
        D, T, N, u = hidden.shape
        average = grad.new_full((D, 1, N), 1 / (N * parallel.size()))
        x_grad, h_grad = torch.empty_like(gates), torch.empty_like(gates)
        a_means, x_means, h_means = (grad.new_empty(D, T, 1, 4 * u) for _ in range(3))
        o_means, c_means = (grad.new_empty(D, T, 1, u) for _ in range(2))
        W_t = W_hh.transpose(1, 2)

        x_part = x_centred, x_means, x_inverse, x_scale.unsqueeze(1) * x_inverse
        h_part = h_centred, h_means, h_inverse, h_scale.unsqueeze(1) * h_inverse
        c_part = c_centred, c_means, c_inverse, c_scale.unsqueeze(1) * c_inverse

        def through(
            d: Tensor, mean: Tensor, part: tuple[Tensor, ...], t: int, *, out: Tensor
        ) -> Tensor:
            """Return the gradient before a normalisation, given ``d`` after it."""
            centred, product, inverse, factor = (values[:, t] for values in part)
            product.copy_(_mean(average, d * centred))
            torch.addcmul(-mean * factor, d, factor, out=out)
            out.addcmul_(centred, -product * factor * inverse * inverse)
            return out

        a = torch.empty_like(gates[:, 0])
        c_grad = torch.empty_like(cells[:, 0])
        h_next = c_next = None
        for t in reversed(range(T)):
            d_h = grad[:, t] if h_next is None else h_next + grad[:, t]
            forget, enter, leave, candidate = gates[:, t].chunk(4, dim=-1)
            d_output = tanh_backward(d_h * leave, outputs[:, t])
            o_means[:, t] = _mean(average, d_output)
            d_c = through(d_output, o_means[:, t], c_part, t, out=c_grad)
            if c_next is not None:
                d_c += c_next
            d_forget, d_enter, d_leave, d_candidate = a.chunk(4, dim=-1)
            if t:
                torch.mul(d_c, cells[:, t - 1], out=d_forget)
            else:
                d_forget.zero_()
            torch.mul(d_c, candidate, out=d_enter)
            torch.mul(d_h, outputs[:, t], out=d_leave)
            sigmoids = a[..., : 3 * u]
            sigmoid_backward(sigmoids, gates[:, t, :, : 3 * u], grad_input=sigmoids)
            tanh_backward(d_c * enter, candidate, grad_input=d_candidate)
            c_next = d_c * forget
            a_means[:, t] = _mean(average, a)
            through(a, a_means[:, t], x_part, t, out=x_grad[:, t])
            through(a, a_means[:, t], h_part, t, out=h_grad[:, t])
            h_next = torch.bmm(h_grad[:, t], W_t)

        W_grad = product_of_steps(hidden[:, :-1], h_grad[:, 1:])
        means = x_means * x_inverse, h_means * h_inverse, a_means, c_means * c_inverse, o_means
        # Each of several processes has its part of the total; their gradients are summed later.
        return x_grad, W_grad, *(N * mean.sum((1, 2)) for mean in means)


class _GRU(torch.autograd.Function):
    """All steps of the GRU; see `gru`."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, W_gates: Tensor, W_candidate: Tensor) -> Tensor:
        D, T, N, _ = projected.shape
        u = W_candidate.shape[1]
        gates = projected.new_empty(D, T, N, 2 * u)
        # States before each step, and one more after the last.
        states = projected.new_zeros(D, T + 1, N, u)
        resets, candidates = (projected.new_empty(D, T, N, u) for _ in range(2))
        for t in range(T):
            h, xh = states[:, t], projected[:, t]
            torch.baddbmm(xh[..., : 2 * u], h, W_gates, out=gates[:, t])
            reset, update = gates[:, t].sigmoid_().chunk(2, dim=-1)
            torch.mul(reset, h, out=resets[:, t])
            candidate = candidates[:, t]
            torch.baddbmm(xh[..., 2 * u :], resets[:, t], W_candidate, out=candidate)
            torch.lerp(candidate.tanh_(), h, update, out=states[:, t + 1])
        ctx.save_for_backward(W_gates, W_candidate, gates, states, resets, candidates)
        return states[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        W_gates, W_candidate, gates, states, resets, candidates = ctx.saved_tensors
        D, T, N, u = grad.shape
        projected_grad = grad.new_empty(D, T, N, 3 * u)
        gates_t, candidate_t = W_gates.transpose(1, 2), W_candidate.transpose(1, 2)
        d_next = None
        for t in reversed(range(T)):
            d_h = grad[:, t] if d_next is None else d_next + grad[:, t]
            h, candidate = states[:, t], candidates[:, t]
            reset, update = gates[:, t].chunk(2, dim=-1)
            d_reset, d_update, d_candidate = projected_grad[:, t].chunk(3, dim=-1)
            d_next = d_h * update
            tanh_backward(d_h - d_next, candidate, grad_input=d_candidate)
            d_product = torch.bmm(d_candidate, candidate_t)
            torch.mul(d_product, h, out=d_reset)
            torch.mul(d_h, h - candidate, out=d_update)
            d_gates = projected_grad[:, t, :, : 2 * u]
            sigmoid_backward(d_gates, gates[:, t], grad_input=d_gates)
            d_next = torch.baddbmm(d_next.addcmul_(d_product, reset), d_gates, gates_t)

        return (
            projected_grad,
            product_of_steps(states[:, :-1], projected_grad[..., : 2 * u]),
            product_of_steps(resets, projected_grad[..., 2 * u :]),
        )


def lstm(projected: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
    """Return all steps of a `xsleep.networks.recurrent.BatchNormLSTM` in training.

    They are the hidden states ``(D, T, N, u)``, then means and variances ``(D, T, size)`` of the
    three normalised parts. ``projected`` are the products of the inputs, ``(D, T, N, 4u)``; the
    weights are W_hh, scale of the inputs' part, scale and offset of the state's part and of the
    cell, each with a first axis D.
    """
    found: tuple[Tensor, ...] = _LSTM.apply(projected, *weights)  # type: ignore[no-untyped-call]
    return found


def gru(projected: Tensor, W_gates: Tensor, W_candidate: Tensor) -> Tensor:
    """Return all hidden states ``(D, T, N, u)`` of a `xsleep.networks.recurrent.GRULayer`.

    ``projected`` is the inputs' part of gates and candidate, ``(D, T, N, 3u)``; the weights are the
    state's part, ``(D, u, 2u)`` and ``(D, u, u)``.
    """
    hidden: Tensor = _GRU.apply(projected, W_gates, W_candidate)  # type: ignore[no-untyped-call]
    return hidden
