"""Sleep-EDF (PhysioNet sleep-edfx): SleepEDF-20 and -78 (cassette), SleepEDF-ST (telemetry).

A recording is ``SC4ssNe0-PSG.edf`` and ``SC4ssNex-Hypnogram.edf`` (ss: subject, N: night, e: E, F
or G, x: scorer), ``ST7ssNJ0-PSG.edf`` and so on in the telemetry study. Stages are annotations
("Sleep stage 2"), lasting a multiple of 30 s. Hypnograms are also read alone, without signals, and
then where there is no file of annotations as text (`xsleep.databases.formats.run_lengths`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from xsleep.core.errors import InputError, warn
from xsleep.core.files import read_csv
from xsleep.core.recording import EPOCH_SECONDS, Hypnogram, Recording, Signal
from xsleep.core.stages import RK_STAGES, UNSCORED, label
from xsleep.databases import base, lights
from xsleep.databases.base import Database, Entry, Listed, Origin, Size, Sizes, Source
from xsleep.databases.formats import edf, run_lengths
from xsleep.databases.formats.channels import as_clock

STAGE_TEXTS = {f"Sleep stage {text}": stage for text, stage in RK_STAGES.items()}
UNSCORED_TEXTS = {"Sleep stage ?", "Movement time"}
GRID = 0.01
"""Seconds by which an annotation may be off the grid of 30 s: a sample."""
CASSETTE, TELEMETRY = "SC4", "ST7"
"""Beginning of the names of the recordings of either study."""
SIGNAL_BYTES = {CASSETTE: 49_000_000, TELEMETRY: 27_000_000}
"""Mean size of a recording's signals of either study."""


class SleepEdfSource(Source):
    """Settings of Sleep-EDF.

    Attributes:
        hypnograms: hypnograms as text. Without signals, they stand in for missing annotations.
    """

    hypnograms: Path | None = Field(default=None, exclude_if=lambda path: path is None)


