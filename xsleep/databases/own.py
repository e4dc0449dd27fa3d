"""Nights of one's own: a folder of EDF files and hypnograms, as the configuration describes them.

A night is ``NAME.edf``. Its hypnogram is

- EDF+ annotations, in a file of their own or in the recording;
- CSV with the columns ``onset`` and ``stage``, and ``duration`` where stretches are not of one
  epoch, in seconds from the start of the recording (``xsleep score`` writes such files);
- text, one label per line and epoch from the start of the recording to its end.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown

from xsleep.databases import edf
from xsleep.databases.base import Entry, files
from xsleep.databases.hypnograms import epochs_of
from xsleep.databases.reading import content, or_line
from xsleep.errors import InputError
from xsleep.recording import Hypnogram, Recording
from xsleep.settings import HypnogramSettings
from xsleep.stages import label

Stretch = tuple[str, float, float, str]
"""Where it stands, onset and duration in seconds, and what it says."""


@dataclass
class Own:
    """The nights in ``folder``.

    Attributes:
        channels: for each of EEG, EOG and EMG, labels or derivations to try in turn.
        hypnogram: how the nights are scored.
        subject: regular expression that finds the subject at the start of a recording's name;
            ``None``: every recording is a subject's only one.
    """

    folder: Path
    channels: Mapping[str, Sequence[str]]
    hypnogram: HypnogramSettings
    subject: str | None

    scoring = ""

    def entries(self) -> list[Entry]:
        signals = {path.stem: path for path in files(self.folder, "*.[eE][dD][fF]")}
        scorings = signals
        if self.hypnogram.file != "{name}.edf":
            named = self.hypnogram.file.replace
            scorings = {name: self.folder / named("{name}", name) for name in signals}
            apart = set(scorings.values())
            signals = {name: path for name, path in signals.items() if path not in apart}
        if not signals:
            raise InputError(
                f"{self.folder}: no recording there (*.edf); put the files there or set the folder "
                "in the database's configuration"
            )
        return [
            Entry(name, self._subject_of(path), (path, scorings[name]))
            for name, path in signals.items()
        ]

    def _subject_of(self, path: Path) -> str:
        if self.subject is None:
            return path.stem
        found = re.match(self.subject, path.stem)
        if not found:
            raise InputError(
                f"{path}: its name does not begin with {self.subject!r}; correct "
                "subject in the database's configuration, or the name"
            )
        return found[0]

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        signals_path, scoring = entry.files
        file = edf.open_edf(signals_path)
        hypnogram = read_hypnogram(scoring, self.hypnogram, edf.duration(file))
        signals = edf.read_channels(signals_path, file, self.channels, channels)
        return Recording(entry.name, entry.subject, signals, hypnogram, None, entry.files)


def read_hypnogram(path: Path, settings: HypnogramSettings, seconds: float) -> Hypnogram:
    """The epochs of a night that lasts ``seconds``."""
    if settings.file.endswith(".edf"):
        # Some programs mark where an epoch begins, without a duration.
        stretches = [
            (f"{onset:g} s", onset, length or settings.epoch, text)
            for onset, length, text in edf.read_annotations(path)
        ]
    elif settings.file.endswith(".csv"):
        stretches = _csv(path, settings.epoch)
    else:
        stretches = _lines(path, settings.epoch, seconds)
    scored = []
    for where, onset, length, text in stretches:
        if text in settings.ignored:
            continue
        if text not in settings.stages:
            raise InputError(
                f"{path}: {where}: {shown(text)} is not among "
                f"{', '.join(map(repr, settings.stages))}; correct it, or add it "
                "to stages or ignored in the database's configuration"
            )
        scored.append((onset, length, label(settings.stages[text])))
    return epochs_of(path, scored, settings.epoch, seconds)


def _csv(path: Path, epoch: float) -> list[Stretch]:
    stretches = []
    # Strict, or what follows a stray quotation mark would be one long field.
    reader = csv.DictReader(_text(path).splitlines(), strict=True)
    rows = or_line(path, lambda: [(f"line {reader.line_num}", row) for row in reader], " as CSV")
    missing = {"onset", "stage"}.difference(reader.fieldnames or ())
    if missing:
        raise InputError(
            f"{path}: no column {' and '.join(sorted(missing))}; its first line must name the "
            "columns onset, stage and, if need be, duration"
        )
    for where, row in rows:
        onset = _seconds(path, where, "onset", row["onset"])
        length = _seconds(path, where, "duration", row.get("duration", epoch))
        stretches.append((where, onset, length, (row["stage"] or "").strip()))
    return stretches


def _seconds(path: Path, where: str, what: str, value: str | float | None) -> float:
    try:
        seconds = float("" if value is None else value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise InputError(
            f"{path}: {where}: {what} {shown(value)} is not a number of seconds from 0; correct it"
        )
    return seconds


def _lines(path: Path, epoch: float, seconds: float) -> list[Stretch]:
    texts = _text(path).split("\n")
    while texts and not texts[-1].strip():
        texts.pop()
    if abs(len(texts) * epoch - seconds) >= epoch:
        raise InputError(
            f"{path}: {len(texts)} lines are {len(texts) * epoch:g} s, the signal {seconds:g} s; "
            "check that they belong together, one line per epoch"
        )
    return [
        (f"line {number + 1}", number * epoch, epoch, text.strip())
        for number, text in enumerate(texts)
    ]


def _text(path: Path) -> str:
    found = content(path, "put it there or correct hypnogram.file in the configuration")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
