"""Test that a full and a read-only disk are one line at each stage, with nothing left behind."""

import subprocess
import sys

import numpy as np
import pytest

from tests.helpers.disks import fill, make_read_only, small_disk
from tests.helpers.recordings import NETWORK, ROOT, make_part, prepare, write_excerpts
from tests.staging.test_score import waves, write_edf
from xsleep.config.training import TrainingSettings
from xsleep.core import console
from xsleep.core.files import write_csv
from xsleep.databases import source_of
from xsleep.databases.simulated.cohort import Cohort
from xsleep.databases.simulated.files import write_recording
from xsleep.networks import build, checkpoints
from xsleep.results.figures import style
from xsleep.store.predictions import Prediction, write_predictions
from xsleep.training.jobs import TrainingJob
from xsleep.training.parts import Data


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", megabytes=4) as folder:
        yield folder


def simulation(disk, elsewhere):
    write_recording(disk, "SC4001E0", Cohort(subjects=1, hours=3))


def preparation(disk, elsewhere):
    source = source_of(
        reader="dreams",
        folder=write_excerpts(elsewhere / "recordings", 1),
        labels={"EEG": ["C3-A1"]},
    )
    prepare(disk, source, ["EEG"], "excerpt1")


def training(disk, elsewhere):
    parts = [make_part(elsewhere / "store", epochs=8)]
    address = {"system": "ARNN+RNN", "channels": "EEG", "seed": 1}
    settings = TrainingSettings(steps=1, batch_size=2, evaluate_every=1)
    job = TrainingJob(address, settings, disk, 1, lambda line: None)
    job.run(build("ARNN+RNN", 1, NETWORK, 1), Data(parts, parts, parts), inputs={})


def model(disk, elsewhere):
    checkpoints.save(disk / "m.safetensors", build("ARNN+RNN", 1, NETWORK, 1), "ARNN+RNN", ("EEG",))


def predictions(disk, elsewhere):
    stages = np.zeros(9999, int)
    night = Prediction("a", "a", np.arange(9999), stages, {"joint": np.zeros((9999, 5))})
    write_predictions(disk / "predictions.h5", [night])


def table(disk, elsewhere):
    write_csv(disk / "table.csv", [{"row": number} for number in range(9999)])


def figure(disk, elsewhere):
    with style.new_figure(disk / "figure", width=9, height=9) as drawn:
        drawn.subplots().plot(np.random.default_rng(0).normal(size=9999))


STAGES = {
    simulation: "SC4001E0-PSG.edf",
    preparation: "epochs/excerpt1.h5",
    training: "checkpoint.pt",
    model: "m.safetensors",
    predictions: "predictions.h5",
    table: "table.csv",
    figure: "figure.svg",
}


def line_of(stage, disk, tmp_path, capsys):
    """Return the output of a job of the stage."""
    with pytest.raises(SystemExit), console.job(tmp_path / "job.log"):
        stage(disk, tmp_path)
    return capsys.readouterr().err


@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_fills_up_is_one_line_that_names_the_file(disk, tmp_path, capsys, stage):
    (disk / "epochs").mkdir()
    fill(disk, leaving=8192)
    assert line_of(stage, disk, tmp_path, capsys) == (
        f"error: {disk / STAGES[stage]}: cannot be written (No space left on device); "
        "make room (df -h) and give the same command again\n"
    )
    assert {path.name for path in disk.rglob("*")} <= {"fill", "epochs", "spectrograms"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_read_only_disk_is_one_line_that_names_the_file(disk, tmp_path, capsys, stage):
    (disk / "epochs").mkdir()
    make_read_only(disk)
    file = disk if stage is training else disk / STAGES[stage]  # before any training
    assert line_of(stage, disk, tmp_path, capsys) == (
        f"error: {file}: cannot be written (Read-only file system); "
        "allow writing there and give the same command again\n"
    )


def test_the_workflow_begins_with_its_folder(disk):
    make_read_only(disk)
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    done = subprocess.run(
        [*command, "--directory", disk, "--dry-run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert f"\nerror: {disk}: cannot be written (Read-only file system); allow" in done.stdout
    assert "Traceback" not in done.stdout


def score(tmp_path, out, *, jobs):
    """Return the output of `xsleep score` for three recordings, and its status."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in "abc":
        write_edf(folder / f"{name}.edf", [("C4-M1", waves())])
    model(tmp_path, tmp_path)
    command = [sys.executable, "-m", "xsleep", "score", folder, "--model", tmp_path]
    done = subprocess.run(
        [*command[:-1], tmp_path / "m.safetensors", "--out", out, "--jobs", str(jobs)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("jobs", (1, 2))
def test_scoring_ends_with_the_first_recording_that_cannot_be_written(disk, tmp_path, jobs):
    fill(disk)
    status, text = score(tmp_path, disk, jobs=jobs)
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    assert status == 1 and len(errors) == 1 and "Traceback" not in text
    assert errors[0].startswith(f"error: {disk}/") and "make room (df -h)" in errors[0]


def test_scoring_into_a_read_only_folder_is_known_before_it_begins(disk, tmp_path):
    make_read_only(disk)
    assert score(tmp_path, disk, jobs=1) == (
        1,
        f"error: {disk}: cannot be written (Read-only file system); "
        "allow writing there and give the same command again\n",
    )
