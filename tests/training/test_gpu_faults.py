"""Faults of a GPU in the script of a training: one line, and the same command goes on."""

import runpy
from types import SimpleNamespace

import pytest
import torch

from tests.helpers.gpus import FULL, TOO_OLD, unusable, with_memory
from tests.helpers.recordings import NETWORK, ROOT, make_part
from tests.training.test_loop import QUICK, history
from xsleep.compute import device
from xsleep.core.files import write_csv
from xsleep.store.recordings import read_stored, write_index
from xsleep.training import CHECKPOINT, step


class Named(dict):
    """Inputs, outputs and the like of a job, by name, as Snakemake gives them to a script."""

    __getattr__ = dict.__getitem__


@pytest.fixture
def train(tmp_path):
    """Run `workflow_scripts/train.py` as Snakemake does, into a folder of this name."""
    names = [f"n{number}" for number in range(3)]
    for seed, name in enumerate(names):
        make_part(tmp_path / "store", name, epochs=16, seed=seed, subject=name)
    files = [(tmp_path / f"store/{name}.h5", tmp_path / f"store/{name}-tf.h5") for name in names]
    write_index(tmp_path / "index.h5", [read_stored(*paths) for paths in files])
    roles = ("training", "training subset", "validation", "test")
    rows = [
        {"fold": 1, "role": role, "subject": name, "recording": name}
        for role, name in zip(roles, ("n0", "n0", "n1", "n2"), strict=True)
    ]
    write_csv(tmp_path / "folds.csv", rows)
    address = {
        "database": "x",
        "window": "whole-night",
        "channels": "EEG",
        "seed": "1",
        "fold": "1",
    }
    run = {
        "system": "XSleepNet2",
        "network": NETWORK.model_dump(mode="json"),
        "training": QUICK.model_dump(mode="json"),
    }

    def trained(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        snakemake = SimpleNamespace(
            log=[folder / "train.log"],
            input=Named(folds=str(tmp_path / "folds.csv"), index=str(tmp_path / "index.h5")),
            output=Named(model=str(folder / "model.safetensors")),
            params=Named(run=run),
            resources=Named(gpu=1, gpu_mem_mb=7000),
            wildcards=Named(**address),
            threads=1,
        )
        runpy.run_path(str(ROOT / "workflow_scripts/train.py"), {"snakemake": snakemake})
        return folder

    return trained


def lacking_at(monkeypatch, number):
    """The GPU's memory is full at the step of this number, of those that a process takes."""
    take, taken = step.Step.__call__, []

    def stepped(self, *given):
        taken.append(1)
        if len(taken) == number:
            raise FULL
        return take(self, *given)

    monkeypatch.setattr(step.Step, "__call__", stepped)


@pytest.mark.parametrize(("number", "resumed"), [(1, 0), (6, 4)])
def test_a_lack_of_gpu_memory_is_a_line_and_the_training_goes_on_from_its_last_evaluation(
    train, monkeypatch, capsys, number, resumed
):
    """At the first step, on a GPU that is too small, and when others took the memory later."""
    monkeypatch.setattr(device, "best", lambda: torch.device("cpu"))
    shares = with_memory(monkeypatch, total=80e9, free=0.1e9, own=5e9)
    whole = train("whole")
    with monkeypatch.context() as meanwhile, pytest.raises(SystemExit) as ended:
        lacking_at(meanwhile, number)
        train("stopped")
    assert ended.value.code == 1 and shares == 2 * [6.4e9 / 80e9]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: NVIDIA H200: too little memory: 80.0 GB, of which 0.1 free")
    stopped = train("stopped")
    assert f"resumes from step {resumed}" in (stopped / "train.log").read_text()
    assert not (stopped / CHECKPOINT).exists()
    assert history(stopped, "seconds") == history(whole, "seconds")
    model = "model.safetensors"
    assert (stopped / model).read_bytes() == (whole / model).read_bytes()


def test_a_driver_too_old_is_a_line_before_anything_is_trained(
    train, monkeypatch, capsys, tmp_path
):
    unusable(monkeypatch, TOO_OLD)
    with pytest.raises(SystemExit):
        train("run")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: PyTorch ") and "is too old (found version 11040)" in line
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["train.log"]
