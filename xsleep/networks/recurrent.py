"""The recurrent layers, as the released TensorFlow graphs compute them.

None of the cells is one of PyTorch's, and a loop of small operations costs more where autograd
follows it than its arithmetic does. So both directions run as one batch, the products of the inputs
of all steps are one product, and the backward passes are written by hand: they keep what they need
in buffers of all steps, and leave the weights' gradients to one product again. On a GPU the steps
in training are those of `fast.kernels`, but for the normalised LSTM of several processes,
whose kernels would know the statistics of their own share alone. The LSTM with peepholes alone is
left to autograd: its 512 units make it mostly arithmetic, and a training step would gain less than
a tenth.

Shapes: D directions, T time steps, N sequences, F features, u units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

import torch
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from xsleep.compute import parallel
from xsleep.networks.dropout import dropout
from xsleep.networks.fast.acceleration import accelerated
from xsleep.networks.initial import glorot

sigmoid_backward = torch.ops.aten.sigmoid_backward
tanh_backward = torch.ops.aten.tanh_backward


def stacked(cells: Sequence[nn.Module], name: str) -> Tensor:
    """A parameter or buffer of the cells of all directions, ``(D, ...)``."""
    return torch.stack([attrgetter(name)(cell) for cell in cells])


class StepNorm(nn.Module):
    """Batch normalisation with population statistics of their own for every time step.

    In training the statistics are the batch's (biased variance), and the population's move by a
    twentieth towards them.
    """

    EPSILON = 1e-5
    MOMENTUM = 0.05

    def __init__(self, steps: int, size: int, offset: Tensor | None):
        super().__init__()
        self.scale = nn.Parameter(torch.full((size,), 0.1))
        self.offset = None if offset is None else nn.Parameter(offset)
        self.register_buffer("mean", torch.zeros(steps, size))
        self.register_buffer("variance", torch.ones(steps, size))

    @torch.no_grad()
    def follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the population's statistics towards those of a batch, ``(T, size)``."""
        self.mean[: len(mean)].lerp_(mean, self.MOMENTUM)
        self.variance[: len(mean)].lerp_(variance, self.MOMENTUM)

    def population(self) -> tuple[Tensor, Tensor]:
        """Factors and shifts ``(steps, size)`` that normalise by the population."""
        factors = self.scale * (self.variance + self.EPSILON).rsqrt()
        shifts = -self.mean * factors
        return factors, shifts if self.offset is None else shifts + self.offset


def _population(cells: Sequence[nn.Module], part: str) -> list[Tensor]:
    """`StepNorm.population` of the cells of all directions, both ``(steps, D, 1, size)``."""
    pairs = zip(*(getattr(cell, part).population() for cell in cells), strict=True)
    return [torch.stack(values, dim=1).unsqueeze(2) for values in pairs]


