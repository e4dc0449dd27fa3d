"""Several processes take the steps of one: by gloo on the CPU, where nothing is dropped."""

import csv
import json
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from tests.conftest import NETWORK, ROOT, make_part
from xsleep.models import build
from xsleep.settings import TrainingSettings
from xsleep.training import Data, train

WHOLE = NETWORK.model_copy(
    update={"convolution_dropout": 0.0, "recurrent_dropout": 0.0, "deepsleepnet_dropout": 0.0}
)
QUICK = TrainingSettings(
    steps=8, batch_size=4, learning_rate=1e-3, evaluate_every=2, blending_window=2
)
MEAN = QUICK.model_copy(update={"loss_reduction": "mean"})
TRAININGS = {
    "XSleepNet2": ("XSleepNet2", WHOLE, QUICK),
    "mean": ("XSleepNet1", WHOLE, MEAN),
    "DeepSleepNet+": ("DeepSleepNet+", WHOLE, QUICK),
    "dropping": ("XSleepNet2", NETWORK, QUICK),
}


def trained(name, folder, store, stop=False):
    """What is said of a training; ``stop`` interrupts it in all processes at once."""
    system, network, settings = TRAININGS[name]
    folder.mkdir(parents=True, exist_ok=True)
    parts = [make_part(store / f"{os.getpid()}", f"n{n}", epochs=16, seed=n) for n in range(5)]
    data = Data(parts[:2], parts[1:3], parts[2:5])

    def report(line):
        if stop and "step 6" in line:
            raise KeyboardInterrupt

    start = build(system, 1, network, seed=1)
    try:
        return train(system, ("EEG",), start, settings, data, 1, folder, report)
    except KeyboardInterrupt:
        return None


def history(folder):
    with (folder / "history.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return [{key: float(value or "nan") for key, value in row.items()} for row in rows]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Folder of what two processes trained, and what was said of it."""
    folder = tmp_path_factory.mktemp("together")
    settings = {"PROCESSES": "2", "FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, ROOT / "tests/train_together.py"],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "facts.json").read_text())


@pytest.mark.parametrize("name", [name for name in TRAININGS if name != "dropping"])
def test_two_processes_give_the_history_of_one_within_rounding(tmp_path, together, name):
    """Losses, accuracies, G, O and the weights of the blend; and the network itself."""
    trained(name, tmp_path, tmp_path / "store")
    folder, _ = together
    one, two = history(tmp_path), history(folder / name)
    assert [row["step"] for row in one] == [0, 2, 4, 6, 8]
    for ours, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-4, abs=1e-6, nan_ok=True)
    ones, twos = (load_file(f / "model.safetensors") for f in (tmp_path, folder / name))
    for key, value in ones.items():
        assert twos[key].numpy() == pytest.approx(value.numpy(), rel=1e-4, abs=1e-5), key
    assert one[-1] != pytest.approx(one[0], rel=1e-2, nan_ok=True)  # it has learned


def test_processes_drop_different_units(together):
    _, said = together
    assert said["seeds"] == [1, 2]


def test_several_processes_go_on_where_they_were_stopped(together):
    folder, said = together
    assert said["facts"]["stopped"]["steps"] == 8
    assert str(history(folder / "stopped")) == str(history(folder / "dropping"))  # NaN is NaN
    stopped, whole = (folder / name / "model.safetensors" for name in ("stopped", "dropping"))
    assert stopped.read_bytes() == whole.read_bytes()


def test_run_says_how_many_processes_trained_it(together):
    assert together[1]["facts"]["XSleepNet2"]["processes"] == 2
