"""Clock times of Sleep-EDF: lights off and on, and start of the recording.

PhysioNet publishes lights off, in ``SC-subjects.xls`` and ``ST-subjects.xls``.
``sleep_edf_lights.csv`` has them, with the authors' lights on of the 153 cassette recordings, and
the start of these by the headers of their files.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.core.recording import EPOCH_SECONDS, Hypnogram
from xsleep.core.stages import STAGES, UNSCORED

OFF, ON = "Lights off", "Lights on"
"""Standard EDF+ texts. PhysioNet's hypnograms do not have them; the simulated ones do."""

IN_BED_AFTERWARDS = 15 * 60
"""Seconds in bed after the sleep, as in the authors' toolbox (Imtiaz & Rodriguez-Villegas, EMBC
2015)."""

LONGEST_WAKE = 3 * 60 * 60
"""Seconds awake after which sleep is a nap; 2 h 30 min to 3 h 30 min give the same on cassette."""


def lights_of(
    path: Path,
    name: str,
    start: datetime,
    annotations: Sequence[tuple[float, float, str]],
    *,
    hypnogram: Hypnogram,
) -> tuple[float, float] | None:
    """Return the seconds from the start to lights off and on; ``None`` if unknown.

    Annotations take precedence over the table. Lights on that is not annotated is derived; that of
    a telemetry recording is the end of its scoring.
    """
    if annotated := _annotated(path, annotations):
        off, on = annotated
        return off, derived_on(path, hypnogram, off) if on is None else on
    if name not in table():
        return None
    times = table()[name]
    off = _after(start, times.off)
    if not times.on:
        scored = hypnogram.onsets[hypnogram.stages != UNSCORED]
        return off, float(scored[-1]) + EPOCH_SECONDS if len(scored) else off
    on = _after(start, times.on)
    return off, on if on > off else on + timedelta(days=1).total_seconds()


def derived_on(path: Path, hypnogram: Hypnogram, off: float) -> float:
    """Return the seconds to 15 minutes after the main sleep that follows lights off at ``off``.

    Sleep before lights off, and after being awake for more than three hours, is a nap. It is what
    the authors used for 147 of the 153 cassette recordings (docs/reference/databases/SleepEDF.md).
    """
    awake = (hypnogram.stages == UNSCORED) | (hypnogram.stages == STAGES.index("W"))
    asleep = hypnogram.onsets[~awake & (hypnogram.onsets >= off)]
    if not len(asleep):
        raise InputError(
            f"{path}: no sleep after lights off at {off:g} s, to derive lights on from; annotate "
            f"{ON!r} or correct {OFF!r}"
        )
    breaks = np.flatnonzero(np.diff(asleep) - EPOCH_SECONDS >= LONGEST_WAKE)
    last = asleep[breaks[0]] if len(breaks) else asleep[-1]
    return float(last) + EPOCH_SECONDS + IN_BED_AFTERWARDS


def _annotated(
    path: Path, annotations: Sequence[tuple[float, float, str]]
) -> tuple[float, float | None] | None:
    off = [onset for onset, _, text in annotations if text == OFF]
    on = [onset for onset, _, text in annotations if text == ON]
    if not off and not on:
        return None
    if len(off) != 1 or len(on) > 1 or (on and off[0] >= on[0]):
        raise InputError(
            f"{path}: lights off at {off} s and on at {on} s; annotate each once, off before on"
        )
    return off[0], on[0] if on else None


def _after(start: datetime, clock: str) -> float:
    """Return the seconds to the next time that clocks show this."""
    moment = datetime.combine(start.date(), time.fromisoformat(clock))
    return ((moment - start) % timedelta(days=1)).total_seconds()


class Times(NamedTuple):
    """Clock times of a recording; of telemetry, start and lights on are empty."""

    start: str
    off: str
    on: str


@cache
def table() -> dict[str, Times]:
    """Return recording to its clock times."""
    rows = read_csv(files("xsleep.databases") / "sleep_edf_lights.csv")
    return {r["recording"]: Times(r["start"], r["lights_off"], r["lights_on"]) for r in rows}
