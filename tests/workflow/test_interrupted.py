"""A run that is killed at any moment: the same command finishes it, to the same bits."""

import json
import os
import random
import re
import subprocess

import pandas as pd
import pytest

from tests.workflow.test_fetch import FOLDS, files, project, server  # noqa: F401
from tests.workflow.test_workflow import TINY, command, environment, fetched_from

KILLER = """\
import json, os, re, signal, sys, threading, time

want = json.loads(os.environ.get("KILL_AT", "null"))
meanwhile = json.loads(os.environ["MEANWHILE"])

def die():
    try:  # one process of the run does it, once
        os.close(os.open(want["done"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.killpg(0, signal.SIGKILL)

def hook(event, arguments):
    if event not in ("open", "os.rename") or not arguments:
        return
    path = arguments[1] if event == "os.rename" else arguments[0]
    if event == "os.rename" and meanwhile and re.search(meanwhile["path"], str(path)):
        exec(meanwhile["statement"])
    writes = event == "os.rename" or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
    if want and writes and re.search(want["path"], str(path)):
        want["count"] -= 1
        if want["count"] == 0:
            if want["delay"]:
                threading.Timer(want["delay"], die).start()
            else:
                die()

if want or meanwhile:
    sys.addaudithook(hook)
"""
"""Imported by every Python that starts: kills the run at a moment, as `moments` has it.

Before, it executes a statement when a file has been written.
"""

STAGES = {
    "Snakemake starts": (r"\.snakemake/(running|log/)", 2),
    "lock of the folder": (r"\.snakemake/(locks|incomplete)/", 3),
    "fetching": (r"sleep-cassette/.*(fetching|edf)", 9),
    "epochs": (r"data/epochs/", 1),
    "spectrograms": (r"data/spectrograms/", 1),
    "index": (r"data/index/", 1),
    "recordings and folds": (r"(recordings|folds)\.csv", 2),
    "notes of Snakemake": (r"\.snakemake/metadata/", 3),
    "checkpoint": (r"checkpoint\.pt", 6),
    "model": (r"model\.safetensors", 2),
    "history": (r"history\.csv", 2),
    "run.json": (r"run\.json", 2),
    "evaluation": (r"predictions\.h5", 1),
    "scoring.json": (r"scoring\.json", 2),
    "Table 2": (r"table2\.(csv|html|tex)", 4),
    "figures": (r"results/.*\.(png|svg|pdf)", 2),
}
"""Stage to what is written in it, and how many writes one process makes; in the order of a run."""

CLOCKS = (r"(run|scoring)\.json$", r"\.log$", r"cost\.(csv|svg|png|pdf)$")
"""Files of results with durations of their making, which differ from run to run."""


def moments(seed, count, stages=tuple(STAGES)):
    """Moments of death in the order of the run: stage, how many writes into it, seconds after."""
    chance = random.Random(seed)
    for number in sorted(chance.sample(range(len(stages)), count)):
        path, most = STAGES[stages[number]]
        delay = chance.choice([0, 0, chance.uniform(0, 0.2), chance.uniform(0, 1)])
        yield stages[number], path, chance.randint(1, most), delay


def run(folder, code, config, *arguments, meanwhile=None, **kill):
    """Exit status and everything printed."""
    (folder / "killer").mkdir(parents=True, exist_ok=True)
    (folder / "killer/sitecustomize.py").write_text(KILLER)
    path = f"{folder / 'killer'}:{code}"
    done = subprocess.run(
        command(folder / "run", *arguments, config=config, project=code),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=code,
        env=environment()
        | {"PYTHONPATH": path, "KILL_AT": json.dumps(kill or None)}
        | {"MEANWHILE": json.dumps(meanwhile)},
        start_new_session=True,
    )
    return done.returncode, done.stdout


