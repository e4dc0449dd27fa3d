"""Estimate of what a configuration costs before it is run: jobs, hours and disk.

Sizes of databases are those of the prepared recordings, of the listed files, or published. The time
of a training step is taken from finished runs of the same network, or scaled from
``measured_times.csv`` (measured on the device that it names) by the floating-point operations that
PyTorch counts in a step. Times without any measurement are ``not measured``. If training may stop
early (``patience``), steps and hours are upper bounds; lower bounds are given beside them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from statistics import mean, median
from typing import Any, Literal

from rich.console import Console

from xsleep import systems
from xsleep.config.databases import DatabaseSettings
from xsleep.config.names import AUTHORS
from xsleep.config.network import NetworkSettings
from xsleep.config.presets import Preset
from xsleep.config.training import TrainingSettings
from xsleep.config.workflow import Workflow
from xsleep.core.console_table import console_table
from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.databases import open_database
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.windows import in_window
from xsleep.results import published
from xsleep.store.recordings import IMAGE_SHAPE, RAW_SHAPE, read_index

NOT_MEASURED = "not measured"

HOURS = ("cpu hours", "gpu hours", "fewest cpu hours", "fewest gpu hours")

NIGHT_EPOCHS = 8 * 120
"""Assumed number of epochs of a recording of unknown length."""

COUNTED = 2
"""Sequences of the minibatch whose operations are counted; the count is proportional to it."""


@dataclass(frozen=True)
class Listed:
    """Numbers of recordings and subjects with files; zero if the files are missing."""

    recordings: int = 0
    subjects: int = 0


@dataclass(frozen=True)
class Size:
    """Size of a database in one window.

    Attributes:
        stored: Number of epochs of whole recordings, as in the store.
        source: Where the numbers are from.
    """

    subjects: int
    recordings: int
    epochs: int
    stored: int
    source: str


@dataclass(frozen=True)
class Roles:
    """Fractions of subjects for training, evaluation during training (the loss-weight subset
    included) and test, averaged over folds."""

    training: float
    evaluated: float
    test: float


@dataclass(frozen=True)
class Runs:
    """Trainings that differ only in fold and seed."""

    stage: Literal["train", "pretrain", "finetune"]
    database: str
    window: str
    channels: str
    system: str
    count: int


def size(name: str, database: DatabaseSettings, window: str, listed: Listed, index: Path) -> Size:
    """Return the size of a database in a window.

    Raises:
        InputError: The number of recordings is unknown.
    """
    if index.exists():
        nights = [s.info for s in read_index(index).values() if not s.info.skipped]
        return Size(
            len({night.subject for night in nights}),
            len(nights),
            sum(int(in_window(night, window).sum()) for night in nights),
            sum(len(night.stages) for night in nights),
            "prepared",
        )
    known, described = published.size(name, window), open_database(database.source)
    recordings = listed.recordings or known.recordings or known.subjects
    if not recordings:
        raise InputError(
            f"{name}: neither its files are there nor is a number of recordings published; "
            f"put them into {database.source.folder}, or leave it out of databases"
        )
    subjects = listed.subjects or known.subjects or 0
    source = "listed" if listed.recordings else "published"
    if known.epochs and known.recordings:
        each, basis = known.epochs / known.recordings, "published epochs"
    elif described.simulated and described.hours:
        each, basis = 120 * described.hours, "simulated hours"
    else:
        each, basis = NIGHT_EPOCHS, "8 h assumed"
    stored = 120 * described.hours if described.hours else each
    return Size(
        subjects,
        recordings,
        epochs=round(recordings * each),
        stored=round(recordings * stored),
        source=f"{source} recordings, {basis}",
    )


def fold_roles(name: str, database: DatabaseSettings, subjects: int) -> Roles:
    """Return the fractions of subjects in each role, averaged over folds."""
    if database.folds == "published":
        names = fold_tables.published_subjects(name)
        found = fold_tables.published(name, names)
    else:
        names = [f"{number:06d}" for number in range(subjects)]
        found = fold_tables.k_fold(name, names, database.folds)

    def fraction(*roles: str) -> float:
        return mean(sum(len(getattr(fold, role)) for role in roles) for fold in found) / len(names)

    evaluated = fraction("validation", "training_subset")
    return Roles(fraction("training"), evaluated, fraction("test"))


def pooled(workflow: Workflow, sizes: Sequence[Size]) -> tuple[Size, Roles]:
    """Return the pooled size of the databases of pretraining, and the roles of their subjects."""
    pool = Size(
        subjects=sum(size.subjects for size in sizes),
        recordings=sum(size.recordings for size in sizes),
        epochs=sum(size.epochs for size in sizes),
        stored=sum(size.stored for size in sizes),
        source="; ".join(dict.fromkeys(size.source for size in sizes)),
    )
    validation = workflow.transfer.validation / pool.subjects
    return pool, Roles(1 - validation, 2 * validation, 0)


@cache
def step_cost(system: str, channels: str, network: str) -> tuple[float, int, int]:
    """Return the operations of a training step per sequence, the branches, and the parameters.

    ``network`` is a `NetworkSettings` as JSON. Multiplications and additions are counted, as in
    `torch.utils.flop_counter`.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from xsleep.networks import build

    settings = NetworkSettings.model_validate_json(network)
    count = channels.count("-") + 1
    built = build(system, count, settings, seed=0)
    raw = torch.zeros(COUNTED, settings.sequence_length, 3000, count)
    images = torch.zeros(COUNTED, settings.sequence_length, 29, 129, count)
    with FlopCounterMode(display=False) as counter:
        sum(logits.sum() for logits in built(raw, images).values()).backward()
    parameters = sum(parameter.numel() for parameter in built.parameters())
    return counter.get_total_flops() / COUNTED, len(built.branches), parameters


