"""A run on several GPUs, asked for by its preset; where there is none, processes on the CPU."""

import copy
import json

import pytest

from tests.workflow.test_workflow import RUN, TINY, snakemake

pytestmark = pytest.mark.long

FOLDER = RUN.format("ARNN+RNN", 1)


def in_processes(count, batch_size):
    config = copy.deepcopy(TINY)
    embedded = config["preset_settings"]["embedded"]
    embedded["resources"] = {"gpu": count}
    embedded["systems"] = {"ARNN+RNN": {"steps": 4, "batch_size": batch_size}}
    return config


def test_as_many_processes_as_gpus_asked_for_train_a_run_on_the_cpu(tmp_path, monkeypatch):
    """A minibatch that they cannot share is named in a line; changed, the same command goes on."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # a machine with one GPU has too few
    target = f"{FOLDER}/predictions.h5"
    status, text = snakemake(tmp_path, target, config=in_processes(2, 15))
    assert status != 0
    assert "minibatches of 15 sequences cannot be shared by 2 processes; choose" in text
    assert "Traceback" not in text
    status, text = snakemake(tmp_path, target, config=in_processes(2, 16))
    assert status == 0, text
    assert json.loads((tmp_path / FOLDER / "run.json").read_text())["processes"] == 2
    log = (tmp_path / "logs/training" / f"{FOLDER}.log").read_text()
    assert log.count("step 4 of 4") == 1
