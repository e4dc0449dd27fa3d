"""A training step of XSleepNet2 on a GPU: floor, variants, parts, several trainings at once.

    python benchmarks/gpu_step.py [--output figures.csv] [--seconds 170] [--only REGEX]
    python benchmarks/gpu_step.py --tiny

Prints a line for each figure as it is measured, and what was not measured and why. ``--tiny`` runs
all of it on the CPU with a tiny network, to show that it runs. gpu.md has the measurements.

Losses and gradients are beside those of the plain functions at the same sizes with the same random
numbers, so that no speed is shown of something wrong: differences are relative to the norm.
"""

import argparse
import csv
import gc
import math
import os
import platform
import queue
import re
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby, pairwise
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from processes import alone
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from xsleep.compute import device, sharing
from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError, reason
from xsleep.core.recording import BINS, FRAMES, SAMPLES, SHAPES
from xsleep.networks import build
from xsleep.networks.fast import acceleration, convolution, fourier, streams
from xsleep.training.evaluation import evaluate
from xsleep.training.step import Graphed, Step

try:
    from xsleep.networks.fast import kernels
except ImportError:  # without Triton
    kernels = None

FLOAT32, PRODUCT, TF32, BANDWIDTH = 67e12, 51e12, 494e12, 4.8e12
"""Operations a second of an H200: its peak outside the tensor cores (NVIDIA's data sheet), a large
product of matrices (measured), with dense TF32; and bytes a second."""
LAUNCH = 2e-6
"""Seconds from a kernel of a CUDA graph to the next that waits for it; assumed."""
PASSES = 6
"""Times that a feature map must be written or read: by its convolution and the next one forwards,
and with its gradient by the two products backwards."""

FIRST = Graphed.WARM_UP + 3
"""First steps, of which losses are compared; the last of them are replayed."""
REPEATS = 3
"""Runs of a step, of which the fastest counts."""
SAME = 20
"""Steps of two trainings of one seed."""
WAIT = 60
"""Seconds that a process may take to be ready."""

BEGAN = time.monotonic()


@dataclass(frozen=True)
class Variant:
    """A training step. The defaults are those of a training."""

    name: str = "default (kernels, graph, two streams)"
    kernels: bool = True
    graph: bool = True
    streams: bool = True
    exact: bool = True
    tf32: bool = False
    library: bool = False  # the library's convolutions in place of spectra
    piece: int = fourier.PIECE["cuda"]
    fused: bool = False  # one kernel around a convolution
    constants: dict[str, object] = field(default_factory=dict)  # of xsleep.networks.fast.kernels
    system: str = "XSleepNet2"
    channels: int = 1
    batch: int = 32


DEFAULT = Variant()
PLAIN = Variant("plain", kernels=False, graph=False, streams=False)
MAIN = (
    DEFAULT,
    PLAIN,
    replace(PLAIN, name="kernels", kernels=True),
    replace(PLAIN, name="graph", graph=True),
    Variant("kernels and graph, one stream", streams=False),
)
THREE_PARTS, APART = {"PRECISION": "tf32x3"}, {"APART": True}
CANDIDATES = (
    Variant("tf32x3 in the kernels", constants=THREE_PARTS),
    Variant("rows of the LSTM shared by more programs", constants=APART),
    Variant("fused kernels around the convolutions", fused=True),
    Variant("the three together", fused=True, constants=THREE_PARTS | APART),
)
OTHERS = (
    Variant("rows shared, one unit a program", constants=APART | {"UNITS": 1}),
    Variant("64 elements of a product at once", constants={"DEPTH": 64}),
    Variant("TF32", tf32=True),
    Variant("the library's convolutions", library=True),
    Variant("the library's convolutions, TF32", library=True, tf32=True),
    Variant("no fixed order", exact=False),
    Variant("64 sequences", batch=64),
    Variant("128 sequences", batch=128),
    Variant("3 channels", channels=3),
    Variant("FCNN+RNN", system="FCNN+RNN"),
    Variant("ARNN+RNN", system="ARNN+RNN"),
    Variant("pieces of 24 outputs", piece=24),
    Variant("pieces of 47 outputs", piece=47),
    Variant("pieces of 188 outputs", piece=188),
)

