"""Recordings of one's own: a folder of EDF or BDF files and hypnograms, as configured.

A recording is ``NAME.edf`` or ``NAME.bdf``. Its hypnogram is

- EDF+ annotations, in a file of their own or in the recording;
- CSV with the columns ``onset`` and ``stage``, and ``duration`` where stretches are not of one
  epoch, in seconds from the start of the recording (``xsleep score`` writes such files), or with
  other headings, times of day and other events, as exported by clinical software;
- text, one label per line and epoch from the start of the recording to its end.
"""

from __future__ import annotations

import filecmp
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from reprlib import repr as shown
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from xsleep.core.errors import InputError, warn
from xsleep.core.recording import Hypnogram
from xsleep.core.settings import Settings
from xsleep.core.stages import label
from xsleep.databases import base
from xsleep.databases.base import EdfDatabase, Entry, Origin, Size, Sizes, Source
from xsleep.databases.formats import edf
from xsleep.databases.formats.hypnograms import epochs_of
from xsleep.databases.formats.scorings import Column, Stretch, read_csv, read_lines

ALL_OTHERS = "all others"
"""The setting ``hypnogram.ignored`` of hypnograms among events of any kind."""

LONGEST_NAME = 200
"""Bytes of a recording's name; what is stored of it has a longer one, of at most 255."""


class HypnogramSettings(Settings):
    """Format of the hypnograms.

    Attributes:
        file: name of the hypnogram beside ``NAME.edf``, where ``{name}`` stands for NAME. It ends
            in .edf (EDF+ annotations; ``{name}.edf``: those of the recording itself), .csv or .txt.
        epoch (s): length of the scored epochs; those of 20 s are extended by 5 s either way.
        stages: label of the scoring to stage; ``None``: no stage (movement, not scored).
        ignored: texts of annotations that are not stages; ``all others``: all but ``stages``.
        columns: headings of a CSV file in place of ``onset``, ``duration`` and ``stage``.
        clock: onsets in a CSV file are times of day, with or without a date.
    """

    file: str
    epoch: float = Field(default=30, ge=1, le=30)
    stages: dict[
        Annotated[str, BeforeValidator(str)], Literal["W", "N1", "N2", "N3", "REM"] | None
    ] = Field(min_length=1)
    ignored: tuple[str, ...] | Literal["all others"] = ()
    columns: dict[Column, str] = Field(default_factory=dict)
    clock: bool = False

    def ignores(self, text: str) -> bool:
        """Return true for the text of an annotation that is not about stages."""
        if self.ignored == ALL_OTHERS:
            return text not in self.stages
        return text in self.ignored

    @model_validator(mode="after")
    def _file_is_named_after_the_recording(self) -> HypnogramSettings:
        if "{name}" not in self.file or Path(self.file).suffix not in (".edf", ".csv", ".txt"):
            raise ValueError(
                f"file is {self.file!r}: it must have {{name}} and end in .edf, .csv or .txt"
            )
        return self


