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
"""Selection of each shared file, what was planned for which, and the settings of each selection."""

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

Planned = dict[str, tuple[str, int | None]]
"""File to the selection that it is planned for, and when it was changed before."""

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
    """Keep what other selections made and these jobs replace, and record what is planned.

    Call it before any job runs. If a job replaces a file of another selection, all files that this
    selection made are kept, so that its tables and figures stay together. Return a line for each
    such selection.

    Raises:
        OutputError: a file cannot be kept.
    """
    if not (shared := _shared(jobs.jobs)):
        return []
    needed = _shared(jobs.needrun_jobs())
    chosen = selection(study)
    now, lines = name_of(chosen), []
    with written(RECORD), locked(LOCK):
        files, planned, settings = _read()
        replaced = [path for path in needed if Path(path).exists()]
        files = dict.fromkeys(replaced, UNRECORDED) | files
        for name in dict.fromkeys(files[path] for path in replaced if files[path] != now):
            before = settings.get(name)
            _keep(KEPT / name, [path for path, owner in files.items() if owner == name], before)
            lines.append(_line(KEPT / name, before, chosen))
        files |= dict.fromkeys({*shared} - {*needed}, now)  # up to date
        planned |= {path: (now, _time(path)) for path in needed}
        _write(files, planned, settings | {now: chosen})
    return lines


def _shared(jobs: Iterable[Job]) -> list[str]:
    """Return the outputs of jobs that all selections share."""
    return [str(path) for job in jobs for path in job.output if SHARED.fullmatch(str(path))]


def _read() -> tuple[dict[str, str], Planned, dict[str, Selection]]:
    """Return the selection of each file, what is planned, and the settings of each selection.

    All is empty if the record is damaged. What was planned and is made since is of its selection;
    a call that was interrupted leaves the others as they were.
    """
    try:
        content = json.loads(RECORD.read_text(encoding="utf-8"))
        files, settings = {**content["files"]}, {**content["selections"]}
        planned = {path: (name, time) for path, (name, time) in content["planned"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}, {}, {}
    made = {path: name for path, (name, time) in planned.items() if _time(path) != time}
    return files | made, {path: of for path, of in planned.items() if path not in made}, settings


def _write(files: dict[str, str], planned: Planned, settings: Mapping[str, Selection]) -> None:
    """Write the record, with the settings of the selections that it names."""
    named = {*files.values(), *(name for name, _ in planned.values())}
    content = {
        "files": dict(sorted(files.items())),
        "planned": dict(sorted(planned.items())),
        "selections": {name: of for name, of in settings.items() if name in named},
    }
    with whole(RECORD) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _time(path: str) -> int | None:
    """Return when a file was changed, in nanoseconds; ``None`` if there is none."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None


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
    if os.path.exists(place) and os.path.samefile(path, place):
        return
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
