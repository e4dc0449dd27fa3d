"""Channels, units and error messages shared by the readers of all formats."""

from __future__ import annotations

import math
import stat
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xsleep.core.errors import InputError

UNITS = {"nV": 1e-3, "uV": 1.0, "mV": 1e3, "V": 1e6}
"""Factor from a unit of voltage to microvolts."""

SPELLINGS = {
    "nv": "nV",
    **dict.fromkeys(("uv", "microv", "uvolt", "microvolt", "uvolts", "microvolts"), "uV"),
    **dict.fromkeys(("mv", "milliv", "mvolt", "millivolt", "mvolts", "millivolts"), "mV"),
    **dict.fromkeys(("v", "volt", "volts"), "V"),
}
"""Spelling of a unit, in lower case without blanks, to the unit."""

MICRO = str.maketrans(dict.fromkeys("\xb5\u03bc\xe6", "u"))
"""Both code points of the micro sign, and its byte in code page 437 read as Latin-1."""

RATE_TOLERANCE = 1e-3
"""Relative tolerance of the lowest sampling rate: clocks are not exact."""


@dataclass(frozen=True)
class Channels:
    """Mapping of channels to the signals in a database's files.

    Attributes:
        labels: channel (``EEG``, ``EOG``, ...) to its possible labels, best first. Of several
            signals with the same label, ``LABEL#2`` is the second. In EDF files a derivation is
            possible, signals added or subtracted as in ``EOG(L) - EOG(R)``.
        units: channel to the unit of its numbers, overriding the files.
        lowest_rate: lowest sampling rate accepted, in hertz.
    """

    labels: Mapping[str, Sequence[str]]
    units: Mapping[str, str] = field(default_factory=dict)
    lowest_rate: float = 100


def content(path: Path, missing: str, size: int = -1) -> bytes:
    """Return the content of a file, or its first ``size`` bytes.

    ``missing`` is what to do if it does not exist, for the message.

    Raises:
        InputError: it does not exist or cannot be opened.
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
    """Return the key of `UNITS` for a unit as in the file, in any spelling.

    Raises:
        InputError: it is not a unit of voltage.
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
    """Return how to state the unit of a channel, for the end of a message."""
    return (
        f"say so with units: {{{channel}: {unit}}} in the database's configuration, or --unit "
        f"{unit}"
    )


def check_rate(path: Path, label: str, rate: float, lowest: float) -> None:
    """Raise an ``InputError`` if the sampling rate of a signal is below the lowest, in hertz."""
    if rate < lowest * (1 - RATE_TOLERANCE):
        raise InputError(
            f"{path}: channel {label!r} is sampled at {rate:g} Hz; at least {lowest:g} Hz is "
            "needed, choose another channel"
        )


def numbered(labels: Sequence[str]) -> dict[str, int]:
    """Return name to index of signals: ``LABEL``, or ``LABEL#1`` and so on if it is not unique."""
    count, seen, names = Counter(labels), Counter[str](), {}
    for place, label in enumerate(labels):
        seen[label] += 1
        names[f"{label}#{seen[label]}" if count[label] > 1 else label] = place
    return names


def no_channel(
    path: Path, channel: str, labels: Sequence[str], present: Collection[str]
) -> InputError:
    """Return the error that a file has none of a channel's labels, with those that it has."""
    if not present:
        return InputError(f"{path}: holds no signals; name the file that does")
    return InputError(
        f"{path}: no {channel} channel {' or '.join(map(repr, labels))}; it has "
        f"{', '.join(map(repr, present))}; name one of them under `labels` in the "
        "database's YAML file"
    )


def ambiguous(path: Path, label: str, descriptions: Sequence[str]) -> InputError:
    """Return the error that several signals have the same label, with a description of each."""
    described = "; ".join(f"#{number}: {one}" for number, one in enumerate(descriptions, start=1))
    return InputError(
        f"{path}: {len(descriptions)} signals are called {label!r} ({described}); name "
        f"one by its number, as in '{label}#1', under `labels` in the database's YAML "
        "file"
    )


def as_clock(seconds: float) -> str:
    """Return seconds as h:mm:ss, for messages."""
    sign, whole = "-" if seconds < 0 else "", math.floor(abs(seconds))
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
