"""Duration of trainings before they are run.

The time of a step is taken from finished runs of the same network, or scaled from
``measured_times.csv`` (measured on the device that it names, a CPU or a GPU) by the floating-point
operations that PyTorch counts in a step. The measured network that is nearest in operations is
taken: small ones take longer for each operation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from xsleep import systems
from xsleep.config.network import Filtering, NetworkSettings
from xsleep.config.presets import Preset
from xsleep.core.files import read_csv

USUAL = 5.0
"""Seconds of a job of which nothing was measured; most of them are those in which Python starts."""
COUNTED = 2
"""Sequences of the minibatch whose operations are counted; the count is proportional to it."""


class Trainings(NamedTuple):
    """Trainings that differ only in fold and seed, or the preparation of a database."""

    stage: Literal["prepare", "train", "pretrain", "finetune"]
    database: str
    window: str
    channels: str
    system: str
    runs: int


Unit = Literal["cpu", "gpu"]


class Times(NamedTuple):
    """Seconds of a step, of an evaluated epoch and of a start, of all GPUs; their source."""

    step: float
    evaluated: float
    start: float
    source: str


def step_cost(system: str, channels: str, network: NetworkSettings) -> tuple[float, int, int]:
    """Return the operations of a training step per sequence, the branches, and the parameters.

    Multiplications and additions are counted, once for all systems with the same network.
    """
    same = (name for name in systems.registry() if systems.same_network(name, system))
    alike = system if network.own else next(same)
    sizes = network.model_dump_json(exclude={*Filtering.model_fields})
    return _counted(alike, channels.count("-") + 1, sizes)


@cache
def _counted(system: str, channels: int, network: str) -> tuple[float, int, int]:
    """Count as `step_cost` does.

    In one thread: where other programs run, several threads wait longer for each other than they
    compute.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from xsleep.networks import build

    settings, threads = NetworkSettings.model_validate_json(network), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        built = build(system, channels, settings, seed=0)
        raw = torch.zeros(COUNTED, settings.sequence_length, 3000, channels)
        images = torch.zeros(COUNTED, settings.sequence_length, 29, 129, channels)
        with FlopCounterMode(display=False) as counter:
            sum(logits.sum() for logits in built(raw, images).values()).backward()
    finally:
        torch.set_num_threads(threads)
    parameters = sum(parameter.numel() for parameter in built.parameters())
    return counter.get_total_flops() / COUNTED, len(built.branches), parameters


@cache
def _measured() -> list[dict[str, str]]:
    return read_csv(resources.files("xsleep.study") / "measured_times.csv")


def measured(
    what: str, system: str = "", flop: float = 1.0, *, unit: Unit = "cpu"
) -> dict[str, str]:
    """Return the line of ``measured_times.csv`` of a system, or else of the first system.

    Of several presets it is that whose operations for a sequence are nearest to ``flop``.
    """
    kind = what, unit, "1"
    rows = [row for row in _measured() if (row["what"], row["unit"], row["at once"]) == kind]
    known = systems.registry().get(system)
    wanted = (known and known.timed_as) or system
    alike = [row for row in rows if row["system"] == wanted]
    alike = alike or [row for row in rows if row["system"] == rows[0]["system"]]
    return min(alike, key=lambda row: abs(math.log(float(row["GFLOP"] or 1) * 1e9 / flop)))


def at_once() -> tuple[int, float, str]:
    """Return how many trainings at once on one GPU were measured to be best, and what it costs.

    The latter is a factor: the seconds in which each of them gets a step, divided by their number
    and by the seconds of a step alone; 1 where they take turns. At last its source.
    """
    rows = {
        (row["what"], row["system"], row["channels"], int(row["at once"])): row
        for row in _measured()
        if row["unit"] == "gpu"
    }
    seconds = {of: float(row["seconds"]) for of, row in rows.items()}
    factors = {of: seconds[of] / of[-1] / seconds[*of[:-1], 1] for of in rows if of[-1] > 1}
    best = min(factors, key=factors.__getitem__)
    return best[-1], factors[best], _told(rows[best])


