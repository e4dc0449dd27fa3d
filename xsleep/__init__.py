"""Automatic sleep staging: XSleepNet and its baselines, from recordings to tables."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xsleep.staging.epochs import epochs as epochs
    from xsleep.staging.score import score as score

__version__ = "1.0.0"


def __getattr__(name: str) -> Any:
    """Return a function of `xsleep.staging` when it is first used, as it needs MNE and PyTorch."""
    if name in ("epochs", "score"):
        return getattr(import_module(f"xsleep.staging.{name}"), name)
    raise AttributeError(f"module 'xsleep' has no attribute {name!r}")