class SleepEdf(Database):
    """Recordings of either study; one that is not in the folder is named as missing."""

    settings: ClassVar[type[Source]] = SleepEdfSource
    scoring = "R&K"
    fetched = True
    origin = Origin(
        "Sleep-EDF Database Expanded 1.0.0",
        "https://physionet.org/content/sleep-edfx/1.0.0/",
        "Open to everyone.",
        "Open Data Commons Attribution License 1.0 (ODC-By)",
        {
            "https://doi.org/10.1109/10.867928": "Kemp et al., Analysis of a sleep-dependent "
            "neuronal feedback loop: the slow-wave microcontinuity of the EEG, IEEE Trans. "
            "Biomed. Eng. 47 (2000)",
            "https://doi.org/10.1161/01.CIR.101.23.e215": "Goldberger et al., PhysioBank, "
            "PhysioToolkit, and PhysioNet, Circulation 101 (2000)",
        },
    )

    study: ClassVar[str] = CASSETTE
    subjects: ClassVar[int | None] = None

    @cached_property
    def recordings(self) -> Sequence[str]:
        """Names of the recordings."""
        return recordings(self.study, self.subjects)

    @property
    def text(self) -> Path | None:
        """The file of hypnograms as text, if it may be used; it need not exist."""
        if isinstance(self.source, SleepEdfSource) and not self.source.signals:
            return self.source.hypnograms
        return None

    @cached_property
    def runs(self) -> dict[str, str]:
        """Recording to its hypnogram as text."""
        return run_lengths.read(self.text) if self.text and self.text.exists() else {}

    @property
    def stand_in(self) -> str:
        absent = self.text and not self.text.exists()
        return f", or hypnograms as text into {self.text}" if absent else ""

    def published(self) -> Mapping[str, Listed]:
        hashes = published_hashes() if self.source.fetch else {}
        sizes = {n: SIGNAL_BYTES.get(n[:3], 0) for n in hashes if n.endswith("-PSG.edf")}
        return {name: Listed(digest, sizes.get(name, 0)) for name, digest in hashes.items()}

    def entries(self) -> list[Entry]:
        # Some copies have names in small letters.
        signals = base.by_name(self.folder, r"(.{8}).*-PSG\.edf")
        hypnograms = base.by_name(self.folder, r"(.{6}).*-Hypnogram\.edf")
        published = {name[:6]: name for name in published_hashes() if "Hypnogram" in name}

        def entry(name: str) -> Entry:
            psgs = signals.get(name) or [self.folder / f"{name}-PSG.edf"]
            scored = hypnograms.get(name[:6]) or [self.folder / published[name[:6]]]
            if self.text and name in self.runs and not scored[0].exists():
                scored = [self.text]
            fault = base.doubled(scored, "hypnogram of this recording")
            if not self.source.signals:
                return Entry(name, name[3:5], tuple(scored), fault)
            fault = base.doubled(psgs, "PSG of this recording") or fault
            return Entry(name, name[3:5], (psgs[0], *scored), fault)

        found = [entry(name) for name in self.recordings]
        if self.source.fetch is None and not any(entry.files[0].exists() for entry in found):
            what = "recording" if self.source.signals else "hypnogram"
            raise self.none_there(f"{what} of this database", found[0].files[0].name)
        return found

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        psg, scoring, *_ = entry.files
        file = edf.open_edf(psg)
        signals = edf.read_channels(file, self.channels, channels)
        annotations = edf.read_annotations(scoring, file)
        # Telemetry was scored from lights off or later until lights on.
        partly = entry.name.startswith(TELEMETRY)
        grid = edf.start_after(edf.open_edf(scoring), file) % EPOCH_SECONDS
        hypnogram = read_hypnogram(scoring, annotations, file.seconds, partly=partly, grid=grid)
        start = file.start if file.clock else None
        return _recording(entry, start, annotations, hypnogram, signals)

    def read_scoring(self, entry: Entry) -> Recording:
        path = entry.files[0]
        start = None
        if path == self.text:
            annotations = run_lengths.as_annotations(path, entry.name, self.runs[entry.name])
            if clock := lights.table()[entry.name].start:
                start = datetime.combine(date.min, time.fromisoformat(clock))
        else:
            file = edf.open_edf(path)
            annotations = edf.read_annotations(path)
            start = file.start if file.clock else None
        ends = [onset + length for onset, length, text in annotations if text in STAGE_TEXTS]
        hypnogram = read_hypnogram(path, annotations, max(ends, default=0), partly=True)
        return _recording(entry, start, annotations, hypnogram)


def _recording(
    entry: Entry,
    start: datetime | None,
    annotations: Sequence[tuple[float, float, str]],
    hypnogram: Hypnogram,
    signals: Mapping[str, Signal] | None = None,
) -> Recording:
    """Return a recording with its lights times, if its start is known."""
    seconds = off_on = None
    if start is None:
        warn(entry.files[0], "gives no start time, so that lights times are not known")
    else:
        seconds = (start - datetime.combine(start, time())).total_seconds()
        path = entry.files[-1]
        off_on = lights.lights_of(path, entry.name, start, annotations, hypnogram=hypnogram)
    return Recording(
        entry.name,
        entry.subject,
        signals or {},
        hypnogram,
        off_on,
        files=entry.files,
        start=seconds,
    )


class SleepEdf20(SleepEdf):
    """Cassette study, the first 20 subjects."""

    reader, name = "sleep-edf-20", "SleepEDF-20"
    hours = 22  # a day and a night, all of which is stored
    subjects: ClassVar[int | None] = 20
    amount: ClassVar[str] = "2 GB"
    # XSleepNet paper, Table 1; recordings and epochs: the authors' file lists.
    _in_bed = Size(20, 39, 38155, setup="20-fold CV", validation=4, training_subset=4)
    _note = "4 nights are cut at the record start, as in in-bed+30min-as-published"
    sizes: ClassVar[Sizes] = {
        "in-bed": _in_bed,
        "in-bed+30min": replace(_in_bed, epochs=46241, note=_note),
    }