GROUPS = {
    "products of the LSTM": r"_lstm_product",
    "LSTM backwards": r"_lstm\w*backward",
    "LSTM forwards": r"_lstm",
    "GRU backwards": r"_gru\w*backward",
    "GRU forwards": r"_gru",
    "fused around convolutions": r"_leaky_dropout",
    "optimiser": r"adam|multi_tensor",
    "convolutions of the library": r"conv|cudnn|fprop|wgrad|dgrad",
    "products of matrices": r"gemm|gemv|xmma|cutlass|nvjet|split_?k|cublas|::\w*mm\b",
    "random numbers": r"distribution|random",
    "sums": r"reduce|::(sum|var_mean|mean)\b",
    "copies": r"copy|memcpy|memset|cat",
    "elementwise": r"elementwise|::(add|mul|div|sub|sigmoid|tanh|exp|ge|leaky_relu)\w*",
    "other": r"",
}
"""Parts of a step by the names of kernels, each by the first pattern that is found."""


@dataclass(frozen=True)
class Scale:
    """Size of what is measured.

    Attributes:
        settings: of the network.
        part: of a minibatch, as a divisor.
        seconds: of a run.
        steps: that the profiler follows.
        epochs: that are evaluated.
        at_once: numbers of trainings.
    """

    settings: NetworkSettings
    part: int
    seconds: float
    steps: int
    epochs: int
    at_once: tuple[int, int]


FULL = Scale(NetworkSettings(), part=1, seconds=0.4, steps=10, epochs=2048, at_once=(2, 4))
TINY_NETWORK = NetworkSettings(
    filters=(4, 4),
    kernel=5,
    gru_units=6,
    filterbank=6,
    frame_units=6,
    attention=5,
    sequence_units=6,
    sequence_length=5,
)
TINY = Scale(TINY_NETWORK, part=16, seconds=0.005, steps=1, epochs=40, at_once=(1, 2))


class Figure(NamedTuple):
    """A value that was measured, of a part of what was."""

    quantity: str
    value: float | str
    unit: str = ""
    part: str = ""


Figures = Iterator[Figure]


# The floor


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
        if taps * K * filters < convolution.MANY:
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


def floor(s: NetworkSettings) -> Figures:
    """Yield the floor of the default step on an H200."""
    epochs = DEFAULT.batch * s.sequence_length
    parts = operations(s, DEFAULT.channels)
    for part, count in parts.items():
        yield Figure(part, epochs * count / 1e9, "GFLOP")
    total = 1000 * epochs * sum(parts.values())
    rates = {"peak": FLOAT32, "rate of a large product": PRODUCT, "peak of TF32": TF32}
    for name, rate in rates.items():
        yield Figure(f"at the {name}", total / rate, "ms")
    yield Figure("feature maps", 1000 * epochs * traffic(s) / BANDWIDTH, "ms")
    chain = 2 * (FRAMES + s.sequence_length) + 4 * s.gru_layers * s.sequence_length
    yield Figure("kernels one after another", chain)
    yield Figure("their launches", 1000 * chain * LAUNCH, "ms")


# A variant


@contextmanager
def applied(variant: Variant) -> Iterator[torch.device]:
    """Switch the project to a variant, and yield the device."""
    switches = [
        (device, "TF32", variant.tf32),
        (acceleration, "DEVICES", {"cuda"} if variant.kernels else set()),
        (streams, "DEVICES", {"cuda"} if variant.streams else set()),
        (fourier, "PIECE", fourier.PIECE | {"cuda": variant.piece}),
        (convolution, "MANY", math.inf if variant.library else convolution.MANY),
        (convolution, "FUSED", variant.fused),
    ]
    if kernels:
        switches += [(kernels, name, value) for name, value in variant.constants.items()]
    for chosen in (acceleration._chosen, convolution._fused):
        chosen.cache_clear()  # kernels are compared with the plain functions anew
    with ExitStack() as stack:
        for module, name, value in switches:
            stack.enter_context(patch.object(module, name, value))
        place = device.best()
        if not variant.exact:
            torch.use_deterministic_algorithms(False)
        yield place


