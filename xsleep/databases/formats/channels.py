"""What the readers of all formats share: channels, units, and what is said of unusable files."""

from __future__ import annotations

import math
import stat
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from xsleep.core.errors import DamagedError, InputError, reason

UNITS = {"nV": 1e-3, "uV": 1.0, "mV": 1e3, "V": 1e6}
"""Factor from a unit of voltage to microvolts."""

SPELLINGS = {
    "nv": "nV",
    **dict.fromkeys(("uv", "microv", "uvolt", "microvolt", "uvolts", "microvolts"), "uV"),
    **dict.fromkeys(("mv", "milliv", "mvolt", "millivolt", "mvolts", "millivolts"), "mV"),
    **dict.fromkeys(("v", "volt", "volts"), "V"),
}
"""Spelling of a unit, in small letters without blanks, to the unit."""

MICRO = str.maketrans(dict.fromkeys("\xb5\u03bc\xe6", "u"))
"""Both code points of the micro sign, and that of code page 437 read as Latin-1."""

RATE_TOLERANCE = 1e-3
"""Share by which a sampling rate may be below the one asked for: clocks are not exact, and a
recording at 99.999 Hz is one at 100."""

T = TypeVar("T")


@dataclass(frozen=True)
class Channels:
    """Where a database's channels are in its files.

    Attributes:
        labels: channel (``EEG``, ``EOG``, ``EMG``) to the names that it may have, best first. Of
            several signals with one label, ``LABEL#2`` is the second. In EDF files a name may be a
            derivation, signals added or subtracted as in ``EOG(L) - EOG(R)``.
        units: channel to the unit of its numbers, in place of what the files say.
        lowest_rate: hertz at which a channel must be sampled.
    """

    labels: Mapping[str, Sequence[str]]
    units: Mapping[str, str] = field(default_factory=dict)
    lowest_rate: float = 100


def content(path: Path, missing: str, size: int = -1) -> bytes:
    """Return what is in a file, or its first ``size`` bytes.

    Args:
        missing: what to do where it is not there, for the line.

    Raises:
        InputError: it is not there or cannot be opened.
    """
    try:
        if not (stat.S_ISREG(mode := path.stat().st_mode) or stat.S_ISDIR(mode)):
            raise InputError(f"{path}: is a device or a pipe, no file; take it away")
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {missing}") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened ({error.strerror}); correct the link or the permissions"
        ) from None


def voltage(path: Path, channel: str, label: str, unit: str) -> str:
    """Return the key of `UNITS` that a unit is a spelling of.

    Raises:
        InputError: it is none, so no voltage.
    """
    text = unit.replace("\xc2\xb5", "u").replace("\xce\xbc", "u").translate(MICRO)
    text = "".join(unicodedata.normalize("NFKC", text).split()).lower()
    if text in SPELLINGS:
        return SPELLINGS[text]
    if not text:
        raise InputError(
            f"{path}: channel {label!r} has no unit; if its numbers are microvolts, "
            f"{say_unit(channel, 'uV')}"
        )
    raise InputError(
        f"{path}: channel {label!r} is in {unit!r}, which is no voltage (nV, uV, mV, V); choose "
        f"another channel, or say with units: {{{channel}: uV}} or --unit uV what its numbers are"
    )


def say_unit(channel: str, unit: str) -> str:
    """Return how to state the unit of a channel, for the end of a line."""
    return (
        f"say so with units: {{{channel}: {unit}}} in the database's configuration, or --unit "
        f"{unit}"
    )


def check_rate(path: Path, label: str, rate: float, lowest: float) -> None:
    """Raise an ``InputError`` where a signal is sampled too slowly."""
    if rate < lowest * (1 - RATE_TOLERANCE):
        raise InputError(
            f"{path}: channel {label!r} is sampled at {rate:g} Hz; at least {lowest:g} Hz is "
            "needed, choose another channel"
        )


def numbered(labels: Sequence[str]) -> dict[str, int]:
    """Place of every signal by its name: ``LABEL``, and ``LABEL#1`` and so on of equal labels."""
    count, seen, names = Counter(labels), Counter[str](), {}
    for place, label in enumerate(labels):
        seen[label] += 1
        names[f"{label}#{seen[label]}" if count[label] > 1 else label] = place
    return names


def no_channel(
    path: Path, channel: str, labels: Sequence[str], present: Iterable[str]
) -> InputError:
    """Return the error that none of a channel's labels is in a file, and which are."""
    present = list(present)
    if not present:
        return InputError(f"{path}: holds no signals; name the file that does")
    return InputError(
        f"{path}: no {channel} channel {' or '.join(map(repr, labels))}; it has "
        f"{', '.join(map(repr, present))}; name one of them, with --label or under labels in the "
        "database's configuration"
    )


def ambiguous(path: Path, label: str, described: Sequence[str]) -> InputError:
    """Return the error that several signals have this label; ``described``, each of them."""
    return InputError(
        f"{path}: {len(described)} signals are called {label!r} ({'; '.join(described)}); name "
        f"one by its number, as in '{label}#1', with --label or under labels in the database's "
        "configuration"
    )


def or_line(path: Path, read: Callable[[], T], kind: str = "") -> T:
    """Return what ``read`` returns; whatever a library objects to becomes one line.

    What it warns of is not shown: the readers check themselves what matters.

    Args:
        kind: what the file was to be, for the line: `` as EDF``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except Exception as error:  # libraries raise many kinds for a damaged file
        raise DamagedError(f"{path}: not readable{kind} ({reason(error)})") from error


def as_clock(seconds: float) -> str:
    """Return seconds as h:mm:ss, for messages."""
    sign, whole = "-" if seconds < 0 else "", math.floor(abs(seconds))
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
