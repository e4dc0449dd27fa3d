"""Hypnograms as CSV and text, as written by spreadsheets, scoring programs and people.

Both are read as stretches of time with a label. Unambiguous input is read, with a warning if it is
unusual; ambiguous input is an error.
"""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from reprlib import repr as shown
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from xsleep.core.errors import DamagedError, InputError, warn
from xsleep.databases.formats.channels import content
from xsleep.databases.formats.clocks import MOMENT, moments, since
from xsleep.databases.formats.hypnograms import TOLERANCE

Stretch = tuple[str, float, float, str]
"""Position in the file for messages, onset and duration in seconds, and label."""

Row = tuple[str, list[str]]
"""Position of a row of a CSV file for messages, and its values by column."""

LARGEST = 20_000_000
"""Largest hypnogram in bytes; three days of 1-s epochs with all probabilities are 15 MB."""

SEPARATORS = {",": "','", ";": "';'", "\t": "tab"}
"""Separator of the columns of a CSV file to its name in messages."""

UNICODE = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins as that of UTF-16 does
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order mark to its encoding, other than UTF-8."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
CLOCK = re.compile(r"(\d+):([0-5]\d):([0-5]\d(?:\.\d*)?)", re.ASCII)

LATEST = 2.0**53
"""Seconds above which floating-point numbers cannot represent every integer."""

Column = Literal["onset", "duration", "stage"]
COLUMNS: tuple[Column, ...] = get_args(Column)
"""Columns of a CSV file that are read."""

TITLES = {"stage", "stages", "sleep stage", "sleep stages", "hypnogram", "label", "labels"}
"""First lines of text files that are titles, not labels."""


def read_csv(
    path: Path,
    epoch: float,
    seconds: float,
    ignored: Callable[[str], bool] = lambda label: False,
    *,
    columns: Mapping[Column, str] = MappingProxyType({}),
    start: datetime | None = None,
) -> list[Stretch]:
    """Return the stretches that a CSV file of a recording of ``seconds`` scores, by onset.

    Its columns are stage and, usually, onset and duration.

    Args:
        epoch: duration of a stretch in seconds if there is no column ``duration``.
        ignored: true for the label of another event, whose row is skipped.
        columns: ``onset``, ``duration`` or ``stage`` to the heading that it has in the file.
        start: of the recording, if onsets are times of day (`since`).

    Raises:
        InputError: the file is missing, larger than `LARGEST` or invalid; the first error, with its
            line.
    """
    headings = {name: columns.get(name, name) for name in COLUMNS}
    separator, names, rows = _table(path, headings)
    places = _columns(path, names, headings)
    if "onset" not in places:
        place, every = places["stage"], list(rows)
        if "duration" in places:
            raise InputError(f"{path}: no column {headings['onset']}; {_needed(names, headings)}")
        return _one_row_per_epoch(path, names, place, every, epoch=epoch, seconds=seconds)
    scored, written = [], []
    for where, values in rows:
        stage = values[places["stage"]]
        if ignored(stage) or not any(values):
            continue
        number = partial(_seconds, path, where, decimal_comma=separator != ",")
        onset = number("onset", values[places["onset"]]) if start is None else math.nan
        duration = number("duration", values[places["duration"]]) if "duration" in places else epoch
        scored.append((where, onset, duration, stage))
        written.append(values[places["onset"]])
    if start is not None:
        scored = _by_clock(path, scored, written, start, seconds)
    if len(scored) > 1 and all(later[1] < earlier[1] for earlier, later in pairwise(scored)):
        warn(path, f"onsets go down from {scored[0][1]:g} to {scored[-1][1]:g} s; put in order")
        scored, written = scored[::-1], written[::-1]
    if start is None:
        _check_clock(path, scored, written)
    _check_steps(path, scored, None if "duration" in places else epoch)
    return scored


