"""Minibatches are the same however they come."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.helpers.recordings import make_part
from xsleep.training import minibatches
from xsleep.training.sequences import TrainingSequences

CPU = torch.device("cpu")
VIEWS = ("raw", "time-frequency")


@pytest.fixture
def sequences(tmp_path):
    parts = [
        make_part(tmp_path, f"n{n}", epochs=8 + n, channels=("EEG", "EOG"), seed=n)
        for n in range(3)
    ]
    return TrainingSequences(parts, 4, 3, None, seed=1, shuffle="every-pass")


def check(batches, sequences, steps, views=VIEWS):
    for step, (found, labels) in zip(steps, batches, strict=True):
        arrays, expected = sequences.batch(step, views)
        assert list(found) == list(views)
        for view in views:
            assert np.array_equal(found[view].numpy(), arrays[view])
        assert np.array_equal(labels.numpy(), expected) and labels.dtype == torch.int64


@pytest.mark.parametrize("views", (VIEWS, VIEWS[:1], VIEWS[1:]), ids=str)
def test_minibatches_are_read_ahead_in_their_order(sequences, views):
    steps = range(2, 2 * len(sequences))
    check(minibatches.batches(sequences, views, steps, CPU), sequences, steps, views)


def test_recordings_on_the_device_give_the_same_minibatches(sequences):
    steps = range(2 * len(sequences))
    check(map(minibatches.Resident(sequences, VIEWS, CPU).batch, steps), sequences, steps)


@pytest.mark.parametrize("spare", (0, -1))
def test_recordings_are_for_a_gpu_that_half_of_is_enough_for_them_without_one_to_copy_them_to(
    sequences, spare, monkeypatch
):
    size = (8 + 9 + 10) * (3000 + 29 * 129) * 2 * 4  # epochs, values, channels, bytes
    device = SimpleNamespace(type="cuda")
    monkeypatch.setattr(minibatches, "free_memory", lambda given: 2 * size + spare)
    resident = []

    def recorded(sequences, views, given):
        resident.append(given is device)
        return kept(sequences, views, CPU)

    kept = minibatches.Resident
    monkeypatch.setattr(minibatches, "Resident", recorded)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda values: values)
    check(minibatches.batches(sequences, VIEWS, range(3), device), sequences, range(3))
    assert resident == ([True] if spare == 0 else [])
