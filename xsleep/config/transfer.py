"""Settings of transfer learning, zero-shot scoring and the ablation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from xsleep.config.names import Strategy, System, Transferred, Window
from xsleep.core.recording import ChannelSet
from xsleep.core.settings import Settings


class ZeroShotSettings(Settings):
    """A released network and the database that it scores without finetuning.

    Attributes:
        weights: the network: an npz file or a TensorFlow checkpoint, relative to where Snakemake
            runs.
        database: the database that is scored, in the first of its windows.
    """

    weights: Path
    database: str


class ChannelTransfer(Settings):
    """Channels of a source's network, and of the target that it is finetuned on."""

    source: ChannelSet
    target: ChannelSet

    @model_validator(mode="after")
    def _as_many(self) -> ChannelTransfer:
        of_source, of_target = (c.count("-") + 1 for c in (self.source, self.target))
        if of_source != of_target:
            fault = f"the source has {of_source} and the target {of_target} channels"
            raise ValueError(f"{fault}; choose as many of both")
        return self


def _channel_transfer(value: Any) -> Any:
    """Return ``EEG-to-EOG`` in two parts; ``EEG`` stands for ``EEG-to-EEG``."""
    if not isinstance(value, str):
        return value
    source, _, target = value.partition("-to-")
    return {"source": source, "target": target or source}


Channels = Annotated[ChannelTransfer, BeforeValidator(_channel_transfer)]


class TransferSettings(Settings):
    """Settings of transfer learning.

    Attributes:
        networks: networks that are transferred; the source ``authors`` has SeqSleepNet+ only.
        channels: channel sets, the same for source and target (``EEG``) or not (``EEG-to-EOG``).
        strategies: finetuning strategies: what is trained.
        validation (subjects): subjects of the source who validate; all others train.
        subjects (subjects): numbers of training subjects in the learning curves.
        weights: networks of the source ``authors`` by channel set: npz files or TensorFlow
            checkpoints, relative to where Snakemake runs.
    """

    networks: tuple[Transferred, ...] = Field(min_length=1)
    channels: tuple[Channels, ...] = Field(min_length=1)
    strategies: tuple[Strategy, ...] = Field(min_length=1)
    validation: PositiveInt
    subjects: tuple[PositiveInt, ...]
    weights: dict[ChannelSet, Path]


class AblationSettings(Settings):
    """Settings of the ablation table; each key defaults to the first that is selected.

    Attributes:
        database, window, channels, system: one of those that are selected.
        variants: the variants of the system that are compared with it; by default all that its
            file has.
    """

    database: str
    window: Window
    channels: ChannelSet
    system: System
    variants: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