def read_lines(path: Path, epoch: float, seconds: float, surplus: int = 0) -> list[Stretch]:
    """Return the stretches of a text file with one label per line and epoch.

    ``epoch`` is the duration of one and ``seconds`` that of the recording. Up to ``surplus``
    lines after its end are left out.

    Raises:
        InputError: the file is missing, larger than `LARGEST`, has an empty line, or the number of
            lines differs by more than one from the epochs of the recording.
    """
    lines = read_text(path)
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise InputError(
                f"{path}: line {number} is empty; give every epoch a line with its label"
            )
    title = lines[0].strip() if lines else ""
    if title.casefold() in TITLES or re.match("#.", title):
        raise InputError(
            f"{path}: line 1: {shown(title)} is a title or a remark; take it out, every line "
            "is the label of an epoch"
        )
    beyond = len(lines) - math.ceil(seconds / epoch)
    if 0 < beyond <= surplus:
        warn(path, f"{beyond} lines after the end of the signal are left out")
        del lines[-beyond:]
    _check_count(path, f"{len(lines)} lines", len(lines), epoch=epoch, seconds=seconds)
    return [(f"line {i + 1}", i * epoch, epoch, line.strip()) for i, line in enumerate(lines)]


def _table(path: Path, headings: Mapping[Column, str]) -> tuple[str, list[str], Iterator[Row]]:
    """Return the separator, the names of the columns and the rows."""
    lines = read_text(path)
    filled = (i for i, line in enumerate(lines) if re.search(r"\w", line) and not _comment(line))
    first = next(filled, None)
    # Convention of spreadsheets to state the separator.
    told = first is not None and re.fullmatch(r'"?sep=([,;\t])"?\s*', lines[first], re.IGNORECASE)
    if told:
        first = next(filled, None)
    if first is None:
        raise InputError(f"{path}: empty; {_header_needed(headings)}")
    separators = told[1] if told else "".join(SEPARATORS)
    separator, names = _header(path, lines[: first + 1], separators, headings)
    rows = _rows(path, lines, first + 1, separator)
    return separator, names, (_filled(path, row, separator, len(names)) for row in rows)


def _filled(path: Path, row: Row, separator: str, columns: int) -> Row:
    """Return the row with a value for each column."""
    where, values = row
    if any(values[columns:]):
        advice = f"put text with {SEPARATORS[separator]} in it in quotation marks"
        if separator == ",":
            advice += ", and a point into decimal numbers"
        raise InputError(
            f"{path}: {where}: {len(values)} values, the columns are {columns}; {advice}"
        )
    return where, values[:columns] + [""] * (columns - len(values))


def _header(
    path: Path, lines: Sequence[str], separators: str, headings: Mapping[Column, str]
) -> tuple[str, list[str]]:
    """Return the separator of the columns and their names, which are in the last of the lines."""
    possible = {}
    for separator in separators:
        try:
            ((_, possible[separator]),) = _rows(path, lines, len(lines) - 1, separator)
        except DamagedError as error:  # a stray quotation mark with the wrong separator
            fault = error
    if not possible:
        raise fault
    several = [separator for separator, names in possible.items() if len(names) > 1]
    if len(several) > 1:
        needed = {headings["onset"].casefold(), headings["stage"].casefold()}
        several = [s for s in several if needed <= set(map(str.casefold, possible[s]))]
        if len(several) != 1:
            raise InputError(
                f"{path}: line {len(lines)}: it is not clear what stands between the columns of "
                f"{shown(lines[-1])}; use one of {', '.join(SEPARATORS.values())} and no other"
            )
    separator = [*several, *possible][0]
    return separator, possible[separator]


def _rows(path: Path, lines: Sequence[str], first: int, separator: str) -> Iterator[Row]:
    """Yield the rows from a line on, including empty ones and excluding comments."""
    # Strict, or the text after a stray quotation mark would be one long field.
    reader = csv.reader(
        ("\n" if _comment(line) else line + "\n" for line in lines[first:]),
        delimiter=separator,
        skipinitialspace=True,
        strict=True,
    )
    number = first + 1
    try:
        for values in reader:
            last = first + reader.line_num
            if last > number:
                warn(path, f"lines {number} to {last} are one, by a quotation mark; read as such")
            if not _comment(lines[number - 1]):
                yield f"line {number}", [value.strip() for value in values]
            number = last + 1
    except csv.Error as error:
        reason = str(error).replace("\t", SEPARATORS["\t"])
        raise DamagedError(f"{path}: line {number}: not readable as CSV ({reason})") from None


