"""SHHS, the Sleep Heart Health Study, first visit: nights at home of 5,793 subjects.

A night is ``edfs/shhs1/shhs1-NNNNNN.edf`` with its scoring apart, in the National Sleep Research
Resource's XML (``annotations-events-nsrr/shhs1/shhs1-NNNNNN-nsrr.xml``) or in that of Compumedics
Profusion, from which it was made.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

import numpy as np

from xsleep.core.errors import InputError, warn
from xsleep.core.recording import Hypnogram, Recording
from xsleep.databases.base import Entry, doubled, files
from xsleep.databases.formats import edf
from xsleep.databases.formats.channels import Channels, as_clock
from xsleep.databases.formats.nsrr_xml import read_hypnogram, recording_start

VISIT = "shhs1"
SCORINGS = ("nsrr", "profusion")
"""Kinds of XML, the one taken first first."""


@dataclass
class Shhs:
    """The nights in ``folder``, which holds ``edfs`` and ``annotations-events-nsrr``.

    Attributes:
        channels: where EEG, EOG and EMG are in the files.
        listed: the files of the nights that there are; without them, those in the folder.
    """

    folder: Path
    channels: Channels
    listed: Collection[str] = ()

    scoring = "R&K"

    def entries(self) -> list[Entry]:
        nights = sorted(self.folder / name for name in self.listed if name.endswith(".edf"))
        nights = nights or [
            path
            for path in files(self.folder / "edfs" / VISIT, f"{VISIT}-*.edf")
            if re.fullmatch(rf"{VISIT}-\d{{6}}", path.stem, re.IGNORECASE)
        ]
        if not nights:
            raise InputError(
                f"{self.folder}: no night of SHHS there (edfs/shhs1/shhs1-200001.edf, ...); set "
                "the folder in config/databases/SHHS.yaml"
            )
        folders = {kind: self.folder / f"annotations-events-{kind}" / VISIT for kind in SCORINGS}
        there = {p.name.lower(): p for folder in folders.values() for p in files(folder, "*.xml")}
        signals: dict[str, list[Path]] = defaultdict(list)
        for path in nights:
            signals[path.stem.lower()].append(path)

        def entry(name: str, paths: Sequence[Path]) -> Entry:
            named = {kind: f"{name}-{kind}.xml" for kind in SCORINGS}
            scorings = [there[file] for file in named.values() if file in there]
            expected = folders[SCORINGS[0]] / named[SCORINGS[0]]
            files_of = (paths[0], *(scorings or [expected]))
            subject = name.removeprefix(f"{VISIT}-")
            return Entry(name, subject, files_of, doubled(paths, "signals of this name"))

        return [entry(name, paths) for name, paths in signals.items()]

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        signals_path, scoring, *others = entry.files
        file = edf.open_edf(signals_path)
        signals = edf.read_channels(file, self.channels, channels)
        hypnogram = read_hypnogram(scoring, file.seconds)
        _tell_other_start(scoring, file)
        for other in others:
            _tell_other_stages(other, file.seconds, scoring, hypnogram)
        return Recording(entry.name, entry.subject, signals, hypnogram, None, entry.files)


def _tell_other_start(scoring: Path, recording: edf.Edf) -> None:
    """Warn where a scoring says that the recording started at another time than its header."""
    said = recording_start(scoring)
    if said is None or recording.clock is None:
        return
    clock = recording.start - datetime.combine(recording.start, time())
    apart = abs(edf.between_clocks(said - clock.total_seconds()))
    if apart >= 1:
        warn(
            scoring,
            f"says that the recording started at {as_clock(said)}, {recording.path.name} at "
            f"{recording.clock}; its onsets count from the first sample",
        )


def _tell_other_stages(other: Path, seconds: float, scoring: Path, taken: Hypnogram) -> None:
    """Warn where another scoring of a recording differs, or cannot be read."""
    try:
        found = read_hypnogram(other, seconds)
    except InputError as error:
        warn(other, f"passed over: {str(error).removeprefix(f'{other}: ')}")
        return
    if not np.array_equal(found.stages, taken.stages):
        warn(other, f"has other stages than {scoring.name}, whose are taken")