def _facts() -> list[dict[str, str]]:
    return read_csv(resources.files("xsleep.study") / "measured_times.csv")


def _fact(what: str, system: str = "") -> dict[str, str]:
    """Return the measurement of the system, or of the one that reads the same views."""
    rows = [row for row in _facts() if row["what"] == what]
    known = systems.registry().get(system)
    wanted = (known and known.timed_as) or system
    return next((row for row in rows if row["system"] == wanted), rows[0])


def finished_runs(results: Path) -> list[dict[str, Any]]:
    """Read the `run.json` of all finished trainings."""
    found = []
    for path in sorted(results.glob("**/seed-*/**/run.json")):
        try:
            run = json.loads(path.read_text())
        except ValueError:
            continue  # reported by the tables
        if run["steps"] and "processes" in run:  # earlier versions had no processes
            found.append(run)
    return found


class Clock:
    """Duration of steps and evaluations, from finished runs or ``measured_times.csv``."""

    def __init__(self, presets: Mapping[str, Preset], finished: Sequence[Mapping[str, Any]]):
        self.reference = presets["released"]
        self.finished = finished

    def run(
        self, runs: Runs, preset: Preset, batch: int, steps: int, evaluated: float
    ) -> tuple[float, str, bool]:
        """Return the seconds of one run, the source of the step time, and whether it is of a GPU.

        ``evaluated`` epochs are evaluated or scored in all. The seconds of several GPUs add up.
        """
        alike = [
            run
            for run in self.finished
            if run["system"] == runs.system
            and run["channels"].count("-") == runs.channels.count("-")
            and run["training"]["batch_size"] == batch
            and run["network"] == preset.network.model_dump(mode="json")
            and ("strategy" in run) == (runs.stage == "finetune")  # that evaluate more often
        ]
        on_gpu = [run for run in alike if run["device"] != "cpu"]
        if measured := on_gpu or alike:
            gpus = [run["processes"] if on_gpu else 1 for run in measured]
            step = median(
                run["seconds"] * count / run["steps"]
                for run, count in zip(measured, gpus, strict=True)
            )
            devices = ", ".join(sorted({_device(run) for run in measured}))
            source = f"{len(measured)} finished runs on {devices}, evaluations included"
            return steps * step, source, bool(on_gpu)
        fact, evaluation = _fact("step", runs.system), _fact("evaluated epoch")
        training = self._times(fact, runs, preset, batch)
        scoring = self._times(evaluation, runs, preset, self.reference.training.batch_size)
        seconds = steps * float(fact["seconds"]) * training
        seconds += evaluated * float(evaluation["seconds"]) * scoring
        source = (
            f"{fact['seconds']} s measured for {fact['system']}, {fact['channels']}, "
            f"{fact['preset']} on {fact['device']}, times {training:.3g} by operations"
        )
        return seconds, source, False

    def _times(self, fact: Mapping[str, str], runs: Runs, preset: Preset, batch: int) -> float:
        """Return the operations of a step of these runs divided by those of the measured step."""
        ours = step_cost(runs.system, runs.channels, preset.network.model_dump_json())[0]
        network = self.reference.network.model_dump_json()
        measured = step_cost(fact["system"], fact["channels"], network)[0]
        return ours * batch / (measured * self.reference.training.batch_size)


