"""DREAMS (University of Mons): sleep-spindle excerpts, and whole-night recordings of 20 subjects.

Excerpts are ``excerptN.edf``, 30 minutes of EEG of each of eight subjects, with
``Hypnogram_excerptN.txt``: a title line, then one R&K code every 5 seconds. The others are
``subjectN.edf`` with ``HypnogramAASM_subjectN.txt`` and ``HypnogramR&K_subjectN.txt``, of the same
kind. Scoring by R&K was in 20-s epochs, by the AASM's rules in 30-s ones; an epoch has the first of
its codes. 20-s epochs are taken with 5 s before and after, as Section 4.1 of the XSleepNet paper
does for MASS; or, with ``grid: 30``, scorings in 20-s epochs are taken in epochs of 30 s.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as shown
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from xsleep.core.errors import InputError
from xsleep.core.recording import EPOCH_SECONDS, Hypnogram
from xsleep.core.stages import label
from xsleep.databases import base
from xsleep.databases.base import STAGING, EdfDatabase, Entry, Listed, Origin, Published, Source
from xsleep.databases.fetch.servers import ServerListed, ask_json, listed
from xsleep.databases.fetch.unpacking import unpack
from xsleep.databases.formats import edf
from xsleep.databases.formats.channels import content

CODES = {"5": "W", "4": "REM", "3": "N1", "2": "N2", "1": "N3", "0": "N3"}
"""Code of the text file to stage, the same for both scorings."""
NO_STAGE = {"-1", "-2", "-3"}
"""Codes of movement and unknown."""

CODE_SECONDS = 5
MARK = "\xef\xbb\xbf"
"""The mark that some programs put before UTF-8, read as Latin-1."""


class DreamsSource(Source):
    """Settings of the scorings in 20-s epochs.

    Attributes:
        grid (s): 30 for epochs of 30 s from the beginning of the recording. An epoch has the
            majority of its six codes, and of equally frequent ones the first; no stage counts as a
            stage.
    """

    grid: Annotated[
        Literal[30] | None, BeforeValidator(lambda grid: 30 if grid == "30" else grid)
    ] = Field(default=None, exclude_if=lambda grid: grid is None)


class Dreams(ServerListed, EdfDatabase):
    """One of the DREAMS databases, in one scoring.

    Attributes:
        signals, scored: names of the signals and the hypnogram of a recording up to its number.
        epoch: length of the scored epochs in seconds.
        slack: seconds by which hypnogram and signal may differ in length.
        archive, count: archive that it is published in, and the number of recordings in it.
    """

    origin = Origin(
        "The DREAMS databases",
        "https://zenodo.org/records/2650142",
        "Open to everyone, for non-commercial use.",
        cited={
            "https://doi.org/10.5281/zenodo.2650142": "Devuyst, The DREAMS databases and "
            "assessment algorithm, Zenodo (2005)"
        },
    )
    path_on_server = "records/2650142/files/"
    signals: ClassVar[str]
    scored: ClassVar[str]
    epoch: ClassVar[int]
    slack: ClassVar[int]
    archive: ClassVar[str]
    count: ClassVar[int]

    def ask(self, url: str) -> dict[str, Listed]:
        def read(answer: Any) -> dict[str, Listed]:
            archives = {d.archive for d in base.READERS.values() if issubclass(d, Dreams)}
            found = {file["key"]: file for file in answer["files"]}
            return {
                name: listed(found[name]["checksum"].removeprefix("md5:"), found[name]["size"])
                for name in archives
            }

        return ask_json(f"{url}/api/records/2650142", read)

    def missing(self, entries: Sequence[Entry]) -> list[str]:
        """Return the path of the archive below the folder, if it is to be fetched or unpacked.

        All recordings come at once, and the archive is deleted once they are in their places.
        """
        path = f"{STAGING}/{self.archive}"
        some = any(entry.files[0].exists() for entry in entries)
        there = self.source.fetch is None or (some and not (self.folder / path).exists())
        return [] if there else [path]

    def unpack(self, fetched: Sequence[Published]) -> None:
        patterns = f"{self.signals}*.edf", f"Hypnogram*_{self.signals}*.txt"  # of either scoring
        for file in fetched:
            unpack(self.folder / file.name, self.folder, patterns)

    def entries(self) -> list[Entry]:
        found = base.by_name(self.folder, rf"{self.signals}0*(\d+)\.edf")
        if not found and self.source.fetch:
            numbers = map(str, range(1, self.count + 1))
            found = {n: [self.folder / f"{self.signals}{n}.edf"] for n in numbers}
        if not found:
            raise self.none_there(f"DREAMS {self.signals}", f"{self.signals}1.edf")
        return [
            Entry(
                f"{self.signals}{number}",
                number,
                (paths[0], base.as_written(self.folder / f"{self.scored}{number}.txt")),
                base.doubled(paths, "signals of this number"),
            )
            for number, paths in sorted(found.items(), key=lambda item: int(item[0]))
        ]

    def hypnogram(self, entry: Entry, file: edf.Edf) -> Hypnogram:
        return read_hypnogram(entry.files[1], file.seconds, type(self), self.grid)

    @property
    def grid(self) -> int | None:
        """The setting ``source.grid``."""
        return self.source.grid if isinstance(self.source, DreamsSource) else None


class DreamsExcerpts(Dreams):
    """The sleep-spindle excerpts."""

    settings = DreamsSource
    reader, scoring, epoch, slack = "dreams", "R&K", 20, 0
    signals, scored = "excerpt", "Hypnogram_excerpt"
    archive, count = "DatabaseSpindles.rar", 8
    amount = "45 MB"


class DreamsSubjectsAasm(Dreams):
    """The whole-night recordings, scored by the AASM's rules."""

    reader, scoring, epoch, slack = "dreams-subjects-aasm", "AASM", 30, 60
    signals, scored = "subject", "HypnogramAASM_subject"
    archive, count = "DatabaseSubjects.rar", 20
    amount = "1 GB"

    @property
    def _other(self) -> type[Dreams]:
        """The database with the other scoring."""
        rk = self.scoring == DreamsSubjectsRk.scoring
        return DreamsSubjectsAasm if rk else DreamsSubjectsRk

    def second_file(self, entry: Entry) -> Path:
        return base.as_written(self.folder / f"{self._other.scored}{entry.subject}.txt")

    def second_scoring(self, entry: Entry) -> Hypnogram | None:
        """Read the scoring by the other rules, in epochs of 30 s with the majority of six codes.

        Raises:
            InputError: also if this scoring is in epochs of 20 s, which have no counterpart.
        """
        if (self.grid or self.epoch) != EPOCH_SECONDS:
            raise InputError(
                f"{entry.files[1]}: scored in epochs of {self.epoch} s, and the second scorer's "
                f"are of {EPOCH_SECONDS} s; set source.grid: {EPOCH_SECONDS}"
            )
        seconds = edf.open_edf(entry.files[0]).seconds
        return read_hypnogram(self.second_file(entry), seconds, self._other, EPOCH_SECONDS)


