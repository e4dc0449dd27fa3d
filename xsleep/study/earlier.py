"""Tables, figures and pages of other selections, kept when the present one replaces them.

All selections share the files in ``results`` that are not of a single run. Snakemake deletes a file
before it makes it again. Before any job, what another selection made is linked in a folder of its
own. Trainings stay where they are and are never copied.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from xsleep.core.files import locked, whole, written
from xsleep.study.study import Study

KEPT = Path("results/earlier")
"""Folder of what was replaced: a folder for each selection, made again when it is replaced anew."""

RECORD = Path("results/selections.json")
"""Selection by which each shared file was last made, and the settings of each selection."""

LOCK = Path(".snakemake/xsleep/selections.lock")
"""Lock of the record."""

SHARED = re.compile(r"results/([^/]+|(figures|explorer|checklists)/.+|audit/[^/]+)")
"""Path of a file that all selections share."""

UNRECORDED = "unrecorded"
"""Name of the selection of files that are not in the record: those of earlier versions."""

MOST_DIFFERENCES = 3
"""Differences that the line on a selection names."""

LONGEST_NAME = 60
"""Most characters of the names of databases in the name of a folder."""

SETTINGS = "selection.json"
"""Settings of the selection, in the folder of what is kept of it."""

Selection = dict[str, Any]
"""Setting, as ``simulated training.steps``, to its value."""


class Job(Protocol):
    """A job of Snakemake."""

    output: Iterable[str]


class Jobs(Protocol):
    """The jobs of a call of Snakemake, as its ``DAG`` has them."""

    jobs: Iterable[Job]

    def needrun_jobs(self) -> Iterable[Job]:
        """Return the jobs that will run."""


def selection(study: Study) -> Selection:
    """Return the settings by which the shared files of a study are made."""
    workflow, names = study.workflow, study.databases.names
    systems = [*workflow.systems, *workflow.finetuned]
    chosen: Selection = {"databases": names, "systems": systems, "seeds": [*workflow.seeds]}
    for name in names:
        own = workflow.sources[name].model_dump(
            mode="json", include={"channels", "windows", "folds", "trained"}
        )
        preset = study.settings.preset(name).model_dump(
            mode="json", exclude={"databases", "resources"}
        )
        own |= {"source": study.settings.source(name)} | preset
        chosen |= {f"{name} {key}": value for key, value in _flat(own)}
    others = {"predictions", "stagers", "controls", "released_outputs", "zero_shot"}
    others |= {"source", "target", "transfer", "ablation", "robustness"}
    dumped = workflow.model_dump(mode="json", include=others)
    return chosen | dict(sorted(_flat(dumped)))


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each value of nested settings, with its keys joined by dots."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from ((f"{key}.{inner}", found) for inner, found in _flat(value))
        else:
            yield key, value


def name_of(chosen: Selection) -> str:
    """Return the name of a selection: its databases and a fingerprint of its settings."""
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8]
    return f"{'+'.join(chosen['databases'])[:LONGEST_NAME]}-{digest}"


def keep(study: Study, jobs: Jobs) -> list[str]:
    """Keep what other selections made and these jobs replace, and record what the jobs make.

    Call it before any job runs. If a job replaces a file of another selection, all files that this
    selection made are kept, so that its tables and figures stay together. Return a line for each
    such selection.

    Raises:
        OutputError: a file cannot be kept.
    """
    made = _shared(jobs.jobs)
    if not made:
        return []
    chosen = selection(study)
    now, lines = name_of(chosen), []
    with written(RECORD), locked(LOCK):
        files, settings = _read()
        replaced = [path for path in _shared(jobs.needrun_jobs()) if Path(path).exists()]
        files = dict.fromkeys(replaced, UNRECORDED) | files
        for name in dict.fromkeys(files[path] for path in replaced if files[path] != now):
            before = settings.get(name)
            _keep(KEPT / name, [path for path, owner in files.items() if owner == name], before)
            lines.append(_line(KEPT / name, before, chosen))
        files |= dict.fromkeys(made, now)
        known = settings | {now: chosen}
        content = {
            "files": dict(sorted(files.items())),
            "selections": {name: known[name] for name in known if name in files.values()},
        }
        with whole(RECORD) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return lines


def _shared(jobs: Iterable[Job]) -> list[str]:
    """Return the outputs of jobs that all selections share."""
    return [str(path) for job in jobs for path in job.output if SHARED.fullmatch(str(path))]


def _read() -> tuple[dict[str, str], dict[str, Selection]]:
    """Return the selection of each file, and the settings of each selection; empty if damaged."""
    try:
        content = json.loads(RECORD.read_text(encoding="utf-8"))
        return {**content["files"]}, {**content["selections"]}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}, {}


def _keep(folder: Path, paths: Iterable[str], settings: Selection | None) -> None:
    """Link files and folders of ``results`` in a folder, in place of those that it has of them."""
    for path in filter(Path.exists, map(Path, paths)):
        place = folder / path.relative_to("results")
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(path, place, copy_function=_link)
        else:
            _link(path, place)
    if settings is not None:
        with whole(folder / SETTINGS) as temporary:
            temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _link(path: str | Path, place: str | Path) -> None:
    """Link a file in another place, or copy it where the disk has no links."""
    temporary = Path(f"{place}.{secrets.token_hex(4)}")
    try:
        os.link(path, temporary)
    except OSError:
        shutil.copy2(path, temporary)
    temporary.replace(place)


def _line(folder: Path, before: Selection | None, now: Selection) -> str:
    """Return the line about what is kept in a folder."""
    what = "tables, figures and pages"
    if before is None:
        return f"{what} whose selection is not known are replaced, and kept in {folder}"
    return f"{what} of another selection are replaced, and kept in {folder} ({_apart(before, now)})"


def _apart(before: Selection, now: Selection) -> str:
    """Return what differs between two selections; with other databases, these alone."""
    keys = [key for key in before | now if before.get(key) != now.get(key)]
    keys = keys[:1] if keys[:1] == ["databases"] else keys
    shown = [
        f"{key} {_text(before.get(key))}, now {_text(now.get(key))}"
        for key in keys[:MOST_DIFFERENCES]
    ]
    more = len(keys) - len(shown)
    return "; ".join(shown) + (f"; and {more} more settings" if more else "")


def _text(value: Any) -> str:
    """Return a value of a setting as in a sentence."""
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return "none" if value in (None, {}) else str(value)
