"""Sleep stages from the XML files of the National Sleep Research Resource (NSRR).

There are two kinds. NSRR's own (``PSGAnnotation``) has an event for each stretch of a stage, as in
``Stage 2 sleep|2``, among those of breathing and arousal. That of Compumedics Profusion
(``CMPStudyConfig``) has the code of every epoch. The codes are the same.
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from xsleep.databases.hypnograms import epochs_of
from xsleep.databases.reading import as_clock, content
from xsleep.errors import InputError
from xsleep.recording import Hypnogram
from xsleep.stages import UNSCORED, label
from xsleep.store import EPOCH_SECONDS

STAGES = {"0": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "5": "REM"}
"""R&K code to stage."""
NO_STAGE = {"6", "7", "8", "9"}
"""6 is movement, 9 is not scored; what lies between has no stage either."""

STAGE_EVENT = "Stages|Stages"

Stretch = tuple[float, float, int]
"""Onset and duration in seconds, and label."""


def read_hypnogram(path: Path, seconds: float) -> Hypnogram:
    """The 30-s epochs of a night whose signals last ``seconds``.

    Raises:
        InputError: in one line, what is wrong with the file.
    """
    root = _root(path)
    epoch = _text(path, root, "EpochLength")
    if epoch != str(EPOCH_SECONDS):
        raise InputError(f"{path}: EpochLength is {epoch!r}; only epochs of 30 s can be read")
    scored = _events(path, root) if root.tag == "PSGAnnotation" else _codes(path, root)
    hypnogram = epochs_of(path, scored, EPOCH_SECONDS, seconds)
    end = hypnogram.onsets[-1] + EPOCH_SECONDS
    if end <= seconds - EPOCH_SECONDS:
        raise InputError(
            f"{path}: ends at {as_clock(end)}, the signal at {as_clock(seconds)}; check that they "
            "belong together"
        )
    return hypnogram


def _root(path: Path) -> ElementTree.Element:
    text = content(path, "put the scoring there")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path}: not XML ({error}); fetch it again") from error
    if root.tag not in ("PSGAnnotation", "CMPStudyConfig"):
        raise InputError(
            f"{path}: its root element is {root.tag!r}; expected PSGAnnotation (NSRR) or "
            "CMPStudyConfig (Profusion), take the file of annotations"
        )
    return root


def _events(path: Path, root: ElementTree.Element) -> list[Stretch]:
    stretches = []
    for event in _child(path, root, "ScoredEvents").iterfind("ScoredEvent"):
        if event.findtext("EventType") != STAGE_EVENT:
            continue
        stage = _text(path, event, "EventConcept")
        start, length = (_seconds(path, event, stage, tag) for tag in ("Start", "Duration"))
        code = stage.rpartition("|")[2]
        stretches.append((start, length, _label(path, code, f"stage {stage!r} at {start:g} s")))
    return stretches


def _codes(path: Path, root: ElementTree.Element) -> list[Stretch]:
    stages = _child(path, root, "SleepStages")
    codes = ((stage.text or "").strip() for stage in stages.iterfind("SleepStage"))
    return [
        (
            float(place * EPOCH_SECONDS),
            float(EPOCH_SECONDS),
            _label(path, code, f"code {code!r} of epoch {place + 1}"),
        )
        for place, code in enumerate(codes)
    ]


def _label(path: Path, code: str, what: str) -> int:
    if code not in STAGES and code not in NO_STAGE:
        raise InputError(f"{path}: unknown {what}; expected a code from 0 to 9, correct it")
    return label(STAGES[code]) if code in STAGES else UNSCORED


def _child(path: Path, parent: ElementTree.Element, tag: str) -> ElementTree.Element:
    child = parent.find(tag)
    if child is None:
        raise InputError(f"{path}: has no {tag} in a {parent.tag}; fetch it again")
    return child


def _text(path: Path, parent: ElementTree.Element, tag: str) -> str:
    return (_child(path, parent, tag).text or "").strip()


def _seconds(path: Path, event: ElementTree.Element, stage: str, tag: str) -> float:
    text = _text(path, event, tag)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(
            f"{path}: {stage!r} has the {tag} {text!r}; a number of seconds that is not negative "
            "is needed, correct it"
        )
    return value
