"""Sequences: recordings in, sequences of L epochs and the normalisation of spectrograms out.

A sequence lies within one recording. Dropped epochs (movement, not scored) leave gaps in a
recording: a sequence bridges gaps of at most ``longest_gap`` epochs, and longer ones end it.
``None`` bridges every gap, as the authors do by concatenating the scored epochs. Between such gaps
lie stretches, whose sequences are all windows of L epochs with stride 1; a stretch shorter than L
is not trained on and is scored as one shorter sequence, so that every epoch gets a score.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from xsleep.core.arrays import Doubles, Integers, Singles
from xsleep.core.errors import InputError
from xsleep.core.recording import FRAMES, SAMPLES, SHAPES
from xsleep.store.recordings import RecordingInfo, channels_last

Loaded = TypeVar("Loaded")

Batch = tuple[dict[str, Singles], NDArray[np.int64]]
"""View to input (B, L, ...), and labels (B, L)."""

Over = Literal["bins", "channels"]
"""Unit of normalisation: each frequency bin, or all bins of a channel together."""

READERS, AHEAD = 4, 4
"""Number of threads that read minibatches, and of minibatches that may wait."""

DEAD = 1e-5
"""Standard deviation, relative to the mean, below which a channel or a bin counts as constant."""


class Epochs(Protocol):
    """Signals and spectrograms of a recording's epochs, on disk or in memory."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels in the order of the last axis."""

    @property
    def hashes(self) -> Mapping[str, str]:
        """SHA-256 of the files that they are read from, by path."""

    def raw(self, start: int, stop: int, out: Singles | None = None) -> Singles:
        """Return (stop - start, 3000, C) microvolts, in ``out`` where it is given."""

    def time_frequency(self, start: int, stop: int, out: Singles | None = None) -> Singles:
        """Return (stop - start, 29, 129, C) decibels, in ``out`` where it is given."""

    def sums(self) -> Doubles:
        """Return the sums (2, 129, C) of the decibels and of their squares over all frames."""


@dataclass(frozen=True)
class Part:
    """Epochs of one recording that belong to a window of it.

    Attributes:
        info: facts of the recording; ``places`` and ``stages`` (n,) of the part's epochs only.
        data: signals and spectrograms of the same epochs.
        raw_scale: (C,) factor on each raw channel, or ``None``.
    """

    info: RecordingInfo
    data: Epochs
    raw_scale: Doubles | None = None

    def __len__(self) -> int:
        return len(self.info.stages)


def amplitude_scale(raw: Singles, deviation: float, recording: str) -> Doubles:
    """Return factors (C,) that give each channel of (n, 3000, C) microvolts a standard deviation.

    Raises:
        InputError: a value is not finite; the message names the recording.
    """
    # In single precision a sum of millions of values would depend on their order in memory.
    mean, measured = (f((0, 1), dtype=np.float64) for f in (raw.mean, raw.std))
    if not np.isfinite(measured).all():
        raise _not_finite(recording, "signals")
    # A dead channel has no amplitude to scale.
    scale: Doubles = deviation / np.where(measured > DEAD * np.abs(mean), measured, deviation)
    return scale


def named(recordings: Iterable[str]) -> str:
    """Return the first three of these names and the number of the others, for a message."""
    first, others = (names := list(recordings))[:3], len(names) - 3
    return ", ".join(first) + (f" and {others} more" if others > 0 else "")


def stretches(places: Integers, longest_gap: int | None) -> list[tuple[int, int]]:
    """Return (start, stop) of the stretches between gaps too long to bridge."""
    if longest_gap is None:
        return [(0, len(places))]
    cuts = np.flatnonzero(np.diff(places) > longest_gap + 1) + 1
    return list(zip([0, *cuts.tolist()], [*cuts.tolist(), len(places)], strict=True))


