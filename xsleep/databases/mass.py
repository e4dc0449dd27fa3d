"""MASS, the Montreal Archive of Sleep Studies: 200 recordings, one a subject, SS1 to SS5.

A recording is ``01-0S-NNNN PSG.edf`` with its scoring apart, in ``01-0S-NNNN Base.edf`` or
``... Annotations.edf`` (EDF+). SS1 and SS3 are scored by the AASM's rules in epochs of 30 s, the
others by those of Rechtschaffen & Kales in 20 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from xsleep.core.errors import InputError, warn
from xsleep.core.recording import Hypnogram
from xsleep.core.stages import RK_STAGES, UNSCORED, label
from xsleep.databases import base
from xsleep.databases.base import EdfDatabase, Entry, Origin, Size, Sizes
from xsleep.databases.formats import edf
from xsleep.databases.formats.channels import as_clock
from xsleep.databases.formats.hypnograms import TOLERANCE, epochs_of

LAST = {1: 53, 2: 19, 3: 64, 4: 40, 5: 26}
"""Highest subject number of each subset."""
NOT_PUBLISHED = {(3, 43), (3, 49)}

EPOCH_SECONDS = {1: 30, 2: 20, 3: 30, 4: 20, 5: 20}
"""Length of the scored epochs of each subset."""

STAGE = "Sleep stage "
SUBFOLDERS = 2
"""Levels that are searched: the distributions have them as SS1, SS1/annotations or SS1/edfs."""


class Mass(EdfDatabase):
    """Recordings in a folder and its subfolders; each that is not there is named as missing."""

    reader, name = "mass", "MASS"
    scoring = "AASM, R&K"
    origin = Origin(
        "Montreal Archive of Sleep Studies, cohort 1",
        "https://doi.org/10.5683/SP3/9MYUCS",
        "On request, with the approval of an ethics committee; the files may not be passed on.",
        cited={
            "https://doi.org/10.1111/jsr.12169": "O'Reilly et al., Montreal Archive of Sleep "
            "Studies: an open-access resource for instrument benchmarking and exploratory "
            "research, J. Sleep Res. 23 (2014)"
        },
    )
    # XSleepNet paper, Table 1.
    sizes: ClassVar[Sizes] = {
        "whole-night": Size(200, 200, setup="20-fold CV", validation=10, training_subset=10)
    }

    def entries(self) -> list[Entry]:
        subject = r"(01-0[1-5]-\d{4})[ _]"
        psgs = base.by_name(self.folder, rf"{subject}PSG\.edf", SUBFOLDERS)
        hypnograms = base.by_name(self.folder, rf"{subject}(?:Base|Annotations)\.edf", SUBFOLDERS)
        if not psgs:
            raise self.none_there("recording of MASS", "SS1/01-01-0001 PSG.edf")

        def entry(subject: str) -> Entry:
            expected = self.folder / f"SS{subject[4]}" / subject
            signals = psgs.get(subject, [Path(f"{expected} PSG.edf")])
            scorings = hypnograms.get(subject, [Path(f"{expected} Base.edf")])
            fault = base.doubled(signals, "signals of this subject")
            return Entry(subject, subject, (signals[0], *scorings), fault)

        return [entry(subject) for subject in subjects()]

    def hypnogram(self, entry: Entry, file: edf.Edf) -> Hypnogram:
        return _only_hypnogram(entry.files[1:], EPOCH_SECONDS[int(entry.name[4])], file)


def subjects() -> list[str]:
    """Return the 200 subjects, as in file names and in the order of the authors' indices."""
    return [
        f"01-0{subset}-{number:04d}"
        for subset, last in LAST.items()
        for number in range(1, last + 1)
        if (subset, number) not in NOT_PUBLISHED
    ]


def _only_hypnogram(paths: Sequence[Path], epoch: int, recording: edf.Edf) -> Hypnogram:
    """Read the scoring of a recording from the files that may have it.

    Of several files those that have only events (spindles) are passed over, and, with a warning,
    those that cannot be read.

    Raises:
        InputError: no file has stages, or two have different ones.
    """
    found: dict[Path, Hypnogram] = {}
    for path in paths:
        try:
            if (scored := _stages(path, recording)) or len(paths) == 1:
                found[path] = epochs_of(path, scored, epoch, recording.seconds)
        except InputError as error:
            if len(paths) == 1:
                raise
            warn(path, f"passed over: {str(error).removeprefix(f'{path}: ')}")
    if not found:
        raise InputError(
            f"{paths[0]}: no stages in it, or in {paths[1].name}; put the scoring there"
        )
    (first, hypnogram), *others = found.items()
    for path, other in others:
        same = np.array_equal(other.stages, hypnogram.stages) and np.allclose(
            other.onsets, hypnogram.onsets, rtol=0, atol=TOLERANCE
        )
        if not same:
            raise InputError(
                f"{path}: has other stages than {first}; take away the one that is not meant"
            )
    return hypnogram


def _stages(path: Path, recording: edf.Edf) -> list[tuple[float, float, int]]:
    """Return onset, duration and label of each stage, without other annotations."""
    scored = []
    for onset, length, text in edf.read_annotations(path, recording):
        if not text.startswith(STAGE):
            continue
        stage = text.removeprefix(STAGE).strip()
        if stage != "?" and stage not in RK_STAGES:
            raise InputError(
                f"{path}: unknown annotation {text!r} at {as_clock(onset)}; expected 'Sleep "
                "stage W, 1, 2, 3, 4, R or ?', correct it"
            )
        scored.append((onset, length, UNSCORED if stage == "?" else label(RK_STAGES[stage])))
    return scored
