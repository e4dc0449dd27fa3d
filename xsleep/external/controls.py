"""Controls: predictions from hypnograms alone, which any system must beat, and a second scorer."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from xsleep.core.arrays import Doubles, Integers
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.databases import Database
from xsleep.databases.formats.hypnograms import stages_at
from xsleep.external.making import for_each, of_probabilities, of_stages
from xsleep.preparation.windows import within
from xsleep.results.audit.finding import many
from xsleep.store.predictions import Prediction
from xsleep.store.recordings import PER_EPOCH, RecordingInfo, Stored
from xsleep.training.sequences import named

BIN_SECONDS = 15 * 60
"""Length of the bins of time of the control ``by hour``."""

NOTES = {
    "majority": "the shares of the stages in the training recordings, for every epoch",
    "by hour": "the shares of the stages in the training recordings at the same time after the "
    "beginning of the window",
    "Markov chain": "a hypnogram drawn at random with the transitions between stages of the "
    "training recordings",
    "shuffled stages": "the true stages of each recording in random order, which are right as "
    "often as chance has it for someone who knows their shares",
    "logistic regression": "a logistic regression on the logarithmic band powers of each epoch, "
    "trained on the training recordings",
    "second scorer": "the stages of the database's other scorer, a ceiling",
}
"""Control to a description of its predictions, for the note of Table 2."""

Recordings = Sequence[RecordingInfo]

Control = Callable[[Recordings, Recordings, str, int], list[Prediction]]
"""Function of test and training recordings of a fold, window and seed; predictions of the test."""


def majority(tested: Recordings, training: Recordings, window: str, seed: int) -> list[Prediction]:
    """Return the shares of the stages in the training recordings, for every epoch."""
    shares = _shares(_cropped(training, window))
    return [
        of_probabilities(info, np.tile(shares, (len(info.stages), 1)))
        for info in _cropped(tested, window)
    ]


def by_hour(tested: Recordings, training: Recordings, window: str, seed: int) -> list[Prediction]:
    """Return the shares of the stages at the same time after the beginning of the window.

    They are those of the training recordings in bins of `BIN_SECONDS`, smoothed by a Gaussian whose
    standard deviation is one bin. The shares in all bins together count as one more epoch of each,
    for bins that no training recording reaches.
    """
    known = _cropped(training, window)
    tests = _cropped(tested, window)
    counts = np.zeros((1 + max(_bins(info)[-1] for info in known + tests), len(STAGES)))
    for info in known:
        np.add.at(counts, (_bins(info), info.stages), 1)
    smooth = gaussian_filter1d(counts, 1, axis=0, mode="nearest") + _shares(known)
    chances = smooth / smooth.sum(axis=1, keepdims=True)
    return [of_probabilities(info, chances[_bins(info)]) for info in tests]


def markov_chain(
    tested: Recordings, training: Recordings, window: str, seed: int
) -> list[Prediction]:
    """Return hypnograms that are drawn from a Markov chain.

    It has the first stages and the transitions between neighbouring epochs of the training
    recordings. The shares of all stages count as one more transition from each, for stages that no
    training recording leaves.
    """
    known = _cropped(training, window)
    first = np.bincount([info.stages[0] for info in known], minlength=len(STAGES)) / len(known)
    counts = np.tile(_shares(known), (len(STAGES), 1))
    for info in known:
        follows = np.diff(info.places) == 1
        np.add.at(counts, (info.stages[:-1][follows], info.stages[1:][follows]), 1)
    transitions = counts / counts.sum(axis=1, keepdims=True)

    def drawn(info: RecordingInfo) -> Prediction:
        random, places = _random(info, seed), info.places - info.places[0]
        stages = [random.choice(len(STAGES), p=first)]
        for _ in range(places[-1]):
            stages.append(random.choice(len(STAGES), p=transitions[stages[-1]]))
        return of_stages(info, np.array(stages)[places])

    return [drawn(info) for info in _cropped(tested, window)]


def shuffled_stages(
    tested: Recordings, training: Recordings, window: str, seed: int
) -> list[Prediction]:
    """Return the true stages of each recording in random order."""
    return [
        of_stages(info, _random(info, seed).permutation(info.stages))
        for info in _cropped(tested, window)
    ]


CONTROLS: dict[str, Control] = {
    "majority": majority,
    "by hour": by_hour,
    "Markov chain": markov_chain,
    "shuffled stages": shuffled_stages,
}
"""Controls that need hypnograms alone."""


def second_scorer(
    database: Database, recordings: Sequence[Stored], window: str
) -> tuple[list[Prediction], list[str]]:
    """Return the stages of a second scorer as predictions, and remarks.

    An epoch gets the stage of that epoch of the second scorer which begins at the same time. Epochs
    without one are left out and counted.

    Raises:
        InputError: there is no second scorer, or no recording has such an epoch.
    """
    entries = {entry.name: entry for entry in database.entries()}
    missing = {}

    def second(stored: Stored) -> Prediction:
        info, _ = within(stored.info, window)
        entry = entries[info.recording]
        if (hypnogram := database.second_scoring(entry)) is None:
            raise InputError(
                f"{entry.files[0]}: the reader {database.reader} has no second scorer; take the "
                "control second scorer away"
            )
        stages = stages_at(hypnogram, info.onsets)
        chosen = np.flatnonzero(stages != UNSCORED)
        if not len(chosen):
            raise InputError(
                f"{entry.files[0]}: no epoch has a stage of both scorers; check that the second "
                "hypnogram belongs to it"
            )
        missing[info.recording] = len(stages) - len(chosen)
        both = replace(info, **{name: getattr(info, name)[chosen] for name in PER_EPOCH})
        return of_stages(both, stages[chosen])

    predictions, faults = for_each(recordings, second)
    if count := sum(missing.values()):
        where = named(name for name, epochs in missing.items() if epochs)
        what = many(count, "epoch")
        faults.insert(0, f"{what} without a stage of the second scorer left out ({where})")
    return predictions, faults


def _cropped(recordings: Recordings, window: str) -> list[RecordingInfo]:
    return [within(info, window)[0] for info in recordings]


def _shares(recordings: Recordings) -> Doubles:
    """Return the shares (5,) of the stages of recordings."""
    counts = np.bincount(np.concatenate([r.stages for r in recordings]), minlength=len(STAGES))
    shares: Doubles = counts / counts.sum()
    return shares


def _bins(info: RecordingInfo) -> Integers:
    bins: Integers = ((info.onsets - info.onsets[0]) // BIN_SECONDS).astype(int)
    return bins


def _random(info: RecordingInfo, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(info.recording.encode())])