def starts(places: Integers, length: int, longest_gap: int | None) -> NDArray[np.int64]:
    """Return the index of the first epoch of every sequence of ``length`` epochs."""
    return np.concatenate(
        [np.arange(s, max(stop - length + 1, s)) for s, stop in stretches(places, longest_gap)]
    )


def bridging(places: Integers, length: int, longest_gap: int | None) -> int:
    """Return the number of sequences that bridge a gap."""
    first = starts(places, length, longest_gap)
    return int(np.count_nonzero(places[first + length - 1] - places[first] > length - 1))


class TrainingSequences:
    """All sequences of the training recordings, in minibatches.

    The last incomplete minibatch of a pass and one more are left out, as in the released code, but
    there is always at least one.

    Args:
        length: number of epochs of a sequence.
        longest_gap: number of dropped epochs that a sequence may bridge; ``None``: any.
        seed: of the order.
        shuffle: ``once``, as in the released code: all passes have one order; or ``every-pass``.
        balanced, shift: as in `xsleep.config.training.TrainingSettings`.
        share: number of a process and of all processes, each of which reads its share of every
            minibatch.

    Raises:
        InputError: there is no sequence.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        length: int,
        batch_size: int,
        longest_gap: int | None,
        *,
        seed: int,
        shuffle: Literal["once", "every-pass"] = "once",
        balanced: bool = False,
        shift: float = 0.0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.parts = parts
        self._seed, self._shift = seed, shift
        self.length = length
        first = [starts(part.info.places, length, longest_gap) for part in parts]
        number = np.repeat(np.arange(len(parts)), [len(own) for own in first])
        index = np.stack([number, np.concatenate(first)], axis=1).astype(np.int32)
        self.count = len(index)
        if not self.count:
            cut = [span for part in parts for span in stretches(part.info.places, longest_gap)]
            stretch = max(stop - start for start, stop in cut)
            raise InputError(
                f"{named(part.info.recording for part in parts)}: nothing to train on, as the "
                f"longest stretch has {stretch} epochs and a sequence {length}; lower "
                "sequence_length, raise longest_gap or add recordings"
            )
        self.batch_size = min(batch_size, self.count)
        self._share = share
        self._every_pass = shuffle == "every-pass"
        chances = _balanced(parts, index, length) if balanced else None

        # Two passes, as prefetching crosses the end of one. An order does not depend on others, so
        # that a stopped run can be resumed.
        @lru_cache(maxsize=2)
        def order(turn: int) -> NDArray[np.int32]:
            random = np.random.default_rng([seed, turn])
            if chances is None:
                return random.permutation(index)
            return index[random.choice(self.count, self.count, p=chances)]

        self._order = order

    def __len__(self) -> int:
        """Return the number of minibatches in a pass."""
        return max(self.count // self.batch_size - 1, 1)

    def chosen(self, step: int) -> list[list[int]]:
        """Return number of the part and first epoch of each sequence of a step, counted from 0."""
        turn, number = divmod(step, len(self))
        order = self._order(turn if self._every_pass else 0)
        part, parts = self._share
        taken = self.batch_size // parts
        first = number * self.batch_size + part * taken
        found: list[list[int]] = order[first : first + taken].tolist()
        return found

    def batch(self, step: int, views: Sequence[str]) -> Batch:
        """Return the minibatch of a step, counted from 0."""
        spans = [(self.parts[p], s, s + self.length) for p, s in self.chosen(step)]
        channels = len(self.parts[0].data.channels)
        inputs = {
            view: channels_last((len(spans), self.length, *SHAPES[view]), channels)
            for view in views
        }
        offsets = self._offsets(step, len(spans))
        for view, batch in inputs.items():
            for (part, start, stop), sequence, offset in zip(spans, batch, offsets, strict=True):
                if view == "raw" and offset:
                    _read_shifted(part, start, stop, offset, out=sequence)
                else:
                    read(part, view, start, stop, out=sequence)
        labels = np.stack([part.info.stages[start:stop] for part, start, stop in spans])
        return inputs, labels.astype(np.int64)

    def _offsets(self, step: int, count: int) -> list[int]:
        """Return the shift of each sequence of a step in samples, the same whenever it is read."""
        longest = round(self._shift * SAMPLES)
        if not longest:
            return [0] * count
        random = np.random.default_rng([self._seed, step, self._share[0]])
        drawn: list[int] = random.integers(-longest, longest + 1, count).tolist()
        return drawn


def _balanced(parts: Sequence[Part], index: NDArray[np.int32], length: int) -> Doubles:
    """Return the chance of each sequence (part, first epoch): equal ones of all stages together."""
    stages = np.array([parts[p].info.stages[first + length // 2] for p, first in index])
    _, places, counts = np.unique(stages, return_inverse=True, return_counts=True)
    chances: Doubles = 1 / (len(counts) * counts[places])
    return chances


def _read_shifted(part: Part, start: int, stop: int, offset: int, *, out: Singles) -> None:
    """Read raw epochs of a part, ``offset`` samples (at most an epoch) later, into ``out``.

    Before the first and after the last epoch of the part, its outermost sample is repeated.
    """
    first, last = max(start - 1, 0), min(stop + 1, len(part))
    samples = read(part, "raw", first, last).reshape(-1, out.shape[-1])
    place = (start - first) * SAMPLES + offset
    chosen = np.arange(place, place + (stop - start) * SAMPLES).clip(0, len(samples) - 1)
    out[:] = samples[chosen].reshape(out.shape)


def ahead(load: Callable[[int], Loaded], steps: Iterable[int]) -> Iterator[Loaded]:
    """Yield ``load(step)`` for each step in order, prefetched in the background.

    At most `AHEAD` results wait to be taken, which bounds the memory.
    """
    pool = ThreadPoolExecutor(READERS)
    waiting: deque[Future[Loaded]] = deque()
    try:
        for step in steps:
            waiting.append(pool.submit(load, step))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def read(part: Part, view: str, start: int, stop: int, *, out: Singles | None = None) -> Singles:
    """Return epochs of a part: (n, 3000, C) of ``raw`` or (n, 29, 129, C) of ``time-frequency``.

    They are in ``out`` where it is given.
    """
    if view == "time-frequency":
        return part.data.time_frequency(start, stop, out)
    raw = part.data.raw(start, stop, out)
    if part.raw_scale is not None:
        raw *= np.float32(part.raw_scale)
    return raw


def blocks(length: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive blocks of at most ``size``."""
    for start in range(0, length, size):
        yield start, min(start + size, length)


