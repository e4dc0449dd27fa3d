"""Durations as a person says them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a duration in the unit of its size: ``40 s``, ``7 min``, ``3 h 20 min``, ``2 days``.

    Two digits are given, and a unit below that of days or hours where it counts.
    """
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 10:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    hours = round(seconds / 3600)
    if hours < 72:
        return f"{hours} h"
    return f"{round(hours / 24):,} days"
