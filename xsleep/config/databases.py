"""Settings of a database: its recordings, channels, windows and folds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from xsleep.config.names import Window
from xsleep.config.presets import Changes
from xsleep.core.recording import Channel, ChannelSet
from xsleep.core.settings import GROUP, WORD, Settings


class KFold(Settings):
    """Subject-wise folds.

    Attributes:
        folds: how many; every subject tests in one of them. With 1 there is a single split.
        test: fraction of the subjects that test in a single split.
        validation, training_subset: how many subjects validate, and measure the training loss.
    """

    folds: PositiveInt
    test: float | None = Field(None, gt=0, lt=1)
    validation: PositiveInt
    training_subset: PositiveInt
    seed: NonNegativeInt = 1

    @model_validator(mode="after")
    def _test_belongs_to_a_single_split(self) -> KFold:
        if (self.folds == 1) != (self.test is not None):
            raise ValueError(
                "give test, the fraction of subjects that test, with folds: 1 and only there"
            )
        return self


Folds = Annotated[
    Annotated[Literal["published"], Tag(WORD)] | Annotated[KFold, Tag(GROUP)],
    Discriminator(lambda value: GROUP if isinstance(value, Mapping | KFold) else WORD),
]


class CohortSettings(Settings):
    """A simulated cohort.

    Attributes:
        subjects, nights, hours: how many, of each, and of each record.
        gain, low_pass: another recorder: a factor on EEG and EOG, and the hertz above which it
            damps them.
        seed: another seed, other people.
    """

    subjects: PositiveInt
    nights: PositiveInt = 1
    hours: PositiveFloat
    gain: PositiveFloat = 1
    low_pass: PositiveFloat | None = Field(None, lt=50)
    seed: NonNegativeInt = 1


class HypnogramSettings(Settings):
    """How nights of one's own are scored (reader ``own``).

    Attributes:
        file: name of the hypnogram beside ``NAME.edf``, where ``{name}`` stands for NAME. It ends
            in .edf (EDF+ annotations; ``{name}.edf``: those of the recording itself), .csv or .txt.
        epoch: seconds that scoring was done in; 20 s are taken with 5 s before and after.
        stages: what each label of the scoring is; ``null``: no stage (movement, not scored).
        ignored: texts of annotations that are not about stages.
    """

    file: str
    epoch: float = Field(30, ge=1, le=30)
    stages: dict[
        Annotated[str, BeforeValidator(str)], Literal["W", "N1", "N2", "N3", "REM"] | None
    ] = Field(min_length=1)
    ignored: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _file_is_named_after_the_recording(self) -> HypnogramSettings:
        if "{name}" not in self.file or Path(self.file).suffix not in (".edf", ".csv", ".txt"):
            raise ValueError(
                f"file is {self.file!r}: it must have {{name}} and end in .edf, .csv or .txt"
            )
        return self


WITH_PUBLISHED_FOLDS = {"sleep-edf-20", "sleep-edf-78", "sleep-edf-st", "mass"}
"""Readers of the databases in ``published_folds.csv``."""


Fetched = Literal[
    "sleep-edf-20",
    "sleep-edf-78",
    "sleep-edf-st",
    "dreams",
    "dreams-subjects-aasm",
    "dreams-subjects-rk",
    "physio2018",
    "shhs",
]
"""Readers of the databases whose files are published with a hash of each."""


class FetchSettings(Settings):
    """Where files that are missing are fetched from: the address of the folder or site that has
    them, as in the configuration of each database; that of a mirror may take its place.
    """

    url: str

    @model_validator(mode="after")
    def _over_http(self) -> FetchSettings:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is {self.url!r}: it must begin with https:// or http://")
        return self


class Source(Settings):
    """Where a database's recordings come from.

    Attributes:
        reader: which module of ``xsleep.databases`` reads it.
        folder: where its files are; relative to where Snakemake runs.
        labels: the names that a channel may have in the files, best first; of EDF files also
            derivations, signals added or subtracted as in ``EOG(L) - EOG(R)``.
        fetch: where those are had that are not there, or ``None`` to do without them.
        apply: address at which access is applied for, where it is by licence.
        units: what the numbers of a channel are, where the files give no unit or a wrong one.
        lowest_rate: hertz at which a channel must be sampled; those below 100 Hz are upsampled
            (reader ``shhs``, whose EOG has 50).
        cohort: what the simulator makes (reader ``simulated``).
        hypnogram: how nights are scored (reader ``own``).
        subject: regular expression that finds the subject at the start of a recording's name
            (reader ``own``); all of it, where not given.
    """

    reader: Literal[Fetched, "mass", "own", "simulated"]
    folder: Path
    labels: dict[Channel, tuple[str, ...]]
    units: dict[Channel, Literal["nV", "uV", "mV", "V"]] = Field(default_factory=dict)
    fetch: FetchSettings | None = None
    apply: str | None = None
    lowest_rate: PositiveInt = 100
    cohort: CohortSettings | None = None
    hypnogram: HypnogramSettings | None = None
    subject: str | None = None

    @model_validator(mode="after")
    def _keys_belong_to_the_reader(self) -> Source:
        if (self.reader == "simulated") != (self.cohort is not None):
            raise ValueError("cohort belongs to the reader simulated, and only to it")
        if self.reader != "shhs" and self.lowest_rate != 100:
            raise ValueError("lowest_rate belongs to the reader shhs; elsewhere it is 100")
        if self.fetch and self.reader not in Fetched.__args__:
            raise ValueError(f"fetch is for the readers {', '.join(Fetched.__args__)} alone")
        if (self.reader == "own") != (self.hypnogram is not None):
            raise ValueError("hypnogram belongs to the reader own, and only to it")
        if self.subject is not None:
            if self.reader != "own":
                raise ValueError("subject belongs to the reader own, and only to it")
            try:
                re.compile(self.subject)
            except re.error as error:
                raise ValueError(
                    f"subject = {self.subject!r}: not a regular expression ({error})"
                ) from error
        return self

    @property
    def where_to_apply(self) -> str:
        """The end of a line about files that are missing."""
        return f"; apply for access at {self.apply}" if self.apply else ""


class DatabaseSettings(Changes):
    """One database, and what differs from the preset for it, whichever the preset is.

    Attributes:
        source: where its recordings come from.
        channels: channel sets to train on.
        windows: parts of the night to train on.
        preset: name of the hyper-parameters.
        folds: ``published`` for the authors' folds, or subject-wise k-fold.
    """

    source: Source
    channels: tuple[ChannelSet, ...] = Field(min_length=1)
    windows: tuple[Window, ...] = Field(min_length=1)
    preset: str
    folds: Folds

    @model_validator(mode="after")
    def _consistent(self) -> DatabaseSettings:
        for channels in self.channels:
            for channel in channels.split("-"):
                if channel not in self.source.labels:
                    raise ValueError(f"channels has {channels}, but source.labels has no {channel}")
        if self.folds == "published" and self.source.reader not in WITH_PUBLISHED_FOLDS:
            raise ValueError(
                "none are published for this reader; give folds, validation and training_subset"
            )
        return self

    @property
    def stored_channels(self) -> tuple[str, ...]:
        """The channels that any of the channel sets needs, in the order of the largest."""
        every = max(ChannelSet.__args__, key=len).split("-")
        needed = {channel for channels in self.channels for channel in channels.split("-")}
        return tuple(channel for channel in every if channel in needed)
