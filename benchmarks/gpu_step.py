"""A training step of XSleepNet2 on a GPU: theoretical floor and measured time.

    python benchmarks/gpu_step.py [--channels 1] [--batch 32] [--folds 2 4]

Prints the floor of a step on an H200 (floating-point operations, bytes, and the chain of dependent
recurrent steps), then, with a GPU, milliseconds per step: plain, with the recurrent kernels, as a
CUDA graph, with both, with both and nondeterministic algorithms, and with both and TF32; then those
of several folds that share the GPU. The goal is 4 ms. gpu.md has the measurements.
"""

import argparse
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from multiprocessing import get_context

import torch

from xsleep.compute import device
from xsleep.config.network import NetworkSettings
from xsleep.core.recording import BINS, FRAMES, SAMPLES
from xsleep.networks import build
from xsleep.networks.fast import acceleration, fourier
from xsleep.networks.fast.convolution import MANY
from xsleep.training.step import Graphed, Step

GOAL_MS = 4
FLOAT32, TF32, BANDWIDTH = 67e12, 494e12, 4.8e12
"""Peaks of an H200 SXM by NVIDIA's data sheet: operations a second outside the tensor cores, on
them with dense TF32, and bytes a second."""
LAUNCH = 2e-6
"""Seconds from a kernel of a CUDA graph to the next that waits for it; assumed."""
PASSES = 6
"""Times that a feature map must be written or read: by its convolution and the next one forwards,
and with its gradient by the two products backwards."""
WARM_UP, STEPS = 10, 100


def operations(s: NetworkSettings, channels: int) -> dict[str, float]:
    """Return the floating-point operations of a step per epoch: two per multiply-add.

    The backward pass of a layer has two products of the size of the forward one; the first
    convolution has one, without the gradient of the signals. The other convolutions have three
    products of spectra. Spectra are computed twice of the input and once of the output's gradient,
    and transformed back once for either.
    """
    convolutions, samples = 0, SAMPLES
    for layer, (before, filters) in enumerate(pairwise((channels, *s.filters))):
        rows, taps = (samples + 1) // 2, (s.kernel + 1) // 2
        K, samples = 2 * before, rows
        if taps * K * filters < MANY:
            convolutions += (3 if layer else 2) * 2 * samples * taps * K * filters
            continue
        like = {"dtype": torch.float32, "device": torch.device("cpu")}
        plan = fourier.plan(rows, taps, taps // 2, samples, piece=fourier.PIECE["cuda"], **like)
        f = len(plan.to_input) // 2
        for piece in plan.pieces:
            read, written = (part.stop - part.start for part in (piece.rows, piece.outputs))
            spectra = 2 * f * (3 * read * K + 2 * written * filters)
            convolutions += 2 * (spectra + 3 * 3 * f * K * filters)
    u, bands = s.gru_units, channels * s.filterbank
    gru = sum(2 * 2 * (F + u) * 3 * u for F in [samples * s.filters[-1]] + [u] * (s.gru_layers - 1))
    u = s.frame_units
    frames = 2 * 2 * (bands + u) * 4 * u + 2 * BINS * bands + 2 * 2 * u * s.attention
    lstm = 2 * 2 * (2 * s.frame_units + s.sequence_units) * 4 * s.sequence_units
    return {
        "convolutions": convolutions,
        "recurrent layers between epochs": 3 * (gru + lstm),
        "layers within an epoch's image": 3 * FRAMES * frames,
    }


def traffic(s: NetworkSettings) -> float:
    """Return the bytes of an epoch's feature maps that a step must move."""
    values, samples = 0, SAMPLES
    for filters in s.filters:
        samples = (samples + 1) // 2
        values += samples * filters
    return 4 * PASSES * values


def print_floor(s: NetworkSettings, channels: int, batch: int) -> None:
    epochs = batch * s.sequence_length
    parts = {part: epochs * count for part, count in operations(s, channels).items()}
    total, moved = sum(parts.values()), epochs * traffic(s)
    chain = 2 * (FRAMES + s.sequence_length) + 4 * s.gru_layers * s.sequence_length
    print(f"floor of a step on {batch} sequences of {channels} channel(s), on an H200")
    for part, count in parts.items():
        print(f"  {part}: {count / 1e9:.1f} GFLOP")
    print(f"  {1000 * total / FLOAT32:.2f} ms in float32, {1000 * total / TF32:.2f} ms in TF32")
    print(f"  feature maps: {moved / 1e9:.2f} GB, {1000 * moved / BANDWIDTH:.2f} ms")
    print(f"  chain: {chain} kernels, {1000 * chain * LAUNCH:.2f} ms to launch one after another")


def ready_step(
    channels: int, batch: int, kernels: bool, graph: bool, tf32: bool, exact: bool = True
) -> Callable:
    """Return a step on noise on the GPU, nondeterministic unless ``exact``."""
    place = device.best()
    torch.use_deterministic_algorithms(exact, warn_only=True)
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    acceleration.DEVICES = {"cuda"} if kernels else set()
    settings = NetworkSettings()
    network = build("XSleepNet2", channels, settings, seed=0).to(place).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True, capturable=True)
    step = Step(network, optimizer, "sum")
    step.weigh(dict.fromkeys(network.branches, 1 / 3))
    first = batch, settings.sequence_length
    views = {
        "raw": torch.randn(*first, SAMPLES, channels, device=place),
        "time-frequency": torch.randn(*first, FRAMES, BINS, channels, device=place),
    }
    labels = torch.randint(5, first, device=place)
    run = Graphed(step, place) if graph else step
    for _ in range(WARM_UP):
        run(views, labels)
    return lambda: run(views, labels)


