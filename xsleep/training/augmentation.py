"""Augmentation of a minibatch: random polarity, gain and dropout of the channels of a sequence.

Raw signals and spectrograms change alike, so that they remain two views of the same signals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from xsleep.config.training import TrainingSettings
from xsleep.preparation.spectrogram import SILENCE

SILENT = 20 * math.log10(SILENCE)
"""Level of a flat signal in all bins of its spectrogram, in dB."""

ROUNDING = 1e-3
"""Distance in dB from this level within which a bin counts as silent: no gain raises it."""


@dataclass(frozen=True)
class Augmentation:
    """Augmentation with settings of `TrainingSettings`, which describes them.

    Random numbers are those of PyTorch's generator on the device of the inputs.
    """

    polarity: bool
    gain: float
    channel_dropout: float

    def __call__(
        self, raw: Tensor | None, time_frequency: Tensor | None
    ) -> dict[str, Tensor | None]:
        """Return both views augmented, as new tensors; a view that is ``None`` remains so.

        They are (B, L, 3000, C) in any unit and (B, L, 29, 129, C) in dB.
        """
        view = raw if raw is not None else time_frequency
        assert view is not None
        batch, channels = view.shape[0], view.shape[-1]
        factors = self._factors(torch.ones(batch, channels, device=view.device))
        if time_frequency is not None and (self.gain > 1 or self.channel_dropout):
            level = 20 * factors.log10()  # minus infinity of flat channels
            levelled = (time_frequency + level[:, None, None, None]).clamp(min=SILENT)
            silent = time_frequency <= SILENT + ROUNDING
            time_frequency = torch.where(silent, time_frequency, levelled)
        if raw is not None:
            if self.polarity:
                factors = torch.where(torch.rand_like(factors) < 0.5, -factors, factors)
            raw = raw * factors[:, None, None]
        return {"raw": raw, "time_frequency": time_frequency}

    def _factors(self, ones: Tensor) -> Tensor:
        """Return the gains (B, C) of channels, 0 of flat ones, where there are as many ones."""
        factors = ones
        if self.gain > 1:
            factors = (math.log(self.gain) * (2 * torch.rand_like(ones) - 1)).exp()
        if self.channel_dropout:
            flat = torch.rand_like(ones) < self.channel_dropout
            factors = factors.masked_fill(flat & ~flat.all(1, keepdim=True), 0)
        return factors


def augmentation(settings: TrainingSettings) -> Augmentation | None:
    """Return the augmentation of these settings; ``None`` if nothing is to change."""
    chosen = Augmentation(settings.polarity, settings.gain, settings.channel_dropout)
    return chosen if chosen != Augmentation(False, 1.0, 0.0) else None