def _comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _columns(path: Path, names: Sequence[str], headings: Mapping[Column, str]) -> dict[Column, int]:
    """Return onset, duration and stage to the index of the column, of those that are there."""
    columns: dict[Column, int] = {}
    for wanted, heading in headings.items():
        same = [name for name in names if name.casefold() == heading.casefold()]
        if len(same) > 1:
            raise InputError(
                f"{path}: {len(same)} columns are called {heading} ({_listed(same)}); keep the "
                "right one"
            )
        if same:
            columns[wanted] = names.index(same[0])
    if "stage" not in columns:
        also = "" if "onset" in columns else f"{headings['onset']} and "
        raise InputError(f"{path}: no column {also}{headings['stage']}; {_needed(names, headings)}")
    for name in names:
        if "duration" not in columns and name.casefold().startswith("duration"):
            raise InputError(
                f"{path}: the column {shown(name)} is not known; call it duration, in seconds, or "
                "take it out"
            )
    return columns


def _needed(names: Sequence[str], headings: Mapping[Column, str]) -> str:
    between = f"with {', '.join(SEPARATORS.values())} between them"
    return f"it has {_listed(names)}; {_header_needed(headings)}, {between}"


def _header_needed(headings: Mapping[Column, str]) -> str:
    onset, duration, stage = headings.values()
    return (
        f"its first line without # must name the columns {onset}, {stage} and, if need be, "
        f"{duration}"
    )


def _listed(names: Sequence[str], most: int = 8) -> str:
    """Return the names of columns for a message."""
    return ", ".join([*map(shown, names[:most]), *(["..."] if len(names) > most else [])])


def _one_row_per_epoch(
    path: Path, names: Sequence[str], stage: int, rows: list[Row], *, epoch: float, seconds: float
) -> list[Stretch]:
    """Return the stretches of a table without onsets, if it must have one row for each epoch."""
    while rows and not any(rows[-1][1]):
        rows.pop()
    for where, values in rows:
        if not any(values):
            raise InputError(
                f"{path}: no column onset, and {where} is empty; give onset, in seconds from the "
                "start of the recording, or every epoch a row"
            )
    what = f"no column onset, and {len(rows)} rows"
    _check_count(path, what, len(rows), epoch=epoch, seconds=seconds)
    for place, name in enumerate(names):
        if place != stage:
            _check_numbers(path, name, [(where, values[place]) for where, values in rows])
    warn(path, "no column onset; read as one row per epoch from the start of the recording")
    return [(where, i * epoch, epoch, values[stage]) for i, (where, values) in enumerate(rows)]


def _check_numbers(path: Path, name: str, values: Sequence[tuple[str, str]]) -> None:
    """Raise an error if a column that numbers the epochs does not count from the first on.

    A column is a numbering, or times, if most of its steps are equal, or if its values are distinct
    integers.
    """
    numbers = [float(text) if NUMBER.fullmatch(text) else math.nan for _, text in values]
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    step, times = next(iter(Counter(filter(math.isfinite, steps)).most_common(1)), (1.0, 0))
    different = len(set(numbers)) == len(numbers) and all(map(float.is_integer, numbers))
    if not different and (step == 0 or times <= len(steps) / 2):
        return
    first = step if numbers[0] else 0
    for place, (where, text) in enumerate(values):
        if step < 0 or numbers[place] != first + place * step:
            raise InputError(
                f"{path}: {where}: no column onset, and {shown(text)} in the column {shown(name)} "
                "does not count the epochs from the first on; give onset, in seconds"
            )


def _check_count(path: Path, what: str, count: int, *, epoch: float, seconds: float) -> None:
    """Raise an error unless lines of one epoch each fit the recording, to within one epoch."""
    if abs(count * epoch - seconds) >= epoch:
        raise InputError(
            f"{path}: {what} are {count * epoch:g} s, the signal {seconds:g} s; check that they "
            "belong together, one line per epoch"
        )


def _seconds(path: Path, where: str, what: str, value: str, *, decimal_comma: bool) -> float:
    """Return seconds, given as a number or hh:mm:ss, to the millisecond: 870.0000001 is 870."""
    text = value.replace(",", ".") if decimal_comma else value
    seconds = math.nan
    if NUMBER.fullmatch(text):
        seconds = float(text)
    elif clock := CLOCK.fullmatch(text):
        hours, minutes, rest = map(float, clock.groups())
        seconds = 3600 * hours + 60 * minutes + rest
    if not 0 <= seconds < LATEST:
        raise InputError(
            f"{path}: {where}: {what} {shown(value)} is not a number of seconds from 0; correct it"
        )
    return round(seconds, 3)


