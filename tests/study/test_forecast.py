"""Test the estimate of how long a call takes."""

import math
from collections import UserString
from types import SimpleNamespace

import pytest

from tests.helpers.recordings import ROOT
from xsleep.study import forecast
from xsleep.study.costs import job_seconds
from xsleep.study.forecast import Forecast, Planned, schedule
from xsleep.study.planning import configuration
from xsleep.study.snapshot import take
from xsleep.study.study import Study

CORE = {"_cores": 1}


def test_jobs_are_done_side_by_side_where_there_is_room():
    jobs = {number: Planned(10, CORE) for number in range(4)}
    assert schedule(jobs, {"_cores": 1}) == 40
    assert schedule(jobs, {"_cores": 2}) == 20
    assert schedule(jobs, {"_cores": 3}) == 20
    assert schedule(jobs, {}) == 10
    assert schedule({}, {"_cores": 1}) == 0


def test_a_job_waits_for_what_it_needs():
    jobs = {
        **{1: Planned(10, CORE), 2: Planned(20, CORE), 3: Planned(5, CORE, frozenset({1, 2, 99}))},
        4: Planned(1, {"_cores": 8}, frozenset({3})),  # on all cores that there are
    }
    assert schedule(jobs, {"_cores": 2}) == 26


def test_jobs_that_run_keep_their_room():
    jobs = {1: Planned(1, CORE), 2: Planned(100, CORE, running=True)}
    assert schedule(jobs, {"_cores": 1}) == 101
    memory = {"_cores": 1, "gpu_mem_mb": 7}
    gpu = {n: Planned(10, memory) for n in range(3)} | {9: Planned(1, CORE)}
    assert schedule(gpu, {"_cores": 8, "gpu_mem_mb": 15}) == 20


def test_thousands_of_jobs_that_one_job_waits_for_are_planned():
    waiting = frozenset(range(2000))
    jobs = {n: Planned(10, CORE) for n in waiting} | {2000: Planned(1, CORE, waiting)}
    assert schedule(jobs, {"_cores": 7}) == 10 * math.ceil(2000 / 7) + 1


class Pattern(UserString):
    """A path with wildcards, as Snakemake has them."""

    def get_wildcard_names(self):
        return {"database", "fold"}

    def apply_wildcards(self, names):
        return self.data.format(**names)


def job(rule, number, norun=False, **wildcards):
    benchmark = Pattern("logs/benchmarks/score/{database}/{fold}.tsv") if rule == "score" else None
    needs = {"_cores": SimpleNamespace(value=1), "tmpdir": "/tmp"}
    made = SimpleNamespace(
        name=rule, norun=norun, benchmark=benchmark, expand_resources=lambda *given: needs
    )
    return SimpleNamespace(
        rule=made, number=number, wildcards_dict=wildcards, input=[], is_local=False
    )


class Workflow:
    """A workflow of one core, whose jobs do not wait for each other."""

    dryrun, local_exec = False, True

    def __init__(self, *jobs):
        self.open = list(jobs)
        self.global_resources = {"_cores": 1, "_nodes": 5}
        self.dag = SimpleNamespace(
            needrun_jobs=lambda exclude_finished: self.open,
            jobid=lambda job: job.number,
            dependencies=Nothing(),
        )


class Nothing:
    """Jobs that no job depends on."""

    def __getitem__(self, job):
        return {}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration([ROOT / "config/config.yaml"], [])
    monkeypatch.setenv("XSLEEP_CONFIGURATION", "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    take(config, ROOT / "config")
    return Study(config, ROOT / "config")


def test_a_job_takes_as_long_as_those_like_it_in_this_call(study):
    jobs = [job("table2", 1), *(job("prepare", n, database="a") for n in (2, 3))]
    made = Forecast(study, Workflow(*jobs, job("all", 4, norun=True)))
    assert made.left({}) == job_seconds("table2") + 2 * job_seconds("prepare")
    made.took("prepare", {"database": "a"}, 60)
    assert made.left({2: (50.0, math.nan)}) == job_seconds("table2") + 60 + 10
    assert made.left({2: (70.0, math.nan)}) == job_seconds("table2") + 60 + 0.2 * 70
    assert made.left({2: (50.0, 100.0)}) == job_seconds("table2") + 60 + 100


def test_what_is_slower_than_expected_makes_others_of_its_rule_slower(study):
    jobs = (job("prepare", 1, database="a"), job("prepare", 2, database="b"))
    made = Forecast(study, Workflow(*jobs))
    # One runs, and says that it takes thrice as long in all.
    assert made.left({1: (job_seconds("prepare"), 2 * job_seconds("prepare"))}) == pytest.approx(
        2 * job_seconds("prepare") + 3 * job_seconds("prepare")
    )


def test_benchmark_files_of_earlier_calls_come_before_what_is_usual(study, tmp_path):
    folder = tmp_path / "logs/benchmarks/score/a"
    folder.mkdir(parents=True)
    for fold, seconds in enumerate(("30", "32", "90", "none")):
        (folder / f"{fold}.tsv").write_text(f"s\th:m:s\n{seconds}\t0\n")
    made = Forecast(study, Workflow(job("score", 1, database="a", fold="7")))
    assert made.left({}) == 32
    made = Forecast(study, Workflow(job("score", 1, database="b", fold="7")))
    assert made.left({}) == job_seconds("score")


def test_a_training_takes_as_long_as_the_plan_has_it(study):
    """In a process of its own; 300 steps of 0.19 s, and 11 evaluations of a sixth of the epochs."""
    address = {"database": "simulated", "window": "in-bed+30min", "channels": "EEG-EOG"}
    run = job("train", 1, system="XSleepNet2", **address)
    made = Forecast(study, Workflow(run, job("train", 2, system="XSleepNet2", **address)))
    one = 300 * 0.19 + (11 / 6 + 1 / 2) * 17280 * 0.00055 + job_seconds("")
    assert made.left({}) == pytest.approx(2 * one, abs=5)


def test_on_a_cluster_as_many_jobs_run_as_may_be_queued(study):
    workflow = Workflow(*(job("table2", number) for number in range(12)))
    workflow.local_exec = False
    assert Forecast(study, workflow).left({}) == 3 * job_seconds("table2")


def test_what_the_plan_cannot_tell_is_usual(study, monkeypatch):
    monkeypatch.setattr(forecast.sys, "executable", "/nowhere/python")
    made = Forecast(
        study,
        Workflow(job("train", 1, system="XSleepNet2", database="a", window="b", channels="c")),
    )
    assert made.left({}) == job_seconds("train")