def _device(run: Mapping[str, Any]) -> str:
    threads = "1 CPU thread" if run["threads"] == 1 else f"{run['threads']} CPU threads"
    return threads if run["device"] == "cpu" else run["device"]


def run_line(runs: Runs, preset: Preset, size: Size, roles: Roles, clock: Clock) -> dict[str, Any]:
    """Return the cost of runs that differ only in fold and seed, one line of ``plan.csv``."""
    network = preset.network
    settings = preset.training_of(runs.system, runs.stage == "finetune")
    sequences = roles.training * (size.epochs - size.recordings * (network.sequence_length - 1))
    sequences = max(int(sequences), 1)
    batch = min(settings.batch_size, sequences)
    steps = settings.steps or (settings.training_epochs or 0) * max(sequences // batch - 1, 1)
    fewest = fewest_steps(settings, steps)
    test = roles.test * size.epochs
    flop, branches, parameters = step_cost(runs.system, runs.channels, network.model_dump_json())

    def hours(steps: int) -> tuple[float, str, bool]:
        evaluations = 1 + steps // min(settings.evaluate_every, steps)
        evaluated = evaluations * roles.evaluated * size.epochs + test
        seconds, source, on_gpu = clock.run(runs, preset, batch, steps, evaluated)
        return round(runs.count * seconds / 3600, 3), source, on_gpu

    most, source, on_gpu = hours(steps)
    least, *_ = hours(fewest)
    # For every test epoch: the probability of each stage by each branch, the stage, and its place.
    predictions = test * (branches * 5 * 4 + 5)
    return {
        "stage": runs.stage,
        "database": runs.database,
        "window": runs.window,
        "channels": runs.channels,
        "system": runs.system,
        "recordings": size.recordings,
        "epochs": size.epochs,
        "sizes from": size.source,
        "runs": runs.count,
        "jobs": runs.count if runs.stage == "pretrain" else 2 * runs.count,  # and to score
        "steps": steps,
        "fewest steps": fewest,
        "PFLOP": round(runs.count * steps * batch * flop / 1e15, 3),
        "cpu hours": NOT_MEASURED if on_gpu else most,
        "gpu hours": most if on_gpu else NOT_MEASURED,
        "fewest cpu hours": NOT_MEASURED if on_gpu else least,
        "fewest gpu hours": least if on_gpu else NOT_MEASURED,
        "time from": source,
        "disk GB": round(runs.count * (4 * parameters + predictions) / 1e9, 4),
        # Weights, the best weights, and two moments of each; gone once the run ends.
        "checkpoint GB": round(4 * 4 * parameters / 1e9, 4),
    }


def fewest_steps(settings: TrainingSettings, steps: int) -> int:
    """Return the steps of a run that never improves after its first evaluation, up to ``steps``."""
    if settings.patience is None:
        return steps
    stop = (1 + settings.patience) * settings.evaluate_every
    return min(max(stop, settings.earliest_stop), steps)


def preparation_line(
    name: str, window: str, channels: Sequence[str], size: Size, batches: int
) -> dict[str, Any]:
    """Return the cost of the stores of a database: epochs and spectrograms of all channels."""
    fact = _fact("prepared epoch")
    values = math.prod(RAW_SHAPE) + math.prod(IMAGE_SHAPE)
    in_one = math.ceil(size.recordings / batches)
    jobs = math.ceil(size.recordings / in_one) + 3  # and index, inventory, folds
    hours = size.stored * len(channels) * float(fact["seconds"]) / 3600
    return {
        "stage": "prepare",
        "database": name,
        "window": window,
        "channels": "-".join(channels),
        "system": "",
        "recordings": size.recordings,
        "epochs": size.stored,
        "sizes from": size.source,
        "runs": 0,
        "jobs": jobs,
        "steps": 0,
        "fewest steps": 0,
        "PFLOP": 0,
        "cpu hours": 0 if size.source == "prepared" else round(hours, 3),
        "gpu hours": 0,
        "fewest cpu hours": 0 if size.source == "prepared" else round(hours, 3),
        "fewest gpu hours": 0,
        "time from": f"{fact['seconds']} s an epoch and channel measured on {fact['device']}",
        "disk GB": round(size.stored * len(channels) * 4 * values / 1e9, 4),
        "checkpoint GB": 0,
    }


def plan(
    workflow: Workflow,
    runs: Sequence[Runs],
    listed: Mapping[str, Listed],
    indexes: Mapping[str, Path],
    batches: int,
    finished: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return the lines of ``plan.csv``: the stores of each database, then its runs.

    Args:
        workflow: The configuration.
        runs: The planned runs.
        listed: Numbers of files of each database with files.
        indexes: Index of the store of each database; the sizes of existing ones are exact.
        batches: Maximal number of jobs in which a database is prepared.
        finished: `finished_runs`, from which step times are taken.
    """
    sources = workflow.sources
    clock = Clock(workflow.presets, finished)
    pretraining = [line for line in runs if line.stage == "pretrain"]

    def size_of(name: str, window: str) -> Size:
        return size(name, sources[name], window, listed.get(name, Listed()), indexes[name])

    lines = []
    names = [line.database for line in runs if line not in pretraining]
    for name in dict.fromkeys([*names, *(workflow.source if pretraining else ())]):
        window, channels = sources[name].windows[0], sources[name].stored_channels
        lines.append(preparation_line(name, window, channels, size_of(name, window), batches))
    for line in runs:
        if line.stage == "pretrain":
            found, roles = pooled(
                workflow, [size_of(name, sources[name].windows[0]) for name in workflow.source]
            )
        else:
            found = size_of(line.database, line.window)
            roles = fold_roles(line.database, sources[line.database], found.subjects)
        lines.append(run_line(line, _preset(workflow, line), found, roles, clock))
    return lines


def _preset(workflow: Workflow, runs: Runs) -> Preset:
    """Return the preset of runs; a network is finetuned with its pretraining settings."""
    first = workflow.source[0]
    of_source = workflow.presets["released"] if first == AUTHORS else workflow.preset(first)
    if runs.stage == "pretrain":
        return of_source
    preset = workflow.preset(runs.database)
    if runs.stage == "train":
        return preset
    return preset.model_copy(update={"network": of_source.network})


def total(lines: Sequence[Mapping[str, Any]], **names: str) -> dict[str, Any]:
    """Return the sum of lines; hours are not measured if those of any line are not."""
    found = dict.fromkeys(lines[0], "") | names
    for column in ("runs", "jobs", "PFLOP", *HOURS, "disk GB"):
        values = [line[column] for line in lines]
        found[column] = NOT_MEASURED if NOT_MEASURED in values else round(sum(values), 3)
    found["checkpoint GB"] = max(line["checkpoint GB"] for line in lines)
    return found


def summary(lines: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the plan by stage and database, its total, and the sources of its times."""
    numbers = ("runs", "jobs", "PFLOP", "cpu hours", "gpu hours", "disk GB")
    shown = console_table("Plan", ("stage", "database"), numbers)
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for line in lines:
        groups.setdefault((line["stage"], line["database"]), []).append(line)
    sums = [total(group, stage=key[0], database=key[1]) for key, group in groups.items()]
    for line in (*sums, total(lines, stage="total")):
        shown.add_row(line["stage"], line["database"], *(_shown(line[name]) for name in numbers))
    console.print(shown)
    early = [line for line in lines if line["fewest steps"] < line["steps"]]
    if early:
        names = ", ".join(dict.fromkeys(line["database"] for line in early))
        whole = total(lines)
        hours = " and ".join(
            f"{_shown(whole[f'fewest {unit} hours'])} {unit.upper()} hours"
            for unit in ("cpu", "gpu")
            if whole[f"fewest {unit} hours"] != NOT_MEASURED
        )
        console.print(
            f"Early stopping: training on {names} may end before all steps; hours and PFLOP above "
            f"are the most{f', {hours} in all the fewest' if hours else ''}.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    # The factor is left out: it differs from line to line.
    times = (line["time from"].partition(", times ")[0] for line in lines if line["runs"])
    for source in dict.fromkeys(times):
        console.print(f"Times: {source}", markup=False, highlight=False, soft_wrap=True)
    for database, sizes in dict.fromkeys((line["database"], line["sizes from"]) for line in lines):
        console.print(f"{database}: {sizes}", markup=False, highlight=False, soft_wrap=True)


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.1f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