def normalisation(parts: Sequence[Part], over: Over = "bins") -> tuple[Singles, Singles]:
    """Return mean and standard deviation of spectrograms over recordings (Section 4.2).

    They are (129, C) each, in dB. With ``bins`` each frequency bin of a channel has its own, over
    all frames of all epochs; with ``channels`` all bins of a channel have those of the channel.

    Raises:
        InputError: a value of a recording is not finite; the message names the recording.
    """
    sums: Doubles = np.zeros(())
    for part in parts:
        its = part.data.sums()
        if not np.isfinite(its).all():
            raise _not_finite(part.info.recording, "spectrograms")
        sums = sums + its
    mean, square = sums / (FRAMES * sum(map(len, parts)))
    if over == "channels":  # all bins have the same number of frames
        mean[:], square[:] = mean.mean(0), square.mean(0)
    deviation = np.sqrt(np.maximum(square - np.square(mean), 0))
    # The standard deviation of a constant bin (a dead channel) is a rounding error: with 1 the bin
    # stays near zero instead of becoming NaN or noise.
    deviation[deviation <= DEAD * np.abs(mean)] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)


def _not_finite(recording: str, what: str) -> InputError:
    """Return the error for values that are not finite."""
    return InputError(
        f"{recording}: its {what} hold values that are not finite; look for broken signals in its "
        "file and prepare it again, or remove it"
    )
