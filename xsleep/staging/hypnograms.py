"""Hypnograms of other scorers and programs, read by what is in them.

A hypnogram is annotations (EDF+, or a recording that MNE reads), a table of events among which
there are stages, or a label for each epoch. What is not certain is told as a warning.
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from reprlib import repr as shown

import numpy as np

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError, warn
from xsleep.core.recording import DAY_SECONDS, EPOCH_SECONDS
from xsleep.core.stages import STAGES, UNSCORED, label
from xsleep.databases import dreams
from xsleep.databases.formats import edf
from xsleep.databases.formats.clocks import MOMENT, moments
from xsleep.databases.formats.mne_files import by_mne, read_raw
from xsleep.databases.formats.scorings import NUMBER, TITLES, read_text
from xsleep.staging.sources import EDF_SUFFIXES, SUFFIXES

SPELLED = {
    "W": "w wake awake wakefulness wk eveil wach veglia vigilia waak vaken vagen s0",
    "N1": "n1 s1 nrem1 nonrem1",
    "N2": "n2 s2 nrem2 nonrem2",
    "N3": "n3 n4 s3 s4 nrem3 nrem4 nonrem3 nonrem4 sws",
    "REM": "r rem paradoxal sp",
    None: "? n/a nan m mt movement movementtime unscored notscored unknown nostage undefined uns",
}
"""Stage to its labels in small letters without accents, blanks and the words of `LABEL`."""
LABELS = {word: label(stage) for stage, words in SPELLED.items() for word in words.split()}
LABEL = re.compile(
    r"(?P<word>(?:sleep|sommeil|schlaf)?(?:stage|stade|stadium|phase|fase|stadio|estadio)?)"
    r"(?P<stage>.+?)(?:sleep)?"
)
DIGITS = {"0": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "5": "REM"}
"""R&K stages as numbers, as in ``Sleep stage 1``."""

ONSET = re.compile(r"onset|start|begin|debut|time|heure|zeit|clock|uhr|inicio|hora|inizio|sec")
DURATION = re.compile(r"dur|dauer|length|lange")
END = re.compile(r"\b(end|fin|stop|ende|offset|fine)")
STAGE = re.compile(r"stage|stade|stadium|hypno|label|score|scoring|schlaf|sleep|code")
"""Headings of columns, in small letters without accents."""
UNIT = re.compile(r"\[.*\]|")
"""Cell of a line of units below the headings."""

SEPARATORS = "\t;,"
STEPS = (30, 20, 10, 5, 1)
"""Possible seconds of a line that is one label."""
NAMED = 5
"""Labels that are no stages which a message names."""


@dataclass(frozen=True)
class Scoring:
    """Stages of stretches of a recording, in order.

    Attributes:
        path: of the file.
        onsets, durations: (n,) seconds; onsets count from `start`.
        stages: (n,) labels; `UNSCORED` for none.
        start: date and time that onsets count from, with `edf.UNKNOWN_DATE` for an unknown date.
            ``None``: they count from the start of the recording.
        by_clock: onsets are times of day, of no use without the start of the recording.
    """

    path: Path
    onsets: Floats
    durations: Floats
    stages: Integers
    start: datetime | None = None
    by_clock: bool = False

    @property
    def seconds(self) -> dict[str, float]:
        """Stage to the seconds that are scored as it."""
        return {
            name: float(self.durations[self.stages == number].sum())
            for number, name in enumerate(STAGES)
        }


def stage_of(text: str) -> int | None:
    """Return the label of a stage in any usual spelling; ``None`` if it names none.

    A number alone is none, as its meaning depends on the others in the file.
    """
    joined = re.sub(r"[\s_.:()-]+", "", _folded(text.split("|")[0]))
    match = LABEL.fullmatch(joined)
    if match is None or joined in LABELS:
        return LABELS.get(joined)
    found = match["stage"]
    if match["word"] and found in DIGITS:
        return label(DIGITS[found])
    return LABELS.get(found)


def _folded(text: str) -> str:
    """Return a text in small letters, without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part)).strip()


