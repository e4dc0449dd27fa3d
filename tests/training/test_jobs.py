"""Subjects of a pretraining, checkpoints that a run refuses, and checks before a training."""

import csv
import json
import os
import shutil
import site
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.recordings import NETWORK, ROOT, make_part
from xsleep import __version__
from xsleep.config.training import TrainingSettings
from xsleep.core.errors import InputError
from xsleep.core.files import sha256, write_csv
from xsleep.networks import build, checkpoints
from xsleep.preparation.jobs import make_source_split
from xsleep.scoring import probabilities
from xsleep.scoring.jobs import score_run
from xsleep.store.recordings import RecordingInfo, Stored, write_index
from xsleep.training import loop, origin
from xsleep.training.jobs import TrainingJob
from xsleep.training.parts import Data, recordings_of_role


@pytest.mark.parametrize(
    ("pretrained", "channels", "line"),
    [
        ("FCNN+RNN", ("EEG",), "an FCNN\\+RNN, which cannot be finetuned as SeqSleepNet\\+"),
        ("XSleepNet2", ("EEG",), "an XSleepNet2, which cannot be finetuned as SeqSleepNet\\+"),
        ("ARNN+RNN", ("EEG", "EOG"), "a network of the channels EEG, EOG, for the target's EEG"),
    ],
)
def test_weights_of_another_system_or_of_more_channels_are_refused(
    tmp_path, pretrained, channels, line
):
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, build(pretrained, len(channels), NETWORK, 1), pretrained, channels)
    address = {"system": "SeqSleepNet+", "channels": "EEG", "seed": 1, "strategy": "all"}
    nowhere = tmp_path / "nowhere"
    job = TrainingJob(address, TrainingSettings(steps=1), tmp_path, 1, print)
    with pytest.raises(InputError, match=line) as error:
        job.finetune(None, path, nowhere, nowhere)
    assert str(error.value).startswith(f"{path}: ")


def test_a_recording_that_the_window_has_too_little_of_is_not_pretrained_on(tmp_path):
    """Nor one of which the window is not known; the others are."""
    onsets = 30.0 * np.arange(40)
    lights = {"0": (0, 1200), "1": None, "2": (0, 1200), "3": (0, 570)}  # 19 epochs
    recordings = [
        RecordingInfo(f"recording{name}", name, np.arange(40), onsets, np.zeros(40, "i1"), off_on)
        for name, off_on in lights.items()
    ]
    write_index(tmp_path / "all.h5", [Stored(info, "", "", {}) for info in recordings])
    out = tmp_path / "split.csv"
    make_source_split({"X": (tmp_path / "all.h5", "in-bed")}, 1, 1, out)
    with out.open() as file:
        assert {row["recording"] for row in csv.DictReader(file)} == {"recording0", "recording2"}


def train(store_folder, folder):
    parts = [make_part(store_folder, f"n{n}", epochs=8, seed=n) for n in range(3)]
    data = Data(parts[:1], parts[1:2], parts[2:])
    settings = TrainingSettings(steps=1, batch_size=2, evaluate_every=1)
    address = {"system": "ARNN+RNN", "channels": "EEG", "seed": 1}
    network = build("ARNN+RNN", 1, NETWORK, 1)
    TrainingJob(address, settings, folder, 1, print).run(network, data, inputs={})


def missing(package):
    raise PackageNotFoundError(package)


@pytest.fixture
def untrained(monkeypatch):
    """Training or scoring fails the test."""

    def reached(*given, **more):
        pytest.fail("the check came too late")

    for module, name in ((loop, "train"), (probabilities, "score")):
        monkeypatch.setattr(module, name, reached)


def test_a_package_whose_version_is_not_known_ends_a_run_before_its_training(
    tmp_path, monkeypatch, untrained
):
    monkeypatch.setattr(origin, "version", missing)
    with pytest.raises(InputError, match=r"^torch: not installed for .*; install the locked"):
        train(tmp_path / "store", tmp_path / "run")


def test_a_folder_that_cannot_be_written_to_ends_a_run_before_its_training(tmp_path, untrained):
    folder = tmp_path / "file" / "run"
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"run: cannot be written \(Not a directory\); mend that"):
        train(tmp_path / "store", folder)


