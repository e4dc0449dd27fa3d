"""The cost of a configuration, through the command."""

import csv
import os
import subprocess
import sys

import yaml

from tests.helpers.recordings import ROOT


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "xsleep", "plan", "--folder", ROOT / "config", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )


def plan(folder, config):
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    done = run(folder, "--configfile", "study.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Plan:", "results/plan.csv"]
    with (folder / "results/plan.csv").open() as file:
        return list(csv.DictReader(file)), done.stderr


def test_plan_needs_no_data_and_starts_no_training(tmp_path):
    config = {
        "databases": ["MASS", "SHHS"],
        "systems": ["ARNN+RNN", "FT-SeqSleepNet+"],
        "source": "MASS",
        "target": ["SleepEDF-20", "SHHS"],
        "transfer": {"networks": ["SeqSleepNet+"]},
    }
    lines, text = plan(tmp_path, config)
    stages = {(line["stage"], line["database"]) for line in lines}
    both = {(stage, name) for stage in ("prepare", "train") for name in ("MASS", "SHHS")}
    assert stages == {*both, ("pretrain", "MASS"), ("finetune", "SHHS")}
    runs = sum(int(line["runs"]) for line in lines if line["stage"] == "train")
    assert runs == 3 * 20 + 3 * 1  # channel sets, folds
    assert "SHHS: published recordings, 8 h assumed" in text
    assert all(float(line["gpu hours"]) > 0 for line in lines if line["runs"] != "0")
    told = ["Trainings on one GPU: ", "The same without SHHS: "]
    assert [t for t in told for line in text.splitlines() if line.startswith(t)] == told
    assert not (tmp_path / "data").exists() and not (tmp_path / "results/MASS").exists()


def test_plan_of_the_default_configuration_counts_its_listed_recordings(tmp_path):
    lines, text = plan(tmp_path, {})
    assert {(line["database"], line["recordings"]) for line in lines} == {("simulated", "24")}
    # All but those of EMG, as they were recorded, and the table.
    assert "results/robustness.csv, if asked for, takes 14 more jobs" in " ".join(text.split())


def test_plan_says_in_one_line_what_of_the_configuration_cannot_be_used(tmp_path):
    done = run(tmp_path, "--config", "databases=[Sleep]")
    assert done.returncode == 1
    assert done.stderr.startswith("error: configuration: databases: 'Sleep' is not known;")
