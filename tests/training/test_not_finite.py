"""Nothing that is not finite gets past a loss or a score."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.recordings import NETWORK, make_part
from tests.training.test_loop import interrupted, run
from xsleep.core.errors import InputError
from xsleep.networks import build
from xsleep.scoring.probabilities import score
from xsleep.training import CHECKPOINT, loop, resume
from xsleep.training.blending import Blend, Policy
from xsleep.training.evaluation import evaluate
from xsleep.training.parts import Data


@pytest.fixture
def parts(tmp_path):
    return [make_part(tmp_path / "store", f"n{n}", epochs=16, seed=n) for n in range(4)]


@pytest.fixture
def data(parts):
    return Data(parts[:2], parts[1:2], parts[2:3])


def spoiled(part, value=np.nan):
    """The part with one value in epoch 7 that is not finite."""

    def read(view):
        def values(start, stop, out=None):
            array = getattr(part.data, view)(start, stop, out)
            if start <= 7 < stop:
                array[7 - start, 5] = value
            return array

        return values

    views = {view: read(view) for view in ("raw", "time_frequency")}
    facts = {name: getattr(part.data, name) for name in ("channels", "hashes", "sums")}
    return replace(part, data=SimpleNamespace(**views, **facts))


def test_losses_tell_for_which_recordings_they_are_not_finite(parts):
    network = build("XSleepNet2", 1, NETWORK, seed=3)
    assert evaluate(network, parts, None).not_finite == ()
    mixed = [parts[0], spoiled(parts[1]), spoiled(parts[2]), parts[3]]
    losses = evaluate(network, mixed, None)
    assert losses.not_finite == ("n1", "n2")
    assert np.isnan([losses.sums[branch] for branch in network.branches]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("system", ["XSleepNet2", "ARNN+RNN", "FCNN+RNN"])
@pytest.mark.parametrize(
    ("role", "name", "recording"),
    [("training_subset", "training subset", "n1"), ("validation", "validation set", "n2")],
)
def test_losses_that_are_not_finite_end_a_run_and_name_the_recording(
    tmp_path, data, parts, system, role, name, recording, value
):
    bad = [parts[0], *(spoiled(part, value) for part in getattr(data, role))]
    with pytest.raises(InputError) as error:
        run(system, replace(data, **{role: bad}), tmp_path / "run")
    line = f"{tmp_path / 'run'}: the losses of {system} on the {name} at step 0 are "
    assert str(error.value).startswith(line)
    assert f", because of {recording}; look for broken signals there" in str(error.value)
    assert not list((tmp_path / "run").iterdir())


def test_a_network_that_breaks_between_two_evaluations_ends_its_run(tmp_path, data, monkeypatch):
    """While the loss of the step before was finite."""
    calls = []

    def broken_later(network, *arguments):
        calls.append(arguments)
        if len(calls) == 5:  # of two sets, at steps 0, 2 and 4
            next(network.parameters()).data.fill_(np.nan)
        return evaluate(network, *arguments)

    monkeypatch.setattr(loop, "evaluate", broken_later)
    line = r"on the training subset at step 4 are joint nan, because of n1; "
    with pytest.raises(InputError, match=line):
        run("Naive Fusion", data, tmp_path / "run")


@pytest.mark.parametrize("weight", [0.0, np.nan, np.inf])
def test_loss_weights_that_train_nothing_end_a_run(tmp_path, data, monkeypatch, weight):
    class Broken(Policy):
        evaluations = 0

        def update(self, losses, *others):
            self.evaluations += 1
            if self.evaluations < 3:
                return super().update(losses, *others)
            return Blend(dict.fromkeys(losses, weight))

    monkeypatch.setattr(loop, "policy", lambda *arguments: Broken())
    with pytest.raises(InputError, match=f"no training at step 4 .* raw {weight:g}, .* lower"):
        run("XSleepNet2", data, tmp_path / "run")


def test_a_run_does_not_go_on_with_loss_weights_that_train_nothing(tmp_path, data):
    interrupted("XSleepNet2", data, tmp_path / "run", step=4)
    path = tmp_path / "run" / CHECKPOINT
    saved = resume.read(path)
    saved["progress"]["weights"] = dict.fromkeys(saved["progress"]["weights"], 0.0)
    resume.write(path, saved)
    with pytest.raises(InputError, match=f"no training at step 4 .*; delete {path} if"):
        run("XSleepNet2", data, tmp_path / "run")


def test_recordings_without_one_whole_sequence_end_a_run_in_one_line(tmp_path, data):
    short = make_part(tmp_path / "store", "short", epochs=NETWORK.sequence_length - 1)
    with pytest.raises(InputError, match="short: nothing to train on"):
        run("XSleepNet2", replace(data, training=[short]), tmp_path / "run")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_probabilities_that_are_not_finite_are_refused_and_name_the_recording(parts, value):
    """An epoch spoils those of the sequences that hold it."""
    network = build("XSleepNet2", 1, NETWORK, seed=3).eval()
    assert len(score(network, parts, None)) == 4
    epochs = 2 * NETWORK.sequence_length - 1
    with pytest.raises(InputError, match=f"^n1: the raw probabilities of {epochs} of its 16 epo"):
        score(network, [parts[0], spoiled(parts[1], value), parts[2]], None)