def milliseconds(step: Callable) -> float:
    """Return the milliseconds of a step, the least of five runs."""
    found = []
    for _ in range(5):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize()
        found.append((time.perf_counter() - began) / STEPS * 1000)
    return min(found)


def fold(channels: int, batch: int, barrier, results) -> None:
    """Train in one of several concurrent processes."""
    step = ready_step(channels, batch, kernels=True, graph=True, tf32=False)
    barrier.wait()
    results.put(milliseconds(step))


def together(folds: int, channels: int, batch: int) -> float:
    """Return the milliseconds per step of each of several concurrent folds."""
    context = get_context("spawn")
    barrier, results = context.Barrier(folds), context.SimpleQueue()
    processes = [
        context.Process(target=fold, args=(channels, batch, barrier, results)) for _ in range(folds)
    ]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return max(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--folds", type=int, nargs="*", default=[2, 4])
    arguments = parser.parse_args()
    sizes = arguments.channels, arguments.batch
    print_floor(NetworkSettings(), *sizes)
    if not torch.cuda.is_available():
        print("no GPU here: the step itself is not measured")
        return
    try:
        triton = version("triton")
    except PackageNotFoundError:
        triton = "none"
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, Triton {triton}")
    plain = milliseconds(ready_step(*sizes, kernels=False, graph=False, tf32=False))
    print(f"  plain {plain:.2f} ms, {plain / GOAL_MS:.2f} of the goal")
    for name, *variant in (
        ("kernels", True, False, False),
        ("graph", False, True, False),
        ("kernels and graph", True, True, False),
        ("the same in no fixed order", True, True, False, False),
        ("kernels, graph and TF32", True, True, True),
    ):
        found = milliseconds(ready_step(*sizes, *variant))
        print(
            f"  {name} {found:.2f} ms, {found / GOAL_MS:.2f} of the goal, {found / plain:.2f} plain"
        )
    for folds in arguments.folds:
        found = together(folds, *sizes)
        print(f"  {folds} folds at once: {found:.2f} ms each, {found / folds:.2f} ms a step")


if __name__ == "__main__":
    main()