@pytest.mark.parametrize("role", ("training", "training_subset", "validation"))
def test_a_role_without_recordings_ends_a_run_before_its_training(tmp_path, untrained, role):
    parts = [make_part(tmp_path / "store", epochs=8)]
    data = replace(Data(parts, parts, parts), **{role: []})
    address = {"system": "ARNN+RNN", "channels": "EEG", "seed": 1}
    job = TrainingJob(address, TrainingSettings(steps=1), tmp_path / "run", 1, print)
    line = f"run: no recording for the {role.replace('_', ' ')}; add"
    with pytest.raises(InputError, match=line):
        job.run(build("ARNN+RNN", 1, NETWORK, 1), data, inputs={})


def unread(name):
    """A recording of the index, whose subject is its first letter."""
    return Stored(RecordingInfo(name, name[0], *(np.empty(0, int),) * 3))


def test_folds_with_a_flipped_bit_or_cut_short_are_refused(tmp_path):
    stored = {name: unread(name) for name in ("a1", "b1", "c1")}
    rows = [
        {"fold": fold, "role": role, "subject": name[0], "recording": name}
        for fold, names in ((1, ("a1", "b1", "c1", "c1")), (2, ("b1", "a1", "c1", "c1")))
        for role, name in zip(
            ("test", "validation", "training", "training subset"), names, strict=True
        )
    ]
    write_csv(path := tmp_path / "folds.csv", rows)
    assert recordings_of_role(stored, path, 2, "test") == [stored["b1"]]
    whole = path.read_bytes()
    flipped = [
        whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]
        for place in range(len(whole))
        for bit in range(0, 8, 2)
    ]
    ends = range(whole.rindex(b"\n2") + 1)  # without its last line it has no training subset
    for damaged in [*flipped, *(whole[:end] for end in ends)]:
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"folds\.csv: .*; delete it, run snakemake for it"):
            recordings_of_role(stored, path, 2, "test")


@pytest.mark.parametrize("what", ("package", "folder"))
def test_scoring_is_checked_before_it_begins(tmp_path, monkeypatch, untrained, what):
    model, folds, index = (tmp_path / name for name in ("model.safetensors", "folds.csv", "index"))
    checkpoints.save(model, build("ARNN+RNN", 1, NETWORK, 1), "ARNN+RNN", ("EEG",))
    folds.write_text("fold,role,subject,recording\n1,validation,a,a1\n")  # none to score
    write_index(index, [unread("a1")])
    out = tmp_path / "run" / "predictions.h5"
    if what == "package":
        monkeypatch.setattr(origin, "version", missing)
    else:
        out.parent.touch()
    with pytest.raises(
        InputError, match="not installed" if what == "package" else "run: cannot be written"
    ):
        settings = {"window": "in-bed", "longest_gap": None, "scoring_stride": 1}
        score_run(model, folds, 1, index, **settings, out=out, threads=1)
    assert not out.exists()


def test_a_clone_that_is_not_installed_trains_and_says_its_version(tmp_path):
    """With the packages of this environment, but for the one that names the clone's own folder."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for folder in filter(Path.is_dir, map(Path, site.getsitepackages())):
        for path in folder.iterdir():
            if not path.name.startswith(("xsleep", "__editable__")):
                (packages / path.name).symlink_to(path)
    for name in ("xsleep", "tests"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name)
    train_there = """
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
try:
    version("xsleep")
except PackageNotFoundError:
    from tests.training.test_jobs import train
    train(Path("store"), Path("run"))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", train_there],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'clone'}:{packages}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["packages"]["xsleep"] == __version__


def test_a_network_that_is_not_the_one_that_its_run_tells_of_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, build("FCNN+RNN", 1, NETWORK, 1), "FCNN+RNN", ("EEG",))
    run = {"outputs": {path.name: sha256(path)}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert checkpoints.load(path)[1] == "FCNN+RNN"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1  # a bit of a weight
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model.safetensors: not as it was written .*; delete it"):
        checkpoints.load(path)


@pytest.mark.parametrize("precision", (torch.bfloat16, torch.float16, torch.float64))
def test_a_network_of_another_precision_is_refused(tmp_path, precision):
    path = tmp_path / "model.safetensors"
    network = build("FCNN+RNN", 1, NETWORK, 1).to(precision)
    checkpoints.save(path, network, "FCNN+RNN", ("EEG",))
    line = rf"model\.safetensors: values of {precision}; networks are computed in torch\.float32"
    with pytest.raises(InputError, match=line):
        checkpoints.load(path)
