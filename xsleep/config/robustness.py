"""Settings of the robustness table: the perturbations of the test recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat

from xsleep.core.recording import Channel
from xsleep.core.settings import Settings


class Change(Settings):
    """Settings of a perturbation of the raw signals; subclasses are its kinds."""

    def reaches(self, database: str, channels: Sequence[str]) -> bool:
        """Return whether any of these channels of a database differs by it."""
        return True


class Lost(Change):
    """A channel whose electrode is off.

    Attributes:
        change: ``flat`` for zeros, ``noise`` for white noise as strong as the channel was.
        channel: the channel that is lost.
    """

    change: Literal["flat", "noise"]
    channel: Channel

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return f"{self.channel} {self.change}"

    def reaches(self, database: str, channels: Sequence[str]) -> bool:
        """Return whether the channel is among these."""
        return self.channel in channels


class Derivation(Change):
    """A channel read from other electrodes.

    Attributes:
        change: ``derivation``.
        channel: the channel that is read from elsewhere.
        labels: by database, labels of the other signal, best first, as under ``source.labels``.
    """

    change: Literal["derivation"]
    channel: Channel
    labels: dict[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return f"other {self.channel} derivation"

    def reaches(self, database: str, channels: Sequence[str]) -> bool:
        """Return whether the channel is among these, and other signals of the database known."""
        return self.channel in channels and database in self.labels


class Gain(Change):
    """Another amplification of all channels.

    Attributes:
        change: ``gain``.
        factor: what the signals are multiplied by.
    """

    change: Literal["gain"]
    factor: PositiveFloat

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return f"gain x{self.factor:g}"


class Mains(Change):
    """Hum of the mains in all channels.

    Attributes:
        change: ``mains``.
        frequency (Hz): of the hum.
        relative: root mean square of the hum, as a multiple of the channel's own amplitude.
    """

    change: Literal["mains"]
    frequency: PositiveFloat
    relative: PositiveFloat

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return f"{self.frequency:g} Hz noise x{self.relative:g}"


class LowPass(Change):
    """An amplifier's low-pass filter in all channels.

    Attributes:
        change: ``low-pass``.
        cutoff (Hz): frequency at which 3 dB are lost; below half the sampling rate.
    """

    change: Literal["low-pass"]
    cutoff: float = Field(gt=0, lt=50)

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return f"low-pass {self.cutoff:g} Hz"


class Missing(Change):
    """Recording time that was lost, in blocks at random places.

    Attributes:
        change: ``missing``.
        share (fraction): share of the blocks that are lost.
        minutes (min): length of a block.
    """

    change: Literal["missing"]
    share: float = Field(gt=0, lt=1)
    minutes: PositiveFloat

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return f"{100 * self.share:.0f} % missing, {self.minutes:g} min at a time"


Perturbation: TypeAlias = Annotated[
    Lost | Derivation | Gain | Mains | LowPass | Missing, Field(discriminator="change")
]


def _each_once(perturbations: Sequence[Perturbation]) -> Sequence[Perturbation]:
    names = [one.name for one in perturbations]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} is there twice; take one away")
    return perturbations


class RobustnessSettings(Settings):
    """Settings of the robustness table.

    Attributes:
        seed: of the noise, and of the choice of what is missing.
        perturbations: of the test recordings, each a group of settings with a ``change``.
    """

    seed: NonNegativeInt
    perturbations: Annotated[
        tuple[Perturbation, ...], Field(min_length=1), AfterValidator(_each_once)
    ]