class Training:
    """A network that trains on one minibatch of noise."""

    def __init__(self, variant: Variant, scale: Scale, place: torch.device) -> None:
        network = build(variant.system, variant.channels, scale.settings, seed=0)
        self.network = network.to(place).train()
        optimizer = torch.optim.Adam(
            network.parameters(), 1e-4, fused=True, capturable=place.type == "cuda"
        )
        step = Step(network, optimizer, "sum")
        step.weigh(dict.fromkeys(network.branches, 1 / len(network.branches)))
        self.take = Graphed(step, place) if variant.graph and place.type == "cuda" else step
        generator = torch.Generator().manual_seed(1)
        first = variant.batch // scale.part, scale.settings.sequence_length
        self.views = {
            view: torch.randn(*first, *SHAPES[view], variant.channels, generator=generator)
            for view in network.views
        }
        self.views = {view: values.to(place) for view, values in self.views.items()}
        self.labels = torch.randint(5, first, generator=generator).to(place)
        torch.manual_seed(1)

    def step(self) -> torch.Tensor:
        return self.take(self.views, self.labels)

    def gradients(self) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in self.network.parameters()])


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def clear_workspaces() -> None:
    """Free the workspaces of cuBLAS: 32 MiB for each stream and thread that multiplied matrices.

    A training has streams of its own, so they would add up. One that a graph was captured with
    stays in the graph's memory, and the next graph has another.
    """
    if torch.cuda.is_available():
        torch._C._cuda_clearCublasWorkspaces()


def milliseconds(step: Callable[[], object], seconds: float) -> float:
    """Return the milliseconds of a step, of the fastest of several runs of these seconds."""

    def run(steps: int) -> float:
        synchronize()
        began = time.perf_counter()
        for _ in range(steps):
            step()
        synchronize()
        return (time.perf_counter() - began) / steps

    steps = max(1, round(seconds / run(1)))
    return 1000 * min(run(steps) for _ in range(REPEATS))


def begun(training: Training) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses of the first steps, and the gradients of the first."""
    losses = [training.step().clone()]
    gradients = training.gradients()
    losses += [training.step().clone() for _ in range(FIRST - 1)]
    return torch.stack(losses).cpu(), gradients.cpu()


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the norm of a difference, relative to that of what is expected."""
    return float((found - expected).norm() / expected.norm())


EXPECTED: dict[tuple, tuple[torch.Tensor, torch.Tensor]] = {}
"""Losses and gradients of the plain functions, by system, channels and sequences."""


def measured(variant: Variant, scale: Scale) -> Figures:
    """Yield the figures of a variant, those of its correctness before its speed."""
    system, channels, batch = sizes = variant.system, variant.channels, variant.batch
    if sizes not in EXPECTED:
        plain = replace(PLAIN, system=system, channels=channels, batch=batch)
        with applied(plain) as place:
            EXPECTED[sizes] = begun(Training(plain, scale, place))
    if torch.cuda.is_available():
        gc.collect()
        clear_workspaces()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with applied(variant) as place, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", RuntimeWarning)
        training = Training(variant, scale, place)
        synchronize()
        began = time.perf_counter()
        losses, gradients = begun(training)
        ready = time.perf_counter() - began
        yield Figure("losses off by", difference(losses, EXPECTED[sizes][0]))
        yield Figure("gradients off by", difference(gradients, EXPECTED[sizes][1]))
        yield Figure("step", milliseconds(training.step, scale.seconds), "ms")
        yield Figure(f"first {FIRST} steps", ready, "s")
        if place.type == "cuda":
            yield Figure("memory", torch.cuda.max_memory_reserved() / 1e6, "MB")
    for line in {str(warning.message) for warning in told}:
        yield Figure("warning", line)


# Beside the step itself


def parts(variant: Variant, scale: Scale) -> list[Figure]:
    """Return what each part of a step takes, by the profiler."""
    with applied(variant) as place:
        on_gpu = place.type == "cuda"
        traced = [ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]
        with profile(activities=traced):  # once before a graph is captured, which it traces then
            training = Training(variant, scale, place)
        for _ in range(FIRST):
            training.step()
        synchronize()
        with profile(activities=traced) as seen:
            for _ in range(scale.steps):
                training.step()
            synchronize()
    counts, times = defaultdict(int), defaultdict(float)
    for event in seen.key_averages():
        if event.device_type == (DeviceType.CUDA if on_gpu else DeviceType.CPU):
            group = group_of(event.key)
            counts[group] += event.count
            times[group] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    if not any(times.values()):
        raise InputError("the profiler saw no kernel")
    figures = []
    for group in filter(times.get, GROUPS):
        took, count = times[group], counts[group]
        figures += [
            Figure("time", took / scale.steps / 1000, "ms", group),
            Figure("launches", count / scale.steps, part=group),
            Figure("a launch", took / count, "us", group),
            Figure("share", 100 * took / sum(times.values()), "%", group),
        ]
    return figures


