"""Transfer learning as a person runs it: pretraining, finetuning, the table and its figures."""

import json
import os
import shutil

import numpy as np
import pytest

from tests.helpers.recordings import NETWORK, write_excerpts
from tests.workflow.test_workflow import TINY, log, planned, rows, snakemake
from xsleep.config.names import STRATEGIES
from xsleep.networks import build, checkpoints
from xsleep.networks.released import variables

pytestmark = pytest.mark.long

COHORT = {"nights": 1, "hours": 3}
FINETUNE = {"steps": 4, "evaluate_every": 2}


def config(**transfer):
    settings = TINY["preset_settings"]["embedded"]
    changes = {"networks": ["SeqSleepNet+"], "channels": ["EEG"], "validation": 1, "subjects": [1]}
    return TINY | {
        "source": "simulated-source",
        "target": "simulated-target",
        "transfer": changes | transfer,
        "preset_settings": {
            "embedded": settings | {"systems": {"SeqSleepNet+": FINETUNE}, "finetuning": FINETUNE}
        },
        "database_settings": {
            "simulated-source": {"source": {"cohort": COHORT | {"subjects": 3, "seed": 1}}},
            "simulated-target": {
                "source": {"cohort": COHORT | {"subjects": 4, "seed": 2}},
                "folds": {"folds": 2},
            },
        },
    }


