"""Checks of code, packages and configuration: the same throughout, or which differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xsleep.results.audit.evidence import Evidence, Run, Training
from xsleep.results.audit.finding import Found, NotApplicable, faults_of, many

UNKNOWN = "unknown"


def code(evidence: Evidence) -> Found:
    """Everything was trained and scored by one commit, without changes to it."""
    seen = _Seen()

    def look(training: Training) -> Iterator[str]:
        for name, record in training.records.items():
            commit, path = record["commit"], training.folder / name
            seen.add("commit", commit, f"{path}")
            if commit.endswith("+"):
                yield f"{path}: by files that differ from the commit {commit[:-1]}"

    faults = faults_of(evidence.trainings, look)
    if not faults and set(seen.values["commit"]) == {UNKNOWN}:
        raise NotApplicable("the code is in no repository: its commit is unknown")
    return Found(many(len(evidence.trainings), "training"), [*seen.differing(), *faults])


def packages(evidence: Evidence) -> Found:
    """Everything was trained and scored with the same versions of Python and packages."""
    seen = _Seen()

    def look(training: Training) -> Iterator[str]:
        for name, record in training.records.items():
            for package, version in {"python": record["python"], **record["packages"]}.items():
                seen.add(package, version, f"{training.folder / name}")
        yield from ()

    faults = faults_of(evidence.trainings, look)
    return Found(many(len(evidence.trainings), "training"), [*seen.differing(), *faults])


class _Seen:
    """The values that something has, and where each stands."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def add(self, what: str, value: str, where: str) -> None:
        self.values[what][value].append(where)

    def differing(self) -> Iterator[str]:
        for what, values in self.values.items():
            if len(values) > 1:
                told = (f"{v} in {many(len(w), 'record')} ({w[0]})" for v, w in values.items())
                yield f"{what}: {', '.join(told)}"


def configuration(evidence: Evidence) -> Found:
    """Everything is what its place says, and was trained and scored as is configured now."""

    def trained(training: Training) -> Iterator[str]:
        for name, now in training.settings.items():
            path = training.folder / "run.json"
            yield from _differing(path, name, now, training.record.get(name))

    def scored(run: Run) -> Iterator[str]:
        asked, used = run.settings["training"], run.scoring["scoring"]
        path = run.folder / "scoring.json"
        yield from _differing(path, "scoring", {key: asked[key] for key in used}, used)

    faults = faults_of(evidence.trainings, trained) + faults_of(evidence.runs, scored)
    return Found(many(len(evidence.trainings), "training"), faults)


def _differing(path: Path, name: str, now: Any, then: Any) -> Iterator[str]:
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for key in sorted({*now, *then}):
            yield from _differing(path, f"{name}.{key}", now.get(key), then.get(key))
    elif now != then:
        yield f"{path}: {name} was {then}, configured is {now}"
