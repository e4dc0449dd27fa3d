"""Hypnograms as CSV and as text: the stretches of time that they score."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection
from pathlib import Path
from reprlib import repr as shown

from xsleep.databases.reading import content, or_line
from xsleep.errors import InputError

Stretch = tuple[str, float, float, str]
"""Where it stands, onset and duration in seconds, and what it says."""


def read_csv(
    path: Path, epoch: float, seconds: float, ignored: Collection[str] = ()
) -> list[Stretch]:
    stretches = []
    # Strict, or what follows a stray quotation mark would be one long field.
    reader = csv.DictReader(_text(path).splitlines(), strict=True)
    rows = or_line(path, lambda: [(f"line {reader.line_num}", row) for row in reader], " as CSV")
    missing = {"onset", "stage"}.difference(reader.fieldnames or ())
    if missing:
        raise InputError(
            f"{path}: no column {' and '.join(sorted(missing))}; its first line must name the "
            "columns onset, stage and, if need be, duration"
        )
    for where, row in rows:
        onset = _seconds(path, where, "onset", row["onset"])
        length = _seconds(path, where, "duration", row.get("duration", epoch))
        stretches.append((where, onset, length, (row["stage"] or "").strip()))
    return stretches


def _seconds(path: Path, where: str, what: str, value: str | float | None) -> float:
    try:
        seconds = float("" if value is None else value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise InputError(
            f"{path}: {where}: {what} {shown(value)} is not a number of seconds from 0; correct it"
        )
    return seconds


def read_lines(path: Path, epoch: float, seconds: float) -> list[Stretch]:
    texts = _text(path).split("\n")
    while texts and not texts[-1].strip():
        texts.pop()
    if abs(len(texts) * epoch - seconds) >= epoch:
        raise InputError(
            f"{path}: {len(texts)} lines are {len(texts) * epoch:g} s, the signal {seconds:g} s; "
            "check that they belong together, one line per epoch"
        )
    return [
        (f"line {number + 1}", number * epoch, epoch, text.strip())
        for number, text in enumerate(texts)
    ]


def _text(path: Path) -> str:
    found = content(path, "put it there or correct hypnogram.file in the configuration")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
