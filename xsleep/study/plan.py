"""Lines of ``plan.csv``: what a configuration costs before it is run, in jobs, hours and disk.

If training may stop early (``patience``), steps and hours are upper bounds, beside lower ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from snakemake.utils import available_cpu_count

from xsleep.config.presets import Preset
from xsleep.config.training import TrainingSettings
from xsleep.config.workflow import Workflow
from xsleep.core.console_table import console_table
from xsleep.core.durations import duration
from xsleep.core.recording import SHAPES
from xsleep.databases import open_database
from xsleep.study.costs import (
    SCALED,
    Clock,
    Times,
    Trainings,
    at_once,
    evaluation,
    job_seconds,
    measured,
    step_cost,
)
from xsleep.study.files import MOST_BATCHES
from xsleep.study.sizes import Roles, Size, Sizes

HOURS = ["cpu hours", "fewest cpu hours", "gpu hours", "fewest gpu hours"]
HOURS += ["gpu hours in steps", "gpu hours in evaluations", "gpu hours at once"]
COLUMNS = [*Trainings._fields[:-1], "recordings", "epochs", "sizes from", "runs", "jobs", "steps"]
COLUMNS += ["fewest steps", "PFLOP", *HOURS, "cpu time from", "gpu time from"]
COLUMNS += ["disk GB", "checkpoint GB"]


def plan(
    sizes: Sizes, runs: Sequence[Trainings], finished: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the lines of ``plan.csv``: the stores of each database, then its runs.

    The times of steps are taken from ``finished`` runs (`xsleep.study.costs.finished_runs`).
    """
    workflow = sizes.workflow
    clock = Clock(finished)
    names = [line.database for line in runs if line.stage != "pretrain"]
    pretrained = workflow.source if len(names) < len(runs) else ()
    lines = []
    for name in dict.fromkeys([*names, *pretrained]):
        lines.append(preparation_line(sizes, name))
    lines += [training_line(line, sizes, clock) for line in runs]
    return lines


def training_line(of: Trainings, sizes: Sizes, clock: Clock) -> dict[str, Any]:
    """Return the cost of trainings that differ only in fold and seed.

    Raises:
        InputError: the number of recordings is unknown.
    """
    if of.stage == "pretrain":
        size, roles = sizes.pooled()
    else:
        size = sizes.of(of.database, of.window)
        roles = sizes.roles(of.database, size.subjects)
    return _run_line(of, _preset(sizes.workflow, of), size, roles, clock=clock)


def _preset(workflow: Workflow, runs: Trainings) -> Preset:
    """Return the preset of runs; a network is finetuned with its pretraining settings."""
    if runs.stage == "pretrain":
        return workflow.source_preset
    preset = workflow.preset(runs.database)
    finetuned = {"network": workflow.source_preset.network} if runs.stage == "finetune" else {}
    return preset.model_copy(update=finetuned)


def _line(of: Trainings, size: Size, found: dict[str, Any]) -> dict[str, Any]:
    """Return a line of what is known; what is neither that nor ``found`` is 0."""
    known = {"recordings": size.recordings, "epochs": size.epochs, "sizes from": size.source}
    return {**dict.fromkeys(COLUMNS, 0), **of._asdict(), **known, **found}


def preparation_line(sizes: Sizes, database: str) -> dict[str, Any]:
    """Return the cost of the stores of a database: epochs and spectrograms of all channels.

    Raises:
        InputError: the number of recordings is unknown.
    """
    source = sizes.workflow.sources[database]
    window, channels = source.windows[0], len(source.stored_channels)
    store = Trainings("prepare", database, window, "-".join(source.stored_channels), "", 0)
    size, fact = sizes.of(database, window), measured("prepared epoch")
    values = sum(map(math.prod, SHAPES.values()))
    in_one = math.ceil(size.recordings / MOST_BATCHES)
    hours = round(size.stored * channels * float(fact["seconds"]) / 3600, 3)
    simulated = size.recordings if open_database(source.source).simulated else 0
    found = {
        "epochs": size.stored,
        # and index, inventory, folds
        "jobs": simulated + math.ceil(size.recordings / in_one) + 3,
        "cpu hours": 0 if size.source == "prepared" else hours,
        "fewest cpu hours": 0 if size.source == "prepared" else hours,
        "cpu time from": f"{fact['seconds']} s an epoch and channel on {fact['device']}",
        "gpu time from": "",
        "disk GB": round(size.stored * channels * 4 * values / 1e9, 4),
    }
    return _line(store, size, found)


