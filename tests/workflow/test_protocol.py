"""Settings that differ for a database, and the control with equal weights, through the workflow."""

import csv
import json

import pytest
import yaml

from tests.workflow.test_workflow import TINY, planned, snakemake

pytestmark = pytest.mark.long

EQUAL = "XSleepNet (equal weights)"
RUN = "results/simulated/in-bed/EEG/{}/seed-1/fold-1"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("protocol")
    config = yaml.safe_load(yaml.safe_dump(TINY))
    config["systems"] = ["XSleepNet1", EQUAL]
    config["database_settings"]["simulated"] |= {
        "network": {"filter_rate": "recorded"},
        "training": {"patience": 7},
        "systems": {EQUAL: {"evaluate_every": 1}},
    }
    status, text = snakemake(folder, "results/table2.csv", "audit", config=config)
    assert status == 0, text
    return folder, config


def test_a_run_has_the_hyper_parameters_of_its_database_and_system(finished):
    folder, _ = finished
    runs = {
        name: json.loads((folder / RUN.format(name) / "run.json").read_text())
        for name in ("XSleepNet1", "XSleepNet-equal-weights")
    }
    assert [run["training"]["patience"] for run in runs.values()] == [7, 7]
    assert [run["training"]["evaluate_every"] for run in runs.values()] == [2, 1]
    assert [run["system"] for run in runs.values()] == ["XSleepNet1", EQUAL]
    assert {run["network"]["filter_rate"] for run in runs.values()} == {"recorded"}


def test_three_branches_weigh_a_third_throughout_and_the_table_has_their_row(finished):
    folder, _ = finished
    with (folder / RUN.format("XSleepNet-equal-weights") / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    branches = ("raw", "time-frequency", "joint")
    assert {float(line[f"{b} weight"]) for line in history for b in branches} == {1 / 3}
    assert len(history) > 1
    with (folder / "results/table2.csv").open() as file:
        measured = [row["system"] for row in csv.DictReader(file) if row["source"] == "measured"]
    assert measured == ["XSleepNet1", EQUAL]


def test_signals_are_stored_by_how_they_are_filtered(finished):
    folder, _ = finished
    store = "data/EEG-band-pass+EOG-band-pass+EMG-high-pass+recorded"
    assert (folder / f"{store}/epochs/simulated/SC4001E0.h5").exists()
    assert not (folder / "data/epochs").exists()


def test_the_audit_knows_the_configuration_of_a_database(finished):
    folder, _ = finished
    audit = json.loads((folder / "results/audit/audit.json").read_text())
    checks = {check["check"]: check for check in audit["checks"]}
    for name in ("configuration", "stopping", "retrained predictions"):
        assert checks[name]["status"] == "passed", checks[name]


def test_what_changes_for_a_system_reruns_its_trainings_alone(finished):
    folder, config = finished
    assert "train" not in planned(folder, "results/table2.csv", config=config)
    changed = yaml.safe_load(yaml.safe_dump(config))
    changed["database_settings"]["simulated"]["systems"][EQUAL]["evaluate_every"] = 4
    assert planned(folder, "results/table2.csv", config=changed)["train"] == 2
