"""The command ``xsleep plan``: a configuration in, the cost of its Table 2 out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from snakemake.utils import update_config

from xsleep.core.errors import InputError
from xsleep.core.files import write_csv
from xsleep.core.settings import parsed
from xsleep.study import plan
from xsleep.study.files import MOST_BATCHES
from xsleep.study.study import Study

OUT = Path("results/plan.csv")


def write_plan(files: Sequence[Path], changes: Sequence[str], folder: Path) -> str:
    """Write ``results/plan.csv``, print it by stage and database, and return where it is.

    Args:
        files: further configuration files, as for ``snakemake --configfile``.
        changes: keys and values, ``KEY=VALUE``, as for ``snakemake --config``.
        folder: ``config`` of the workflow.

    Raises:
        InputError: the configuration cannot be used.
    """
    study = Study(configuration([folder / "config.yaml", *files], changes), folder)
    listed = {
        name: plan.Listed(len(files.entries), len({e.subject for e in files.entries.values()}))
        for name, files in study.files.items()
    }
    lines = plan.plan(
        study.workflow,
        [plan.Runs(*run, count) for run, count in study.planned().items()],  # type: ignore[arg-type]
        listed,
        {name: Path(study.index(name)) for name in study.files},
        MOST_BATCHES,
        plan.finished_runs(Path("results")),
    )
    write_csv(OUT, lines)
    plan.summary(lines, Console(stderr=True))
    return f"{'Plan:':<12}{OUT}"


def configuration(files: Sequence[Path], changes: Sequence[str]) -> dict[str, Any]:
    """Return the configuration of these files and changes, the later over the earlier.

    Raises:
        InputError: a file or a change cannot be read.
    """
    merged: dict[str, Any] = {}
    for path in files:
        content = parsed(path.read_text(encoding="utf-8"), str(path))
        if not isinstance(content, Mapping):
            raise InputError(f"{path}: no keys in it; see config/config.yaml")
        update_config(merged, content)
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise InputError(f"--config {change}: give KEY=VALUE")
        update_config(merged, {key: parsed(value, f"--config {change}")})
    return merged
