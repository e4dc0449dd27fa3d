"""The epoch-level part of the raw stream: nine convolutions, written for speed.

What is computed is the released graph's; how, is chosen for the matrix products of today's
processors. A layer's output is written once, where the next convolution wants it: activated,
thinned out by dropout, with the zeros of TensorFlow's "SAME" padding around it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from xsleep.models import dropout
from xsleep.settings import NetworkSettings

leaky_relu_backward = torch.ops.aten.leaky_relu_backward

SLOPE = 0.3
"""Of the leaky ReLU below 0."""

PRINTED = {375: 325}
"""Lengths of feature maps that the paper prints otherwise than its strides give them."""


def same(samples: int, size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, of TensorFlow's "SAME" padding: ceil(samples / stride) outputs.

    Of an odd number the larger half is after.
    """
    total = max((-(-samples // stride) - 1) * stride + size - samples, 0)
    return total // 2, total - total // 2


class Convolution(nn.Module):
    """Convolution over time with stride 2 and TensorFlow's "SAME" padding.

    ``(N, samples, C)``, with as many zeros around it as ``padding`` says, to
    ``(N, ceil(samples / 2), filters)``.

    Several neighbouring outputs are computed as one block, with more channels. For few channels
    that is faster, although zeros are multiplied where an output of the block does not reach. And
    where the input is no longer than the filter, all outputs are one block, which leaves out the
    products with the padding.
    """

    def __init__(
        self,
        samples: int,
        channels: int,
        filters: int,
        kernel: int,
        deviation: float,
        generator: Generator,
    ):
        super().__init__()
        weight = torch.empty(filters, channels, kernel)
        bound = 2 * deviation
        nn.init.trunc_normal_(weight, std=deviation, a=-bound, b=bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(filters))

        self.outputs = (samples + 1) // 2
        before, _ = same(samples, kernel, 2)
        if samples <= kernel:
            self.block, self.width = self.outputs, samples
            self.padding, self.cut = (0, 0), before
        else:
            self.block = 8 if channels < 8 else 2 if channels * filters <= 256 else 1
            step = 2 * self.block
            steps = -(-(kernel + step - 2) // step)  # that a block reads
            blocks = -(-self.outputs // self.block)
            self.width = steps * step
            after = (blocks + steps - 1) * step - before - samples
            self.padding, self.cut = (before, after), 0

    def _blocks(self) -> Tensor:
        """``(filters, C, block, width)``: the filter as each output of a block meets its input."""
        kernel = self.weight.shape[2]
        shift = 2 * (self.block - 1) - self.cut
        windows = F.pad(self.weight, (shift, self.width - kernel + self.cut))
        return windows.unfold(2, self.width, 2).flip(2)

    def forward(self, x: Tensor) -> Tensor:
        filters, channels, _ = self.weight.shape
        weight, bias = self._blocks(), self.bias.repeat(self.block)
        if self.block == self.outputs:
            weight = weight.permute(2, 0, 3, 1).reshape(self.block * filters, -1)
            return F.linear(x.flatten(1), weight, bias).view(len(x), self.outputs, filters)
        # The samples of a step are channels of a convolution with stride 1, channels last.
        step = 2 * self.block
        weight = weight.unflatten(3, (-1, step)).permute(2, 0, 4, 1, 3)
        weight = weight.reshape(self.block * filters, step * channels, 1, -1)
        x = x.view(len(x), 1, -1, step * channels).permute(0, 3, 1, 2)
        y = F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), bias)
        return y.permute(0, 2, 3, 1).reshape(len(x), -1, filters)[:, : self.outputs]


class _LeakyDropout(torch.autograd.Function):
    """Leaky ReLU, times a dropout mask if there is one, with zeros around it; no copy between."""

    @staticmethod
    def forward(ctx, x: Tensor, factors: Tensor | None, padding: tuple[int, int]) -> Tensor:
        before, after = padding
        N, T, C = x.shape
        padded = x.new_empty(N, before + T + after, C)
        padded[:, :before] = 0
        padded[:, before + T :] = 0
        inner = padded[:, before : before + T]
        ctx.span = slice(before, before + T)
        if factors is None:
            torch._C._nn.leaky_relu(x, SLOPE, out=inner)
            ctx.save_for_backward(padded)
        else:
            # The derivative, mask included, is the factor forwards as well.
            leaky_relu_backward(factors, x, SLOPE, False, grad_input=factors)
            torch.mul(x, factors, out=inner)
            ctx.save_for_backward(padded, factors)
        return padded

    @staticmethod
    def backward(ctx, grad: Tensor):
        padded, *factors = ctx.saved_tensors
        grad = grad[:, ctx.span]
        if factors:
            grad = grad * factors[0]
        else:
            grad = leaky_relu_backward(grad, padded[:, ctx.span], SLOPE, True)
        return grad, None, None


class LeakyReLU(nn.Module):
    """Leaky ReLU of slope 0.3, dropout and padding: ``(N, T, filters)`` to the padded length."""

    def forward(self, x: Tensor, rate: float, padding: tuple[int, int]) -> Tensor:
        factors = dropout.mask(x.shape, rate, x) if self.training and rate else None
        return _LeakyDropout.apply(x, factors, padding)


class PReLU(nn.Module):
    """ReLU with a learned slope for each filter below 0, then dropout and padding.

    The paper names the function alone; 0.25 at the start is that of He et al. (2015).
    """

    def __init__(self, filters: int):
        super().__init__()
        self.slope = nn.Parameter(torch.full((filters,), 0.25))

    def forward(self, x: Tensor, rate: float, padding: tuple[int, int]) -> Tensor:
        x = F.prelu(x.flatten(0, -2), self.slope).view(x.shape)
        return F.pad(dropout.dropout(x, rate, self.training), (0, 0, *padding))


ACTIVATIONS = {"leaky_relu": lambda filters: LeakyReLU(), "prelu": PReLU}


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
        self.convolutions = nn.ModuleList()
        self.lengths = []
        for before, after in pairwise((channels, *s.filters)):
            self.convolutions.append(
                Convolution(samples, before, after, s.kernel, s.filter_deviation, generator)
            )
            samples = (samples + 1) // 2
            if s.convolution_lengths == "printed":
                samples = PRINTED.get(samples, samples)
            self.lengths.append(samples)
        self.activations = nn.ModuleList(ACTIVATIONS[s.activation](size) for size in s.filters)
        self.rates = [s.convolution_dropout] * len(s.filters)
        if not s.dropout_after_last_convolution:
            self.rates[-1] = 0.0
        self.features = samples * s.filters[-1]

    def forward(self, x: Tensor) -> Tensor:
        paddings = [convolution.padding for convolution in self.convolutions]
        x = F.pad(x, (0, 0, *paddings[0]))
        for convolution, activation, length, rate, padding in zip(
            *(self.convolutions, self.activations, self.lengths, self.rates),
            [*paddings[1:], (0, 0)],
            strict=True,
        ):
            x = convolution(x)
            if surplus := x.shape[1] - length:
                x = x.narrow(1, surplus // 2, length)
            x = activation(x, rate, padding)
        return x.flatten(1)
