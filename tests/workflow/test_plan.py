"""What a configuration will cost, asked for as a person does it."""

import csv

from tests.workflow.test_workflow import snakemake


def plan(folder, *arguments, config):
    status, text = snakemake(folder, "plan", *arguments, config=config)
    assert status == 0, text
    with (folder / "results/plan.csv").open() as file:
        return list(csv.DictReader(file)), text


def test_plan_needs_no_data_and_starts_no_training(tmp_path):
    config = {
        "databases": ["MASS", "SHHS"],
        "systems": ["ARNN+RNN", "FT-SeqSleepNet+"],
        "source": "MASS",
        "target": ["SleepEDF-20", "SHHS"],
        "transfer": {"networks": ["SeqSleepNet+"]},
    }
    lines, text = plan(tmp_path, config=config)
    stages = {(line["stage"], line["database"]) for line in lines}
    both = {(stage, name) for stage in ("prepare", "train") for name in ("MASS", "SHHS")}
    assert stages == {*both, ("pretrain", "MASS"), ("finetune", "SHHS")}
    runs = sum(int(line["runs"]) for line in lines if line["stage"] == "train")
    assert runs == 3 * 20 + 3 * 1  # channel sets, folds
    assert "SHHS: published recordings, 8 h assumed" in text
    assert {line["gpu hours"] for line in lines if line["runs"] != "0"} == {"not measured"}
    assert not (tmp_path / "data").exists() and not (tmp_path / "results/MASS").exists()


def test_plan_of_the_default_configuration_counts_its_listed_nights(tmp_path):
    lines, _ = plan(tmp_path, config={})
    assert {(line["database"], line["recordings"]) for line in lines} == {("simulated", "24")}