def authors(folder, **transfer):
    """Released weights, tiny, and excerpts to finetune them on."""
    write_excerpts(folder / "dreams", 1, 1, 1, 1)
    given = variables(build("ARNN+RNN", 1, NETWORK, seed=0))
    np.savez(folder / "weights.npz", **{name: value.numpy() for name, value in given.items()})
    dreams = {
        "source": {"folder": str(folder / "dreams")},
        "folds": {"folds": 2, "validation": 1, "training_subset": 1},
    }
    return config(weights={"EEG": "weights.npz"}, **transfer) | {
        "source": "authors",
        "target": ["DREAMS"],
        "database_settings": {"DREAMS": dreams},
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The table and the curves of a tiny source and target; the folder."""
    folder = tmp_path_factory.mktemp("transfer")
    targets = ("results/transfer.csv", "results/figures/learning_curves.svg")
    changed = config(strategies=["scratch", "direct", "softmax"])
    status, text = snakemake(folder, *targets, config=changed)
    assert status == 0, text
    return folder


def test_the_table_has_each_strategy_beside_training_from_scratch(finished):
    table = rows(finished / "results/transfer.csv")
    assert [row["strategy"] for row in table] == ["scratch", "direct", "softmax"]
    for row in table:
        assert (row["source"], row["target"]) == ("simulated-source", "simulated-target")
        assert (row["subjects"], row["folds"], row["training subjects"]) == ("4", "2", "1")
        low, value, high = (float(row[f"{x}accuracy"]) for x in ("95 % from ", "", "95 % to "))
        assert low <= value <= high
    sizes = [int(row["parameters trained"]) for row in table]
    assert sizes[0] > sizes[2] > sizes[1] == 0
    scratch, _, softmax = (float(row["accuracy"]) for row in table)
    # All three are rounded to tenths: they are off by less than two of them.
    assert float(table[2]["gain in accuracy"]) == pytest.approx(softmax - scratch, abs=0.1 + 1e-9)
    assert table[0]["gain in accuracy"] == ""


def test_learning_curves_have_each_number_of_subjects(finished):
    table = rows(finished / "results/learning_curves.csv")
    assert {(row["strategy"], row["training subjects"]) for row in table} == {
        *((strategy, "1") for strategy in ("scratch", "direct", "all"))
    }
    assert len(table) == 2 + 1 + 2
    assert "training subjects" in (finished / "results/figures/learning_curves.svg").read_text()


def test_a_finetuned_run_says_what_it_went_on_from(finished):
    folder = "results/transfer/simulated-source/EEG/softmax/simulated-target/in-bed+30min/EEG"
    run = json.loads((finished / folder / "SeqSleepNet+/seed-1/fold-1/run.json").read_text())
    assert (run["source"], run["source_channels"], run["strategy"]) == (
        *("simulated-source", "EEG", "softmax"),
    )
    pretrained = "results/pretraining/simulated-source/EEG/SeqSleepNet+/seed-1/run.json"
    told = json.loads((finished / pretrained).read_text())
    assert run["inputs"]["pretrained"] == told["outputs"]["model.safetensors"]


def test_another_target_does_not_repeat_the_pretraining(finished):
    changed = config(strategies=["all"])
    changed["target"] = ["simulated"]
    changed["database_settings"]["simulated"] = TINY["database_settings"]["simulated"]
    assert "pretrain" not in planned(finished, "results/transfer.csv", config=changed)


def test_a_network_of_one_channel_is_finetuned_on_another(finished, tmp_path):
    """EEG to EOG, the paper's cross-channel transfer, from the same pretrained network."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    run = "results/transfer/simulated-source/EEG/all/simulated-target/in-bed+30min/EOG/"
    run += "SeqSleepNet+/seed-1/fold-1/"
    changed = config(channels=["EEG-to-EOG"], strategies=["all"])
    status, text = snakemake(tmp_path, run + "predictions.h5", config=changed)
    assert status == 0, text
    assert ": pretrain " not in log(tmp_path)
    told = json.loads((tmp_path / run / "run.json").read_text())
    assert (told["source_channels"], told["channels"]) == ("EEG", "EOG")
    _, _, channels = checkpoints.load(tmp_path / run / "model.safetensors")
    assert channels == ("EOG",)


def test_a_finetuning_setting_reruns_the_finetuning_alone(finished):
    changed = config(strategies=["softmax"])
    changed["preset_settings"]["embedded"]["finetuning"] = FINETUNE | {"learning_rate": 1e-5}
    jobs = planned(finished, "results/transfer.csv", config=changed)
    assert jobs == {"finetune": 2, "score": 2, "transfer_table": 1}


def test_released_weights_are_finetuned_by_every_strategy(tmp_path):
    changed = authors(tmp_path, strategies=list(STRATEGIES))
    jobs = planned(tmp_path, "results/transfer.csv", config=changed)
    assert (jobs["import_weights"], jobs["finetune"]) == (1, 2 * len(STRATEGIES))
    assert "pretrain" not in jobs and "train" not in jobs
    run = "results/transfer/authors/EEG/{}/DREAMS/whole-night/EEG/SeqSleepNet+/seed-1/fold-1/"
    targets = [run.format(strategy) + "predictions.h5" for strategy in ("direct", "all")]
    status, text = snakemake(tmp_path, *targets, config=changed)
    assert status == 0, text
    told = json.loads((tmp_path / run.format("all") / "run.json").read_text())
    assert told["network"]["frame_units"] == NETWORK.frame_units


def test_weights_that_are_missing_are_one_line(tmp_path):
    changed = authors(tmp_path)
    (tmp_path / "weights.npz").unlink()
    status, text = snakemake(tmp_path, "results/transfer.csv", config=changed)
    assert status != 0 and "Traceback" not in text
    assert "\nerror: weights.npz: no such file" in text


def test_sources_are_pooled(finished, tmp_path):
    shutil.copytree(finished / "data", tmp_path / "data")
    changed = config(networks=["XSleepNet"], strategies=["all"])
    changed["source"] = ["simulated-source", "simulated"]
    changed["database_settings"]["simulated"] = TINY["database_settings"]["simulated"]
    split = "results/pretraining/simulated-source+simulated/split.csv"
    status, text = snakemake(tmp_path, split, config=changed)
    assert status == 0, text
    found = rows(tmp_path / split)
    who = {
        role: {(row["database"], row["subject"]) for row in found if row["role"] == role}
        for role in ("training", "validation", "training subset")
    }
    assert len(who["training"]) == 3 + 5 - 1
    assert {database for database, _ in who["training"]} == {"simulated-source", "simulated"}
    assert who["training subset"] < who["training"] and not who["validation"] & who["training"]
    jobs = planned(tmp_path, "results/transfer.csv", config=changed)
    assert (jobs["pretrain"], jobs["finetune"]) == (1, 2)


def test_table2_has_a_row_of_a_network_that_was_transferred_and_its_pretraining_is_audited(
    finished, tmp_path
):
    """FT-XSleepNet is pretrained as XSleepNet2 and finetuned as XSleepNet1 (Section 4.4)."""
    shutil.copytree(finished / "data", tmp_path / "data")
    changed = config(networks=["XSleepNet"]) | {
        "databases": ["simulated-target"],
        "systems": ["FT-XSleepNet"],
    }
    status, text = snakemake(tmp_path, "audit", config=changed)
    assert status == 0, text
    audit = json.loads((tmp_path / "results/audit/audit.json").read_text())
    # A commit with changes to it fails, as it should; so it may be where tests are run.
    assert set(audit["failed"]) <= {"code"}, text
    lines = {check["check"]: check["line"] for check in audit["checks"]}
    assert lines["pretrained on"] == "2 finetuned networks"
    assert lines["configuration"] == "3 trainings"
    table = rows(tmp_path / "results/table2.csv")
    assert [(row["database"], row["system"]) for row in table if row["source"] == "measured"] == [
        ("simulated-target", "FT-XSleepNet")
    ]
    notes = {row["note"] for row in table if row["database"] == "SleepEDF-20"}
    assert "not configured" in notes and not any("target" in note for note in notes)
    folder = tmp_path / "results/pretraining/simulated-source/EEG"
    assert json.loads((folder / "XSleepNet2/seed-1/run.json").read_text())["system"] == "XSleepNet2"
    network = folder / "XSleepNet2/seed-1/model.safetensors"
    written = network.stat().st_mtime_ns
    network.write_bytes(network.read_bytes() + b"\0")
    os.utime(network, ns=(written, written))  # so that nothing is finetuned anew
    status, text = snakemake(tmp_path, "audit", config=changed)
    assert status == 0, text
    line = f"AUDIT: checkpoints: {network.relative_to(tmp_path)}: its hash is "
    assert f"\n{line}" in text


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"channels": ["EEG-to-EEG-EOG"]}, "the source has 1 and the target 2 channels"),
        ({"strategies": ["softmax+CPB"]}, "Input should be 'scratch', 'direct', 'softmax'"),
        ({"channels": ["EEG-EOG-EMG"]}, "of which no EMG is stored"),
        ({"validation": 3}, "simulated-source: 3 usable subjects, too few for 3 to validate"),
        ({"subjects": [9]}, "fold 1: 9 of 1 training subjects; lower transfer.subjects"),
    ],
)
def test_what_does_not_fit_is_one_line(finished, tmp_path, changes, line):
    status, text = snakemake(finished, "results/learning_curves.csv", config=config(**changes))
    assert status != 0 and "Traceback" not in text
    assert line in text
