"""Feeding, training, going on and scoring on a real GPU."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.gpu.marks import ON_GPU
from tests.helpers.recordings import NETWORK, make_part
from tests.scoring.test_probabilities import network as with_statistics
from tests.training.test_loop import QUICK, RANDOM, history, run
from xsleep.compute import device
from xsleep.config.names import SYSTEMS, TRANSFER_SYSTEMS
from xsleep.scoring.probabilities import score
from xsleep.training import minibatches
from xsleep.training.parts import Data
from xsleep.training.sequences import TrainingSequences

pytestmark = ON_GPU

ALL = SYSTEMS + TRANSFER_SYSTEMS


@pytest.fixture
def data(tmp_path):
    parts = [make_part(tmp_path / "store", f"n{n}", epochs=16, seed=n) for n in range(4)]
    return Data(parts[:2], parts[1:2], parts[2:3])


def results(folder):
    return history(folder, "seconds"), (folder / "model.safetensors").read_bytes()


def test_a_gpu_has_an_index_and_what_is_free_of_it_is_known():
    place = device.best()
    assert place == torch.zeros(1, device=place).device
    assert 0 < device.free_memory(place) <= torch.cuda.get_device_properties(place).total_memory


def test_a_process_takes_no_more_than_its_share():
    """A process limited to 500 MB can allocate 400 MB once; a line says what to do."""
    share = """
import torch
from xsleep.compute import device
from xsleep.core.errors import InputError
try:
    with device.limited_memory(device.CONTEXT + 500):
        place = device.best()
        assert device.free_memory(place) < 501e6
        first = torch.empty(400_000_000, dtype=torch.uint8, device=place)
        torch.empty(400_000_000, dtype=torch.uint8, device=place)
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", share], capture_output=True, text=True)
    assert done.stdout.startswith(f"{torch.cuda.get_device_name()}: too little memory: "), done
    assert "took 0.4 GB of its share of 1,100 MB (gpu_mem_mb) and needs more; let" in done.stdout


@pytest.mark.parametrize("resident", (True, False))
def test_minibatches_are_those_of_the_cpu_wherever_they_come_from(tmp_path, monkeypatch, resident):
    parts = [make_part(tmp_path, f"n{n}", epochs=8 + n, channels=("EEG", "EOG")) for n in range(3)]
    sequences = TrainingSequences(parts, 4, 3, None, seed=1, shuffle="every-pass")
    monkeypatch.setattr(minibatches, "SHARE", 0.5 if resident else 0.0)
    views, steps = ("raw", "time-frequency"), range(2 * len(sequences))
    batches = minibatches.batches(sequences, views, steps, device.best())
    for step, (found, labels) in zip(steps, batches, strict=True):
        arrays, expected = sequences.batch(step, views)
        assert labels.is_cuda == resident
        assert np.array_equal(labels.cpu().numpy(), expected)
        for view in views:
            assert found[view].is_cuda if resident else found[view].is_pinned()
            assert np.array_equal(found[view].cpu().numpy(), arrays[view])


@pytest.mark.parametrize("system", ALL)
def test_one_seed_gives_one_training_wherever_its_minibatches_come_from(
    tmp_path, data, monkeypatch, system
):
    """Twice with the recordings on the GPU, and once with what is read ahead while the step is
    captured."""
    for name in ("one", "two"):
        run(system, data, tmp_path / name)
    monkeypatch.setattr(minibatches, "SHARE", 0.0)
    run(system, data, tmp_path / "read ahead")
    first, *others = (results(tmp_path / name) for name in ("one", "two", "read ahead"))
    assert [first, first] == others


@pytest.mark.parametrize("change", ({}, RANDOM), ids=("as the papers", "random"))
@pytest.mark.parametrize("stop", (0, 2, 4, 6))
@pytest.mark.parametrize("system", ALL)
def test_a_stopped_training_ends_as_if_it_had_not_been_stopped(
    tmp_path, data, system, stop, change
):
    """Before its first step, among those before the capture, right after the latter, and later."""
    settings = QUICK.model_copy(update=change)

    def stopping(line):
        if f"step {stop} " in line:
            raise KeyboardInterrupt

    run(system, data, tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        run(system, data, tmp_path / "stopped", settings, stopping)
    lines = []
    run(system, data, tmp_path / "stopped", settings, lines.append)
    assert f"{system}: resumes from step {stop}" in lines
    assert results(tmp_path / "whole") == results(tmp_path / "stopped")


def test_a_training_that_a_cpu_began_goes_on_on_a_gpu(tmp_path, data, monkeypatch):
    def stopping(line):
        if "step 4 " in line:
            raise KeyboardInterrupt

    with monkeypatch.context() as without, pytest.raises(KeyboardInterrupt):
        without.setattr(torch.cuda, "is_available", lambda: False)
        run("XSleepNet2", data, tmp_path / "run", report=stopping)
    lines = []
    facts = run("XSleepNet2", data, tmp_path / "run", report=lines.append)
    assert "XSleepNet2: resumes from step 4" in lines
    assert facts["device"] == torch.cuda.get_device_name()
    assert facts["steps"] == QUICK.steps


@pytest.mark.parametrize("system", ALL)
def test_a_recording_is_scored_as_on_a_cpu_and_the_same_twice(tmp_path, system):
    part, network = make_part(tmp_path, epochs=40), with_statistics(system)
    there = copy.deepcopy(network).to(device.best())
    (expected,), (first,), (second,) = (score(n, [part], None) for n in (network, there, there))
    assert NETWORK.sequence_length < len(part)
    for branch, values in expected.probabilities.items():
        found = first.probabilities[branch]
        assert np.array_equal(found, second.probabilities[branch])
        # Logits of about 1 are off by some roundings in each of ten layers: 1e-5 at most.
        assert np.abs(found - values).max() < 1e-4
