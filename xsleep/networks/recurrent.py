"""Recurrent layers, as the released TensorFlow graphs compute them.

None of them is one of PyTorch's. ``evaluate_steps`` of each is its plain reference. Both directions
run as one batch, and the products of the inputs of all steps are one product. In training the
normalised LSTM and the GRU take the steps of `xsleep.networks.fast.steps`, or on a GPU those of
`xsleep.networks.fast.kernels`, which know the batch statistics of one process only. The LSTM with
peepholes is left to autograd: its 512 units make it mostly arithmetic, and a training step would
gain less than a tenth.

Shapes: D directions, T time steps, N sequences, F features, u units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pad

from xsleep.compute import parallel
from xsleep.networks.dropout import dropout
from xsleep.networks.fast import steps
from xsleep.networks.fast.acceleration import Steps, accelerated
from xsleep.networks.initial import glorot


def stacked(cells: Sequence[nn.Module], name: str) -> Tensor:
    """Return a parameter or buffer of the cells of all directions, ``(D, ...)``."""
    return torch.stack([attrgetter(name)(cell) for cell in cells])


class Cell(nn.Module, ABC):
    """Recurrent layer in one direction; its functions compute those of all directions at once.

    The products are those of the inputs with their weights, of size P: 4u, or 3u of a GRU.
    """

    @staticmethod
    @abstractmethod
    def project(cells: Sequence[Any], x: Tensor) -> Tensor:
        """Return the products ``(D, M, P)`` of M inputs ``(D, M, F)``."""

    @classmethod
    def train_steps(cls, cells: Sequence[Any], projected: Tensor) -> Tensor:
        """Return hidden states ``(D, T, N, u)`` in training from products ``(D, T, N, P)``."""
        return cls.evaluate_steps(cells, projected.unbind(1))

    @staticmethod
    @abstractmethod
    def evaluate_steps(cells: Sequence[Any], projected: Iterable[Tensor]) -> Tensor:
        """Return hidden states ``(D, T, N, u)`` in evaluation from T products ``(D, N, P)``."""


class StepNorm(nn.Module):
    """Batch normalisation with separate population statistics for every time step.

    In training the statistics are those of the batch (biased variance), and those of the population
    move by a twentieth towards them.
    """

    EPSILON = steps.EPSILON
    MOMENTUM = 0.05

    mean: Tensor
    variance: Tensor

    def __init__(self, steps: int, size: int, offset: Tensor | None):
        super().__init__()
        self.scale = nn.Parameter(torch.full((size,), 0.1))
        self.offset = None if offset is None else nn.Parameter(offset)
        self.register_buffer("mean", torch.zeros(steps, size))
        self.register_buffer("variance", torch.ones(steps, size))

    @torch.no_grad()
    def follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the population statistics towards those of a batch, ``(T, size)``."""
        self.mean[: len(mean)].lerp_(mean, self.MOMENTUM)
        self.variance[: len(mean)].lerp_(variance, self.MOMENTUM)

    def population(self) -> tuple[Tensor, Tensor]:
        """Return factors and shifts ``(steps, size)`` that normalise by the population."""
        factors: Tensor = self.scale * (self.variance + self.EPSILON).rsqrt()
        shifts = -self.mean * factors
        return factors, shifts if self.offset is None else shifts + self.offset


def _population(cells: Sequence[nn.Module], part: str) -> list[Tensor]:
    """Return `StepNorm.population` of all directions, both ``(steps, D, 1, size)``."""
    pairs = zip(*(getattr(cell, part).population() for cell in cells), strict=True)
    return [torch.stack(values, dim=1).unsqueeze(2) for values in pairs]


