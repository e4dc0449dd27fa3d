"""XSleepMix, a network of this project: both views of XSleepNet, in fewer parameters.

Raw stream: separable convolutions at several scales. Time-frequency stream: filterbank, GRU and
attention. Either stream has a mixer between the epochs of a long sequence, and a gate joins them.
docs/explanation/xsleepmix.md has the reasons and the ablation of each part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn
from torch.nn import functional

from xsleep.config.network import NetworkSettings
from xsleep.core.settings import Settings
from xsleep.networks.layers import Attention, Filterbank
from xsleep.networks.network import Stream, own

NAME = "XSleepMix"

CLIP = 5.0
"""Standard deviations that spectrograms are clipped to: a flat channel is at -120 dB."""


class Sizes(Settings):
    """Hyper-parameters of XSleepMix.

    Attributes:
        filters: half of those of the first convolution of the raw stream, a quarter of the others.
        filterbank: filters of a channel's learned filterbank.
        units: of the GRU between the frames of an epoch, in each direction.
        attention: size of the attention over the time steps of an epoch.
        width: size of an epoch between the streams and the outputs.
        mixer: what connects the epochs of a sequence: dilated ``convolutions``; ``folded`` GRUs,
            within and across stretches of 10 epochs; or ``none``.
        blocks: of the mixer of convolutions; their dilations are 1, 2, 4, ...
        fusion: what joins the streams: a ``gate`` for each value, or their ``concatenation``.
        dropout: probability of dropping a value of an epoch's features and within the mixer.
    """

    filters: PositiveInt = 32
    filterbank: PositiveInt = 32
    units: PositiveInt = 64
    attention: PositiveInt = 64
    width: PositiveInt = 128
    mixer: Literal["convolutions", "folded", "none"] = "convolutions"
    blocks: PositiveInt = 5
    fusion: Literal["gate", "concatenation"] = "gate"
    dropout: float = Field(default=0.1, ge=0, lt=1)


class Residual(nn.Module):
    """Residual block with a convolution of length 7: ``(N, before, T)`` to ``(N, after, T')``.

    T' is T / ``stride``, rounded up.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(before, after, 7, stride, padding=3, bias=False)
        self.norm = nn.BatchNorm1d(after)
        self.shortcut = nn.Conv1d(before, after, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.shortcut(x) + self.norm(self.convolution(x)))


class RawEpoch(nn.Module):
    """Convolutions and attention over time: ``(N, 3000, C)`` to ``(N, 4 * filters)``.

    The first convolution has filters of half a second, every tenth; at the end there is a time step
    every 0.6 s. Full convolutions are quicker on CPUs than separable ones of the same accuracy.
    """

    def __init__(self, channels: int, sizes: Sizes, softmax: str, generator: Generator) -> None:
        super().__init__()
        n = sizes.filters
        self.scale = nn.BatchNorm1d(channels, affine=False)
        self.convolutions = nn.Sequential(
            *(nn.Conv1d(channels, 2 * n, 51, 10, padding=25, bias=False), nn.BatchNorm1d(2 * n)),
            *(nn.ReLU(), Residual(2 * n, 4 * n, 3), Residual(4 * n, 4 * n, 2)),
            Residual(4 * n, 4 * n, 1),
        )
        self.features = 4 * n
        self.attention = Attention(4 * n, sizes.attention, softmax, generator)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.convolutions(self.scale(x.transpose(1, 2)))
        features: Tensor = self.attention(maps.permute(2, 0, 1))
        return features


class SpectralEpoch(nn.Module):
    """Filterbank, GRU and attention over frames: ``(N, 29, 129, C)`` to ``(N, 2 * units)``."""

    def __init__(self, channels: int, sizes: Sizes, softmax: str, generator: Generator) -> None:
        super().__init__()
        bands = channels * sizes.filterbank
        self.filterbank = Filterbank(channels, sizes.filterbank, generator)
        self.norm = nn.BatchNorm1d(bands)
        self.gru = nn.GRU(bands, sizes.units, bidirectional=True)
        self.features = 2 * sizes.units
        self.attention = Attention(self.features, sizes.attention, softmax, generator)

    def forward(self, x: Tensor) -> Tensor:
        bands = self.filterbank(x.clamp(-CLIP, CLIP))
        bands = self.norm(bands.flatten(0, 1)).view_as(bands)
        features: Tensor = self.attention(self.gru(bands.transpose(0, 1))[0])
        return features


class MixerBlock(nn.Module):
    """Residual block of a mixer, ``(L, B, width)``: over epochs, then over features.

    A depthwise convolution over 7 epochs, ``dilation`` apart, with zeros beyond the sequence; then
    two layers for each epoch.
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.epochs = nn.Conv1d(
            width, width, 7, padding=3 * dilation, dilation=dilation, groups=width
        )
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.epochs(self.norm(x).permute(1, 2, 0)).permute(2, 0, 1)
        added: Tensor = self.dropout(self.outer(functional.gelu(self.inner(mixed))))
        return x + added


class Folded(nn.Module):
    """Folded recurrent mixer of L-SeqSleepNet (Phan et al., 2023): ``(L, B, width)``.

    A bidirectional GRU within each stretch of 10 epochs, then one across the stretches, each with
    a residual connection and layer normalisation. Zeros fill the last stretch.
    """

    LENGTH = 10

    def __init__(self, width: int) -> None:
        super().__init__()
        self.within, self.across = (nn.GRU(width, width // 2, bidirectional=True) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        L, B, width = x.shape
        x = functional.pad(x, (0, 0, 0, 0, 0, -L % self.LENGTH))
        x = x.view(-1, self.LENGTH, B, width)  # stretch, place, sequence
        for gru, norm in zip((self.within, self.across), self.norms, strict=True):
            x = x.transpose(0, 1)
            x = norm(x + gru(x.flatten(1, 2))[0].view_as(x))
        return x.flatten(0, 1)[:L]


class Mixer(nn.Sequential):
    """Sequence part of a stream: ``(L, B, features)`` to ``(L, B, width)``."""

    def __init__(self, features: int, sizes: Sizes) -> None:
        mixers: dict[str, Callable[[], list[nn.Module]]] = {
            "convolutions": lambda: [
                MixerBlock(sizes.width, 2**block, sizes.dropout) for block in range(sizes.blocks)
            ],
            "folded": lambda: [Folded(sizes.width)],
            "none": list,
        }
        super().__init__(
            nn.Dropout(sizes.dropout),
            nn.Linear(features, sizes.width),
            *mixers[sizes.mixer](),
            nn.LayerNorm(sizes.width),
        )


class Fusion(nn.Module):
    """Joint states of both views, ``(L, B, width)`` each: by a gate, or side by side."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * sizes.width, sizes.width) if sizes.fusion == "gate" else None

    def forward(self, raw: Tensor, time_frequency: Tensor) -> Tensor:
        both = torch.cat([raw, time_frequency], dim=2)
        if self.gate is None:
            return both
        return torch.lerp(time_frequency, raw, self.gate(both).sigmoid())


def raw(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return the raw stream with initial weights."""
    return _stream(RawEpoch, channels, settings, generator)


def time_frequency(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return the time-frequency stream with initial weights."""
    return _stream(SpectralEpoch, channels, settings, generator)


def _stream(
    part: type[RawEpoch | SpectralEpoch],
    channels: int,
    settings: NetworkSettings,
    generator: Generator,
) -> Stream:
    """Return a stream of this epoch part and a mixer."""
    sizes = own(settings, NAME, Sizes)
    epoch = part(channels, sizes, settings.attention_softmax, generator)
    return epoch, Mixer(epoch.features, sizes), sizes.width


def fusion(settings: NetworkSettings) -> tuple[nn.Module, int]:
    """Return the fusion of both streams with initial weights, and the size of its output."""
    sizes = own(settings, NAME, Sizes)
    return Fusion(sizes), sizes.width * (1 if sizes.fusion == "gate" else 2)
