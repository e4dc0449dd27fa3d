"""Memory does not grow with the length of a training."""

import gc
import tracemalloc

import torch

from tests.helpers.recordings import NETWORK, make_part
from xsleep.config.training import TrainingSettings
from xsleep.networks import build
from xsleep.training.loop import train
from xsleep.training.parts import Data, Training

PASSES = 100
"""Over the training set, of one minibatch each."""


def test_a_hundred_epochs_of_training_hold_no_more_than_twenty(tmp_path):
    parts = [make_part(tmp_path / "store", f"n{n}", epochs=8, seed=n) for n in range(3)]
    settings = TrainingSettings(
        steps=PASSES, batch_size=4, evaluate_every=10, patience=None, blending_window=2
    )
    held = {}

    def report(line):
        for step in (20, PASSES):
            if f"step {step} " in f"{line} ".replace(":", " ").replace(",", " "):
                gc.collect()
                tensors = sum(issubclass(type(kept), torch.Tensor) for kept in gc.get_objects())
                held[step] = tensors, tracemalloc.get_traced_memory()[0]

    run = Training("XSleepNet2", ("EEG",), 1, settings, Data(parts[:1], parts[1:2], parts[2:]))
    folder = tmp_path / "run"
    folder.mkdir()
    tracemalloc.start()
    try:
        train(build("XSleepNet2", 1, NETWORK, seed=1), run, folder, report)
    finally:
        tracemalloc.stop()
    (tensors, size), (tensors_at_end, size_at_end) = held[20], held[PASSES]
    assert tensors_at_end <= tensors
    assert size_at_end - size < 1000 * PASSES  # bytes: rows of the history, and no signals
