"""What the readers of all formats share: units, and what they say of a file that does not fit."""

from __future__ import annotations

import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from xsleep.errors import InputError

MICROVOLTS = {"uV": 1.0, "µV": 1.0, "μV": 1.0, "mV": 1e3, "V": 1e6}
"""Factor from a physical dimension to microvolts; both code points of the micro sign occur."""

LONGEST_REASON = 200
"""Characters of what a library objects to; some quote the file."""

T = TypeVar("T")


def content(path: Path, missing: str, size: int = -1) -> bytes:
    """What is in a file, or its first ``size`` bytes.

    Args:
        missing: what to do where it is not there, for the line.

    Raises:
        InputError: it is not there or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {missing}") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened ({error.strerror}); correct the link or the permissions"
        ) from None


def microvolts(path: Path, label: str, unit: str) -> float:
    """Factor from the unit of a channel to microvolts.

    Raises:
        InputError: it is no voltage.
    """
    if unit not in MICROVOLTS:
        raise InputError(
            f"{path}: channel {label!r} is in {unit!r}; a voltage (uV, mV, V) is needed, choose "
            "another channel"
        )
    return MICROVOLTS[unit]


def no_channel(
    path: Path, channel: str, labels: Sequence[str], present: Iterable[str]
) -> InputError:
    """That none of a channel's labels is in a file, and which are."""
    present = list(present)
    if not present:
        return InputError(f"{path}: holds no signals; name the file that does")
    return InputError(
        f"{path}: no {channel} channel {' or '.join(map(repr, labels))}; it has "
        f"{', '.join(map(repr, present))}; name one of them, with --label or under labels in the "
        "database's configuration"
    )


def or_line(path: Path, read: Callable[[], T], kind: str = "") -> T:
    """What ``read`` returns; whatever a library objects to becomes one line.

    What it warns of is not shown: the readers check themselves what matters.

    Args:
        kind: what the file was to be, for the line: `` as EDF``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except Exception as error:  # libraries raise many kinds for a damaged file
        reason = textwrap.shorten(str(error), LONGEST_REASON) or type(error).__name__
        raise InputError(f"{path}: not readable{kind} ({reason}); fetch it again") from error


def as_clock(seconds: float) -> str:
    """Seconds as h:mm:ss, for messages."""
    whole = math.floor(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
