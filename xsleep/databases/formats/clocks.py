"""Times of day in hypnograms, with or without a date, and seconds from a recording's start."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.core.recording import DAY_SECONDS
from xsleep.databases.formats.channels import as_clock
from xsleep.databases.formats.edf import UNKNOWN_DATE, between_clocks

MOMENT = re.compile(
    r"(?:(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})[T ]+)?"
    r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:[.,]\d*)?))?(?: ?([ap])m)?",
    re.ASCII | re.IGNORECASE,
)
"""Time of day, with or without a date."""
LONGEST_NIGHT = 4
"""Days within which the dates of one hypnogram lie."""


def moments(texts: Sequence[str]) -> tuple[datetime, Floats] | None:
    """Return the first of several times, and all (n,) in seconds from it.

    Without dates the first has `UNKNOWN_DATE`, and midnight is where they go back by more than half
    a day. With dates the day comes before the month, unless only the other order gives one night.
    ``None`` if a text is no time, or the dates are not those of one night.
    """
    found = [MOMENT.fullmatch(text) for text in texts]
    matches = [match for match in found if match]
    if not matches or len(matches) < len(found):
        return None
    clocks = np.array([_time_of_day(*match.group(4, 5, 6, 7)) for match in matches])
    days = _days(matches) if any(match[1] for match in matches) else np.zeros(len(matches))
    if days is None:
        return None
    seconds = days * DAY_SECONDS + clocks
    if not days.any():
        seconds = np.unwrap(seconds, period=DAY_SECONDS)
    first = date.fromordinal(int(days[0])) if days[0] else UNKNOWN_DATE
    start = datetime.combine(first, time()) + timedelta(seconds=float(clocks[0]))
    return start, seconds - seconds[0]


def _days(matches: Sequence[re.Match[str]]) -> Floats | None:
    """Return the days of dates as ordinals (n,); ``None`` if they are not those of one night."""
    for day_first in (True, False):
        with suppress(ValueError, TypeError):  # no such day, or no date
            days = np.array([_day(match, day_first) for match in matches], float)
            if np.ptp(days) < LONGEST_NIGHT:
                return days
    return None


def _time_of_day(hour: str, minute: str, second: str | None, half: str | None) -> float:
    hours = int(hour) if half is None else int(hour) % 12 + 12 * (half in "pP")
    return 3600 * hours + 60 * int(minute) + float((second or "0").replace(",", "."))


def _day(match: re.Match[str], day_first: bool) -> int:
    first, second, third = match.group(1, 2, 3)
    if len(first) > 2:
        return date(int(first), int(second), int(third)).toordinal()
    day, month = (first, second) if day_first else (second, first)
    return date(int(third) + 2000 * (len(third) < 3), int(month), int(day)).toordinal()


def since(path: Path, moment: datetime, start: datetime, seconds: float) -> float:
    """Return the seconds from the start of a recording of ``seconds`` to a time in a hypnogram.

    If one of them has no date (`UNKNOWN_DATE`), the days are those that are nearest.

    Raises:
        InputError: it is not within the recording, nor in the half day before; ``path`` is named.
    """
    after = (moment - start).total_seconds()
    if UNKNOWN_DATE in (moment.date(), start.date()):
        after = between_clocks(after)
    if not -DAY_SECONDS / 2 <= after < seconds:
        raise InputError(
            f"{path}: begins {as_clock(abs(after))} {'after' if after > 0 else 'before'} the start "
            f"of the recording, {start}; check that they belong together, or correct one of them"
        )
    return after