class BatchNormLSTM(nn.Module):
    """Recurrent batch-normalised LSTM in one direction.

    The input's part, the state's part and the cell are normalised apart. The normalised cell feeds
    the output alone: the raw cell is carried on. Gates in the order forget, input, output,
    candidate. ``steps`` is the longest T.
    """

    def __init__(self, features: int, units: int, steps: int, generator: Generator):
        super().__init__()
        forget_open = torch.cat((torch.ones(units), torch.zeros(3 * units)))
        self.W_xh = nn.Parameter(torch.empty(features, 4 * units))
        self.W_hh = nn.Parameter(torch.empty(units, 4 * units))
        nn.init.orthogonal_(self.W_xh, generator=generator)
        nn.init.orthogonal_(self.W_hh, generator=generator)
        self.xh = StepNorm(steps, 4 * units, offset=None)
        self.hh = StepNorm(steps, 4 * units, offset=forget_open)
        self.c = StepNorm(steps, units, offset=torch.zeros(units))

    @staticmethod
    def project(cells: Sequence[BatchNormLSTM], x: Tensor) -> Tensor:
        """The inputs' products ``(D, M, 4u)`` of ``(D, M, F)``."""
        return torch.bmm(x, stacked(cells, "W_xh"))

    @staticmethod
    def train_steps(cells: Sequence[BatchNormLSTM], projected: Tensor) -> Tensor:
        """Hidden states ``(D, T, N, u)`` of products ``(D, T, N, 4u)``, by batch statistics."""
        names = ("W_hh", "xh.scale", "hh.scale", "hh.offset", "c.scale", "c.offset")
        weights = (stacked(cells, name) for name in names)
        if parallel.size() > 1:
            hidden, *moments = _BatchNormLSTM.apply(projected, *weights)
        else:
            hidden, *moments = accelerated("lstm", _BatchNormLSTM.apply, projected, *weights)
        parts = zip(("xh", "hh", "c"), moments[::2], moments[1::2], strict=True)
        for part, means, variances in parts:
            for cell, mean, variance in zip(cells, means, variances, strict=True):
                getattr(cell, part).follow(mean, variance)
        return hidden

    @staticmethod
    def evaluate_steps(cells: Sequence[BatchNormLSTM], projected: Iterable[Tensor]) -> Tensor:
        """Hidden states ``(D, T, N, u)`` of T products ``(D, N, 4u)``, by the population's."""
        (x_factors, x_shifts), (h_factors, h_shifts), (c_factors, c_shifts) = (
            _population(cells, part) for part in ("xh", "hh", "c")
        )
        W_hh = stacked(cells, "W_hh")
        D, u, _ = W_hh.shape
        hidden = []
        for t, xh in enumerate(projected):
            if t == 0:
                h = c = xh.new_zeros(D, xh.shape[1], u)
            gates = torch.addcmul(x_shifts[t] + h_shifts[t], xh, x_factors[t])
            gates = torch.baddbmm(gates, h, W_hh * h_factors[t])
            forget, enter, leave = torch.sigmoid(gates[..., : 3 * u]).chunk(3, dim=-1)
            c = torch.addcmul(enter * torch.tanh(gates[..., 3 * u :]), c, forget)
            h = leave * torch.tanh(torch.addcmul(c_shifts[t], c, c_factors[t]))
            hidden.append(h)
        return torch.stack(hidden, dim=1)


def _mean(average: Tensor, x: Tensor) -> Tensor:
    """Mean ``(D, 1, size)`` of ``(D, N, size)`` over the batch, which processes may share."""
    return parallel.sum_(torch.bmm(average, x))


