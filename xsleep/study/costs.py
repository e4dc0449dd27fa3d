"""Duration of trainings before they are run.

The time of a step is taken from finished runs of the same network, or scaled from
``measured_times.csv`` (measured on the device that it names) by the floating-point operations that
PyTorch counts in a step. The measured network that is nearest in operations is taken: small ones
take longer for each operation.
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
from xsleep.config.network import NetworkSettings
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


class Times(NamedTuple):
    """Seconds of a step and of an evaluated epoch, of all GPUs; their source; whether of a GPU."""

    step: float
    evaluated: float
    source: str
    on_gpu: bool


@cache
def step_cost(system: str, channels: str, network: str) -> tuple[float, int, int]:
    """Return the operations of a training step per sequence, the branches, and the parameters.

    Multiplications and additions are counted. ``network`` is a `NetworkSettings` as JSON.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from xsleep.networks import build

    settings, count = NetworkSettings.model_validate_json(network), channels.count("-") + 1
    built = build(system, count, settings, seed=0)
    raw = torch.zeros(COUNTED, settings.sequence_length, 3000, count)
    images = torch.zeros(COUNTED, settings.sequence_length, 29, 129, count)
    with FlopCounterMode(display=False) as counter:
        sum(logits.sum() for logits in built(raw, images).values()).backward()
    parameters = sum(parameter.numel() for parameter in built.parameters())
    return counter.get_total_flops() / COUNTED, len(built.branches), parameters


@cache
def _measured() -> list[dict[str, str]]:
    return read_csv(resources.files("xsleep.study") / "measured_times.csv")


def measured(what: str, system: str = "", flop: float = 1.0) -> dict[str, str]:
    """Return the line of ``measured_times.csv`` of a system, or else of the first system.

    Of several presets it is that whose operations for a sequence are nearest to ``flop``.
    """
    rows = [row for row in _measured() if row["what"] == what]
    known = systems.registry().get(system)
    wanted = (known and known.timed_as) or system
    alike = [row for row in rows if row["system"] == wanted]
    alike = alike or [row for row in rows if row["system"] == rows[0]["system"]]
    return min(alike, key=lambda row: abs(math.log(float(row["GFLOP"] or 1) * 1e9 / flop)))


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

    def times(self, runs: Trainings, preset: Preset, batch: int) -> Times:
        """Return the times of trainings with so many sequences in a minibatch."""
        network = preset.record(runs.system)["network"]
        alike = [
            run
            for run in self.finished
            if run["system"] == runs.system
            and run["channels"].count("-") == runs.channels.count("-")
            and run["training"]["batch_size"] == batch
            and run["network"] == network
            and ("strategy" in run) == (runs.stage == "finetune")  # that evaluate more often
        ]
        on_gpu = [run for run in alike if run["device"] != "cpu"]
        if chosen := on_gpu or alike:
            gpus = [run["processes"] if on_gpu else 1 for run in chosen]
            step = median(r["seconds"] * n / r["steps"] for r, n in zip(chosen, gpus, strict=True))
            devices = ", ".join(sorted({_device(run) for run in chosen}))
            source = f"{len(chosen)} finished runs on {devices}, evaluations included"
            return Times(step, 0, source, bool(on_gpu))
        of_system = preset.network_of(runs.system).model_dump_json()
        flop = step_cost(runs.system, runs.channels, of_system)[0]
        fact = measured("step", runs.system, flop)
        times = _times(flop, fact) * batch / float(fact["minibatch"])
        source = (
            f"{fact['seconds']} s measured for {fact['system']}, {fact['channels']}, "
            f"{fact['preset']} on {fact['device']}, times {times:.3g} by operations"
        )
        return Times(float(fact["seconds"]) * times, evaluation(flop), source, False)


def evaluation(flop: float) -> float:
    """Return the seconds in which a network scores an epoch, by its `step_cost`."""
    fact = measured("evaluated epoch", "", flop)
    return float(fact["seconds"]) * _times(flop, fact)


def _times(flop: float, fact: Mapping[str, str]) -> float:
    """Return the operations of a sequence, divided by those of the measured network."""
    return flop / (1e9 * float(fact["GFLOP"]))


def _device(run: Mapping[str, Any]) -> str:
    threads = "1 CPU thread" if run["threads"] == 1 else f"{run['threads']} CPU threads"
    return threads if run["device"] == "cpu" else run["device"]
