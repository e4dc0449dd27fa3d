"""Targets of the workflow, to suggest those that are near to a mistyped one."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import product
from typing import Any

from xsleep.study import paths
from xsleep.study.runs import folder
from xsleep.study.study import Study

UNKNOWN = re.compile(r".*No rule to produce (.+?) \(if you use input functions", re.DOTALL)
"""Snakemake's error about a target that no rule makes."""
SUGGESTED, NEAR = 3, 0.8
"""Suggestions that are near, by the ratio of `difflib`; a less near one is the only one."""


def targets(study: Study, rules: Any) -> list[str]:
    """Return names of rules and paths of files that can be asked for; those of runs by example."""
    found = [rule.name for rule in rules]
    made = (str(path) for rule in rules for path in rule.output)
    found += [path for path in made if "{" not in path and "." in path]  # no folders
    found += [*study.figures.paths, *study.robustness.scores]
    runs = map(folder, study.runs.scratch)
    files = ("predictions.h5", "model.safetensors", "run.json", "history.csv")
    found += [f"{run}/{name}" for run, name in product(runs, files)]
    networks = {
        paths.NETWORK.format(**run | {"seed": study.workflow.seeds[0]})
        for run in study.runs.scratch
    }
    found += [f"{network}/README.md" for network in sorted(networks)]
    for database in study.databases.names:
        found += [path.format(database=database) for path in (paths.RECORDINGS, paths.FOLDS)]
        found.append(study.settings.index(database))
    return [*dict.fromkeys(found)]


def suggestion(text: str, study: Study, rules: Any) -> str:
    """Return what may have been meant, if Snakemake says that nothing makes a target."""
    unknown = UNKNOWN.match(text)
    if not unknown:
        return ""
    known = targets(study, rules)
    near = get_close_matches(unknown[1], known, SUGGESTED, NEAR)
    near = near or get_close_matches(unknown[1], known, 1)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{unknown[1]}: nothing makes this; {meant}docs/reference/targets.md lists all targets"
