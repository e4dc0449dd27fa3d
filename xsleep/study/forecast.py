"""Seconds that the jobs of a call of Snakemake take, and until all of them are done.

A job takes as long as those like it have taken in this call, else as in benchmark files of earlier
calls, or as the plan has it for a training; if jobs of its rule took longer than was expected, the
others of that rule do too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from heapq import heappop, heappush
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from xsleep.core.durations import rest
from xsleep.core.errors import InputError
from xsleep.study import snapshot
from xsleep.study.costs import Clock, Trainings, finished_runs, job_seconds
from xsleep.study.study import Study

Kind = tuple[str, ...]
"""A rule, and what its jobs have in common that take equally long."""

ALIKE = ("store", "kind", "source_channels", "database", "window", "channels", "system")
"""Wildcards that the duration of a job depends on."""

TRAINED = {"train": "train", "train_network": "train", "pretrain": "pretrain"}
TRAINED |= {"finetune": "finetune"}
"""Stages of the plan, by rule."""

MISFITS = 20
"""Jobs that are tried in vain before the next one has to end, so that long plans are fast."""


class Planned(NamedTuple):
    """A job that is not done: its seconds, what it occupies, and the jobs that it waits for."""

    seconds: float
    needs: Mapping[str, int]
    after: frozenset[int] = frozenset()
    running: bool = False


def kind(rule: str, wildcards: Mapping[str, str]) -> Kind:
    """Return the kind of a job."""
    return (rule, *(wildcards[name] for name in ALIKE if name in wildcards))


def schedule(jobs: Mapping[int, Planned], limits: Mapping[str, int]) -> float:
    """Return the seconds until all jobs are done, each begun once what it needs is free."""
    waits = {number: {*job.after} & jobs.keys() for number, job in jobs.items()}
    followed = defaultdict(list)
    for number, others in waits.items():
        for other in others:
            followed[other].append(number)
    ready = sorted((n for n in jobs if not waits[n]), key=lambda n: not jobs[n].running)
    free, ends, now = dict(limits), list[tuple[float, int]](), 0.0
    while ready or ends:
        left, misfits = [], 0
        for place, number in enumerate(ready):
            needs = {name: min(jobs[number].needs.get(name, 0), limits[name]) for name in limits}
            if all(free[name] >= amount for name, amount in needs.items()) or not ends:
                free = {name: free[name] - amount for name, amount in needs.items()}
                heappush(ends, (now + jobs[number].seconds, number))
            else:
                left.append(number)
                misfits += 1
            if misfits > MISFITS:
                left += ready[place + 1 :]
                break
        now, done = heappop(ends)
        for name in limits:
            free[name] += min(jobs[done].needs.get(name, 0), limits[name])
        for number in followed[done]:
            waits[number].remove(done)
            if not waits[number]:
                left.append(number)
        ready = left
    return now


class Forecast:
    """Expected and measured durations of the jobs of a workflow of Snakemake."""

    def __init__(self, study: Study, workflow: Any) -> None:
        self.study, self.workflow = study, workflow
        self.expected: dict[Kind, float] = {}
        self.taken: defaultdict[Kind, list[float]] = defaultdict(list)
        self._needs: dict[Kind, Mapping[str, int]] = {}
        self._asked: set[Kind] = set()

    def jobs(self) -> dict[int, Any]:
        """Return the jobs of Snakemake that are not done, by number; all those of a dry run."""
        dag = self.workflow.dag
        jobs = [*dag.needrun_jobs(exclude_finished=not self.workflow.dryrun)]
        return {dag.jobid(job): job for job in jobs}

    def learn(self, jobs: Iterable[Any]) -> None:
        """Estimate the durations of kinds of jobs that have not been met."""
        new = {kind(job.rule.name, job.wildcards_dict): job for job in jobs}
        new = {key: job for key, job in new.items() if key not in self.expected}
        trained = {key: of for key, job in new.items() if (of := self._trainings(job))}
        seconds = _planned(trained) if trained.keys() - self._asked else {}
        self._asked |= trained.keys()
        for key, job in new.items():
            self._needs[key] = self._resources(job)
            usual = 0.0 if job.rule.norun else job_seconds(job.rule.name)
            self.expected[key] = seconds.get(key) or _benchmark(job) or usual

    def took(self, rule: str, wildcards: Mapping[str, str], seconds: float) -> None:
        """Take note of how long a job took."""
        self.taken[kind(rule, wildcards)].append(seconds)

    def expected_of(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """Return the seconds of a job."""
        return self.seconds(kind(rule, wildcards))

    def seconds(self, key: Kind, running: Mapping[Kind, float] | None = None) -> float:
        """Return the seconds of a job of a kind; ``running`` are those of jobs that run."""
        met = self.taken | {k: [s] for k, s in (running or {}).items() if k not in self.taken}
        if met.get(key):
            return median(met[key])
        of_rule = [k for k in met if k[0] == key[0] and met[k] and self.expected.get(k)]
        rate = [median(met[k]) / self.expected[k] for k in of_rule]
        return self.expected.get(key, job_seconds(key[0])) * (median(rate) if rate else 1)

    def left(self, running: Mapping[int, tuple[float, float]]) -> float:
        """Return the seconds until all jobs are done.

        Args:
            running: seconds that each running job has taken and that it still takes, by number;
                the latter is NaN where the job has not said it.
        """
        jobs, dag = self.jobs(), self.workflow.dag
        self.learn(jobs.values())
        keys = {n: kind(job.rule.name, job.wildcards_dict) for n, job in jobs.items()}
        whole = {keys[n]: sum(two) for n, two in running.items() if n in keys and two[1] == two[1]}
        known = {key: self.seconds(key, whole) for key in {*keys.values()}}
        planned = {}
        for number, job in jobs.items():
            key = keys[number]
            seconds = known[key]
            if number in running:
                taken, still = running[number]
                seconds = still if still == still else rest(seconds, taken)
            after = frozenset(dag.jobid(other) for other in dag.dependencies[job])
            planned[number] = Planned(seconds, self._needs[key], after, number in running)
        return schedule(planned, self._limits())

    def _limits(self) -> dict[str, int]:
        given = self.workflow.global_resources
        if not self.workflow.local_exec:
            return {"_nodes": int(getattr(given["_nodes"], "value", given["_nodes"]))}
        found = {name: getattr(value, "value", value) for name, value in given.items()}
        return {n: v for n, v in found.items() if isinstance(v, int) and n != "_nodes"}

    def _resources(self, job: Any) -> Mapping[str, int]:
        """Return what a job occupies. What Snakemake keeps of it is not touched."""
        if not self.workflow.local_exec:
            return {"_nodes": 0 if job.is_local else 1}
        try:
            found = job.rule.expand_resources(job.wildcards_dict, job.input, 1, {"tmpdir"})
            values = {name: getattr(value, "value", value) for name, value in found.items()}
            return {name: value for name, value in values.items() if isinstance(value, int)}
        except Exception:  # known once its input is there
            return {"_cores": 1}

    def _trainings(self, job: Any) -> Trainings | None:
        """Return the training that a job does, as the plan has it."""
        names = job.wildcards_dict
        system = self.study.systems.get(names.get("system", ""))
        stage: Any = TRAINED.get(job.rule.name)
        if not (stage and system):
            return None
        if stage == "pretrain":
            channels = names["source_channels"]
            return Trainings(stage, self.study.transfer.source, "", channels, system, 1)
        return Trainings(stage, names["database"], names["window"], names["channels"], system, 1)


def _planned(trainings: Mapping[Kind, Trainings]) -> dict[Kind, float]:
    """Return the seconds of trainings by the plan, made in a process of its own.

    Otherwise the memory of PyTorch would be taken until all jobs are done.
    """
    asked = json.dumps([*trainings.values()])
    command = [sys.executable, "-m", __spec__.name]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
        return dict(zip(trainings, json.loads(done.stdout), strict=True))
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


def _benchmark(job: Any) -> float | None:
    """Return the median seconds of the benchmark files of a job and of those like it."""
    pattern = job.rule.benchmark
    if not pattern:
        return None
    names = {name: "*" for name in pattern.get_wildcard_names()}
    path = str(
        pattern.apply_wildcards(names | {n: job.wildcards_dict[n] for n in names if n in ALIKE})
    )
    found = []
    for file in Path().glob(path):
        with suppress(OSError, ValueError, IndexError):
            found.append(float(file.read_text().splitlines()[1].split("\t")[0]))
    return median(found) if found else None


def main() -> None:
    """Read trainings as JSON and print their seconds, in the configuration of the call."""
    import torch

    from xsleep.study.plan import training_line
    from xsleep.study.planning import sizes_of

    study = Study(snapshot.config(), snapshot.folder())
    sizes, clock = sizes_of(study), Clock(finished_runs(Path("results")))
    trained = any(run["device"] != "cpu" for run in clock.finished)  # by jobs on other machines
    on_gpu = torch.cuda.is_available() or trained
    seconds = []
    for training in json.load(sys.stdin):
        try:
            line = training_line(Trainings(*training), sizes, clock)
            seconds.append(3600 * line["gpu hours" if on_gpu else "cpu hours"] + job_seconds(""))
        except InputError:  # its recordings are not known yet
            seconds.append(0.0)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
