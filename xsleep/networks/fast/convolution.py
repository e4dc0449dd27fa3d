"""Strided convolutions of the FCNN and their activations, written for speed.

The layers compute what the released graph computes, by matrix products that suit today's
processors. Time is the first axis, then come the epochs of the minibatch, so that neighbouring
samples of all epochs are one matrix. A layer's output is written once, in the layout that the next
convolution reads: after activation and dropout, in pairs of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from xsleep.networks import dropout
from xsleep.networks.fast import acceleration
from xsleep.networks.fast.fourier import correlate
from xsleep.networks.layers import same

leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input

SLOPE = 0.3
"""Slope of the leaky ReLU below 0."""

MANY = 8192
"""Number of weights of a layer from which on it is computed in the frequency domain."""

CACHED = 2**18
"""Number of values that stay in a processor's cache between successive operations."""

FUSED = False
"""True: on a GPU leaky ReLU, dropout and pairing are one kernel, and their gradient another
(`xsleep.networks.fast.activation`). It is read when a layer runs, so a benchmark may change it."""

CHECKED_EPOCHS = 3
"""Epochs that the fused kernels are checked on."""


class Convolution(nn.Module):
    """Convolution over time with stride 2 and TensorFlow's "SAME" padding.

    Maps pairs of samples ``(ceil(samples / 2), N, 2 channels)`` to ``(ceil(samples / 2), N,
    filters)``: stride 2 over samples is stride 1 over pairs. An odd number of samples is followed
    by a zero.
    """

    def __init__(
        self,
        samples: int,
        channels: int,
        filters: int,
        kernel: int,
        *,
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
        self.before = (before + 1) // 2
        taps = -(-(kernel + before % 2) // 2)
        self.zeros = before % 2, 2 * taps - kernel - before % 2
        """Zeros before and after the filter, so that its taps are pairs as well."""

    def forward(self, x: Tensor) -> Tensor:
        weight = F.pad(self.weight, self.zeros).unflatten(2, (-1, 2))
        weight = weight.permute(2, 3, 1, 0).flatten(1, 2)
        if weight.numel() >= MANY:
            return correlate(x, weight, self.bias, before=self.before, outputs=self.outputs)
        return self._plain(x, weight)

    def _plain(self, x: Tensor, weight: Tensor) -> Tensor:
        """Convolve by PyTorch; on a CPU in as many segments as threads, one batch item each."""
        taps = len(weight)
        length = self.outputs if x.is_cuda else -(-self.outputs // torch.get_num_threads())
        count = -(-self.outputs // length)
        after = count * length + taps - 1 - self.before - len(x)
        x = F.pad(x, (0, 0, 0, 0, self.before, after))
        if count == 1:
            x = x.unsqueeze(0)
        else:
            x = x.unfold(0, length + taps - 1, length).permute(0, 3, 1, 2)
        x = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        y = F.conv2d(x, weight.permute(2, 1, 0).unsqueeze(3).contiguous(), self.bias)
        return y.permute(0, 2, 3, 1).flatten(0, 1)[: self.outputs]


def pairs(x: Tensor) -> Tensor:
    """Return ``(T, N, C)`` as ``(ceil(T / 2), N, 2 C)``, with a zero after an odd T."""
    if len(x) % 2:
        x = F.pad(x, (0, 0, 0, 0, 0, 1))
    y: Tensor = x.unflatten(0, (-1, 2)).transpose(1, 2).flatten(2)
    return y


def _pairwise(T: int, most: int) -> Iterator[tuple[slice, slice, int]]:
    """Yield blocks of samples, the pairs that they form, and 2, or 1 for a last odd sample."""
    for first in range(0, T // 2, most):
        last = min(first + most, T // 2)
        yield slice(2 * first, 2 * last), slice(first, last), 2
    if T % 2:
        yield slice(T - 1, T), slice(T // 2, T // 2 + 1), 1


class _LeakyDropout(torch.autograd.Function):
    """Leaky ReLU and dropout, from samples to pairs in one pass over memory.

    An element is dropped if its byte of ``draws`` is below ``dropped``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, draws: Tensor | None, dropped: int) -> Tensor:
        T, N, C = x.shape
        y = x.new_empty((T + 1) // 2, N, 2, C)
        y[T // 2 :, :, 1] = 0  # beside a last odd sample
        ctx.save_for_backward(y, draws)
        ctx.shape, ctx.dropped = x.shape, dropped
        most = T if x.is_cuda else max(CACHED // (2 * N * C), 1)
        ctx.parts = list(_pairwise(T, most))
        for times, places, number in ctx.parts:
            some = F.leaky_relu(x[times], SLOPE)
            if draws is not None:
                some.mul_(dropout.factors(draws[times], dropped, x.dtype))
            y[places, :, :number].transpose(1, 2).copy_(some.unflatten(0, (-1, number)))
        return y.flatten(2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        y, draws = ctx.saved_tensors
        grad, out = grad.view(y.shape), grad.new_empty(ctx.shape)
        for times, places, number in ctx.parts:
            given, made = (g[places, :, :number].transpose(1, 2) for g in (grad, y))
            some = out[times].unflatten(0, (-1, number))
            leaky_relu_backward(given, made, SLOPE, True, grad_input=some)
            if draws is not None:
                out[times].mul_(dropout.factors(draws[times], ctx.dropped, y.dtype))
        return out, None, None


class LeakyReLU(nn.Module):
    """Leaky ReLU of slope 0.3, then dropout: ``(T, N, filters)`` to pairs."""

    def forward(self, x: Tensor, rate: float) -> Tensor:
        dropped = dropout.threshold(rate) if self.training else 0
        T, N, C = x.shape
        draws = dropout.draw((N, T, C), x.device).transpose(0, 1) if dropped else None
        fused = FUSED and acceleration.serves(x)
        take = _fused(T, C, dropped, x.device) if fused else _LeakyDropout.apply
        return cast(Tensor, take(x, draws, dropped))


@cache
def _fused(T: int, C: int, dropped: int, device: torch.device) -> acceleration.Steps:
    """Return the kernels if they agree with the plain function for some epochs, or the latter."""

    def sample() -> tuple[Tensor, Tensor | None, int]:
        N = CHECKED_EPOCHS
        generator = torch.Generator(device).manual_seed(1)  # draws none of the training's numbers
        like: Any = {"generator": generator, "device": device}
        draws = torch.randint(256, (N, T, C), dtype=torch.uint8, **like).transpose(0, 1)
        return torch.randn(T, N, C, **like), draws if dropped else None, dropped

    return acceleration.agreeing("activation", "leaky_dropout", _LeakyDropout.apply, sample)


class PReLU(nn.Module):
    """ReLU with learned slopes below 0, then dropout: ``(T, N, filters)`` to pairs.

    The paper names the function only; its initial value 0.25 is that of He et al. (2015).
    """

    def __init__(self, filters: int):
        super().__init__()
        self.slope = nn.Parameter(torch.full((filters,), 0.25))

    def forward(self, x: Tensor, rate: float) -> Tensor:
        x = F.prelu(x.flatten(0, -2), self.slope).view(x.shape)
        return pairs(dropout.dropout(x.transpose(0, 1), rate, self.training).transpose(0, 1))


ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "leaky_relu": lambda filters: LeakyReLU(),
    "prelu": PReLU,
}
"""Constructors of the activations, given the number of filters."""