def group_of(kernel: str) -> str:
    return next(group for group, names in GROUPS.items() if re.search(names, kernel, re.I))


def repetition(scale: Scale) -> Figures:
    """Yield whether two trainings of one seed have the same weights, bit for bit."""
    found = []
    for _ in range(2):
        with applied(DEFAULT) as place:
            training = Training(DEFAULT, scale, place)
            for _ in range(SAME):
                training.step()
            found.append(training.network.state_dict())
    differ = [name for name, value in found[0].items() if not torch.equal(value, found[1][name])]
    yield Figure(f"tensors that differ after {SAME} steps", len(differ))
    yield Figure("of", len(found[0]))


def evaluation(scale: Scale) -> Figures:
    """Yield the time of an evaluation on one recording of noise, in memory."""
    random, epochs = np.random.default_rng(1), scale.epochs
    raw, spectra = (
        random.standard_normal((epochs, *SHAPES[view], 1), np.float32) for view in SHAPES
    )
    info = SimpleNamespace(
        places=np.arange(epochs), stages=random.integers(5, size=epochs), recording="noise"
    )
    part = SimpleNamespace(
        info=info,
        raw_scale=None,
        data=SimpleNamespace(
            raw=lambda start, stop, out: raw[start:stop],
            time_frequency=lambda start, stop, out: spectra[start:stop],
        ),
    )
    with applied(DEFAULT) as place:
        network = Training(DEFAULT, scale, place).network
        for name in ("first", "second"):
            began = time.perf_counter()
            evaluate(network, [part], None)
            yield Figure(name, 1000 * (time.perf_counter() - began) / epochs, "ms an epoch")


# Several trainings at once


def train(rank: int, scale: Scale, barrier, results) -> None:
    """Train in one of several processes, in which first some and at last all train at once."""
    try:
        with applied(DEFAULT) as place:
            training = Training(DEFAULT, scale, place)
            for _ in range(FIRST):
                training.step()
            for folds in scale.at_once:
                synchronize()
                barrier.wait(WAIT)
                if rank < folds:
                    results.put((folds, steps_of(training, 5 * scale.seconds)))
                barrier.wait(WAIT)
    except Exception as error:
        results.put((0, f"{type(error).__name__}: {reason(error)}"))
        barrier.abort()


def steps_of(training: Training, seconds: float) -> float:
    """Return the milliseconds of a step, of as many as these seconds have."""
    began, steps = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        for _ in range(10):
            training.step()
        synchronize()
        steps += 10
    return 1000 * (time.perf_counter() - began) / steps


def processes(scale: Scale, by_mps: bool) -> Figures:
    """Yield the milliseconds of a step of several processes that train at once."""
    with closing(sharing.MPS()) if by_mps else nullcontext():
        context = get_context("spawn")
        barrier, results = context.Barrier(max(scale.at_once)), context.Queue()
        started = [
            context.Process(target=train, args=(rank, scale, barrier, results), daemon=True)
            for rank in range(max(scale.at_once))
        ]
        for process in started:
            process.start()
        try:
            for folds in scale.at_once:
                found = [results.get(timeout=WAIT) for _ in range(folds)]
                if wrong := [value for number, value in found if number != folds]:
                    raise RuntimeError(wrong[0])
                yield from each(folds, max(value for _, value in found))
        except queue.Empty:
            raise RuntimeError(f"a process did not answer for {WAIT} s") from None
        finally:
            for process in started:
                process.join(5)
                process.kill()


def in_one_process(scale: Scale) -> Figures:
    """Yield the milliseconds of a step of several trainings in this process, each on a stream.

    Only the speed is of use: they share PyTorch's random numbers.
    """
    with applied(DEFAULT) as place:
        trainings = [Training(DEFAULT, scale, place) for _ in range(max(scale.at_once))]
        for training in trainings:
            for _ in range(FIRST):
                training.step()
            clear_workspaces()  # all are captured on one stream, and would have one workspace
        on_gpu = place.type == "cuda"
        own = [
            torch.cuda.stream(torch.cuda.Stream()) if on_gpu else nullcontext() for _ in trainings
        ]

        def step(folds: int) -> None:
            for training, stream in zip(trainings[:folds], own, strict=False):
                with stream:
                    training.step()

        for folds in scale.at_once:
            yield from each(folds, milliseconds(partial(step, folds), scale.seconds))