class _BatchNormLSTM(torch.autograd.Function):
    """All steps in training.

    Of each normalised value what is kept is its distance from the mean and the inverse deviation.
    Returns the hidden states, then means and variances ``(D, T, size)`` of the three parts.
    """

    @staticmethod
    def forward(ctx, xh, W_hh, x_scale, h_scale, h_offset, c_scale, c_offset):
        D, T, N, _ = xh.shape
        u = W_hh.shape[1]
        x_scale, h_scale, h_offset, c_scale, c_offset = (
            value.unsqueeze(1) for value in (x_scale, h_scale, h_offset, c_scale, c_offset)
        )
        average = xh.new_full((D, 1, N), 1 / (N * parallel.size()))
        x_centred, h_centred, gates = (torch.empty_like(xh) for _ in range(3))
        cells, c_centred, outputs, hidden = (xh.new_empty(D, T, N, u) for _ in range(4))
        moments = [xh.new_empty(D, T, 1, size) for size in (4 * u,) * 4 + (u,) * 2]
        inverses = [xh.new_empty(D, T, 1, size) for size in (4 * u, 4 * u, u)]

        def centre(part: int, t: int, x: Tensor, out: Tensor) -> Tensor:
            """Centre over the batch; returns the inverse deviation ``(D, 1, size)``."""
            mean, variance = (moment[:, t] for moment in moments[2 * part : 2 * part + 2])
            mean.copy_(_mean(average, x))
            torch.sub(x, mean, out=out)
            variance.copy_(_mean(average, out * out))
            return torch.rsqrt(variance + StepNorm.EPSILON, out=inverses[part][:, t])

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

        ctx.save_for_backward(
            *(W_hh, x_scale, h_scale, c_scale, *inverses),
            *(x_centred, h_centred, gates, cells, c_centred, outputs, hidden),
        )
        moments = [moment.squeeze(2) for moment in moments]
        ctx.mark_non_differentiable(*moments)
        return hidden, *moments

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):
        W_hh, x_scale, h_scale, c_scale, x_inverse, h_inverse, c_inverse, *kept = ctx.saved_tensors
        x_centred, h_centred, gates, cells, c_centred, outputs, hidden = kept
        D, T, N, u = hidden.shape
        average = grad.new_full((D, 1, N), 1 / (N * parallel.size()))
        x_grad, h_grad = torch.empty_like(gates), torch.empty_like(gates)
        a_means, x_means, h_means = (grad.new_empty(D, T, 1, 4 * u) for _ in range(3))
        o_means, c_means = (grad.new_empty(D, T, 1, u) for _ in range(2))
        x_factor, h_factor, c_factor = (
            scale.unsqueeze(1) * inverse
            for scale, inverse in (
                (x_scale, x_inverse),
                (h_scale, h_inverse),
                (c_scale, c_inverse),
            )
        )
        W_t = W_hh.transpose(1, 2)

        def through(d, mean, centred, product, inverse, factor, out):
            """The gradient before a normalisation, of ``d`` after it; ``product`` is filled."""
            product.copy_(_mean(average, d * centred))
            torch.addcmul(-mean * factor, d, factor, out=out)
            return out.addcmul_(centred, -product * factor * inverse * inverse)

        a = torch.empty_like(gates[:, 0])
        c_part = torch.empty_like(cells[:, 0])
        h_next = c_next = None
        for t in reversed(range(T)):
            d_h = grad[:, t] if h_next is None else h_next + grad[:, t]
            forget, enter, leave, candidate = gates[:, t].chunk(4, dim=-1)
            d_output = tanh_backward(d_h * leave, outputs[:, t])
            o_means[:, t] = _mean(average, d_output)
            d_c = through(
                *(d_output, o_means[:, t], c_centred[:, t], c_means[:, t]),
                *(c_inverse[:, t], c_factor[:, t], c_part),
            )
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
            through(
                *(a, a_means[:, t], x_centred[:, t], x_means[:, t]),
                *(x_inverse[:, t], x_factor[:, t], x_grad[:, t]),
            )
            through(
                *(a, a_means[:, t], h_centred[:, t], h_means[:, t]),
                *(h_inverse[:, t], h_factor[:, t], h_grad[:, t]),
            )
            h_next = torch.bmm(h_grad[:, t], W_t)

        before = hidden[:, :-1].reshape(D, -1, u)
        W_grad = torch.bmm(before.transpose(1, 2), h_grad[:, 1:].reshape(D, -1, 4 * u))

        # Of several processes each has its part of the mean's total: their gradients are added up.
        def total(means: Tensor, inverse: Tensor | float = 1.0) -> Tensor:
            return N * (means * inverse).sum((1, 2))

        return (
            x_grad,
            W_grad,
            total(x_means, x_inverse),
            total(h_means, h_inverse),
            total(a_means),
            total(c_means, c_inverse),
            total(o_means),
        )


