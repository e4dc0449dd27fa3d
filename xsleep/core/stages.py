"""The five AASM sleep stages, their labels, and the mapping of R&K stages to them.

S3 and S4 of Rechtschaffen & Kales (R&K) are merged into N3; movement and unscored epochs have no
stage (Section 4.1 of the XSleepNet paper).
"""

from __future__ import annotations

STAGES = ("W", "N1", "N2", "N3", "REM")
"""Stages in the order of the networks' outputs: ``STAGES[i]`` has the label ``i``."""

UNSCORED = -1
"""Label of an epoch without a stage: movement, unknown, not scored."""

RK_STAGES = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "REM"}
"""R&K stage to AASM stage."""


def label(stage: str | None) -> int:
    """Return the label of a stage; ``None`` is unscored."""
    return UNSCORED if stage is None else STAGES.index(stage)
