"""Checks of code, packages and configuration: the same throughout, or which differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from xsleep.audit.evidence import Evidence, Run
from xsleep.audit.finding import Found, NotApplicable, faults_of, many

UNKNOWN = "unknown"


def code(evidence: Evidence) -> Found:
    """Everything was trained and scored by one commit, without changes to it."""
    seen = _Seen()

    def look(run: Run) -> Iterator[str]:
        for name, record in run.records.items():
            commit = record["commit"]
            seen.add("commit", commit, f"{run.folder / name}")
            if commit.endswith("+"):
                yield f"{run.folder / name}: by files that differ from the commit {commit[:-1]}"

    faults = faults_of(evidence.runs, look)
    if not faults and set(seen.values["commit"]) == {UNKNOWN}:
        raise NotApplicable("the code is in no repository: its commit is unknown")
    return Found(many(len(evidence.runs), "run"), [*seen.differing(), *faults])


def packages(evidence: Evidence) -> Found:
    """Everything was trained and scored with the same versions of Python and packages."""
    seen = _Seen()

    def look(run: Run) -> Iterator[str]:
        for name, record in run.records.items():
            for package, version in {"python": record["python"], **record["packages"]}.items():
                seen.add(package, version, f"{run.folder / name}")
        yield from ()

    faults = faults_of(evidence.runs, look)
    return Found(many(len(evidence.runs), "run"), [*seen.differing(), *faults])


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
    """Every run was trained and scored with what is configured now."""

    def look(run: Run) -> Iterator[str]:
        for group, settings in run.settings.items():
            yield from _differing(run, "run.json", group, settings, run.record[group])
        asked = run.settings["training"]
        used = run.scoring["scoring"]
        yield from _differing(run, "scoring.json", "scoring", {k: asked[k] for k in used}, used)

    return Found(many(len(evidence.runs), "run"), faults_of(evidence.runs, look))


def _differing(
    run: Run, name: str, group: str, now: Mapping[str, Any], then: Mapping[str, Any]
) -> Iterator[str]:
    for key in sorted({*now, *then}):
        if now.get(key) != then.get(key):
            was, configured = then.get(key), now.get(key)
            yield f"{run.folder / name}: {group}.{key} was {was}, configured is {configured}"