class GRULayer(nn.Module):
    """Gated recurrent layer in one direction.

    The reset gate multiplies the state *before* the candidate's product; ``torch.nn.GRU`` applies
    it after, which is another function.
    """

    def __init__(self, features: int, units: int, generator: Generator):
        super().__init__()
        self.gates_kernel = glorot(features + units, 2 * units, generator=generator)
        self.gates_bias = nn.Parameter(torch.ones(2 * units))
        self.candidate_kernel = glorot(features + units, units, generator=generator)
        self.candidate_bias = nn.Parameter(torch.zeros(units))

    @staticmethod
    def project(cells: Sequence[GRULayer], x: Tensor) -> Tensor:
        """The inputs' part ``(D, M, 3u)`` of gates and candidate, from ``(D, M, F)``."""
        F = x.shape[-1]
        kernel = torch.cat(
            [stacked(cells, f"{part}_kernel")[:, :F] for part in ("gates", "candidate")], dim=2
        )
        bias = torch.cat([stacked(cells, f"{part}_bias") for part in ("gates", "candidate")], dim=1)
        return torch.baddbmm(bias.unsqueeze(1), x, kernel)

    @staticmethod
    def _state_kernels(cells: Sequence[GRULayer]) -> tuple[Tensor, Tensor]:
        u = len(cells[0].candidate_bias)
        return tuple(stacked(cells, f"{part}_kernel")[:, -u:] for part in ("gates", "candidate"))

    @staticmethod
    def train_steps(cells: Sequence[GRULayer], projected: Tensor) -> Tensor:
        """Hidden states ``(D, T, N, u)`` of ``(D, T, N, 3u)``."""
        return accelerated("gru", _GRU.apply, projected, *GRULayer._state_kernels(cells))

    @staticmethod
    def evaluate_steps(cells: Sequence[GRULayer], projected: Iterable[Tensor]) -> Tensor:
        """Hidden states ``(D, T, N, u)`` of T times ``(D, N, 3u)``."""
        W_gates, W_candidate = GRULayer._state_kernels(cells)
        u = W_candidate.shape[1]
        hidden = []
        for t, xh in enumerate(projected):
            if t == 0:
                h = xh.new_zeros(*xh.shape[:2], u)
            gates = torch.sigmoid(torch.baddbmm(xh[..., : 2 * u], h, W_gates))
            reset, update = gates.chunk(2, dim=-1)
            candidate = torch.tanh(torch.baddbmm(xh[..., 2 * u :], reset * h, W_candidate))
            h = torch.lerp(candidate, h, update)  # update * h + (1 - update) * candidate
            hidden.append(h)
        return torch.stack(hidden, dim=1)


class _GRU(torch.autograd.Function):
    """All steps of a `GRULayer` in training."""

    @staticmethod
    def forward(ctx, projected, W_gates, W_candidate):
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
    def backward(ctx, grad):
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

        def product(left: Tensor, right: Tensor) -> Tensor:
            left = left.reshape(D, T * N, -1)
            return torch.bmm(left.transpose(1, 2), right.reshape(D, T * N, -1))

        return (
            projected_grad,
            product(states[:, :-1], projected_grad[..., : 2 * u]),
            product(resets, projected_grad[..., 2 * u :]),
        )


class GRU(nn.Sequential):
    """Layers stacked in one direction."""

    def __init__(self, features: int, units: int, layers: int, generator: Generator):
        inputs = [features] + [units] * (layers - 1)
        super().__init__(*(GRULayer(size, units, generator) for size in inputs))


