"""The five stages of sleep, and the labels of R&K and AASM scorings mapped to them.

S3 and S4 of Rechtschaffen & Kales become N3; movement time and unscored
epochs have no stage (Section 4.1 of the XSleepNet paper).
"""

from __future__ import annotations

STAGES = ("W", "N1", "N2", "N3", "REM")
"""Stages in the order of the networks' outputs: stage ``STAGES[i]`` has the label ``i``."""

UNSCORED = -1
"""Label of an epoch without a stage: movement, unknown, not scored."""

RK_STAGES = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "REM"}
"""Rechtschaffen & Kales stage to AASM stage."""


def label(stage: str | None) -> int:
    """Label of a stage name; ``None`` is unscored."""
    return UNSCORED if stage is None else STAGES.index(stage)