def _run_line(
    of: Trainings, preset: Preset, size: Size, roles: Roles, *, clock: Clock
) -> dict[str, Any]:
    """Return the cost of runs that differ only in fold and seed."""
    network = preset.network_of(of.system)
    settings = preset.training_of(of.system, of.stage == "finetune")
    sequences = roles.training * (size.epochs - size.recordings * (network.sequence_length - 1))
    sequences = max(int(sequences), 1)
    batch = min(settings.batch_size, sequences)
    steps = settings.steps or (settings.training_epochs or 0) * max(sequences // batch - 1, 1)
    test = roles.test * size.epochs
    flop, branches, parameters = step_cost(of.system, of.channels, network)
    cpu, gpu = (clock.times(of, preset, batch, unit) for unit in ("cpu", "gpu"))

    def hours(times: Times, steps: int) -> list[float]:
        """Return the hours of all runs in their steps, their evaluations and their starts."""
        evaluations = 1 + steps // min(settings.evaluate_every, steps)
        evaluated = evaluations * roles.evaluated * size.epochs + test
        seconds = steps * times.step, evaluated * times.evaluated, times.start
        return [of.runs * part / 3600 for part in seconds]

    fewest = fewest_steps(settings, steps)
    in_steps, in_evaluations, in_starts = hours(gpu, steps)
    together = at_once()[1] * in_steps + in_evaluations + in_starts
    times = {
        "cpu hours": sum(hours(cpu, steps)),
        "fewest cpu hours": sum(hours(cpu, fewest)),
        "gpu hours": in_steps + in_evaluations + in_starts,
        "fewest gpu hours": sum(hours(gpu, fewest)),
        "gpu hours in steps": in_steps,
        "gpu hours in evaluations": in_evaluations,
        "gpu hours at once": together,
    }
    # For every test epoch: the probability of each stage by each branch, the stage, and its place.
    predictions = test * (branches * 5 * 4 + 5)
    found = {
        "jobs": of.runs if of.stage == "pretrain" else 2 * of.runs,  # and to score
        "steps": steps,
        "fewest steps": fewest,
        "PFLOP": round(of.runs * steps * batch * flop / 1e15, 3),
        **{name: round(value, 3) for name, value in times.items()},
        "cpu time from": cpu.source,
        "gpu time from": gpu.source,
        "disk GB": round(of.runs * (4 * parameters + predictions) / 1e9, 4),
        # Weights, the best weights, and two moments of each; gone once the run ends.
        "checkpoint GB": round(4 * 4 * parameters / 1e9, 4),
    }
    return _line(of, size, found)


def fewest_steps(settings: TrainingSettings, steps: int) -> int:
    """Return the steps of a run that never improves after its first evaluation, up to ``steps``."""
    if settings.patience is None:
        return steps
    stop = (1 + settings.patience) * settings.evaluate_every
    return min(max(stop, settings.earliest_stop), steps)


def total(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of each column."""
    columns = ("runs", "jobs", "PFLOP", *HOURS, "disk GB")
    return {column: round(sum(line[column] for line in lines), 3) for column in columns}


def perturbed(sizes: Sizes, runs: Sequence[Trainings]) -> tuple[int, float]:
    """Return the jobs and the CPU seconds of ``results/robustness.csv``, of the networks of runs.

    For each perturbation that reaches any of them a job prepares the test recordings and scores
    them; one more job makes the table.
    """
    workflow, prepared = sizes.workflow, float(measured("prepared epoch")["seconds"])
    jobs, seconds = 1, job_seconds("robustness")
    for name in dict.fromkeys(run.database for run in runs if run.stage != "pretrain"):
        source = workflow.sources[name]
        own = [run for run in runs if run.database == name and run.stage != "pretrain"]
        for change in (None, *workflow.robustness.perturbations):
            reached = [r for r in own if not change or change.reaches(name, r.channels.split("-"))]
            if reached:
                jobs, seconds = jobs + 1, seconds + job_seconds("score_perturbed")
            if reached and change:
                size = sizes.of(name, reached[0].window)
                test = sizes.roles(name, size.subjects).test
                tested = test * max(run.runs for run in reached) / len(workflow.seeds)
                seconds += tested * size.stored * len(source.stored_channels) * prepared
                scored = sum(run.runs * _scored(workflow, run) for run in reached)
                seconds += test * size.epochs * scored
    return jobs, seconds


def _scored(workflow: Workflow, run: Trainings) -> float:
    """Return the seconds in which the network of a run scores an epoch."""
    network = _preset(workflow, run).network_of(run.system)
    return evaluation(step_cost(run.system, run.channels, network)[0])


def summary(lines: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the plan by stage and database, its total, and the sources of its times."""
    numbers = ("runs", "jobs", "PFLOP", "cpu hours", "gpu hours", "disk GB")
    headings = [number.replace(" hours", " time") for number in numbers]
    shown = console_table("Plan", ("stage", "database"), headings)
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for line in lines:
        groups.setdefault((line["stage"], line["database"]), []).append(line)
    groups["total", ""] = [*lines]
    for names, group in groups.items():
        whole = total(group)
        shown.add_row(*names, *(_shown(number, whole[number]) for number in numbers))
    console.print(shown)
    remarks = []
    if early := [line["database"] for line in lines if line["fewest steps"] < line["steps"]]:
        cpu, gpu = (_shown(f"fewest {u} hours", whole[f"fewest {u} hours"]) for u in ("cpu", "gpu"))
        remarks.append(
            f"Early stopping: training on {', '.join(dict.fromkeys(early))} may end before all "
            f"steps; times and PFLOP above are the most, {cpu} CPU time or {gpu} GPU time in all "
            "the fewest."
        )
    # The factors are left out: they differ from line to line.
    for unit in ("cpu", "gpu"):
        sources = (line[f"{unit} time from"].split("; ") for line in lines if line["runs"])
        times = dict.fromkeys(one.partition(SCALED)[0] for of_line in sources for one in of_line)
        remarks += [f"{unit.upper()} time, {source}" for source in times]
    number, _, source = at_once()
    remarks.append(f"GPU time, {number} at once: {source}")
    if any(SCALED in line[f"{unit} time from"] for line in lines for unit in ("cpu", "gpu")):
        remarks.append(
            "Times of other networks, channels and minibatches are scaled by operations, on a GPU "
            "never down."
        )
    remarks += dict.fromkeys(f"{line['database']}: {line['sizes from']}" for line in lines)
    console.print(*remarks, sep="\n", markup=False, highlight=False, soft_wrap=True)


def on_this_machine(lines: Sequence[Mapping[str, Any]], threads: int) -> str:
    """Return how long the whole takes on all cores of this machine, with so many for a training.

    Jobs beside trainings take as long as those of the embedded cohort.
    """
    cores = available_cpu_count()
    threads = min(threads, cores)
    seconds = 0.0
    for line in lines:
        job = job_seconds("score" if line["runs"] else line["stage"])
        seconds += job * (line["jobs"] - line["runs"])
        seconds += 3600 * line["cpu hours"] * (threads if line["runs"] else 1)
    return f"In all about {duration(seconds / cores)} on this machine ({cores} cores)."


def on_a_gpu(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how long the trainings take on one GPU, and without the database that takes longest.

    Both one training at a time, and as many at once as `at_once` has it.
    """
    databases: dict[str, float] = {}
    for line in lines:
        if line["runs"]:
            name = line["database"]
            databases[name] = databases.get(name, 0) + line["gpu hours"]
    told = [f"Trainings on one GPU: {_gpu(lines)}."]
    if len(databases) > 1:
        longest = max(databases, key=databases.__getitem__)
        others = [line for line in lines if line["database"] != longest]
        told.append(f"The same without {longest}: {_gpu(others)}.")
    return told


def _gpu(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the sums of GPU hours in words."""
    hours = {column: _shown(column, value) for column, value in total(lines).items()}
    return (
        f"{hours['gpu hours']} ({hours['gpu hours in steps']} in steps, "
        f"{hours['gpu hours in evaluations']} in evaluations); {at_once()[0]} at once "
        f"{hours['gpu hours at once']}"
    )


def _shown(column: str, value: float) -> str:
    if not value:
        return "0"
    if "hours" in column:
        return duration(3600 * value) if value < 100 else f"{value:,.0f} h"
    return f"{value:,.1f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
