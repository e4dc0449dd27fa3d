"""Windows of a recording: which of its epochs are trained on and scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError
from xsleep.core.recording import DAY_SECONDS, EPOCH_SECONDS, RATE
from xsleep.core.stages import STAGES
from xsleep.store.recordings import PER_EPOCH, RecordingInfo

MARGIN_SECONDS = 30 * 60
SHORTEST = 20
"""Fewest scored epochs of a recording in a window: one sequence of the paper (L = 20)."""


def in_window(info: RecordingInfo, window: str) -> NDArray[np.bool_]:
    """Return (n,) whether each epoch of a recording begins within a window.

    The start of an epoch is that of its scoring: with 20-s epochs, 5 s after the onset of the 30 s
    that represent it. Times are compared in samples at 100 Hz. The windows are

    - ``in-bed``: lights off to lights on;
    - ``in-bed+30min``: that and 30 minutes on either side;
    - ``in-bed+30min-as-published``: the same, but from the start of the recording if lights went
      off between 00:00 and 00:30, as in the data that the published figures were computed on;
    - ``sleep+30min``: 30 minutes before the first sleep epoch to 30 minutes after the last;
    - ``whole-night``: everything.

    Raises:
        InputError: the recording lacks what the window needs: times of lights off and on, clock
            time of the start, or an epoch of sleep.
    """
    scored = scored_seconds(info)
    begins = info.onsets + (EPOCH_SECONDS - scored) / 2
    first, end = (np.rint(RATE * x) for x in _bounds(info, window, begins, scored))
    samples = np.rint(RATE * begins)
    inside: NDArray[np.bool_] = (samples >= first) & (samples < end)
    return inside


def within(info: RecordingInfo, window: str) -> tuple[RecordingInfo, Integers]:
    """Return a recording with the epochs of a window alone, and their indices among the stored."""
    chosen = np.flatnonzero(in_window(info, window))
    return replace(info, **{name: getattr(info, name)[chosen] for name in PER_EPOCH}), chosen


def check_enough(path: Path, epochs: int, window: str = "") -> None:
    """Raise an ``InputError`` if the recording of a file has too few epochs (in the window)."""
    if epochs < SHORTEST:
        where = f" in the window {window}" if window else ""
        raise InputError(
            f"{path}: {epochs} scored epochs{where}; at least {SHORTEST} are needed, take the "
            "recording away or score more of it"
        )


def unusable(info: RecordingInfo, windows: Sequence[str], path: Path) -> str:
    """Return why a recording cannot be used in all of these windows; empty if it can.

    The reason names ``path``, the file of the recording.
    """
    if info.skipped:
        return info.skipped
    try:
        for window in windows:
            check_enough(path, int(np.count_nonzero(in_window(info, window))), window)
    except InputError as error:
        message = str(error)
        return message if str(path) in message else f"{path}: {message}"
    return ""


def scored_seconds(info: RecordingInfo) -> float:
    """Return the length of the scored epochs in seconds: the median distance of neighbours.

    Without neighbours it is unknown, and taken to be 30 s.
    """
    distances = np.diff(info.onsets)[np.diff(info.places) == 1]
    return float(np.median(distances)) if len(distances) else EPOCH_SECONDS


def _bounds(info: RecordingInfo, window: str, begins: Floats, scored: float) -> tuple[float, float]:
    """Return start and end of a window, given starts ``begins`` and length of epochs, in s."""
    if window == "whole-night":
        return -np.inf, np.inf
    if window == "sleep+30min":
        asleep = begins[info.stages != STAGES.index("W")]
        if not len(asleep):
            raise InputError(f"no epoch of sleep, which the window {window} needs")
        return asleep[0] - MARGIN_SECONDS, asleep[-1] + scored + MARGIN_SECONDS
    if info.lights is None:
        raise InputError(f"no lights times, which the window {window} needs; choose whole-night")
    off, on = info.lights
    if window == "in-bed":
        return off, on
    if window == "in-bed+30min-as-published" and _wraps(info, off, window):
        return 0, on + MARGIN_SECONDS
    return off - MARGIN_SECONDS, on + MARGIN_SECONDS


def _wraps(info: RecordingInfo, lights_off: float, window: str) -> bool:
    """Return whether 30 minutes before lights off is on the day before by the clock.

    The authors' shifted time of day wraps around then and lies before the recording, so that their
    crop begins at its start.
    """
    if info.start is None:
        raise InputError(
            f"no clock time of the start, which the window {window} needs; choose in-bed+30min"
        )
    return (info.start + lights_off) % DAY_SECONDS < MARGIN_SECONDS