def made(folder):
    """Path below the folder to content of all that is kept of a run, without seconds."""
    found = {}
    for top in ("results", "data"):
        for path in sorted((folder / top).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and not any(re.search(clock, name) for clock in CLOCKS):
                found[name] = path.read_bytes()
                if path.name == "history.csv":
                    found[name] = pd.read_csv(path, dtype=str).drop(columns="seconds").to_csv()
    return found


def interrupted(folder, code, config, target, *, whole, deaths, meanwhile=None):
    """Kill a run at each moment, finish it, and return the lines of a report and differences."""
    report = []
    (folder / "run").mkdir(parents=True)
    for number, (stage, path, count, delay) in enumerate(deaths):
        done = folder / f"dead-{number}"
        status, text = run(
            *(folder, code, config, target),
            **{"path": path, "count": count, "delay": delay, "done": str(done)},
            meanwhile=meanwhile,
        )
        died = done.exists()
        assert status == (-9 if died else 0), (stage, text)
        report.append(f"{stage}, write {count}, {delay:.2f} s: {'killed' if died else 'ran on'}")
    status, text = run(folder, code, config, target)
    assert status == 0, text
    found = made(folder / "run")
    names = sorted(found.keys() | whole.keys())
    return report, [name for name in names if found.get(name) != whole.get(name)]


@pytest.fixture
def config(server):  # noqa: F811
    """A study of seconds: every stage, of one system and four nights that are fetched."""
    settings = fetched_from(server.url)
    small = {"folds": FOLDS, "windows": ["whole-night"], "channels": ["EEG"]}
    settings["SleepEDF-20"] |= small | {"preset": "embedded"}
    return TINY | {
        "systems": ["XSleepNet2"],
        "databases": ["SleepEDF-20"],
        "database_settings": settings,
    }


def undisturbed(folder, code, config, *arguments):
    """All that is kept of a run that nobody kills."""
    (folder / "run").mkdir(parents=True)
    status, text = run(folder, code, config, *arguments)
    assert status == 0, text
    return made(folder / "run")


@pytest.mark.long
def test_a_run_killed_at_two_moments_ends_as_one_on_a_single_core(project, config, tmp_path):  # noqa: F811
    """Before each death, the clock is set back, so that inputs are from the future, and the
    configuration is changed, which is for later calls alone.
    """
    study = project, config, "results/table2.csv"
    whole = undisturbed(tmp_path / "whole", *study, "--cores", "1")
    killed = tmp_path / "killed"
    config_file, index = f"{killed}/run/tiny.yaml", f"{killed}/run/data/index/SleepEDF-20/all.h5"
    training = {"steps": 6, "evaluate_every": 2, "blending_window": 2, "scoring_stride": 3}
    other = config | {"preset_settings": {"embedded": {"training": training}}}
    change = (
        f"os.utime({index!r}, (4e9, 4e9)); open({config_file!r}, 'w').write({json.dumps(other)!r})"
    )
    deaths = [(stage, STAGES[stage][0], 1, 0) for stage in ("model", "Table 2")]
    meanwhile = {"path": "folds.csv|checkpoint.pt", "statement": change}
    report, differ = interrupted(killed, *study, whole=whole, deaths=deaths, meanwhile=meanwhile)
    assert all(line.endswith(": killed") for line in report), report
    assert differ == []


@pytest.mark.interrupted
def test_a_run_killed_at_many_moments_ends_with_the_same_files(project, config, tmp_path):  # noqa: F811
    """``KILLS`` (50) moments, eight in each run, which ``SEED`` (1) and its successors choose."""
    study = project, config, "all"
    whole = undisturbed(tmp_path / "whole", *study)
    left, seed = int(os.environ.get("KILLS", "50")), int(os.environ.get("SEED", "1"))
    while left > 0:
        report, differ = interrupted(
            tmp_path / f"killed-{seed}", *study, whole=whole, deaths=list(moments(seed, 8))
        )
        print(f"run {seed}:", *report, f"differences: {differ}", sep="\n  ", flush=True)
        assert differ == []
        left, seed = left - sum(line.endswith(": killed") for line in report), seed + 1
