"""One fold of SleepEDF-20 on a CPU, extrapolated from parts, compared with the released code.

    python benchmarks/fold.py [--threads 2]

XSleepNet2, one channel, 10 passes over the training sequences in minibatches of 32, evaluation of
the validation set and the loss-weight subset every 100 steps. The released code evaluates the test
set as often, for logging (train_xsleepnet2.py); here it is scored once, at the end. Numbers of
sequences are means over the 20 published folds, in bed. The released code evaluates each sequence
with the whole network; here neighbouring sequences share computations on single epochs.

Both are measured in floors, the time of a step's convolutions at the machine's matrix rate, because
the figures of the released graph (5.4 s per step, 1.7 s per evaluated minibatch) are from another
machine, whose two cores reached 192 GFLOP/s. The goal is a tenth of its time.
"""

import argparse

import numpy as np
import torch
from timing import machine, over_floor
from training_step import convolution_flop, training_step
from xsleep.scoring.score_file import HeldData

from xsleep.compute.device import keep_memory
from xsleep.config.network import NetworkSettings
from xsleep.networks import build
from xsleep.store.recordings import RecordingInfo
from xsleep.training.evaluation import evaluate
from xsleep.training.sequences import Part

TRAINING, EVALUATED, TEST = 28_145, 7_398 + 7_477, 1_870
"""Sequences of a fold: training; validation and loss-weight subset; test."""
BATCH, PASSES, EVERY = 32, 10, 100
RELEASED_STEP, RELEASED_BATCH, RELEASED_RATE = 5.4, 1.7, 192e9
EPOCHS = 978
"""Epochs of the night that is evaluated here: the mean in bed."""
GOAL = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    keep_memory()
    settings = NetworkSettings()
    flop = convolution_flop(1, settings)
    network = build("XSleepNet2", 1, settings, seed=0)

    rng = np.random.default_rng(0)
    data = HeldData(
        ("EEG",),
        rng.normal(0, 20, (EPOCHS, 3000, 1)).astype("f4"),
        rng.normal(0, 10, (EPOCHS, 29, 129, 1)).astype("f4"),
    )
    places, stages = np.arange(EPOCHS), rng.integers(0, 5, EPOCHS).astype("i1")
    part = Part(RecordingInfo("night", "", places, 30.0 * places, stages), data)
    night_seconds, night = over_floor(lambda: evaluate(network, [part], None), flop, 5)
    step_seconds, step = over_floor(training_step(network, 1), flop, 5)

    steps = PASSES * (TRAINING // BATCH - 1)
    evaluations = 1 + steps // EVERY
    sequences = EPOCHS - settings.sequence_length + 1
    ours = steps * step, (evaluations * EVALUATED + TEST) / sequences * night
    floor = flop / RELEASED_RATE
    released = (
        steps * RELEASED_STEP / floor,
        evaluations * (EVALUATED + TEST) / BATCH * RELEASED_BATCH / floor,
    )
    print(f"{machine()}; {steps:,} steps, {evaluations} evaluations")
    print(f"a step {step_seconds:.2f} s; evaluating {sequences} sequences {night_seconds:.2f} s")
    for name, (training, evaluation) in (("released", released), ("here", ours)):
        total = training + evaluation
        print(
            f"{name:9s} {training:9,.0f} floors of training, {evaluation:9,.0f} of evaluation: "
            f"{total * floor / 3600:5.1f} h at 192 GFLOP/s"
        )
    times = [theirs / mine for theirs, mine in zip(released, ours, strict=True)]
    print(
        f"{sum(released) / sum(ours):.1f} times faster (goal {GOAL}): training {times[0]:.1f}, "
        f"evaluation {times[1]:.0f} times"
    )


if __name__ == "__main__":
    main()
