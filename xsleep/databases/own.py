"""Recordings of one's own: a folder of recordings and hypnograms, as configured.

A recording is ``NAME.edf`` or ``NAME.bdf``, or what patterns say, in any format that MNE reads. Its
hypnogram is

- EDF+ annotations, in a file of their own or in the recording;
- CSV with the columns ``onset`` and ``stage``, and ``duration`` where stretches are not of one
  epoch, in seconds from the start of the recording (``xsleep score`` writes such files), or with
  other headings, times of day and other events, as exported by clinical software;
- text, one label per line and epoch from the start of the recording to its end.

`PhysioNet` adds a server that lists such recordings with their hashes.
"""

from __future__ import annotations

import filecmp
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path, PurePath
from reprlib import repr as shown
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, field_validator, model_validator

from xsleep.core.errors import InputError, warn
from xsleep.core.recording import Hypnogram, Recording
from xsleep.core.settings import Settings
from xsleep.core.stages import label
from xsleep.databases import base
from xsleep.databases.base import EdfDatabase, Entry, Listed, Origin, Size, Sizes, Source
from xsleep.databases.fetch.servers import SUMS, ServerListed, sha256_sums
from xsleep.databases.formats import edf, mne_files
from xsleep.databases.formats.channels import content
from xsleep.databases.formats.hypnograms import epochs_of
from xsleep.databases.formats.scorings import Column, Stretch, read_csv, read_lines
from xsleep.databases.paths import Pattern, PatternText, People, matching, person_of, read_people

if TYPE_CHECKING:
    from mne.io import BaseRaw

ALL_OTHERS = "all others"
"""The setting ``hypnogram.ignored`` of hypnograms among events of any kind."""

BESIDE = ("{name}.edf", "{name}.bdf")
"""Patterns of recordings with their hypnograms beside them."""
READ_BY_MNE = (".vhdr", ".set", ".fif", ".gdf")
"""Ends of the names of recordings in other formats than EDF and BDF."""

LONGEST_NAME = 200
"""Bytes of a recording's name; what is stored of it has a longer one, of at most 255."""


class HypnogramSettings(Settings):
    """Format of the hypnograms.

    Attributes:
        file: path of the hypnogram below the folder, where ``{name}`` stands for NAME of
            ``NAME.edf``, and other fields for those of ``recordings``. It ends in .edf (EDF+
            annotations; ``{name}.edf``: those of the recording itself), .csv, .tsv or .txt.
        epoch (s): length of the scored epochs; those of 20 s are extended by 5 s either way.
        stages: label of the scoring to stage; ``None``: no stage (movement, not scored).
        ignored: texts of annotations that are not stages; ``all others``: all but ``stages``.
        columns: headings of a CSV file in place of ``onset``, ``duration`` and ``stage``.
        clock: onsets in a CSV file are times of day, with or without a date.
        surplus (epochs): by which text with a line per epoch may be longer than the signal; what
            lies beyond its end is left out.
    """

    file: PatternText
    epoch: float = Field(default=30, ge=1, le=30)
    stages: dict[
        Annotated[str, BeforeValidator(str)], Literal["W", "N1", "N2", "N3", "REM"] | None
    ] = Field(min_length=1)
    ignored: tuple[str, ...] | Literal["all others"] = ()
    columns: dict[Column, str] = Field(default_factory=dict)
    clock: bool = False
    surplus: NonNegativeInt = Field(default=0, exclude_if=lambda surplus: not surplus)

    def ignores(self, text: str) -> bool:
        """Return true for the text of an annotation that is not about stages."""
        if self.ignored == ALL_OTHERS:
            return text not in self.stages
        return text in self.ignored

    @model_validator(mode="after")
    def _file_has_a_known_ending(self) -> HypnogramSettings:
        if PurePath(self.file).suffix not in (".edf", ".csv", ".tsv", ".txt"):
            raise ValueError(f"file is {self.file!r}: it must end in .edf, .csv, .tsv or .txt")
        return self


class OwnSource(Source):
    """Settings of one's own recordings.

    Attributes:
        hypnogram: format of the hypnograms.
        second_hypnogram: format of a second scorer's; what is not given is as in ``hypnogram``.
        subject: regular expression for the subject at the start of a recording's name; without it,
            every recording is of another subject.
        recordings: patterns of the paths of the recordings below the folder, as
            ``sub-{subject}/eeg/{name}_eeg.edf``. Without ``{name}`` the fields, joined by ``-``,
            are a recording's name; ``{subject}``, if there is one, is its subject.
        people: table of the persons that subjects are.
    """

    hypnogram: HypnogramSettings
    second_hypnogram: HypnogramSettings | None = None
    subject: str | None = None
    recordings: tuple[PatternText, ...] = Field(default=BESIDE, exclude_if=lambda r: r == BESIDE)
    people: People | None = Field(default=None, exclude_if=lambda people: people is None)

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

    @model_validator(mode="after")
    def _hypnograms_are_named_after_the_recordings(self) -> OwnSource:
        for settings in filter(None, (self.hypnogram, self.second_hypnogram)):
            for text in self.recordings:
                known = Pattern(text).fields
                for field in Pattern(settings.file).fields:
                    if field not in known:
                        raise ValueError(
                            f"hypnogram.file has {{{field}}}, but the recordings {text!r} have not"
                        )
        if self.people and not all("{subject}" in text for text in self.recordings):
            raise ValueError("people needs {subject} in each of recordings")
        return self


