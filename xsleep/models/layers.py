"""The layers of the networks, as the released TensorFlow graphs compute them.

Recurrent layers are time-major: ``(T, N, F)`` is time steps, batch, features.
Initial values follow TensorFlow's initialisers and come from one generator,
so that a seed determines a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from xsleep.settings import NetworkSettings

BINS = 129
"""Frequency bins of a spectrogram frame, 0 to 50 Hz."""


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Inverted dropout; the rate is rounded to a multiple of 1/256 (0.25 and 0.5 are exact).

    One random byte decides over one element: on CPUs several times faster
    than ``F.dropout``, which draws a number for each.
    """
    dropped = round(256 * rate)
    if not training or dropped == 0:
        return x
    words = torch.empty(x.numel() // 8 + 1, dtype=torch.int64, device=x.device)
    draws = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()].view(x.shape)
    return x * (draws >= dropped).to(x.dtype).mul_(256 / (256 - dropped))


def glorot(*shape: int, generator: Generator) -> nn.Parameter:
    """Glorot-uniform values; a vector counts its length as both fans, as in TensorFlow."""
    limit = math.sqrt(6 / (shape[0] + shape[-1]))
    return nn.Parameter(torch.empty(shape).uniform_(-limit, limit, generator=generator))


def normal(*shape: int, deviation: float, generator: Generator) -> nn.Parameter:
    return nn.Parameter(deviation * torch.randn(shape, generator=generator))


class Convolution(nn.Module):
    """Convolution over time with stride 2 and TensorFlow's "SAME" padding.

    ``(N, T, C)`` to ``(N, ceil(T / 2), filters)``. Where the padding is odd, its
    larger half is at the end.
    """

    def __init__(
        self, channels: int, filters: int, kernel: int, deviation: float, generator: Generator
    ):
        super().__init__()
        weight = torch.empty(filters, channels, kernel)
        bound = 2 * deviation
        nn.init.trunc_normal_(weight, std=deviation, a=-bound, b=bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(filters))

    def forward(self, x: Tensor) -> Tensor:
        N, T, C = x.shape
        filters, _, kernel = self.weight.shape
        # Stride 2 over samples is stride 1 over pairs of samples with twice the channels:
        # the same products, but a faster backward pass.
        taps, outputs = (kernel + 1) // 2, (T + 1) // 2
        pairs = outputs + taps - 1
        left = max(2 * (outputs - 1) + kernel - T, 0) // 2
        x = F.pad(x, (0, 0, left, 2 * pairs - T - left))
        x = x.reshape(N, 1, pairs, 2 * C).permute(0, 3, 1, 2)  # (N, 2C, 1, pairs), channels last
        weight = F.pad(self.weight, (0, 2 * taps - kernel)).view(filters, C, taps, 2)
        weight = weight.permute(0, 3, 1, 2).reshape(filters, 2 * C, 1, taps)
        x = F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), self.bias)
        return x.squeeze(2).transpose(1, 2)


