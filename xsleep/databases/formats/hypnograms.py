"""Conversion of scored stretches of time to the epochs of a hypnogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError, warn
from xsleep.core.recording import DAY_SECONDS, EPOCH_SECONDS, Hypnogram
from xsleep.core.stages import UNSCORED
from xsleep.databases.formats.channels import as_clock

TOLERANCE = 0.5
"""Tolerance in seconds of stretches that overlap or are not of whole epochs, as clocks differ."""


def epochs_of(
    path: Path, scored: Sequence[tuple[float, float, int]], epoch: float, seconds: float
) -> Hypnogram:
    """Return the epochs of a recording of ``seconds``, without those that begin before it.

    Args:
        path: file of the scoring, for messages.
        scored: onset and duration in seconds, and label, in order.
        epoch: length of the scored epochs in seconds. Each is represented by the 30 s around its
            centre, as in Section 4.1 of the XSleepNet paper for epochs of 20 s.

    Raises:
        InputError: the scoring is empty, out of order, overlapping, not in whole epochs (except for
            the last stretch, which the end of a recording may cut), or ends after the signal.
    """
    onsets: list[float] = []
    labels: list[int] = []
    end = -math.inf
    for number, (onset, length, label) in enumerate(scored, start=1):
        if onset < end - TOLERANCE:
            raise InputError(
                f"{path}: the stage at {onset:g} s begins before {end:g} s, where the one before "
                "it ends; put the stages in order and apart"
            )
        if onset < -DAY_SECONDS:
            raise InputError(
                f"{path}: the stage at {onset:g} s begins more than a day before the recording; "
                "correct it"
            )
        if onset + length >= seconds + epoch:
            raise InputError(
                f"{path}: ends at {as_clock(onset + length)}, the signal at {as_clock(seconds)}; "
                "check that they belong together"
            )
        # A gap between two stretches is unscored epochs, which keep their places.
        missing = round((onset - end) / epoch) if onsets else 0
        onsets += [end + i * epoch for i in range(missing)]
        labels += [UNSCORED] * missing
        count = round(length / epoch)
        if abs(length - count * epoch) > TOLERANCE or not count:
            if number < len(scored):
                raise InputError(
                    f"{path}: the stage at {onset:g} s lasts {length:g} s; epochs here are of "
                    f"{epoch:g} s, correct it or the epoch length"
                )
            count = int(length // epoch)
            if onset + length <= seconds - epoch:
                last = f"the last stage, at {onset:g} s, lasts {length:g} s"
                warn(path, f"{last}: whole epochs count")
        onsets += [onset + i * epoch for i in range(count)]
        labels += [label] * count
        end = onset + length
    if not onsets:
        raise InputError(f"{path}: no epoch with a stage in it; check that it is the scoring")
    # To the sample: clocks and sums of durations are not more precise.
    begins = np.round(onsets, 2)
    within = begins > -TOLERANCE
    if not within.any():
        raise InputError(
            f"{path}: ends at {as_clock(end)}, before the signal begins; check that they belong "
            "together"
        )
    if not within.all():
        warn(path, f"{np.count_nonzero(~within)} epochs before the recording are left out")
    begins, stages = np.maximum(begins[within], 0), np.array(labels, "i1")[within]
    return Hypnogram(begins - (EPOCH_SECONDS - epoch) / 2, stages)


def stages_at(hypnogram: Hypnogram, onsets: Floats) -> Integers:
    """Return the labels (n,) of the epochs that begin at onsets (n,); ``UNSCORED`` without one."""
    after = np.searchsorted(hypnogram.onsets, onsets - TOLERANCE)
    found = np.minimum(after, len(hypnogram.onsets) - 1)
    same = np.abs(hypnogram.onsets[found] - onsets) <= TOLERANCE
    stages: Integers = np.where(same, hypnogram.stages[found], UNSCORED)
    return stages


def check_end(path: Path, hypnogram: Hypnogram, seconds: float) -> None:
    """Raise an ``InputError`` if a scoring ends an epoch or more before a signal of ``seconds``."""
    end = hypnogram.onsets[-1] + EPOCH_SECONDS
    if end <= seconds - EPOCH_SECONDS:
        raise InputError(
            f"{path}: ends at {as_clock(end)}, the signal at {as_clock(seconds)}; check that they "
            "belong together"
        )
