"""Checks of code, packages and configuration: the same for all runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, NotApplicable, faults_of, many
from xsleep.results.audit.trainings import Record, Run, Training

UNKNOWN = "unknown"

_Values = dict[str, dict[str, list[Path]]]
"""Name to each of its values and the records that have it."""


def code(evidence: Evidence) -> Findings:
    """All trainings and scorings used one commit, without local changes."""
    values, faults = _values(evidence, lambda record: {"commit": record["commit"]})
    commits = values["commit"]
    for commit, paths in commits.items():
        if commit.endswith("+"):
            faults += [f"{path}: with local changes to commit {commit[:-1]}" for path in paths]
    if not faults and commits.keys() == {UNKNOWN}:
        raise NotApplicable("the code is in no repository: its commit is unknown")
    return Findings(many(len(evidence.trainings), "training"), faults)


def packages(evidence: Evidence) -> Findings:
    """All trainings and scorings used the same versions of Python and packages."""
    _, faults = _values(evidence, lambda record: {"python": record["python"], **record["packages"]})
    return Findings(many(len(evidence.trainings), "training"), faults)


def _values(
    evidence: Evidence, of: Callable[[Record], Mapping[str, str]]
) -> tuple[_Values, list[str]]:
    """Return the values in all records, and as faults those that differ."""
    values: _Values = defaultdict(lambda: defaultdict(list))

    def collect(training: Training) -> tuple[()]:
        for path, record in training.records.items():
            for name, value in of(record).items():
                values[name][value].append(path)
        return ()

    unread = faults_of(evidence.trainings, collect)
    differing = []
    for name, found in values.items():
        if len(found) > 1:
            where = (f"{v} in {many(len(ps), 'record')} ({ps[0]})" for v, ps in found.items())
            differing.append(f"{name}: {', '.join(where)}")
    return values, differing + unread


def configuration(evidence: Evidence) -> Findings:
    """Every run is the one that its folder is for, with the settings that are configured now."""

    def trained(training: Training) -> Iterator[str]:
        for name, now in training.settings.items():
            path = training.folder / "run.json"
            yield from _differing(path, name, now, training.record.get(name))

    def scored(run: Run) -> Iterator[str]:
        used = run.scoring["scoring"]
        now = {key: run.settings["training"][key] for key in used}
        yield from _differing(run.folder / "scoring.json", "scoring", now, used)

    faults = faults_of(evidence.trainings, trained) + faults_of(evidence.runs, scored)
    return Findings(many(len(evidence.trainings), "training"), faults)


def _differing(path: Path, name: str, now: Any, then: Any) -> Iterator[str]:
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for key in sorted({*now, *then}):
            yield from _differing(path, f"{name}.{key}", now.get(key), then.get(key))
    elif now != then:
        yield f"{path}: {name} was {then}, configured is {now}"