class PeepholeLSTM(nn.Module):
    """LSTM in one direction, whose gates see the cell.

    The forget and the input gate see the cell before the step, the output gate that after it. Gates
    in the order input, candidate, forget, output; 1 is added to the forget gate.
    """

    def __init__(self, features: int, units: int, generator: Generator):
        super().__init__()
        fans = features + units + 4 * units  # the released weights are one matrix
        self.W_xh = glorot(features, 4 * units, fans=fans, generator=generator)
        self.W_hh = glorot(units, 4 * units, fans=fans, generator=generator)
        self.bias = nn.Parameter(torch.zeros(4 * units))
        self.enter, self.forget, self.leave = (glorot(units, generator=generator) for _ in range(3))

    @staticmethod
    def project(cells: Sequence[PeepholeLSTM], x: Tensor) -> Tensor:
        """The inputs' part ``(D, M, 4u)`` of the gates, from ``(D, M, F)``."""
        bias = stacked(cells, "bias")
        u = bias.shape[1] // 4
        bias = bias + pad(bias.new_ones(u), (2 * u, u))
        return torch.baddbmm(bias.unsqueeze(1), x, stacked(cells, "W_xh"))

    @staticmethod
    def train_steps(cells: Sequence[PeepholeLSTM], projected: Tensor) -> Tensor:
        """Hidden states ``(D, T, N, u)`` of ``(D, T, N, 4u)``."""
        return PeepholeLSTM.evaluate_steps(cells, projected.unbind(1))

    @staticmethod
    def evaluate_steps(cells: Sequence[PeepholeLSTM], projected: Iterable[Tensor]) -> Tensor:
        """Hidden states ``(D, T, N, u)`` of T times ``(D, N, 4u)``."""
        W_hh = stacked(cells, "W_hh")
        enter_peephole, forget_peephole, leave_peephole = (
            stacked(cells, gate).unsqueeze(1) for gate in ("enter", "forget", "leave")
        )
        hidden = []
        for t, xh in enumerate(projected):
            if t == 0:
                h = c = xh.new_zeros(*xh.shape[:2], W_hh.shape[1])
            enter, candidate, forget, leave = torch.baddbmm(xh, h, W_hh).chunk(4, dim=-1)
            enter = torch.sigmoid(torch.addcmul(enter, c, enter_peephole))
            forget = torch.sigmoid(torch.addcmul(forget, c, forget_peephole))
            c = torch.addcmul(enter * torch.tanh(candidate), c, forget)
            h = torch.sigmoid(torch.addcmul(leave, c, leave_peephole)) * torch.tanh(c)
            hidden.append(h)
        return torch.stack(hidden, dim=1)


class Bidirectional(nn.Module):
    """A recurrent layer, or a stack of layers, once in each direction.

    ``(T, N, F)`` to ``(T, N, 2u)``. The directions meet at the output only. Dropout on input and
    output, with a new mask for every time step and direction.
    """

    def __init__(self, direction: Callable[[], nn.Module], rate: float):
        super().__init__()
        self.fw = direction()
        self.bw = direction()
        self.dropout = rate

    def _layers(self) -> list[tuple[nn.Module, nn.Module]]:
        """Layer by layer, the cells of both directions."""
        if isinstance(self.fw, nn.Sequential):
            return list(zip(self.fw, self.bw, strict=True))
        return [(self.fw, self.bw)]

    def forward(self, x: Tensor) -> Tensor:
        T, N, _ = x.shape
        h = torch.stack([dropout(way, self.dropout, self.training) for way in (x, x.flip(0))])
        for cells in self._layers():
            kind = type(cells[0])
            projected = kind.project(cells, h.flatten(1, 2)).unflatten(1, (T, N))
            if self.training:
                h = kind.train_steps(cells, projected)
            else:
                h = kind.evaluate_steps(cells, projected.unbind(1))
        return dropout(_joined(h), self.dropout, self.training)

    def overlapping(self, x: Tensor, length: int) -> Tensor:
        """In evaluation, all sequences of ``length`` in ``(n, F)``: ``(length, S, 2u)``.

        Sequence s of the S = n - length + 1 reads x[s] to x[s + length - 1]. The inputs' products
        are computed once for all sequences that share them.
        """
        first, *others = self._layers()
        kind = type(first[0])
        fw, bw = kind.project(first, x.expand(2, *x.shape))
        last = len(x) - length + 1
        h = kind.evaluate_steps(
            first,
            (
                torch.stack((fw[t : t + last], bw[length - 1 - t : length - 1 - t + last]))
                for t in range(length)
            ),
        )
        for cells in others:
            h = kind.evaluate_steps(
                cells, kind.project(cells, h.flatten(1, 2)).view(2, length, last, -1).unbind(1)
            )
        return _joined(h)


def _joined(h: Tensor) -> Tensor:
    """Both directions ``(2, T, N, u)`` side by side in the order of time, ``(T, N, 2u)``."""
    fw, bw = h
    return torch.cat((fw, bw.flip(0)), dim=2)