def each(folds: int, ms: float) -> Figures:
    yield Figure("each step", ms, "ms", f"{folds} at once")
    yield Figure("a step of all", ms / folds, "ms", f"{folds} at once")


# All of it


def measurements(scale: Scale) -> dict[str, Callable[[], Iterable[Figure]]]:
    """Return name to what is measured, the most important first."""

    def of(variants):
        return {one.name: partial(measured, one, scale) for one in variants}

    def parts_of(variant):
        # On a GPU a profiler may slow down what follows it in the same process.
        return partial(alone, parts, variant, scale) if on_gpu else partial(parts, variant, scale)

    on_gpu = torch.cuda.is_available()

    return {
        "floor on an H200": partial(floor, scale.settings),
        **of(MAIN),
        "parts of the default": parts_of(DEFAULT),
        "one seed twice": partial(repetition, scale),
        "evaluation": partial(evaluation, scale),
        "in several processes": partial(processes, scale, by_mps=False),
        "in several processes by MPS": partial(processes, scale, by_mps=True),
        "in one process, each on a stream": partial(in_one_process, scale),
        **of(CANDIDATES),
        f"parts of {CANDIDATES[-1].name}": parts_of(CANDIDATES[-1]),
        **of(OTHERS),
    }


def machine() -> dict[str, str]:
    """Return what the figures were measured on and by."""
    try:
        triton = version("triton")
    except PackageNotFoundError:
        triton = "none"
    return {
        "device": device.name(),
        "pytorch": torch.__version__,
        "triton": triton,
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "date": time.strftime("%Y-%m-%d"),
        "command": " ".join(["python", *sys.argv]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=170, help="after which nothing is begun")
    parser.add_argument("--only", default="", metavar="REGEX", help="names of what is measured")
    parser.add_argument("--output", type=Path, help="CSV file of the figures")
    parser.add_argument("--tiny", action="store_true", help="a tiny network, on the CPU")
    given = parser.parse_args()
    if given.tiny:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif not torch.cuda.is_available():
        print("no GPU here: only the floor is computed; --tiny runs all of it on the CPU")
        given.only = "floor"
    scale = TINY if given.tiny else FULL
    where = machine()
    print(", ".join(f"{name} {value}" for name, value in where.items()), flush=True)
    chosen = {n: m for n, m in measurements(scale).items() if re.search(given.only, n)}
    if not chosen:
        parser.error(f"--only {given.only}: nothing has such a name")
    with (
        open(given.output or os.devnull, "w", newline="", buffering=1) as file,
        # Kernels are compiled anew, so that the time of the first step is that of a new machine.
        tempfile.TemporaryDirectory() as cache,
        patch.dict(os.environ, TRITON_CACHE_DIR=cache),
    ):
        writer = csv.DictWriter(file, ["name", *Figure._fields, *where])
        writer.writeheader()
        for name, measure in chosen.items():
            figures = told(name, measure, given.seconds)
            writer.writerows({"name": name, **figure._asdict(), **where} for figure in figures)


def told(name: str, measure: Callable[[], Iterable[Figure]], seconds: float) -> list[Figure]:
    """Print and return figures, or why there are none: one failure is not that of the others."""
    figures = []
    try:
        if time.monotonic() - BEGAN > seconds:
            raise InputError(f"{seconds:.0f} s are over")
        for figure in measure():
            figures.append(figure)
    except InputError as error:
        figures.append(Figure("not measured", str(error)))
    except Exception as error:
        figures.append(Figure("failed", f"{type(error).__name__}: {reason(error)}"))
    for part, some in groupby(figures, lambda figure: figure.part):
        line = ", ".join(f"{f.quantity} {shown(f.value)} {f.unit}".strip() for f in some)
        print(": ".join(filter(None, (name, part, line))), flush=True)
    return figures


def shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


if __name__ == "__main__":
    main()
