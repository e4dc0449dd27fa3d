"""The command ``xsleep plan``: a configuration in, the cost of its Table 2 out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from snakemake.utils import update_config

from xsleep import systems
from xsleep.core.durations import duration
from xsleep.core.errors import InputError
from xsleep.core.files import write_csv
from xsleep.core.settings import parsed
from xsleep.study.costs import Trainings, finished_runs
from xsleep.study.plan import on_a_gpu, on_this_machine, perturbed, plan, summary
from xsleep.study.runs import ScratchRuns
from xsleep.study.sizes import Sizes
from xsleep.study.study import Study


def write_plan(files: Sequence[Path], changes: Sequence[str], folder: Path) -> str:
    """Write ``results/plan.csv``, print it by stage and database, and return where it is.

    Args:
        files, changes: as of `configuration`, over ``config.yaml``.
        folder: ``config`` of the workflow.

    Raises:
        InputError: the configuration cannot be used.
    """
    study = Study(configuration([folder / "config.yaml", *files], changes), folder)
    sizes, runs = sizes_of(study), planned(study)
    lines = plan(sizes, runs, finished_runs(Path("results")))
    write_csv("results/plan.csv", lines)
    console = Console(stderr=True)
    summary(lines, console)
    threads = max(study.settings.preset(line["database"]).resources.threads for line in lines)
    jobs, seconds = perturbed(sizes, runs)
    more = f"{jobs} more jobs and {duration(seconds)} CPU time"
    console.print(f"results/robustness.csv, if asked for, takes {more}.", highlight=False)
    for line in (on_this_machine(lines, threads), *on_a_gpu(lines)):
        console.print(line, highlight=False, soft_wrap=True)
    return f"{'Plan:':<12}results/plan.csv"


def sizes_of(study: Study) -> Sizes:
    """Return the sizes of the databases of a study."""
    subjects = {
        name: [entry.subject for entry in files.entries.values()]
        for name, files in study.databases.files.items()
    }
    listed = {name: (len(found), len(set(found))) for name, found in subjects.items()}
    indexes = {name: Path(study.settings.index(name)) for name in subjects}
    return Sizes(study.workflow, listed, indexes)


def planned(study: Study) -> list[Trainings]:
    """Return the trainings of Table 2, whether or not its databases are available.

    Those of hypnograms alone have none.
    """
    files, transfer = study.databases.files, study.transfer
    databases = [name for name in study.workflow.trained_on if files[name].signals]
    runs = ScratchRuns(study.workflow, databases)
    found = [("train", run) for run in runs.scratch]
    pretrained = set()
    for run in transfer.finetuned(databases):
        model = transfer.pretrained(run | run["address"])
        if not transfer.of_authors and model not in pretrained:
            pretrained.add(model)  # once for all folds and targets
            first = systems.transferred()[run["network"]].pretrained
            what = {"channels": run["source_channels"], "system": systems.slug(first)}
            found.append(("pretrain", {"database": transfer.source, "window": "", **what}))
        found.append(("finetune", run["address"]))
    counts = Counter(
        (stage, run["database"], run["window"], run["channels"], study.systems[run["system"]])
        for stage, run in found
    )
    return [Trainings(*run, count) for run, count in counts.items()]  # type: ignore[arg-type]


def configuration(files: Sequence[Path], changes: Sequence[str]) -> dict[str, Any]:
    """Return the configuration of files and changes (``KEY=VALUE``), the later over the earlier.

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