class BatchNormLSTM(Cell):
    """LSTM with recurrent batch normalisation in one direction (ref. 33 of the paper).

    The input's part, the state's part and the cell are normalised separately. The normalised cell
    feeds the output only: the next step gets the raw cell. Gates are in the order forget, input,
    output, candidate. ``steps`` is the longest T.
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
        return torch.bmm(x, stacked(cells, "W_xh"))

    @classmethod
    def train_steps(cls, cells: Sequence[BatchNormLSTM], projected: Tensor) -> Tensor:
        """Return hidden states, normalised by the statistics of the batch, which are followed."""
        names = ("W_hh", "xh.scale", "hh.scale", "hh.offset", "c.scale", "c.offset")
        fast = partial(accelerated, "lstm", steps.lstm)
        take: Steps = steps.lstm if parallel.size() > 1 else fast
        hidden, *moments = take(projected, *(stacked(cells, name) for name in names))
        for part, *both in zip(("xh", "hh", "c"), moments[::2], moments[1::2], strict=True):
            for cell, mean, variance in zip(cells, *both, strict=True):
                getattr(cell, part).follow(mean, variance)
        return hidden

    @staticmethod
    def evaluate_steps(cells: Sequence[BatchNormLSTM], projected: Iterable[Tensor]) -> Tensor:
        """Return hidden states, normalised by the statistics of the population."""
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


class GRULayer(Cell):
    """Layer of gated recurrent units in one direction.

    The reset gate multiplies the state *before* the candidate's product; ``torch.nn.GRU`` applies
    it after, which is a different function.
    """

    def __init__(self, features: int, units: int, generator: Generator):
        super().__init__()
        self.gates_kernel = glorot(features + units, 2 * units, generator=generator)
        self.gates_bias = nn.Parameter(torch.ones(2 * units))
        self.candidate_kernel = glorot(features + units, units, generator=generator)
        self.candidate_bias = nn.Parameter(torch.zeros(units))

    @staticmethod
    def project(cells: Sequence[GRULayer], x: Tensor) -> Tensor:
        """Return the inputs' part of both gates and the candidate, P = 3u."""
        parts, F = ("gates", "candidate"), x.shape[-1]
        kernel = torch.cat([stacked(cells, f"{part}_kernel")[:, :F] for part in parts], dim=2)
        bias = torch.cat([stacked(cells, f"{part}_bias") for part in parts], dim=1)
        return torch.baddbmm(bias.unsqueeze(1), x, kernel)

    @staticmethod
    def _state_kernels(cells: Sequence[GRULayer]) -> tuple[Tensor, Tensor]:
        """Return the state's part of the weights, ``(D, u, 2u)`` and ``(D, u, u)``."""
        u = len(cells[0].candidate_bias)
        return stacked(cells, "gates_kernel")[:, -u:], stacked(cells, "candidate_kernel")[:, -u:]

    @classmethod
    def train_steps(cls, cells: Sequence[GRULayer], projected: Tensor) -> Tensor:
        kernels = cls._state_kernels(cells)
        return cast(Tensor, accelerated("gru", steps.gru, projected, *kernels))

    @staticmethod
    def evaluate_steps(cells: Sequence[GRULayer], projected: Iterable[Tensor]) -> Tensor:
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


class GRU(nn.Sequential):
    """Stack of `GRULayer` in one direction."""

    def __init__(self, features: int, units: int, layers: int, generator: Generator):
        inputs = [features] + [units] * (layers - 1)
        super().__init__(*(GRULayer(size, units, generator) for size in inputs))


class PeepholeLSTM(Cell):
    """LSTM with peephole connections in one direction.

    The forget and the input gate see the cell before the step, the output gate the one after it.
    Gates are in the order input, candidate, forget, output; 1 is added to the forget gate.
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
        bias = stacked(cells, "bias")
        u = bias.shape[1] // 4
        bias = bias + pad(bias.new_ones(u), (2 * u, u))
        return torch.baddbmm(bias.unsqueeze(1), x, stacked(cells, "W_xh"))

    @staticmethod
    def evaluate_steps(cells: Sequence[PeepholeLSTM], projected: Iterable[Tensor]) -> Tensor:
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
    """Bidirectional recurrent layer or stack of layers: ``(T, N, F)`` to ``(T, N, 2u)``.

    The directions are joined at the output only. Dropout is applied to input and output, with a
    new mask for every time step and direction.

    Args:
        direction: makes the `Cell`, or the `torch.nn.Sequential` of cells, of one direction.
        rate: probability of dropping a value.
    """

    def __init__(self, direction: Callable[[], nn.Module], rate: float):
        super().__init__()
        self.fw = direction()
        self.bw = direction()
        self.dropout = rate

    def _layers(self) -> list[tuple[Cell, ...]]:
        """Return the cells of both directions of each layer."""
        ways = [way if isinstance(way, nn.Sequential) else (way,) for way in (self.fw, self.bw)]
        return [cast(tuple[Cell, ...], cells) for cells in zip(*ways, strict=True)]

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
        """Return the states of all sequences of ``length`` in ``(n, F)``: ``(length, S, 2u)``.

        For evaluation. Sequence s of the S = n - length + 1 reads x[s] to x[s + length - 1]. The
        products of the inputs are computed once for all sequences that share them.
        """
        first, *others = self._layers()
        kind = type(first[0])
        fw, bw = kind.project(first, x.expand(2, *x.shape))
        count = len(x) - length + 1
        times = zip(range(length), reversed(range(length)), strict=True)
        h = kind.evaluate_steps(
            first, (torch.stack((fw[t : t + count], bw[s : s + count])) for t, s in times)
        )
        for cells in others:
            projected = kind.project(cells, h.flatten(1, 2)).view(2, length, count, -1)
            h = kind.evaluate_steps(cells, projected.unbind(1))
        return _joined(h)


def _joined(h: Tensor) -> Tensor:
    """Return both directions ``(2, T, N, u)`` side by side in order of time, ``(T, N, 2u)``."""
    fw, bw = h
    return torch.cat((fw, bw.flip(0)), dim=2)