def read_scoring(path: Path, seconds: float | None = None) -> Scoring:
    """Return the stages in a file of any kind.

    Args:
        path: of the file.
        seconds: duration of the recording, which tells how long a line is that is one label; 30 s
            if it is ``None``.

    Raises:
        InputError: the file cannot be read, or it is not certain what is in it.
    """
    name = path.name.lower()
    if name.endswith(EDF_SUFFIXES):
        file = edf.open_edf(path)
        found = edf.read_annotations(path)
        return _of_events(path, found, file.start if file.clock else None)
    if name.endswith(SUFFIXES):
        return _of_mne(path)
    lines = [line.strip() for line in read_text(path, "name a hypnogram")]
    if any("\0" in line for line in lines):
        raise InputError(f"{path}: no text, and no recording that is known; name a hypnogram")
    if rows := _table([line.lstrip("# ") for line in lines if line]):
        return _of_table(path, rows, seconds)
    return _of_lines(path, [line for line in lines if line], seconds)


def _of_mne(path: Path) -> Scoring:
    with by_mne(path):
        raw = read_raw(path)
    # Onsets count from the measurement's date; without one from the first sample.
    found, start = raw.annotations, raw.info["meas_date"]
    events = zip(found.onset, found.duration, found.description, strict=True)
    return _of_events(path, events, start and start.replace(tzinfo=None))


def _of_events(
    path: Path, events: Iterable[tuple[float, float, str]], start: datetime | None
) -> Scoring:
    events = list(events)
    labels = _labels(path, [text for *_, text in events])
    kept = np.array([(o, d, labels[text]) for o, d, text in events if text in labels])
    return _scoring(path, kept[:, 0], kept[:, 1], kept[:, 2].astype(int), start)


def _scoring(
    path: Path,
    onsets: Floats,
    durations: Floats,
    stages: Integers,
    start: datetime | None = None,
    *,
    by_clock: bool = False,
) -> Scoring:
    """Return the stretches in order; those without a duration (0) last until the next."""
    order = np.argsort(onsets, kind="stable")
    onsets, durations, stages = onsets[order], durations[order], stages[order]
    steps = np.diff(onsets)
    until_next = np.append(steps, min(steps[steps > 0], default=EPOCH_SECONDS))
    durations = np.where(durations > 0, durations, until_next)
    return Scoring(path, onsets, durations, stages, start, by_clock)


def labels_of(path: Path, texts: Iterable[str]) -> dict[str, int]:
    """Return text to label of those that name a stage or say that there is none.

    Numbers are read by what others are in the file, and a warning says as what.

    Raises:
        InputError: the numbers may mean several things.
    """
    different = {*texts}
    words = {text: stage for text in different if (stage := stage_of(text)) is not None}
    digits = {text: number for text in different if (number := _digit(text)) is not None}
    return {"": UNSCORED} | words | _meanings(path, digits, {*words.values()})


def _labels(path: Path, texts: Iterable[str]) -> dict[str, int]:
    """Return the `labels_of` events; tell those that are no stages.

    Raises:
        InputError: none names a stage.
    """
    counts = Counter(texts)
    labels = labels_of(path, counts)
    others = [(text, count) for text, count in counts.most_common() if text not in labels]
    named = ", ".join(f"{shown(text)} ({count})" for text, count in others[:NAMED])
    if {*labels.values()} == {UNSCORED}:
        raise InputError(
            f"{path}: no stage in it (W, N1, N2, N3, REM in a usual spelling), but "
            f"{named or 'nothing'}; name a hypnogram"
        )
    if others:
        count, more = sum(count for _, count in others), ", ..." * (len(others) > NAMED)
        warn(path, f"{count} events that are no stages are left out: {named}{more}")
    return labels


def _digit(text: str) -> int | None:
    number = float(text) if NUMBER.fullmatch(text.removeprefix("-")) else math.nan
    return int(number) if number.is_integer() else None


