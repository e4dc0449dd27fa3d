"""Sequences of L epochs out of the store, and the normalisation of spectrograms.

A sequence lies within one recording. Dropped epochs (movement, not scored) leave gaps in a night:
a sequence bridges gaps of at most ``longest_gap`` epochs, and a longer gap ends it. ``None``
bridges every gap, which is what the authors do when they concatenate the scored epochs. Between
such gaps the sequences are all windows of L epochs, stride 1; a stretch shorter than L trains
nothing and is scored as one shorter sequence, so that every epoch gets a score.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from xsleep.core.errors import InputError
from xsleep.store.recordings import (
    IMAGE_SHAPE,
    RAW_SHAPE,
    RecordingData,
    RecordingInfo,
    channels_last,
)

Batch = tuple[dict[str, np.ndarray], np.ndarray]
"""View to input, and labels."""

Over = Literal["bins", "channels"]
"""What shares a mean and a deviation: a frequency bin, or all bins of a channel."""

SHAPES = {"raw": RAW_SHAPE, "time-frequency": IMAGE_SHAPE}

READERS, AHEAD = 4, 4
"""Threads that read minibatches, and how many of these may wait."""

DEAD = 1e-5
"""Deviation, as a share of the mean, below which a channel or a frequency bin does not change."""


@dataclass(frozen=True)
class Part:
    """The epochs of one recording that belong to a window of the night.

    Attributes:
        info: names, lights; ``places`` and ``stages`` (n,) of the part's epochs only.
        data: signals and spectrograms of the same epochs, `RecordingData` or alike.
        raw_scale: (C,) factor on each raw channel, or ``None``.
    """

    info: RecordingInfo
    data: RecordingData
    raw_scale: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.info.stages)


def amplitude_scale(raw: np.ndarray, deviation: float, recording: str) -> np.ndarray:
    """(C,) factors that give each channel of (n, 3000, C) microvolts this deviation.

    Raises:
        InputError: a value is not finite; the line names the recording.
    """
    # Millions of values: in single precision their sum would depend on how they lie in memory.
    mean, measured = (f((0, 1), dtype=np.float64) for f in (raw.mean, raw.std))
    if not np.isfinite(measured).all():
        raise _not_finite(recording, "signals")
    # A dead channel has no amplitude to scale.
    return deviation / np.where(measured > DEAD * np.abs(mean), measured, deviation)


def named(recordings: Iterable[str]) -> str:
    """The first few of these names, and how many there are besides."""
    first, others = (names := list(recordings))[:3], len(names) - 3
    return ", ".join(first) + (f" and {others} more" if others > 0 else "")


def stretches(places: np.ndarray, longest_gap: int | None) -> list[tuple[int, int]]:
    """(start, stop) of the runs of epochs between gaps too long to bridge."""
    if longest_gap is None:
        return [(0, len(places))]
    cuts = np.flatnonzero(np.diff(places) > longest_gap + 1) + 1
    return list(zip([0, *cuts.tolist()], [*cuts.tolist(), len(places)], strict=True))


def starts(places: np.ndarray, length: int, longest_gap: int | None) -> np.ndarray:
    """Index of the first epoch of every sequence of ``length`` epochs."""
    return np.concatenate(
        [
            np.arange(start, max(stop - length + 1, start))
            for start, stop in stretches(places, longest_gap)
        ]
    )


def bridging(places: np.ndarray, length: int, longest_gap: int | None) -> int:
    """How many sequences bridge a gap."""
    first = starts(places, length, longest_gap)
    return int(np.count_nonzero(places[first + length - 1] - places[first] > length - 1))


class TrainingSequences:
    """All sequences of the training recordings, in minibatches.

    They are shuffled once and come in the same order in every pass, as in the released code, or
    are shuffled for ``every-pass``. The last incomplete minibatch of a pass and one more are left
    out, as in the released code, but never so many that none is left.

    ``share`` is one part of how many of every minibatch, for a process that trains with others.

    Raises:
        InputError: there is no sequence.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        length: int,
        batch_size: int,
        longest_gap: int | None,
        seed: int,
        shuffle: Literal["once", "every-pass"] = "once",
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.parts = parts
        self.length = length
        index = np.concatenate(
            [
                np.stack([np.full(len(first), number), first], axis=1).astype(np.int32)
                for number, part in enumerate(parts)
                for first in [starts(part.info.places, length, longest_gap)]
            ]
        )
        self.count = len(index)
        if not self.count:
            stretch = max(
                stop - start
                for part in parts
                for start, stop in stretches(part.info.places, longest_gap)
            )
            raise InputError(
                f"{named(part.info.recording for part in parts)}: nothing to train on, as the "
                f"longest stretch has {stretch} epochs and a sequence {length}; lower "
                "sequence_length, raise longest_gap or add recordings"
            )
        self.batch_size = min(batch_size, self.count)
        self._share = share
        self._every_pass = shuffle == "every-pass"

        # Two passes: batches are read ahead over the end of one. An order depends on no other, so
        # that a stopped run can go on.
        @lru_cache(maxsize=2)
        def order(turn: int) -> np.ndarray:
            return np.random.default_rng([seed, turn]).permutation(index)

        self._order = order

    def __len__(self) -> int:
        """Minibatches in a pass."""
        return max(self.count // self.batch_size - 1, 1)

    def chosen(self, step: int) -> list[list[int]]:
        """Number of the part, and first epoch in it, of the sequences of a step, from 0."""
        turn, number = divmod(step, len(self))
        order = self._order(turn if self._every_pass else 0)
        part, parts = self._share
        taken = self.batch_size // parts
        first = number * self.batch_size + part * taken
        return order[first : first + taken].tolist()

    def batch(self, step: int, views: Sequence[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The minibatch of a step, from 0: view to (B, L, ...) input, and labels (B, L)."""
        spans = [(self.parts[p], s, s + self.length) for p, s in self.chosen(step)]
        channels = len(self.parts[0].data.channels)
        inputs = {
            view: channels_last((len(spans), self.length, *SHAPES[view]), channels)
            for view in views
        }
        for view, batch in inputs.items():
            for (part, start, stop), sequence in zip(spans, batch, strict=True):
                read(part, view, start, stop, sequence)
        labels = np.stack([part.info.stages[start:stop] for part, start, stop in spans])
        return inputs, labels.astype(np.int64)


def ahead(load: Callable[[int], Batch], steps: Iterable[int]) -> Iterator[Batch]:
    """What ``load`` returns for each step, in their order, loaded in the background.

    At most `AHEAD` results wait to be taken, which bounds the memory.
    """
    pool = ThreadPoolExecutor(READERS)
    waiting: deque[Future[Batch]] = deque()
    try:
        for step in steps:
            waiting.append(pool.submit(load, step))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def read(part: Part, view: str, start: int, stop: int, out: np.ndarray | None = None) -> np.ndarray:
    """Epochs of a part as a network's input, in ``out`` where it is given.

    They are (n, 3000, C) raw or (n, 29, 129, C).
    """
    if view == "time-frequency":
        return part.data.time_frequency(start, stop, out)
    raw = part.data.raw(start, stop, out)
    if part.raw_scale is not None:
        raw *= np.float32(part.raw_scale)
    return raw


def blocks(length: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of consecutive blocks of at most ``size``."""
    for start in range(0, length, size):
        yield start, min(start + size, length)


def normalisation(parts: Sequence[Part], over: Over = "bins") -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of spectrograms over the training recordings (Section 4.2).

    They are (129, C) each, in dB. With ``bins`` each frequency bin of a channel has its own, over
    all frames of all epochs; with ``channels`` all bins of a channel have those of the channel.

    Raises:
        InputError: a value of a recording is not finite; the line names the recording.
    """
    sums = 0
    for part in parts:
        its = part.data.sums()
        if not np.isfinite(its).all():
            raise _not_finite(part.info.recording, "spectrograms")
        sums = sums + its
    return _statistics(sums / (IMAGE_SHAPE[0] * sum(map(len, parts))), over)


def normalisation_of_images(
    images: np.ndarray, over: Over, recording: str
) -> tuple[np.ndarray, np.ndarray]:
    """`normalisation` over the spectrograms (n, 29, 129, C) of one recording, in memory."""
    squares = np.einsum("nftc,nftc->tc", images, images, dtype=np.float64)
    sums = np.stack([images.sum((0, 1), dtype=np.float64), squares])
    if not np.isfinite(sums).all():
        raise _not_finite(recording, "spectrograms")
    return _statistics(sums / (images.shape[0] * images.shape[1]), over)


def _statistics(means: np.ndarray, over: Over) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (129, C) from the means (2, 129, C) of the values and of their squares."""
    mean, square = means
    if over == "channels":  # every bin has equally many frames
        mean[:], square[:] = mean.mean(0), square.mean(0)
    deviation = np.sqrt(np.maximum(square - np.square(mean), 0))
    # A bin that never changes (a dead channel) has rounding errors for a deviation: it stays near
    # zero instead of becoming NaN or noise.
    deviation[deviation <= DEAD * np.abs(mean)] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)


def _not_finite(recording: str, what: str) -> InputError:
    return InputError(
        f"{recording}: its {what} hold values that are not finite; look for broken signals in its "
        "file and prepare it again, or take it away"
    )
