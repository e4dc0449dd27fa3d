"""Sleep stages from the XML files of the National Sleep Research Resource (NSRR).

There are two formats. NSRR's own (``PSGAnnotation``) has an event for each stretch of a stage, as
in ``Stage 2 sleep|2``, among events of breathing and arousal. That of Compumedics Profusion
(``CMPStudyConfig``) has the code of every epoch. Both use the same codes.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from xsleep.core.errors import DamagedError, InputError, warn
from xsleep.core.recording import EPOCH_SECONDS, Hypnogram
from xsleep.core.stages import UNSCORED, label
from xsleep.databases.formats.channels import content
from xsleep.databases.formats.hypnograms import check_end, epochs_of

STAGES = {"0": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "5": "REM"}
"""R&K code to stage."""
NO_STAGE = {"6", "7", "8", "9"}
"""Codes of movement (6), not scored (9) and other events."""

STAGE_EVENT = "Stages|Stages"
START_EVENT = "Recording Start Time"

Stretch = tuple[float, float, int]
"""Onset and duration in seconds, and label."""


def read_hypnogram(path: Path, seconds: float, *, to_the_end: bool = True) -> Hypnogram:
    """Return the 30-s epochs that an XML file of a recording of ``seconds`` scores.

    With ``to_the_end`` a scoring that ends before the signal is an error.

    Raises:
        InputError: the file cannot be read, or does not fit the recording.
    """
    root = _root(path)
    epoch = _text(path, root, "EpochLength")
    if _number(epoch) != EPOCH_SECONDS:
        raise InputError(
            f"{path}: EpochLength is {epoch!r}; only epochs of 30 s can be read, take a scoring in "
            "such epochs"
        )
    scored = _events(path, root) if root.tag == "PSGAnnotation" else _codes(path, root)
    hypnogram = epochs_of(path, scored, EPOCH_SECONDS, seconds)
    if to_the_end:
        check_end(path, hypnogram, seconds)
    return hypnogram


def recording_start(path: Path) -> float | None:
    """Return the clock time at which the scored recording started, in seconds of the day, if known.

    It is that of NSRR's event ``Recording Start Time``, as in ``00.00.00 21.51.22`` (a dummy date
    and a time). An invalid time is ignored with a warning.

    Raises:
        InputError: the file cannot be read, or gives several times.
    """
    root = _root(path)
    times = {
        _text(path, event, "ClockTime")
        for event in root.iterfind("ScoredEvents/ScoredEvent")
        if _optional(event, "EventConcept") == START_EVENT and event.find("ClockTime") is not None
    }
    if len(times) > 1:
        one, other, *_ = sorted(times)
        raise InputError(
            f"{path}: its {START_EVENT} is {one!r} and {other!r}; take the wrong one away"
        )
    for text in times:
        found = re.fullmatch(r"(?:\S+\s+)?(\d\d?)[.:](\d\d)[.:](\d\d)", text)
        hours, minutes, seconds = map(int, found.groups()) if found else (24, 0, 0)
        if hours < 24 and minutes < 60 and seconds < 60:
            return float((hours * 60 + minutes) * 60 + seconds)
        warn(path, f"its {START_EVENT} is {text!r}, which ends in no time of day; passed over")
    return None


def _root(path: Path) -> ElementTree.Element:
    text = content(path, "put the scoring there")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DamagedError(f"{path}: not XML ({error})") from error
    if root.tag not in ("PSGAnnotation", "CMPStudyConfig"):
        raise InputError(
            f"{path}: its root element is {root.tag!r}; expected PSGAnnotation (NSRR) or "
            "CMPStudyConfig (Profusion), take the file of annotations"
        )
    return root


def _events(path: Path, root: ElementTree.Element) -> list[Stretch]:
    stretches = []
    for event in _child(path, root, "ScoredEvents").iterfind("ScoredEvent"):
        if _optional(event, "EventType") != STAGE_EVENT:
            continue
        stage = _text(path, event, "EventConcept")
        start, length = (_seconds(path, event, stage, tag) for tag in ("Start", "Duration"))
        code = stage.rpartition("|")[2].strip()
        stretches.append((start, length, _label(path, code, f"stage {stage!r} at {start:g} s")))
    return stretches


def _codes(path: Path, root: ElementTree.Element) -> list[Stretch]:
    stages = _child(path, root, "SleepStages")
    codes = ((stage.text or "").strip() for stage in stages.iterfind("SleepStage"))
    labels = (_label(path, code, f"code {code!r} of epoch {n}") for n, code in enumerate(codes, 1))
    epoch = float(EPOCH_SECONDS)
    return [(place * epoch, epoch, stage) for place, stage in enumerate(labels)]


def _label(path: Path, code: str, what: str) -> int:
    if code not in STAGES and code not in NO_STAGE:
        raise InputError(f"{path}: unknown {what}; expected a code from 0 to 9, correct it")
    return label(STAGES[code]) if code in STAGES else UNSCORED


def _child(path: Path, parent: ElementTree.Element, tag: str) -> ElementTree.Element:
    children = parent.findall(tag)
    if len(children) != 1:
        number = f"{len(children)} of" if children else "no"
        raise DamagedError(f"{path}: has {number} {tag} in a {parent.tag}")
    return children[0]


def _text(path: Path, parent: ElementTree.Element, tag: str) -> str:
    return (_child(path, parent, tag).text or "").strip()


def _optional(parent: ElementTree.Element, tag: str) -> str:
    """Return the text of a child, empty if there is none."""
    return (parent.findtext(tag) or "").strip()


def _number(text: str) -> float:
    with suppress(ValueError):
        return float(text)
    return math.nan


def _seconds(path: Path, event: ElementTree.Element, stage: str, tag: str) -> float:
    text = _text(path, event, tag)
    value = _number(text)
    if not 0 <= value < math.inf:
        raise InputError(
            f"{path}: {stage!r} has the {tag} {text!r}; a number of seconds that is not negative "
            "is needed, correct it"
        )
    return value