def _meanings(path: Path, digits: Mapping[str, int], words: set[int]) -> dict[str, int]:
    """Return text to label of numbers that stand alone; none if the stages have names.

    Raises:
        InputError: the numbers may mean several things.
    """
    names = {STAGES[stage] for stage in words - {UNSCORED}}
    if not digits or names - {"W", "REM"}:
        return {}
    found = {*digits.values()}
    meaning = {1: "N1", 2: "N2", 3: "N3", 4: "N3"}
    if not names:
        meaning |= {0: "W", 5: "REM"} if 5 in found else {0: "W", 4: "REM"}
    if (not names and 0 not in found) or {n for n in found if 0 <= n <= 5} - {*meaning}:
        raise InputError(
            f"{path}: it is not certain what its numbers {', '.join(map(str, sorted(found)))} "
            "mean; write the stages as W, N1, N2, N3 and REM"
        )
    said = ", ".join(f"{n} {meaning[n]}" for n in sorted(found) if n in meaning)
    warn(path, f"its numbers are read as {said}; if that is wrong, write W, N1, N2, N3, REM")
    return {text: label(meaning.get(number)) for text, number in digits.items()}


def _of_lines(path: Path, lines: Sequence[str], seconds: float | None) -> Scoring:
    """Return the stages of a text with one label a line, and perhaps a title."""
    title, *codes = lines or [""]
    if title == "[Hypnogram]" and {*codes} <= dreams.CODES.keys() | dreams.NO_STAGE:
        texts = [dreams.CODES.get(code, "?") for code in codes]
        return _in_a_row(path, texts, seconds, dreams.CODE_SECONDS)
    if _folded(title) in TITLES or title.startswith("["):
        return _in_a_row(path, codes, seconds)
    known = stage_of(title) is not None or _digit(title) is not None
    if not known and any(len(codes) * step == seconds for step in STEPS):
        warn(path, f"line 1, {shown(title)}, is taken for a title")
        return _in_a_row(path, codes, seconds)
    return _in_a_row(path, lines, seconds)


def _in_a_row(
    path: Path, texts: Sequence[str], seconds: float | None, step: float | None = None
) -> Scoring:
    """Return the stages of labels that follow each other, each of ``step`` seconds if known."""
    labels = _labels(path, texts)
    step = step or _step(path, len(texts), seconds)
    stages = np.array([labels.get(text, UNSCORED) for text in texts])
    return _scoring(path, np.arange(len(texts)) * step, np.full(len(texts), step), stages)


def _step(path: Path, count: int, seconds: float | None) -> float:
    """Return the seconds of each of the labels that follow each other without onsets."""
    if seconds is None:
        return EPOCH_SECONDS
    # A recording may last up to an epoch longer than the stages that were given to it.
    fitting = [s for s in STEPS if -s <= count * s - seconds <= s + EPOCH_SECONDS]
    if not fitting:
        raise InputError(
            f"{path}: {count} labels without onsets do not fill a recording of {seconds:g} s, be "
            f"each of {', '.join(map(str, STEPS[:-1]))} or {STEPS[-1]} s; check that they belong "
            "together, or give onset, duration and stage"
        )
    if fitting[0] != EPOCH_SECONDS:
        warn(path, f"{count} labels without onsets are read as one every {fitting[0]} s")
    return fitting[0]


def _table(lines: Sequence[str]) -> list[list[str]]:
    """Return the rows of the table in a text, of equal width; none if it has one column.

    Lines before it, as the name of a patient, have other numbers of columns and are left out.
    """
    best: list[list[str]] = []
    most = len(lines) / 2
    for separator in SEPARATORS:
        with suppress(csv.Error):  # a stray quotation mark
            reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
            rows = [[cell.strip() for cell in row] for row in reader]
            widths = [len(row) for row in rows]
            width, count = Counter(widths).most_common(1)[0] if rows else (0, 0)
            if width > 1 and count > most:
                first = widths.index(width)
                first -= first > 0 and widths[first - 1] > 1  # headings without the last separator
                table = [(row + [""] * width)[:width] for row in rows[first:]]
                best, most = [row for row in table if any(row)], count
    return best


