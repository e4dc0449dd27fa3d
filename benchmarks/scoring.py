"""One recording with XSleepNet2, from EDF to hypnogram.

    python benchmarks/scoring.py [--threads 2] [--hours 8] [--repeats 5]

Measures ``xsleep score`` without process start: the checkpoint and the recording are read, the
signal is filtered, spectrograms are computed, every sequence of 20 epochs is scored, and the
hypnogram is written. For part of the recording, the plain method, in which each sequence passes the
whole network, is measured too. The goal is 3 s for 8 hours on two cores.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import edfio
import numpy as np
import torch
from timing import machine, seconds
from xsleep.scoring.score_file import score_file

from xsleep.config.network import NetworkSettings
from xsleep.networks import build, checkpoints

GOAL_SECONDS = 3
LABEL = "EEG Fpz-Cz"
SEQUENCES = 32
"""That go the plain way, as one minibatch."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = build("XSleepNet2", 1, NetworkSettings(), seed=0).eval()
    network.set_normalisation(torch.full((129, 1), -1.0), torch.full((129, 1), 10.0))

    with tempfile.TemporaryDirectory() as name:
        model, night, out = (Path(name) / file for file in ("model.safetensors", "n.edf", "h.csv"))
        checkpoints.save(model, network, "XSleepNet2", ("EEG",))
        noise = np.random.default_rng(0).normal(0, 20, int(arguments.hours * 360_000))
        signal = edfio.EdfSignal(noise, 100, label=LABEL, physical_dimension="uV")
        edfio.Edf([signal]).write(night)

        def score() -> None:
            score_file(model, night, out, labels=[LABEL])

        score()
        took = [seconds(score) for _ in range(arguments.repeats)]
    length = network.settings.sequence_length
    raw = 20 * torch.randn(SEQUENCES, length, 3000, 1)
    images = torch.randn(SEQUENCES, length, 29, 129, 1)

    @torch.inference_mode()
    def plainly() -> None:
        network(raw, images)

    plainly()
    sequences = int(arguments.hours * 120) - length + 1
    plain = statistics.median(seconds(plainly) for _ in range(3)) * sequences / SEQUENCES
    ours = statistics.median(took)
    print(machine())
    print(
        f"{arguments.hours:g} h: {ours:.2f} s (least {min(took):.2f}; goal for 8 h: "
        f"{GOAL_SECONDS}), {plain / ours:.0f} times faster than {sequences} sequences one by one "
        f"({plain:.0f} s, extrapolated)"
    )


if __name__ == "__main__":
    main()
