"""The windows of a night: which of its epochs are trained on and scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xsleep.core.errors import InputError
from xsleep.core.recording import DAY_SECONDS, EPOCH_SECONDS, RATE
from xsleep.core.stages import STAGES
from xsleep.store.recordings import RecordingInfo

MARGIN_SECONDS = 30 * 60
SHORTEST = 20
"""Scored epochs that a recording must have in a window: one sequence of the paper (L = 20)."""


def in_window(night: RecordingInfo, window: str) -> np.ndarray:
    """(n,) whether each epoch of a night begins within the window.

    An epoch begins where its scoring began: where epochs were scored in 20 s, 5 s after the onset
    of the 30 s that stand for it. Times are compared to the sample, at 100 Hz. The windows are

    - ``in-bed``: lights off to lights on;
    - ``in-bed+30min``: that and 30 minutes on either side;
    - ``in-bed+30min-as-published``: the same, but from the start of the recording where lights went
      off between 00:00 and 00:30, as in the sets that the published figures were computed on;
    - ``sleep+30min``: 30 minutes before the first sleep epoch to 30 minutes after the last;
    - ``whole-night``: everything.

    Raises:
        InputError: the night lacks what the window needs: lights times, clock, an epoch of sleep.
    """
    scored = _scored_seconds(night)
    begins = night.onsets + (EPOCH_SECONDS - scored) / 2
    first, end = (np.rint(RATE * x) for x in _bounds(night, window, begins, scored))
    samples = np.rint(RATE * begins)
    return (samples >= first) & (samples < end)


def check_enough(path: Path, epochs: int, window: str = "") -> None:
    """Raise an ``InputError`` where the recording in a file has too few epochs (in the window)."""
    if epochs < SHORTEST:
        where = f" in the window {window}" if window else ""
        raise InputError(
            f"{path}: {epochs} scored epochs{where}; at least {SHORTEST} are needed, take the "
            "recording away or score more of it"
        )


def unusable(night: RecordingInfo, windows: Sequence[str], path: Path) -> str:
    """Why a night cannot be used in these windows, naming its file; empty where it can."""
    if night.skipped:
        return night.skipped
    try:
        for window in windows:
            check_enough(path, np.count_nonzero(in_window(night, window)), window)
    except InputError as error:
        message = str(error)
        return message if str(path) in message else f"{path}: {message}"
    return ""


def _scored_seconds(night: RecordingInfo) -> float:
    """Seconds of the epochs that a night was scored in: the usual distance of neighbours.

    Where none are neighbours it cannot be told, and is that of the epochs that stand for them.
    """
    distances = np.diff(night.onsets)[np.diff(night.places) == 1]
    return float(np.median(distances)) if len(distances) else EPOCH_SECONDS


def _bounds(
    night: RecordingInfo, window: str, begins: np.ndarray, scored: float
) -> tuple[float, float]:
    """Seconds from the start of the recording at which the window begins and ends.

    Args:
        begins: (n,) where the scored epochs begin, of ``scored`` seconds each.
    """
    if window == "whole-night":
        return -np.inf, np.inf
    if window == "sleep+30min":
        asleep = begins[night.stages != STAGES.index("W")]
        if not len(asleep):
            raise InputError(f"no epoch of sleep, which the window {window} needs")
        return asleep[0] - MARGIN_SECONDS, asleep[-1] + scored + MARGIN_SECONDS
    if night.lights is None:
        raise InputError(f"no lights times, which the window {window} needs; choose whole-night")
    off, on = night.lights
    if window == "in-bed":
        return off, on
    if window == "in-bed+30min-as-published" and _wraps(night, window):
        return 0, on + MARGIN_SECONDS
    return off - MARGIN_SECONDS, on + MARGIN_SECONDS


def _wraps(night: RecordingInfo, window: str) -> bool:
    """Whether 30 minutes before lights off is the day before by the clock.

    The authors' shifted time wraps there and comes to lie before the recording, whose start is
    then where their crop starts.
    """
    if night.start is None:
        raise InputError(
            f"no clock time of the start, which the window {window} needs; choose in-bed+30min"
        )
    return (night.start + night.lights[0]) % DAY_SECONDS < MARGIN_SECONDS