class OwnSource(Source):
    """Settings of one's own recordings.

    Attributes:
        hypnogram: format of the hypnograms.
        second_hypnogram: format of a second scorer's; what is not given is as in ``hypnogram``.
        subject: regular expression for the subject at the start of a recording's name; without it,
            every recording is of another subject.
    """

    hypnogram: HypnogramSettings
    second_hypnogram: HypnogramSettings | None = None
    subject: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _second_is_like_the_first(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            first, second = given.get("hypnogram"), given.get("second_hypnogram")
            if isinstance(first, Mapping) and isinstance(second, Mapping):
                columns = {**first.get("columns", {}), **second.get("columns", {})}
                merged = {**first, **second, "columns": columns}
                return {**given, "second_hypnogram": merged}
        return given

    @field_validator("subject")
    @classmethod
    def _is_a_regular_expression(cls, subject: str | None) -> str | None:
        try:
            re.compile(subject or "")
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from error
        return subject


class Own(EdfDatabase):
    """The recordings in a folder."""

    reader = "own"
    settings = OwnSource
    origin = Origin("Recordings of one's own")
    source: OwnSource

    def entries(self) -> list[Entry]:
        found = sorted(base.files(self.folder, "*.edf") + base.files(self.folder, "*.bdf"))
        scorings = {s for path in found for s in self._scorings(path) if s != path}
        signals: dict[str, list[Path]] = defaultdict(list)
        for path in found:
            if path not in scorings:
                signals[path.stem].append(path)
        if not signals:
            raise self.none_there("recording", "a.edf, b.bdf")
        return [self._entry(name, paths) for name, paths in sorted(signals.items())]

    def _scorings(self, path: Path) -> list[Path]:
        """Return the hypnogram of a recording, and that of the second scorer if there is one."""
        formats = filter(None, (self.source.hypnogram, self.source.second_hypnogram))
        names = [settings.file.replace("{name}", path.stem) for settings in formats]
        # Of a recording's own name: its annotations.
        return [
            path if name == f"{path.stem}.edf" else base.as_written(self.folder / name)
            for name in names
        ]

    def _entry(self, name: str, paths: Sequence[Path]) -> Entry:
        path, *others = paths
        subject, fault, pattern = name, "", self.source.subject
        if pattern is not None:
            match = re.match(pattern, name)
            subject = match[0] if match else ""
        if not name.isprintable():
            # A name that no table can hold stands for itself, with its characters spelt out.
            name = subject = repr(name)[1:-1]
            path = self.folder / f"{name}{path.suffix}"
            fault = f"{path}: its name has characters that cannot be shown; rename the file"
            return Entry(name, subject, (path,), fault)
        if len(name.encode()) > LONGEST_NAME:
            fault = f"{path}: its name is longer than {LONGEST_NAME} bytes; rename the file"
        elif not subject:
            fault = (
                f"{path}: its name does not begin with a subject, which is {pattern!r}; "
                "correct subject in the database's configuration, or the name"
            )
        return Entry(name, subject or name, (path, self._scorings(path)[0], *others), fault)

    def hypnogram(self, entry: Entry, file: edf.Edf) -> Hypnogram:
        signals_path, scoring, *others = entry.files
        for path in others:
            if not path.is_file():
                warn(path, "passed over, as it is no file")
            elif filecmp.cmp(signals_path, path, shallow=False):
                warn(path, f"passed over, as it is the same as {signals_path.name}")
            else:
                raise InputError(
                    f"{path}: {signals_path.name} has the same name and other content; rename one "
                    "or take it away"
                )
        return read_hypnogram(scoring, self.source.hypnogram, file)

    def second_file(self, entry: Entry) -> Path | None:
        return self._scorings(entry.files[0])[1] if self.source.second_hypnogram else None

    def second_scoring(self, entry: Entry) -> Hypnogram | None:
        path, settings = self.second_file(entry), self.source.second_hypnogram
        if path is None or settings is None:
            return None
        return read_hypnogram(path, settings, edf.open_edf(entry.files[0]))


class SurreyCEEGrid(Own):
    """Recordings with electrodes around the ear, in files as one's own."""

    name = "Surrey-cEEGrid"
    # Transfer paper.
    sizes: ClassVar[Sizes] = {"whole-night": Size(12)}


def read_hypnogram(path: Path, settings: HypnogramSettings, recording: edf.Edf) -> Hypnogram:
    """Read the epochs of a recording from its hypnogram."""
    stretches: Sequence[Stretch]
    if settings.file.endswith(".edf"):
        stretches = [
            (f"{onset:g} s", onset, length, text)
            for onset, length, text in edf.read_annotations(path, recording)
        ]
    elif settings.file.endswith(".csv"):
        stretches = read_csv(
            path,
            settings.epoch,
            recording.seconds,
            settings.ignores,
            columns=settings.columns,
            start=recording.start + timedelta(seconds=recording.delay) if settings.clock else None,
        )
    else:
        stretches = read_lines(path, settings.epoch, recording.seconds)
    scored = []
    for where, onset, length, text in stretches:
        if settings.ignores(text):
            continue
        if text not in settings.stages:
            raise InputError(
                f"{path}: {where}: {shown(text)} is not among "
                f"{', '.join(map(repr, settings.stages))}; correct it, or add it "
                "to stages or ignored in the database's configuration"
            )
        scored.append((onset, length, label(settings.stages[text])))
    marks = _with_durations(path, scored, settings.epoch)
    return epochs_of(path, marks, settings.epoch, recording.seconds)


def _with_durations(
    path: Path, scored: Sequence[tuple[float, float, int]], epoch: float
) -> list[tuple[float, float, int]]:
    """Return the marks, those without a duration lasting an epoch, as some programs write them."""
    for (onset, length, _), (end, _, _) in pairwise(scored):
        if not length and end - onset > 1.5 * epoch:
            raise InputError(
                f"{path}: the stage at {onset:g} s has no duration, and the next comes at {end:g} "
                f"s; give durations, or mark every epoch of {epoch:g} s"
            )
    return [(onset, length or epoch, stage) for onset, length, stage in scored]
