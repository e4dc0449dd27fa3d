"""Nights of one's own: a folder of EDF files and hypnograms, as the configuration describes them.

A night is ``NAME.edf``. Its hypnogram is

- EDF+ annotations, in a file of their own or in the recording;
- CSV with the columns ``onset`` and ``stage``, and ``duration`` where stretches are not of one
  epoch, in seconds from the start of the recording (``xsleep score`` writes such files);
- text, one label per line and epoch from the start of the recording to its end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown

from xsleep.databases import edf
from xsleep.databases.base import Entry, files
from xsleep.databases.hypnograms import epochs_of
from xsleep.databases.scorings import read_csv, read_lines
from xsleep.errors import InputError
from xsleep.recording import Hypnogram, Recording
from xsleep.settings import HypnogramSettings
from xsleep.stages import label


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
        stretches = read_csv(path, settings.epoch, seconds, settings.ignored)
    else:
        stretches = read_lines(path, settings.epoch, seconds)
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
