"""Several processes take the steps of one: by gloo on the CPU, where nothing is dropped."""

import csv
import json
import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from tests.helpers.recordings import NETWORK, ROOT, make_part
from tests.helpers.rounding import CHAIN, DOUBLE, assert_alike, in_double, of_sum, of_weights
from xsleep.config.training import TrainingSettings
from xsleep.networks import build
from xsleep.training.blending import policy
from xsleep.training.loop import train
from xsleep.training.parts import Data, Training

WHOLE = NETWORK.model_copy(
    update={"convolution_dropout": 0.0, "recurrent_dropout": 0.0, "deepsleepnet_dropout": 0.0}
)
QUICK = TrainingSettings(
    steps=8, batch_size=4, learning_rate=1e-3, evaluate_every=2, blending_window=2
)
MEAN = QUICK.model_copy(update={"loss_reduction": "mean", "weight_averaging": 0.5})
RANDOM = QUICK.model_copy(update={"polarity": True, "gain": 2.0, "weight_averaging": 0.5})
TRAININGS = {
    "XSleepNet2": ("XSleepNet2", WHOLE, QUICK),
    "mean": ("XSleepNet1", WHOLE, MEAN),
    "DeepSleepNet+": ("DeepSleepNet+", WHOLE, QUICK),
    "dropping": ("XSleepNet2", NETWORK, RANDOM),
}


def trained(name, folder, store, stop=False):
    """Return the log lines of a training; ``stop`` interrupts it in all processes at once.

    Those that are compared compute in double precision, of which their steps leave most digits.
    """
    system, network, settings = TRAININGS[name]
    folder.mkdir(parents=True, exist_ok=True)
    parts = [make_part(store / f"{os.getpid()}", f"n{n}", epochs=16, seed=n) for n in range(5)]
    data = Data(parts[:2], parts[1:3], parts[2:5])

    def report(line):
        if stop and "step 6" in line:
            raise KeyboardInterrupt

    start = build(system, 1, network, seed=1)
    if network is WHOLE:
        in_double(start)
    try:
        return train(start, Training(system, ("EEG",), 1, settings, data), folder, report)
    except KeyboardInterrupt:
        return None


def history(folder):
    with (folder / "history.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return [{key: float(value or "nan") for key, value in row.items()} for row in rows]


def run(processes, folder):
    """All trainings in so many processes; what was said of them."""
    settings = {"PROCESSES": str(processes), "FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, ROOT / "tests/helpers/train_together.py"],
        env=os.environ | settings | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "facts.json").read_text())


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Folder of what one process trained."""
    folder = tmp_path_factory.mktemp("alone")
    run(1, folder)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Folder of what two processes trained, and what was said of it."""
    folder = tmp_path_factory.mktemp("together")
    return folder, run(2, folder)


def follow(name, rows):
    """Assert that weights, G and O of a history are those of its own losses."""
    system, _, settings = TRAININGS[name]
    branches = [key.removesuffix(" weight") for key in rows[0] if key.endswith(" weight")]
    sequences = {"training": 24, "validation": 36}  # of two and three recordings with 12 each
    blending = policy(system, settings)
    for row in rows:
        sums = [{b: n * row[f"{b} {part} loss"] for b in branches} for part, n in sequences.items()]
        blend = blending.update(*sums, tuple(sequences.values()))
        found = {b: row[f"{b} weight"] for b in branches}
        if not blend.generalisation:
            assert found == blend.weights
            continue
        # Two slopes through two points, each the mean of two losses that were means before.
        bound = of_sum(16, max(max(each.values()) for each in sums), DOUBLE)
        for measure, values in (("G", blend.generalisation), ("O", blend.overfitting)):
            assert values == pytest.approx({b: row[f"{b} {measure}"] for b in branches}, 0, bound)
        assert found == pytest.approx(blend.weights, 0, of_weights(blend.generalisation, bound))


@pytest.mark.parametrize("name", [name for name in TRAININGS if name != "dropping"])
def test_two_processes_give_the_history_of_one_within_rounding(alone, together, name):
    """Losses, accuracies and the network itself; and the blend, as the losses of each have it."""
    folders = alone / name, together[0] / name
    one, two = map(history, folders)
    assert [row["step"] for row in one] == [0, 2, 4, 6, 8]
    for ours, theirs in zip(one, two, strict=True):
        for key, value in ours.items():
            if key.endswith((" loss", " accuracy")):
                assert theirs[key] == pytest.approx(value, rel=CHAIN * DOUBLE), key
    for rows in (one, two):
        follow(name, rows)
    assert_alike(*(load_file(f / "model.safetensors") for f in reversed(folders)))
    for key in (key for key in one[0] if key.endswith(" loss")):  # far more than rounding
        assert one[-1][key] != pytest.approx(one[0][key], rel=1e4 * CHAIN * DOUBLE)


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