class PReLU(nn.Module):
    """ReLU with a learned slope for each filter below 0, ``(..., filters)`` to the same.

    The paper names the function alone; 0.25 at the start is that of He et al. (2015).
    """

    def __init__(self, filters: int):
        super().__init__()
        self.slope = nn.Parameter(torch.full((filters,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x.flatten(0, -2), self.slope).view(x.shape)


ACTIVATIONS = {"leaky_relu": lambda filters: nn.LeakyReLU(0.3), "prelu": PReLU}

PRINTED = {375: 325}
"""Lengths of feature maps that the paper prints otherwise than its strides give them."""


class FCNN(nn.Module):
    """Fully convolutional network, the epoch-level part of the raw stream (Section 3).

    ``(N, 3000, C)`` samples to ``(N, features)``: the last feature maps, time step
    by time step.
    """

    def __init__(
        self, channels: int, samples: int, settings: NetworkSettings, generator: Generator
    ):
        super().__init__()
        s = settings
        self.convolutions = nn.ModuleList(
            Convolution(before, after, s.kernel, s.filter_deviation, generator)
            for before, after in pairwise((channels, *s.filters))
        )
        self.activations = nn.ModuleList(ACTIVATIONS[s.activation](size) for size in s.filters)
        self.rates = [s.convolution_dropout] * len(s.filters)
        if not s.dropout_after_last_convolution:
            self.rates[-1] = 0.0
        self.lengths = []
        for _ in s.filters:
            samples = (samples + 1) // 2
            if s.convolution_lengths == "printed":
                samples = PRINTED.get(samples, samples)
            self.lengths.append(samples)
        self.features = samples * s.filters[-1]

    def forward(self, x: Tensor) -> Tensor:
        for convolution, activation, length, rate in zip(
            self.convolutions, self.activations, self.lengths, self.rates, strict=True
        ):
            x = convolution(x)
            if surplus := x.shape[1] - length:
                x = x.narrow(1, surplus // 2, length)
            x = dropout(activation(x), rate, self.training)
        return x.flatten(1)


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


class StepNorm(nn.Module):
    """Batch normalisation with population statistics of their own for every time step.

    ``(N, size)`` to ``(N, size)``. In training the statistics are the batch's (biased
    variance), and the population's move by a twentieth towards them.
    """

    EPSILON = 1e-5
    MOMENTUM = 0.05

    def __init__(self, steps: int, size: int, offset: Tensor | None):
        super().__init__()
        self.scale = nn.Parameter(torch.full((size,), 0.1))
        self.offset = None if offset is None else nn.Parameter(offset)
        self.register_buffer("mean", torch.zeros(steps, size))
        self.register_buffer("variance", torch.ones(steps, size))

    def forward(self, x: Tensor, step: int) -> Tensor:
        population = self.mean[step], self.variance[step]
        if not self.training:
            return F.batch_norm(x, *population, self.scale, self.offset, eps=self.EPSILON)
        # F.batch_norm would keep the unbiased variance; this one hands out the biased.
        x, mean, inverse_deviation = torch.native_batch_norm(
            x, self.scale, self.offset, None, None, True, 0.0, self.EPSILON
        )
        with torch.no_grad():
            population[0].lerp_(mean, self.MOMENTUM)
            population[1].lerp_(inverse_deviation**-2 - self.EPSILON, self.MOMENTUM)
        return x


class BatchNormLSTM(nn.Module):
    """Recurrent batch-normalised LSTM in one direction, ``(T, N, F)`` to ``(T, N, units)``.

    The input's part, the state's part and the cell are normalised apart. The
    normalised cell feeds the output alone: the raw cell is carried on. Gates in the
    order forget, input, output, candidate. ``steps`` is the longest T.
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

    def forward(self, x: Tensor) -> Tensor:
        units = len(self.W_hh)
        h = c = x.new_zeros(x.shape[1], units)
        outputs = []
        for step, xh in enumerate((x @ self.W_xh).unbind()):
            gates = self.xh(xh, step) + self.hh(h @ self.W_hh, step)  # (N, 4 * units)
            sigmoids, candidate = gates.split((3 * units, units), dim=1)
            forget, enter, leave = torch.sigmoid(sigmoids).chunk(3, dim=1)
            c = c * forget + enter * torch.tanh(candidate)
            h = torch.tanh(self.c(c, step)) * leave
            outputs.append(h)
        return torch.stack(outputs)


class GRULayer(nn.Module):
    """Gated recurrent layer in one direction, ``(T, N, F)`` to ``(T, N, units)``.

    The reset gate multiplies the state *before* the candidate's product;
    ``torch.nn.GRU`` applies it after, which is another function.
    """

    def __init__(self, features: int, units: int, generator: Generator):
        super().__init__()
        self.gates_kernel = glorot(features + units, 2 * units, generator=generator)
        self.gates_bias = nn.Parameter(torch.ones(2 * units))
        self.candidate_kernel = glorot(features + units, units, generator=generator)
        self.candidate_bias = nn.Parameter(torch.zeros(units))

    def forward(self, x: Tensor) -> Tensor:
        T, N, features = x.shape
        units = len(self.candidate_bias)
        gates_x, gates_h = self.gates_kernel.split((features, units))
        candidate_x, candidate_h = self.candidate_kernel.split((features, units))
        # The inputs' products of all steps at once; only the state's remain in the loop.
        bias = torch.cat((self.gates_bias, self.candidate_bias))
        kernel = torch.cat((gates_x, candidate_x), dim=1)
        projected = torch.addmm(bias, x.flatten(0, 1), kernel).view(T, N, 3 * units)
        h = x.new_zeros(N, units)
        outputs = []
        for step in projected.unbind():
            gates, candidate = step.split((2 * units, units), dim=1)
            reset, update = torch.sigmoid(torch.addmm(gates, h, gates_h)).chunk(2, dim=1)
            candidate = torch.tanh(torch.addmm(candidate, reset * h, candidate_h))
            h = torch.lerp(candidate, h, update)  # update * h + (1 - update) * candidate
            outputs.append(h)
        return torch.stack(outputs)


class GRU(nn.Sequential):
    """Layers stacked in one direction, ``(T, N, F)`` to ``(T, N, units)``."""

    def __init__(self, features: int, units: int, layers: int, generator: Generator):
        inputs = [features] + [units] * (layers - 1)
        super().__init__(*(GRULayer(size, units, generator) for size in inputs))


class Bidirectional(nn.Module):
    """A recurrent layer, or a stack of layers, once in each direction.

    ``(T, N, F)`` to ``(T, N, 2 * units)``. The directions meet at the output only.
    Dropout on input and output, with a new mask for every time step and direction.
    """

    def __init__(self, direction: Callable[[], nn.Module], rate: float):
        super().__init__()
        self.fw = direction()
        self.bw = direction()
        self.dropout = rate

    def forward(self, x: Tensor) -> Tensor:
        fw = self.fw(dropout(x, self.dropout, self.training))
        bw = self.bw(dropout(x.flip(0), self.dropout, self.training)).flip(0)
        return dropout(torch.cat((fw, bw), dim=2), self.dropout, self.training)


class Attention(nn.Module):
    """Weighted mean over time, weights learned (eq. 5): ``(T, N, F)`` to ``(N, F)``."""

    def __init__(self, features: int, size: int, generator: Generator):
        super().__init__()
        self.kernel = normal(features, size, deviation=0.1, generator=generator)
        self.bias = normal(size, deviation=0.1, generator=generator)
        self.context = normal(size, deviation=0.1, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.tanh(x @ self.kernel + self.bias) @ self.context  # (T, N)
        return (x * torch.softmax(scores, dim=0).unsqueeze(2)).sum(0)


class ARNN(nn.Module):
    """Attention-based recurrent network, the epoch-level part of the time-frequency stream.

    ``(N, 29, 129, C)`` normalised log-magnitudes to ``(N, 2 * units)`` (Section 3).
    """

    def __init__(
        self,
        channels: int,
        frames: int,
        filters: int,
        units: int,
        attention: int,
        rate: float,
        generator: Generator,
    ):
        super().__init__()
        self.filterbank = Filterbank(channels, filters, generator)
        self.rnn = Bidirectional(
            lambda: BatchNormLSTM(channels * filters, units, frames, generator), rate
        )
        self.attention = Attention(2 * units, attention, generator)
        self.features = 2 * units

    def forward(self, x: Tensor) -> Tensor:
        x = self.filterbank(x).transpose(0, 1).contiguous()  # (29, N, C * filters)
        return self.attention(self.rnn(x))


class Output(nn.Module):
    """Linear layer to the logits of the stages, ``(..., F)`` to ``(..., stages)``."""

    def __init__(self, features: int, stages: int, generator: Generator):
        super().__init__()
        self.weight = glorot(features, stages, generator=generator)
        self.bias = glorot(stages, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias
