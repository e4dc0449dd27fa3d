"""Settings of a database: its recordings, channels, windows and folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Discriminator, Field, NonNegativeInt, PositiveInt, Tag, model_validator

from xsleep.config.external import Given
from xsleep.config.names import System, Window
from xsleep.config.presets import Changes
from xsleep.core.recording import KINDS, ChannelSet, kind
from xsleep.core.settings import GROUP, WORD, Settings
from xsleep.databases import AnySource, open_database


class KFold(Settings):
    """Subject-wise folds.

    Attributes:
        folds: number of folds; every subject tests in one of them. 1 is a single split.
        test (fraction): share of the subjects who test in a single split.
        validation (subjects): subjects of a fold who validate.
        training_subset (subjects): training subjects on whom the training loss is measured.
        seed: seed of the drawing.
    """

    folds: PositiveInt
    test: float | None = Field(default=None, gt=0, lt=1)
    validation: PositiveInt
    training_subset: PositiveInt
    seed: NonNegativeInt = 1

    @model_validator(mode="after")
    def _test_belongs_to_a_single_split(self) -> KFold:
        if (self.folds == 1) != (self.test is not None):
            fraction = "test, the fraction of subjects that test"
            raise ValueError(f"give {fraction}, with folds: 1 and only there")
        return self


Folds = Annotated[
    Annotated[Literal["published"], Tag(WORD)] | Annotated[KFold, Tag(GROUP)],
    Discriminator(lambda value: GROUP if isinstance(value, Mapping | KFold) else WORD),
]


class DatabaseSettings(Changes):
    """One database, and what differs from the preset for it, whichever the preset is.

    Attributes:
        source: where the recordings are, and how they are read.
        channels: channel sets to train on, as ``EEG`` or ``EEG-EOG``.
        windows: parts of the recordings to train on.
        preset: name of the hyper-parameters, a file in ``config/presets``.
        folds: ``published`` for the authors' folds, or subject-wise k-fold.
        trained: system to networks that take the place of its trainings.
    """

    source: AnySource
    channels: tuple[ChannelSet, ...] = Field(min_length=1)
    windows: tuple[Window, ...] = Field(min_length=1)
    preset: str
    folds: Folds
    trained: dict[System, Given] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> DatabaseSettings:
        for channels in self.channels:
            for channel in channels.split("-"):
                if channel not in self.source.labels:
                    raise ValueError(f"channels has {channels}, but source.labels has no {channel}")
        if self.folds == "published" and not open_database(self.source).published_folds():
            fault = "none are published for this reader"
            raise ValueError(f"{fault}; give folds, validation and training_subset")
        return self

    @property
    def stored_channels(self) -> tuple[str, ...]:
        """The channels that any of the channel sets needs, by kind and name."""
        needed = {*"-".join(self.channels).split("-")}
        return tuple(sorted(needed, key=lambda channel: (KINDS.index(kind(channel)), channel)))