def job_seconds(rule: str) -> float:
    """Return the measured seconds of a job that does not train, or of a usual one."""
    rows = {row["system"]: row["seconds"] for row in _measured() if row["what"] == "job"}
    return float(rows.get(rule, USUAL))


TOLD = {
    *("system", "channels", "network", "training", "device", "threads", "processes"),
    *("steps", "seconds"),
}
"""Keys that are read from a ``run.json``."""


def finished_runs(results: Path) -> list[dict[str, Any]]:
    """Read the `run.json` of all finished trainings, but those that are damaged."""
    found = []
    for path in sorted(results.glob("**/seed-*/**/run.json")):
        with suppress(OSError, ValueError, RecursionError):  # the tables report what is damaged
            found.append(json.loads(path.read_text()))
    # earlier versions had no processes
    return [run for run in found if isinstance(run, dict) and run.keys() >= TOLD and run["steps"]]


@dataclass(frozen=True)
class Clock:
    """Times of trainings: those of finished runs, or of measured steps."""

    finished: Sequence[Mapping[str, Any]]

    def times(self, runs: Trainings, preset: Preset, batch: int, unit: Unit) -> Times:
        """Return the times of trainings with so many sequences in a minibatch, on a CPU or GPU."""
        network = preset.record(runs.system)["network"]
        alike = [
            run
            for run in self.finished
            if run["system"] == runs.system
            and (run["device"] == "cpu") == (unit == "cpu")
            and run["channels"].count("-") == runs.channels.count("-")
            and run["training"]["batch_size"] == batch
            and run["network"] == network
            and ("strategy" in run) == (runs.stage == "finetune")  # that evaluate more often
        ]
        if alike:
            gpus = [run["processes"] if unit == "gpu" else 1 for run in alike]
            step = median(r["seconds"] * n / r["steps"] for r, n in zip(alike, gpus, strict=True))
            devices = ", ".join(sorted({_device(run) for run in alike}))
            source = f"{len(alike)} finished runs on {devices}, evaluations included"
            return Times(step, 0, 0, source)
        flop = step_cost(runs.system, runs.channels, preset.network_of(runs.system))[0]
        step, source = _scaled(measured("step", runs.system, flop, unit=unit), flop, batch)
        each, evaluated = _scaled(measured("evaluated epoch", "", flop, unit=unit), flop)
        source = f"{source}; {evaluated}"
        if unit == "cpu":
            return Times(step, each, 0, source)
        start = measured("start", unit=unit)
        return Times(step, each, float(start["seconds"]), f"{source}; {_told(start)}")


def evaluation(flop: float) -> float:
    """Return the seconds in which a network scores an epoch on a CPU, by its `step_cost`."""
    return _scaled(measured("evaluated epoch", "", flop), flop)[0]


SCALED = ", by operations times "
"""Stands before the factor by which a time is scaled."""


def _scaled(fact: Mapping[str, str], flop: float, batch: int = 1) -> tuple[float, str]:
    """Return measured seconds, scaled by operations from the measured network, and their source.

    On a GPU less work takes as long: a small step waits for its kernels to be launched.
    """
    times = flop * batch / (1e9 * float(fact["GFLOP"]) * int(fact["minibatch"] or 1))
    if math.isclose(times, 1, rel_tol=1e-3):
        return float(fact["seconds"]), _told(fact)
    if fact["unit"] == "gpu":
        times = max(times, 1.0)
    return float(fact["seconds"]) * times, f"{_told(fact)}{SCALED}{times:.3g}"


def _told(fact: Mapping[str, str]) -> str:
    """Return what was measured, of which network, where, and its note."""
    network = f"{fact['system']}, {fact['channels']}, {fact['preset']}"
    note = f" ({fact['note']})" if fact["note"] else ""
    return f"{fact['what']} of {network}: {fact['seconds']} s on {fact['device']}{note}"


def _device(run: Mapping[str, Any]) -> str:
    threads = "1 CPU thread" if run["threads"] == 1 else f"{run['threads']} CPU threads"
    return threads if run["device"] == "cpu" else run["device"]
