"""SleepTransformer (Phan et al., 2022), from the description of its layers and its released code.

A transformer between the frames of an epoch, attention over them, a transformer between the epochs
of a sequence, and two fully connected layers. docs/explanation/prior-work.md lists what differs
from the original.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.core.recording import BINS, FRAMES
from xsleep.core.settings import Settings
from xsleep.networks.initial import glorot
from xsleep.networks.layers import Attention
from xsleep.networks.network import Stream, own


class Sizes(Settings):
    """Hyper-parameters of SleepTransformer; defaults are those released.

    Attributes:
        blocks: of each of the two transformers.
        heads: of each block; they share the 128 features of each channel.
        inner: units of the hidden layer of a block.
        attention: size of the attention over frames.
        dense: units of each of the two fully connected layers.
        dropout: probability of dropping a value.
    """

    blocks: PositiveInt = 4
    heads: PositiveInt = 8
    inner: PositiveInt = 1024
    attention: PositiveInt = 64
    dense: PositiveInt = 1024
    dropout: float = Field(default=0.1, ge=0, lt=1)


class Dense(nn.Linear):
    """Fully connected layer with the initial values of TensorFlow's."""

    def __init__(self, before: int, after: int, generator: Generator) -> None:
        super().__init__(before, after)
        self.weight = glorot(after, before, generator=generator)
        nn.init.zeros_(self.bias)


class Block(nn.Module):
    """Block of a transformer encoder, ``(N, T, width)``: self-attention, then two layers.

    A residual connection and layer normalisation follow either. Dropout is on the weights of the
    attention and on the output.
    """

    def __init__(self, width: int, sizes: Sizes, generator: Generator) -> None:
        super().__init__()
        self.heads, self.rate = sizes.heads, sizes.dropout
        self.query, self.key, self.value = (Dense(width, width, generator) for _ in range(3))
        self.inner = Dense(width, sizes.inner, generator)
        self.outer = Dense(sizes.inner, width, generator)
        self.attended, self.normed = (nn.LayerNorm(width, eps=1e-8) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        rate = self.rate if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, dropout_p=rate)
        x = self.attended(x + found.transpose(1, 2).flatten(2))
        x = self.normed(x + self.outer(F.relu(self.inner(x))))
        return F.dropout(x, rate)


class Encoder(nn.Sequential):
    """Transformer encoder with sinusoidal positions: ``(N, T, width)``, T at most ``longest``."""

    positions: Tensor

    def __init__(self, width: int, longest: int, sizes: Sizes, generator: Generator) -> None:
        super().__init__(*(Block(width, sizes, generator) for _ in range(sizes.blocks)))
        self.register_buffer("positions", positions(longest, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x * x.shape[2] ** 0.5 + self.positions[: x.shape[1]]
        for block in self:
            x = block(x)
        return x


def positions(longest: int, width: int) -> Tensor:
    """Return sines (even columns) and cosines (odd columns) of the positions, (longest, width)."""
    column = torch.arange(width)
    angles = torch.arange(longest)[:, None] / 10000 ** ((column - column % 2) / width)
    return torch.where(column % 2 == 0, angles.sin(), angles.cos())


class EpochPart(nn.Module):
    """Transformer between frames and attention: ``(N, 29, 129, C)`` to ``(N, 128 * C)``.

    The lowest frequency bin is left out, as released.
    """

    def __init__(self, channels: int, sizes: Sizes, softmax: str, generator: Generator) -> None:
        super().__init__()
        self.features = (BINS - 1) * channels
        self.encoder = Encoder(self.features, FRAMES, sizes, generator)
        self.attention = Attention(self.features, sizes.attention, softmax, generator)

    def forward(self, x: Tensor) -> Tensor:
        frames = self.encoder(x[:, :, 1:].flatten(2))
        features: Tensor = self.attention(frames.transpose(0, 1))
        return features


class SequencePart(nn.Module):
    """Transformer between epochs and two layers: ``(L, B, 128 * C)`` to ``(L, B, dense)``."""

    def __init__(self, features: int, longest: int, sizes: Sizes, generator: Generator) -> None:
        super().__init__()
        self.encoder = Encoder(features, longest, sizes, generator)
        self.dense = nn.Sequential(
            *(Dense(features, sizes.dense, generator), nn.ReLU(), nn.Dropout(sizes.dropout)),
            *(Dense(sizes.dense, sizes.dense, generator), nn.ReLU(), nn.Dropout(sizes.dropout)),
        )

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.dense(self.encoder(x.transpose(0, 1)))
        return hidden.transpose(0, 1)


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return SleepTransformer with initial weights."""
    sizes = own(settings, "SleepTransformer", Sizes)
    epoch = EpochPart(channels, sizes, settings.attention_softmax, generator)
    sequence = SequencePart(epoch.features, settings.sequence_length, sizes, generator)
    return epoch, sequence, sizes.dense
