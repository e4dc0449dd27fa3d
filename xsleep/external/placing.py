"""Predictions of other programs, fitted to the recordings of a database.

Nothing is shifted or mended. What does not fit is left out, and a remark names it: a line for each
kind, with the first recordings and how many more there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from xsleep.core.arrays import Doubles, Integers
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.external.files import Foreign, some
from xsleep.preparation.windows import within
from xsleep.results.audit.finding import many
from xsleep.results.metrics import confusion, decided, of_confusion
from xsleep.store.predictions import Prediction
from xsleep.store.recordings import RecordingInfo

TOLERANCE = 5 * 0.0005 + 2.0**-11
"""Distance from 1 at which probabilities still add up to 1.

Each of the five may be rounded to three decimals; rounding to float16 changes their sum by up to
2^-11.
"""

FARTHEST = 10
OFFSETS = (0, *(offset for offset in range(-FARTHEST, FARTHEST + 1) if offset))
"""Epochs by which a hypnogram may be shifted, beginning with none."""

AGREE, CHANCE = 0.4, 0.1
"""Kappa above which predictions are of a recording, and below which they are not.

The lowest of a recording in the released outputs is 0.39.
"""

CLEARLY = 3.0
"""Standard deviations by which agreement is clearly better.

The released outputs on SleepEDF-20 reach 1.6 at another offset in a recording, and are below 0 in
all together. Moved by one epoch, they reach -1 to 5 in a recording, and 7 to 13 in all together.
"""


def placed(
    foreign: Mapping[str, Foreign],
    infos: Sequence[RecordingInfo],
    window: str,
    folds: Mapping[str, int],
    *,
    where: str,
) -> tuple[list[Prediction], list[str]]:
    """Fit predictions to the recordings of a database.

    Predictions that name no recordings are given to the test recordings of the fold, in the order
    of the database, if they are as many as the epochs in the window.

    Args:
        foreign: as of `xsleep.external.files.read_foreign`.
        infos: all recordings of the database.
        window: whose epochs are tested.
        folds: recording to the fold that tests it.
        where: begins each remark, such as the path of the predictions.

    Returns:
        Predictions in the order of ``infos``, and remarks.

    Raises:
        InputError: nothing fits.
    """
    known = {info.recording: info for info in infos}
    tested: dict[str, RecordingInfo] = {}
    for name, info in known.items():
        with suppress(InputError):  # said where the database is prepared
            if not info.skipped and name in folds:
                tested[name] = within(info, window)[0]
    named, lines = _named(foreign, tested, folds, window)
    told: dict[str, list[str]] = defaultdict(list)
    for name in named:
        if name not in tested:
            told["not tested here" if name in known else "not in the database"].append(name)
    used: dict[str, Foreign] = {}
    for name, info in tested.items():
        if name not in named:
            told["without predictions"].append(name)
        elif fault := _fault(named[name], folds[name]):
            told[f"left out, {fault[0]}"].append(f"{name} ({fault[1]})")
        elif not np.isin(info.places, _epochs(named[name])).any():
            told[f"left out, no epoch in the window {window}"].append(name)
        else:
            used[name] = named[name]
    for what, names in told.items():
        lines.append(f"{many(len(names), 'recording')} {what}: {some(names)}")
    if not used:
        raise InputError(f"{where}: no predictions that fit; {'; '.join(lines)}")
    lines += _counted(used, tested, window)
    lines += _doubts([(known[name], one) for name, one in used.items()])
    if _from_lights_off([(tested[name], one) for name, one in used.items()]):
        lines.append(
            "the first epoch of every recording is 0 or 1, and they end before the window does; "
            "count epochs from the beginning of the recording, not from lights off"
        )
    predictions = [_prediction(tested[name], one, folds[name]) for name, one in used.items()]
    return predictions, [f"{where}: {line}" for line in lines]


def _named(
    foreign: Mapping[str, Foreign],
    tested: Mapping[str, RecordingInfo],
    folds: Mapping[str, int],
    window: str,
) -> tuple[dict[str, Foreign], list[str]]:
    """Return the predictions by recording, and why some cannot be given to recordings."""
    named: dict[str, Foreign] = {}
    lines = []
    for key, one in foreign.items():
        if one.epochs is not None:
            named[key] = one
            continue
        infos = [info for name, info in tested.items() if one.fold in (None, folds[name])]
        values: NDArray[Any] = _called(one) if one.probabilities is None else one.probabilities
        axis, length = (1, len(values)) if values.ndim == 3 else (0, 1)
        counts = [max(len(info.places) - length + 1, 0) for info in infos]
        if not infos or sum(counts) != values.shape[axis]:
            sizes = some(f"{info.recording} {n:,}" for info, n in zip(infos, counts, strict=True))
            lines.append(
                f"{one.file} is left out: it has {values.shape[axis]:,} predictions, but in the "
                f"window {window} there are {sum(counts):,} of the test recordings of "
                f"{'all folds' if one.fold is None else f'fold {one.fold}'} ({sizes or 'none'}); "
                "name recordings and epochs in a CSV file"
            )
            continue
        for info, part in zip(infos, np.split(values, np.cumsum(counts)[:-1], axis), strict=True):
            if axis:
                part = _averaged(part)
            chances, stages = (None, part) if one.probabilities is None else (part, None)
            epochs = info.places[: len(part)]
            named[info.recording] = Foreign(epochs, chances, stages, one.fold, one.file)
    return named, lines


def _averaged(sequences: NDArray[Any]) -> Doubles:
    """Return the probabilities (m + L - 1, 5) of a recording from those (L, m, 5) of sequences.

    The logarithms of the up to L probabilities of an epoch are averaged, as in
    `xsleep.scoring.probabilities`: the stage is that of the authors, who add them.
    """
    length, count, stages = sequences.shape
    sums, numbers = np.zeros((count + length - 1, stages)), np.zeros((count + length - 1, 1))
    if not count:
        return sums[:0]
    with np.errstate(divide="ignore", invalid="ignore"):  # `_fault` tells what is not finite
        for place, values in enumerate(sequences):
            sums[place : place + count] += np.log(values)
            numbers[place : place + count] += 1
        found: Doubles = softmax(sums / numbers, axis=1)
        return found


def _fault(one: Foreign, fold: int) -> tuple[str, str] | None:
    """Return why the predictions of a recording cannot be used, and the detail of it."""
    if one.fold not in (None, fold):
        return "of another fold", f"fold {one.fold} in {one.file.name}, here fold {fold}"
    epochs, counts = np.unique(_epochs(one), return_counts=True)
    if (counts > 1).any():
        return "with two predictions of an epoch", f"epoch {epochs[counts > 1][0]}"
    if one.probabilities is not None:
        sums = one.probabilities.sum(axis=1)
        wrong = ~(abs(sums - 1) <= TOLERANCE) | (one.probabilities < 0).any(axis=1)
        if wrong.any():
            row = wrong.argmax()
            lowest = one.probabilities[row].min()
            detail = f"lowest {lowest:.5g}" if lowest < 0 else f"sum {sums[row]:.5g}"
            return (
                "with probabilities that are negative, missing or do not add up to 1",
                f"epoch {_epochs(one)[row]}, {detail}",
            )
    return None


def _epochs(one: Foreign) -> Integers:
    return np.empty(0, int) if one.epochs is None else one.epochs


def _called(one: Foreign) -> Integers:
    """Return the predicted stages (n,)."""
    if one.stages is not None:
        return one.stages
    called: Integers = np.asarray(one.probabilities).argmax(axis=1)
    return called


def _prediction(info: RecordingInfo, one: Foreign, fold: int) -> Prediction:
    """Return the predictions of the epochs of a recording that both have."""
    places, here, there = np.intersect1d(info.places, _epochs(one), return_indices=True)
    known = (info.recording, info.subject, places, info.stages[here])
    if one.probabilities is None:
        return Prediction(*known, {}, fold, _called(one)[there])
    return Prediction(*known, {"joint": one.probabilities[there]}, fold)


def _counted(
    used: Mapping[str, Foreign], tested: Mapping[str, RecordingInfo], window: str
) -> Iterator[str]:
    """Yield how many epochs are missing and how many are surplus."""
    expected = sum(len(tested[name].places) for name in used)
    missing = {n: np.setdiff1d(tested[n].places, _epochs(one)) for n, one in used.items()}
    surplus = {n: np.setdiff1d(_epochs(one), tested[n].places) for n, one in used.items()}
    for epochs, what in (
        (missing, f"of {expected:,} epochs are missing"),
        (surplus, f"epochs that have no stage or are not in the window {window} are left out"),
    ):
        if count := sum(map(len, epochs.values())):
            details = (f"{name} ({_listed(e)})" for name, e in epochs.items() if len(e))
            yield f"{count:,} {what}: {some(details)}"


def _listed(epochs: Integers) -> str:
    first, last = epochs[0], epochs[-1]
    return f"epoch {first}" if first == last else f"{len(epochs):,} from {first} to {last}"


def _doubts(used: Sequence[tuple[RecordingInfo, Foreign]]) -> Iterator[str]:
    """Yield whether agreement is clearly better at another offset, or with other classes."""
    counts = {info.recording: _agreements(info, one) for info, one in used}
    predictions = [_prediction(info, one, 0) for info, one in used]
    matrices = np.array([confusion(one.stages, decided(one)) for one in predictions])
    kappas = of_confusion(matrices)["kappa"]
    if kappas.max() > AGREE and (chance := kappas < CHANCE).any():
        names = [one.recording for one, low in zip(predictions, chance, strict=True) if low]
        yield (
            f"{many(len(names), 'recording')} where agreement is that of chance (kappa below "
            f"{CHANCE}): {some(names)}; check the names"
        )
    if exchange := _exchange(matrices.sum(axis=0)):
        yield f"agreement is {exchange}; check the order of the classes"
    elif shift := _shift(np.sum([*counts.values()], axis=0)):
        yield f"agreement is {shift}; check the first epoch"
    elif shifts := {name: found for name, one in counts.items() if (found := _shift(one))}:
        details = some(f"{name} ({found})" for name, found in shifts.items())
        yield f"{many(len(shifts), 'recording')} where the first epoch is to be checked: {details}"


def _from_lights_off(used: Sequence[tuple[RecordingInfo, Foreign]]) -> bool:
    """Return whether epochs seem to be counted from the beginning of the window, given in it."""
    first = max(_epochs(one).min() for _, one in used)
    begins = np.array([info.places[0] for info, _ in used])
    early = [info.places[-1] - _epochs(one).max() > FARTHEST for info, one in used]
    return bool(first <= 1 and np.median(begins) > FARTHEST and np.mean(early) > 0.5)


def _agreements(info: RecordingInfo, one: Foreign) -> Integers:
    """Return counts (4, offsets) of the epochs that have a prediction as given and at an offset.

    They are the right ones as given, the right ones at the offset, those that are right in one of
    both, and all.
    """
    size = int(info.places[-1]) + 1 + 2 * FARTHEST
    true, given = np.full((2, size), UNSCORED)
    true[info.places + FARTHEST] = info.stages
    places = _epochs(one) + FARTHEST
    inside = (places >= 0) & (places < size)
    given[places[inside]] = _called(one)[inside]
    counts = []
    for offset in OFFSETS:
        moved = np.roll(given, offset)
        both = (true != UNSCORED) & (given != UNSCORED) & (moved != UNSCORED)
        right, there = (given == true)[both], (moved == true)[both]
        counts.append((right.sum(), there.sum(), (right != there).sum(), both.sum()))
    return np.array(counts).T


def _shift(counts: Integers) -> str:
    """Return the agreement at an offset that is clearly better than as given; empty if none is."""
    right, there, either, epochs = counts
    gain = (there - right) / np.sqrt(np.maximum(either, 1))
    if gain.max() < CLEARLY:
        return ""
    best = gain.argmax()
    at, given = 100 * there[best] / epochs[best], 100 * right[best] / epochs[best]
    return f"{at:.0f} % at offset {OFFSETS[best]:+d} and {given:.0f} % as given"


def _exchange(counts: Integers) -> str:
    """Return the agreement with exchanged classes if it is clearly better, and more than half.

    ``counts`` is the confusion matrix; empty if it is not.
    """
    true, called = linear_sum_assignment(counts, maximize=True)
    there, right = counts[true, called].sum(), counts.trace()
    moved = true != called
    either = counts[true, called][moved].sum() + counts.diagonal()[moved].sum()
    if there - right < CLEARLY * max(either, 1) ** 0.5 or 2 * there < counts.sum():
        return ""
    names = [
        f"{STAGES[one]} read as {STAGES[other]}"
        for one, other in zip(called[moved], true[moved], strict=True)
    ]
    at, given = 100 * there / counts.sum(), 100 * right / counts.sum()
    return f"{at:.0f} % with {', '.join(names)} and {given:.0f} % as given"
