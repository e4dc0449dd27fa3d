"""SHHS, the Sleep Heart Health Study, first visit: nights at home of 5,793 subjects.

A night is ``edfs/shhs1/shhs1-NNNNNN.edf`` with its scoring apart, in the National Sleep Research
Resource's XML (``annotations-events-nsrr/shhs1/shhs1-NNNNNN-nsrr.xml``) or in that of Compumedics
Profusion, from which it was made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from xsleep.databases import edf
from xsleep.databases.base import Entry, files
from xsleep.databases.nsrr_xml import read_hypnogram
from xsleep.databases.reading import Channels
from xsleep.errors import InputError
from xsleep.recording import Recording

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
            if re.fullmatch(rf"{VISIT}-\d{{6}}", path.stem)
        ]
        if not nights:
            raise InputError(
                f"{self.folder}: no night of SHHS there (edfs/shhs1/shhs1-200001.edf, ...); set "
                "the folder in config/databases/SHHS.yaml"
            )
        folders = {kind: self.folder / f"annotations-events-{kind}" / VISIT for kind in SCORINGS}
        there = {path for folder in folders.values() for path in files(folder, "*.xml")}
        entries = []
        for path in nights:
            scorings = [folders[kind] / f"{path.stem}-{kind}.xml" for kind in SCORINGS]
            scoring = next((s for s in scorings if s in there), scorings[0])
            entries.append(Entry(path.stem, path.stem.removeprefix(f"{VISIT}-"), (path, scoring)))
        return entries

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        signals_path, scoring = entry.files
        file = edf.open_edf(signals_path)
        signals = edf.read_channels(file, self.channels, channels)
        hypnogram = read_hypnogram(scoring, file.seconds)
        return Recording(entry.name, entry.subject, signals, hypnogram, None, entry.files)
