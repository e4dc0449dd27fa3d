"""Sleep stages from the text files of the Wisconsin Sleep Cohort (WSC).

``NAME.stg.txt`` has a line for each epoch of 30 s: its number and its stage as a code, between
tabs, after a line of headings. ``NAME.allscore.txt`` has a line for each event: the time of day and
a text, between tabs. A stage lasts from ``STAGE - N2`` to the next such line; the recording begins
with ``START RECORDING`` or, where that is missing, with the first stage.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from xsleep.core.errors import DamagedError, InputError
from xsleep.core.recording import DAY_SECONDS, EPOCH_SECONDS, Hypnogram
from xsleep.core.stages import UNSCORED, label
from xsleep.databases.formats.channels import content
from xsleep.databases.formats.hypnograms import check_end, epochs_of
from xsleep.databases.formats.nsrr_xml import NO_STAGE
from xsleep.databases.formats.nsrr_xml import STAGES as CODES

STAGES = {"W": "W", "N1": "N1", "N2": "N2", "N3": "N3", "N4": "N3", "R": "REM"}
"""Text of a stage event to stage."""
NO_STAGE_TEXTS = {"NO STAGE", "MVT", "?"}

START = "START RECORDING"
STAGE = "STAGE - "
TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d):([0-5]\d(?:\.\d*)?)", re.ASCII)
LINE = re.compile(r"(\d+)\s+(\d+)(?:\s+\S+)*\s*", re.ASCII)

Event = tuple[int, float, str]
"""Number of the line, seconds after midnight, and text."""


def read_hypnogram(path: Path, seconds: float, *, to_the_end: bool = False) -> Hypnogram:
    """Return the 30-s epochs that a text file of a recording of ``seconds`` scores.

    With ``to_the_end`` a scoring that ends before the signal is an error.

    Raises:
        InputError: the file cannot be read, or does not fit the recording.
    """
    scored = _codes(path) if path.name.endswith(".stg.txt") else _stages(path, seconds)
    hypnogram = epochs_of(path, scored, EPOCH_SECONDS, seconds)
    if to_the_end:
        check_end(path, hypnogram, seconds)
    return hypnogram


def recording_start(path: Path) -> float | None:
    """Return the clock time at which the recording started, in seconds of the day, if known.

    Raises:
        InputError: the file cannot be read.
    """
    if path.name.endswith(".stg.txt"):
        return None
    return next((clock for _, clock, text in _events(path) if text == START), None)


def _lines(path: Path) -> list[str]:
    return content(path, "put the scoring there").decode("latin-1").splitlines()


def _codes(path: Path) -> list[tuple[float, float, int]]:
    """Return onset, duration and label of each epoch that a line numbers."""
    stretches: list[tuple[float, float, int]] = []
    first = None
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or (number == 1 and line.lower().startswith("epoch")):
            continue
        found = LINE.fullmatch(line)
        if not found or found[2] not in CODES.keys() | NO_STAGE:
            raise DamagedError(
                f"{path}: line {number}: {line[:40]!r} is no epoch and code of a stage (0 to 9)"
            )
        epoch = int(found[1])
        first = min(epoch, 1) if first is None else first  # some may count from 0
        stage = label(CODES[found[2]]) if found[2] in CODES else UNSCORED
        stretches.append(((epoch - first) * float(EPOCH_SECONDS), float(EPOCH_SECONDS), stage))
    return stretches


def _events(path: Path) -> list[Event]:
    found = []
    for number, line in enumerate(_lines(path), start=1):
        clock, _, text = line.partition("\t")
        if match := TIME.fullmatch(clock.strip()):
            hours, minutes, seconds = map(float, match.groups())
            found.append((number, (hours * 60 + minutes) * 60 + seconds, text.strip()))
    return found


def _stages(path: Path, seconds: float) -> list[tuple[float, float, int]]:
    """Return onset, duration and label of the stretches between the stages of a list of events."""
    events = _events(path)
    begins = next((place for place, (_, _, text) in enumerate(events) if text == START), 0)
    stages = [event for event in events[begins:] if event[2].startswith(STAGE)]
    if not stages:
        raise InputError(f"{path}: has no line with a time and {STAGE!r}; take the file away")
    begun = recording_start(path)
    start = stages[0][1] if begun is None else begun
    onsets = _after(start, stages)
    labels = [_label(path, line, text.removeprefix(STAGE)) for line, _, text in stages]
    rest = math.floor((seconds - onsets[-1]) / EPOCH_SECONDS) * EPOCH_SECONDS
    ends = [*onsets[1:], onsets[-1] + max(rest, EPOCH_SECONDS)]
    return [
        (onset, end - onset, stage)
        for onset, end, stage in zip(onsets, ends, labels, strict=True)
        if end > onset  # of several at one time the last counts
    ]


def _after(start: float, events: Sequence[Event]) -> list[float]:
    """Return the seconds from the start of the recording; midnight is where times go back."""
    clocks = [start, *(clock for _, clock, _ in events)]
    steps = ((later - earlier) % DAY_SECONDS for earlier, later in pairwise(clocks))
    total, found = 0.0, []
    for step in steps:
        total += step
        found.append(total)
    return found


def _label(path: Path, line: int, text: str) -> int:
    if text not in STAGES and text not in NO_STAGE_TEXTS:
        raise InputError(f"{path}: line {line}: unknown stage {text[:40]!r}; correct it")
    return label(STAGES[text]) if text in STAGES else UNSCORED