class DreamsSubjectsRk(DreamsSubjectsAasm):
    """The same recordings, scored by the rules of Rechtschaffen & Kales."""

    settings = DreamsSource
    reader, scoring, epoch = "dreams-subjects-rk", "R&K", 20
    scored = "HypnogramR&K_subject"


def read_hypnogram(
    path: Path, seconds: float, collection: type[Dreams], grid: int | None = None
) -> Hypnogram:
    """Return the 30-s epochs of a recording that lasts ``seconds``, on a grid if there is one.

    Raises:
        InputError: a line is no code, or the number of codes does not fit the recording.
    """
    text = content(path, "put the hypnogram beside its recording").decode("latin-1")
    title, *codes = (line.strip() for line in text.rstrip().splitlines() or [""])
    # A title that begins with a number, or with the mark of an encoding and one, is a code.
    if re.match(r"\W*\d", title.removeprefix(MARK)):
        raise InputError(f"{path}: line 1: {title!r} is no title; put one before the first code")
    for line, code in enumerate(codes, start=2):
        if code not in CODES.keys() | NO_STAGE:
            raise InputError(
                f"{path}: line {line}: {shown(code)} is no stage code (-3 to 5); correct it"
            )
    if abs(len(codes) * CODE_SECONDS - seconds) > collection.slack:
        raise InputError(
            f"{path}: lasts {len(codes) * CODE_SECONDS} s, the signal {seconds:g} s; "
            "check that they belong together"
        )
    length = grid or collection.epoch
    size = length // CODE_SECONDS
    labels = [label(CODES.get(code)) for code in codes]
    epochs = [labels[first : first + size] for first in range(0, len(labels) - size + 1, size)]
    # The most common, and the first of several that are.
    stages = [Counter(epoch).most_common(1)[0][0] if grid else epoch[0] for epoch in epochs]
    onsets = np.arange(len(stages)) * float(length) - (EPOCH_SECONDS - length) / 2
    return Hypnogram(onsets, np.array(stages, "i1"))
