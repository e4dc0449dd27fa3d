"""Automatic sleep staging: XSleepNet and its baselines, from recordings to tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xsleep.staging.score import score as score

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Return `score`, imported when it is first used: commands that need no MNE start at once."""
    if name == "score":
        from xsleep.staging.score import score

        return score
    raise AttributeError(f"module 'xsleep' has no attribute {name!r}")
