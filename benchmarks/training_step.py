"""One training step relative to its matrix floor, on a CPU.

    python benchmarks/training_step.py [--threads 2] [--channels 1] [--repeats 7]

The floor is the time of the nine convolutions of a minibatch of 32 sequences of 20 epochs, forward
and backward, at this machine's matrix rate (188 GFLOP with one channel). The goal is 1.8 times that
for XSleepNet in fp32. The released TensorFlow graph takes 5.5 times, a port to PyTorch's own layers
3.5 times (measured elsewhere).

The time-frequency stream is compared with the same stream of PyTorch's own LSTM, which is another
function: without batch normalisation. bf16 is not offered (README.md); the ratio of the two matrix
rates is printed, to show what a processor could gain by it.
"""

import argparse
import copy
import statistics
from collections.abc import Callable

import torch
from timing import machine, over_floor, seconds
from torch import Tensor, nn
from torch.nn import functional

from xsleep.compute.device import keep_memory
from xsleep.config.names import SYSTEMS
from xsleep.config.network import NetworkSettings
from xsleep.networks import Network, build
from xsleep.networks.recurrent import Bidirectional

BATCH, LENGTH = 32, 20
GOAL = 1.8


def convolution_flop(channels: int, settings: NetworkSettings) -> float:
    """Return the FLOP of a step: outputs and both gradients, without that of the signals."""
    flop, samples = 0.0, 3000
    for layer, filters in enumerate(settings.filters):
        samples = (samples + 1) // 2
        products = BATCH * LENGTH * samples * settings.kernel * channels * filters
        flop += 2 * products * (2 if layer == 0 else 3)
        channels = filters
    return flop


def training_step(network: Network, channels: int) -> Callable[[], None]:
    """Return a function that makes a step on noise: forward, backward, Adam."""
    raw = 20 * torch.randn(BATCH, LENGTH, 3000, channels)
    images = torch.randn(BATCH, LENGTH, 29, 129, channels)
    stages = torch.randint(0, 5, (BATCH * LENGTH,))
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)

    def step() -> None:
        network.train()
        logits = network(raw, images).values()
        loss = sum(functional.cross_entropy(one.flatten(0, 1), stages) for one in logits)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


class LibraryLSTM(nn.Module):
    """PyTorch's LSTM in place of a `Bidirectional` of this project."""

    def __init__(self, like: Bidirectional):
        super().__init__()
        features, gates = like.fw.W_xh.shape
        self.lstm = nn.LSTM(features, gates // 4, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


def with_library_lstm(network: Network) -> Network:
    """Return a copy of an ARNN+RNN whose LSTMs are PyTorch's."""
    network = copy.deepcopy(network)
    frames, view = network.epoch["time-frequency"], "time-frequency"
    frames.rnn, network.sequence[view] = map(LibraryLSTM, (frames.rnn, network.sequence[view]))
    return network


def times(step: Callable[[], None], other: Callable[[], None], repeats: int) -> float:
    """Return the median ratio of the seconds of two steps, taken in turns."""
    step(), other()
    return statistics.median(seconds(step) / seconds(other) for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_memory()
    C, settings = arguments.channels, NetworkSettings()
    flop = convolution_flop(C, settings)

    print(f"{machine()}; {flop / 1e9:.0f} GFLOP in the convolutions")
    for system in SYSTEMS:
        if system == "XSleepNet1":  # same step as XSleepNet2
            continue
        network = build(system, C, settings, seed=0)
        step = training_step(network, C)
        took, ratio = over_floor(step, flop, arguments.repeats)
        goal = f" (goal {GOAL})" if system.startswith("XSleepNet") else ""
        print(f"{system:13s} {took:5.2f} s a step, {ratio:4.2f} times the floor{goal}")
        if system == "ARNN+RNN":
            other = training_step(with_library_lstm(network), C)
            print(
                f"{'':13s} {times(step, other, arguments.repeats):.1f} times as long as PyTorch's"
            )

    a, b = torch.randn(2, 512, 512).bfloat16()
    c, d = torch.randn(2, 512, 512)
    half, full = (
        min(seconds(lambda x=x, y=y: x @ y) for _ in range(5)) for x, y in ((a, b), (c, d))
    )
    print(f"bf16 products take {half / full:.2f} times as long as fp32 ones on this machine")


if __name__ == "__main__":
    main()