class SleepEdf78(SleepEdf20):
    """Cassette study, all subjects."""

    reader, name = "sleep-edf-78", "SleepEDF-78"
    subjects = None
    amount = "7.6 GB"
    # As for SleepEDF-20.
    _note = "79 subjects are a misprint of 78"
    _in_bed = Size(79, 153, 155055, _note, "10-fold CV", validation=7, training_subset=7)
    _note += "; some 20 nights are cut at the record start, as in in-bed+30min-as-published"
    sizes: ClassVar[Sizes] = {
        "in-bed": _in_bed,
        "in-bed+30min": replace(_in_bed, epochs=192233, note=_note),
    }


class SleepEdfSt(SleepEdf):
    """Telemetry study, the nights with placebo."""

    reader, name = "sleep-edf-st", "SleepEDF-ST"
    study = TELEMETRY
    amount = "0.6 GB"
    # Transfer paper; PhysioNet's ST-subjects.xls for which nights.
    sizes: ClassVar[Sizes] = {"in-bed": Size(22, 22)}


def read_hypnogram(
    path: Path,
    annotations: Sequence[tuple[float, float, str]],
    seconds: float,
    *,
    partly: bool = False,
    grid: float = 0.0,
) -> Hypnogram:
    """Return the 30-s epochs of a recording of so many seconds, without those before it.

    Unscored annotations may run past the signal, as the real ones do. Scored ones may not, and the
    annotations must reach the end of the signal.

    Args:
        partly: whether the end need not be scored.
        grid: seconds, less than an epoch, from the first sample to the first epoch that begins.

    Raises:
        InputError: an annotation is unknown, overlaps, or is not of whole epochs within the signal.
    """
    stages = np.full(max(int((seconds - grid) // EPOCH_SECONDS), 0), UNSCORED, "i1")
    end, before = -math.inf, 0
    for onset, length, text in annotations:
        if text in (lights.OFF, lights.ON):
            continue
        if text not in STAGE_TEXTS and text not in UNSCORED_TEXTS:
            raise InputError(
                f"{path}: unknown annotation {text!r} at {as_clock(onset)}; expected 'Sleep "
                "stage W, 1, 2, 3, 4, R or ?' or 'Movement time', correct it"
            )
        first, count = round((onset - grid) / EPOCH_SECONDS), round(length / EPOCH_SECONDS)
        off = max(abs(onset - grid - first * EPOCH_SECONDS), abs(length - count * EPOCH_SECONDS))
        if off > GRID:
            raise InputError(
                f"{path}: {text!r} at {onset:g} s lasts {length:g} s; both must be multiples of "
                f"{EPOCH_SECONDS} s, correct it"
            )
        if onset < end - GRID:
            raise InputError(
                f"{path}: {text!r} at {onset:g} s begins before the one before it ends; correct it"
            )
        end = onset + length
        if text in UNSCORED_TEXTS:
            continue
        if onset + length >= seconds + EPOCH_SECONDS:
            raise InputError(
                f"{path}: {text!r} runs to {as_clock(onset + length)}, past the end of the "
                f"signal at {as_clock(seconds)}; check that hypnogram and PSG belong together"
            )
        before += min(max(-first, 0), count)
        stages[max(first, 0) : max(first + count, 0)] = label(STAGE_TEXTS[text])
    if before:
        warn(path, f"{before} epochs before the recording are left out")
    if not partly and end <= seconds - EPOCH_SECONDS:
        raise InputError(
            f"{path}: ends at {as_clock(end)}, the signal at {as_clock(seconds)}; check "
            "that they belong together, or annotate the rest as 'Sleep stage ?'"
        )
    return Hypnogram(grid + np.arange(len(stages)) * float(EPOCH_SECONDS), stages)


@cache
def published_hashes() -> dict[str, str]:
    """Return file to SHA-1 of both studies, as PhysioNet published it and MNE 1.13 ships it."""
    rows = read_csv(resources.files("xsleep.databases") / "sleep_edf_files.csv")
    return {row["file"]: row["sha1"] for row in rows}


def recordings(study: str, subjects: int | None = None) -> list[str]:
    """Return the recordings of a study, all or of subject numbers below ``subjects``.

    For `TELEMETRY` they are those of SleepEDF-ST, of the nights that had placebo.
    """
    of_study = sorted(name for name in lights.table() if name.startswith(study))
    return [name for name in of_study if subjects is None or int(name[3:5]) < subjects]