def _of_table(path: Path, rows: Sequence[Sequence[str]], seconds: float | None) -> Scoring:
    """Return the stages of a table, whose columns are found by their headings and content."""
    first = next((i for i, row in enumerate(rows) if any(map(_is_value, row))), 1)
    titles = [row for row in rows[:first] if not all(UNIT.fullmatch(cell) for cell in row)]
    headings = [_folded(cell) for cell in titles[-1]] if titles else [""] * len(rows[0])
    every = list(zip(*rows[first:], strict=True)) or [()] * len(headings)
    stage = _stage_column(path, headings, every)
    labels = _labels(path, every[stage])
    kept = [row for row in rows[first:] if row[stage] in labels]
    columns = [list(column) for column in zip(*kept, strict=True)]
    ends = [c for c, heading in enumerate(headings) if END.search(heading)]
    lengths = [c for c, heading in enumerate(headings) if DURATION.search(heading)]
    others = [c for c in range(len(columns)) if c not in (stage, *ends, *lengths)]
    named = [c for c in others if ONSET.search(headings[c])]
    times = [_times(column) for column in columns]
    found = [times[c] for c in (*named, *others) if c in named or times[c].start]
    onset = next((one for one in found if np.isfinite(one.seconds).all()), None)
    if onset is None and named:
        texts, finite = columns[named[0]], np.isfinite(times[named[0]].seconds)
        odd = (x for x in texts if not _is_value(x) or MOMENT.fullmatch(x))
        text = next(odd, texts[np.argmin(finite)])
        raise InputError(
            f"{path}: {shown(text)} in the column {shown(titles[-1][named[0]])} is no time like "
            "the others; give seconds, hh:mm:ss or dd/mm/yyyy hh:mm:ss"
        )
    if onset is None:
        return _in_a_row(path, columns[stage], seconds)
    durations = np.zeros(len(kept))
    if lengths:
        durations = np.nan_to_num(times[lengths[0]].elapsed)
    elif ends:
        durations = np.nan_to_num(times[ends[0]].elapsed - onset.elapsed) % DAY_SECONDS
    stages = np.array([labels[text] for text in columns[stage]])
    start = onset.start
    if start and start.date() == edf.UNKNOWN_DATE and start.time() == time():
        warn(path, "onsets from 0:00:00 are read as time since the start of the recording")
        start = None
    return _scoring(path, onset.seconds, durations, stages, start, by_clock=start is not None)


@dataclass(frozen=True)
class _Times:
    """A column of times: seconds (n,) from ``start``, or from 0; NaN for what is no time."""

    seconds: Floats
    start: datetime | None = None

    @property
    def elapsed(self) -> Floats:
        """Seconds from midnight, or from 0."""
        start = self.start and self.start - datetime.combine(self.start, time())
        return self.seconds + (start.total_seconds() if start else 0)


def _times(texts: Sequence[str]) -> _Times:
    if found := moments(texts):
        return _Times(found[1], found[0])
    points = [text.replace(",", ".") for text in texts]
    return _Times(np.array([float(x) if NUMBER.fullmatch(x) else np.nan for x in points]))


def _is_value(cell: str) -> bool:
    return bool(MOMENT.fullmatch(cell) or NUMBER.fullmatch(cell.replace(",", ".")))


def _stage_column(path: Path, headings: Sequence[str], columns: Sequence[Sequence[str]]) -> int:
    """Return the index of the column of stages: it has most of them, or is called so.

    Raises:
        InputError: there is none.
    """
    counts = [sum(stage_of(text) not in (None, UNSCORED) for text in c) for c in columns]
    if any(counts):
        return int(np.argmax(counts))
    for place, heading in enumerate(headings):
        if STAGE.search(heading):
            return place
    raise InputError(
        f"{path}: no column of stages (W, N1, N2, N3, REM in a usual spelling, or numbers in a "
        "column called stage); name a hypnogram"
    )
