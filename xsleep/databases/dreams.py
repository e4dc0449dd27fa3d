"""The DREAMS sleep-spindle excerpts (University of Mons): 30 minutes of EEG of eight subjects.

``excerptN.edf`` holds one EEG channel, ``Hypnogram_excerptN.txt`` one R&K code every
5 seconds after a title line. Scoring was in 20-s epochs; each is taken with 5 s before and
after, as Section 4.1 of the XSleepNet paper does for MASS, and has the first of its four codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from xsleep.databases import edf
from xsleep.databases.base import Entry
from xsleep.errors import InputError
from xsleep.recording import Hypnogram, Recording
from xsleep.stages import label

CODES = {
    "5": "W",
    "4": "REM",
    "3": "N1",
    "2": "N2",
    "1": "N3",
    "0": "N3",
    "-1": None,
    "-2": None,
    "-3": None,
}
"""R&K code of the text file to stage; movement and unknown have none."""

CODE_SECONDS, SCORED_SECONDS, MARGIN_SECONDS = 5, 20, 5


class Dreams:
    """The excerpts in ``folder``; ``channels`` maps EEG to the label, or labels to try in turn."""

    def __init__(self, folder: Path, channels: Mapping[str, Sequence[str]]) -> None:
        self.folder = folder
        self.channels = channels

    def entries(self) -> list[Entry]:
        numbers = sorted(
            int(match[1])
            for path in self.folder.glob("excerpt*.edf")
            if (match := re.fullmatch(r"excerpt(\d+)", path.stem))
        )
        if not numbers:
            raise InputError(
                f"{self.folder}: no DREAMS excerpt there (excerpt1.edf, ...); set the folder in "
                "config/databases/DREAMS.yaml"
            )
        return [
            Entry(
                f"excerpt{n}",
                str(n),
                (self.folder / f"excerpt{n}.edf", self.folder / f"Hypnogram_excerpt{n}.txt"),
            )
            for n in numbers
        ]

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        signals_path, hypnogram_path = entry.files
        file = edf.open_edf(signals_path)
        signals = edf.read_channels(signals_path, file, self.channels, channels)
        return Recording(
            entry.name,
            entry.subject,
            signals,
            read_hypnogram(hypnogram_path, edf.duration(file)),
            None,
            entry.files,
        )


def read_hypnogram(path: Path, seconds: float) -> Hypnogram:
    """The 20-s epochs of an excerpt that lasts ``seconds``."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; put the hypnogram beside its excerpt")
    codes = path.read_text(encoding="latin-1").split()[1:]
    for line, code in enumerate(codes, start=2):
        if code not in CODES:
            raise InputError(f"{path}: line {line}: {code!r} is no R&K code (-3 to 5); correct it")
    if len(codes) * CODE_SECONDS != seconds:
        raise InputError(
            f"{path}: lasts {len(codes) * CODE_SECONDS} s, the signal {seconds:g} s; "
            "check that they belong together"
        )
    per_epoch = SCORED_SECONDS // CODE_SECONDS
    stages = [label(CODES[code]) for code in codes[::per_epoch][: len(codes) // per_epoch]]
    onsets = np.arange(len(stages)) * float(SCORED_SECONDS) - MARGIN_SECONDS
    return Hypnogram(onsets, np.array(stages, "i1"))