def _check_clock(path: Path, scored: Sequence[Stretch], written: Sequence[str]) -> None:
    """Raise an error if onsets as hh:mm:ss may be times of day: unless the first is 0:00:00."""
    clocks = [place for place, value in enumerate(written) if ":" in value]
    if not clocks:
        return
    if len(clocks) < len(scored) or scored[0][1]:
        raise InputError(
            f"{path}: {scored[clocks[0]][0]}: onset {shown(written[clocks[0]])} may be a time of "
            "day; give seconds from the start of the recording"
        )
    warn(path, f"onsets from {written[0]} are read as time since the start of the recording")


def _by_clock(
    path: Path, scored: Sequence[Stretch], written: Sequence[str], start: datetime, seconds: float
) -> list[Stretch]:
    """Return the stretches with their onsets, given as times of day, from the start on."""
    for (where, *_), text in zip(scored, written, strict=True):
        if not MOMENT.fullmatch(text):
            raise InputError(
                f"{path}: {where}: onset {shown(text)} is not a time of day (hh:mm:ss, with or "
                "without a date before it); correct it"
            )
    if not scored:
        return []
    if (found := moments(written)) is None:
        raise InputError(
            f"{path}: onsets from {written[0]} to {written[-1]} are not the dates of one night "
            "(day, month, year); correct them"
        )
    first, after = found
    onsets = np.round(after + since(path, first, start, seconds), 3)
    return [(w, float(at), d, s) for at, (w, _, d, s) in zip(onsets, scored, strict=True)]


def _check_steps(path: Path, scored: Sequence[Stretch], epoch: float | None) -> None:
    """Raise an error if onsets are not in seconds or, without durations, have gaps."""
    steps = [later[1] - earlier[1] for earlier, later in pairwise(scored)]
    lengths = [length for _, _, length, _ in scored[:-1]]
    overlapping = (0 < s < long - TOLERANCE for s, long in zip(steps, lengths, strict=True))
    if len(steps) > 1 and all(overlapping):
        number = ", not in numbers of epochs" if set(steps) == {1} else ""
        raise InputError(
            f"{path}: {scored[1][0]}: onset {scored[1][1]:g} follows {scored[0][1]:g}, where a "
            f"stage lasts {scored[0][2]:g} s, and so on; give onsets in seconds{number}, or "
            "correct the duration or epoch"
        )
    for step, earlier, later in zip(steps, scored, scored[1:], strict=False):
        if epoch is not None and step > epoch + TOLERANCE:
            raise InputError(
                f"{path}: {later[0]}: onset {later[1]:g} follows {earlier[1]:g}, and without a "
                f"column duration the stage between is not known; add the column, or a row for "
                f"each epoch of {epoch:g} s"
            )


def read_text(path: Path, advice: str = "correct hypnogram.file in the configuration") -> list[str]:
    """Return the lines of a text file of UTF-8, UTF-16 or UTF-32, without their ends.

    ``advice`` is what to do if it is no hypnogram, for the message.

    Raises:
        InputError: it is missing, larger than `LARGEST`, or not whole.
    """
    found = content(path, f"put it there or {advice}", LARGEST + 1)
    if len(found) > LARGEST:
        raise InputError(
            f"{path}: larger than {LARGEST / 1e6:g} MB, which no hypnogram is; {advice}"
        )
    return re.split("\r\n|\r|\n", _decoded(path, found).replace("\ufeff", ""))


def _decoded(path: Path, found: bytes) -> str:
    """Decode UTF-8, or as the byte order mark says; single lines that are neither, Windows-1252."""
    for mark, encoding in UNICODE.items():
        if found.startswith(mark):
            try:
                return found.decode(encoding)
            except UnicodeDecodeError as error:
                raise DamagedError(
                    f"{path}: not whole {encoding.upper()} ({error.reason} at byte {error.start})"
                ) from None
    if b"\0" in found[:2]:
        raise InputError(
            f"{path}: begins with a zero byte, as UTF-16 without its mark does; save it as UTF-8"
        )
    lines, others = [], []
    parts = found.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True)
    for number, line in enumerate(parts, start=1):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", "replace"))
            others.append(number)
    if others:
        warn(path, f"line {others[0]} is not UTF-8; read as Windows-1252, save it as UTF-8")
    return "".join(lines)