class Own(EdfDatabase):
    """The recordings in a folder."""

    reader = "own"
    settings = OwnSource
    origin = Origin("Recordings of one's own")
    source: OwnSource

    def entries(self) -> list[Entry]:
        found = matching(self.folder, self.source.recordings, [*self.published()])
        scorings = {s for path, fields in found for s in self._scorings(path, fields) if s != path}
        signals: dict[str, list[tuple[Path, dict[str, str]]]] = defaultdict(list)
        for path, fields in found:
            if path not in scorings:
                signals[fields.get("name") or "-".join(fields.values())].append((path, fields))
        if not signals:
            raise self.none_there("recording", "a.edf, b.bdf")
        people = read_people(self.folder, self.source.people) if self.source.people else {}
        return [self._entry(name, files, people) for name, files in sorted(signals.items())]

    def _scorings(self, path: Path, fields: Mapping[str, str]) -> list[Path]:
        """Return the hypnogram of a recording, and that of the second scorer if there is one."""
        formats = filter(None, (self.source.hypnogram, self.source.second_hypnogram))
        found = [self.folder / Pattern(settings.file).filled(fields) for settings in formats]
        # Of a recording's own name: its annotations.
        own = path.with_suffix(".edf")
        return [path if scoring == own else base.as_written(scoring) for scoring in found]

    def _entry(
        self, name: str, files: Sequence[tuple[Path, dict[str, str]]], people: Mapping[str, str]
    ) -> Entry:
        (path, fields), *others = files
        subject, fault, pattern = fields.get("subject", name), "", self.source.subject
        subject = person_of(subject, people, self.source.people)
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
        scoring = self._scorings(path, fields)[0]
        return Entry(name, subject or name, (path, scoring, *(one for one, _ in others)), fault)

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        path = entry.files[0]
        if path.suffix.lower() not in READ_BY_MNE:
            return super().read(entry, channels)
        raw, header = self._opened_by_mne(path)
        signals = mne_files.read_channels(path, raw, self.channels, channels)
        hypnogram = self.hypnogram(entry, header)
        return Recording(entry.name, entry.subject, signals, hypnogram, None, entry.files)

    def _opened_by_mne(self, path: Path) -> tuple[BaseRaw, edf.Edf]:
        content(path, "put it there or correct the database's folder", 1)
        with mne_files.by_mne(path):
            raw = mne_files.read_raw(path)
        return raw, mne_files.as_header(path, raw)

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
        if self.source.second_hypnogram is None:
            return None
        relative = entry.files[0].relative_to(self.folder).as_posix()
        patterns = map(Pattern, self.source.recordings)
        fields = next(filter(None, (pattern.match(relative) for pattern in patterns)))
        return self._scorings(entry.files[0], fields)[1]

    def second_scoring(self, entry: Entry) -> Hypnogram | None:
        path, settings = self.second_file(entry), self.source.second_hypnogram
        if path is None or settings is None:
            return None
        signals = entry.files[0]
        other = signals.suffix.lower() in READ_BY_MNE
        file = self._opened_by_mne(signals)[1] if other else edf.open_edf(signals)
        return read_hypnogram(path, settings, file)


class SurreyCEEGrid(Own):
    """Recordings with electrodes around the ear, in files as one's own."""

    name = "Surrey-cEEGrid"
    # Transfer paper.
    sizes: ClassVar[Sizes] = {"whole-night": Size(12)}


class PhysioNetSource(OwnSource):
    """Settings of a database of PhysioNet.

    Attributes:
        server_folder: folder of the recordings below ``fetch.url``, which has SHA256SUMS.txt.
    """

    server_folder: str = ""


class PhysioNet(ServerListed, Own):
    """Recordings that PhysioNet lists or, if it is not asked, those in the folder."""

    reader = "physionet"
    settings = PhysioNetSource
    origin = Origin("A database of PhysioNet", "https://physionet.org", "Open to everyone.")
    amount = "all of it"
    recordings_listed = True
    source: PhysioNetSource

    def __init__(self, source: PhysioNetSource) -> None:
        super().__init__(source)
        self.path_on_server = f"{source.server_folder}/" if source.server_folder else ""

    def ask(self, url: str) -> dict[str, Listed]:
        sums = sha256_sums(url, self.path_on_server)
        found = matching(self.folder, self.source.recordings, [*sums])
        wanted = {path for path, _ in found}
        wanted |= {scoring for path, fields in found for scoring in self._scorings(path, fields)}
        names = {path.relative_to(self.folder).as_posix() for path in wanted}
        if not names & sums.keys():
            raise InputError(f"{url}/{SUMS}: lists no recording as {self.source.recordings[0]!r}")
        return {name: Listed(digest) for name, digest in sums.items() if name in names}


def read_hypnogram(path: Path, settings: HypnogramSettings, recording: edf.Edf) -> Hypnogram:
    """Read the epochs of a recording from its hypnogram."""
    stretches: Sequence[Stretch]
    if settings.file.endswith(".edf"):
        stretches = [
            (f"{onset:g} s", onset, length, text)
            for onset, length, text in edf.read_annotations(path, recording)
        ]
    elif settings.file.endswith((".csv", ".tsv")):
        stretches = read_csv(
            path,
            settings.epoch,
            recording.seconds,
            settings.ignores,
            columns=settings.columns,
            start=recording.start + timedelta(seconds=recording.delay) if settings.clock else None,
        )
    else:
        stretches = read_lines(path, settings.epoch, recording.seconds, settings.surplus)
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
