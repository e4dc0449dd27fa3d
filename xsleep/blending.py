"""How the losses of the branches are weighted during training (Section 3 of the paper).

A branch's generalisation measure G and overfitting measure O come from its losses
on a subset of the training set and on the validation set; its weight is
proportional to G / O^2. XSleepNet1 reads them off the losses themselves,
XSleepNet2 off the tangents of the smoothed losses. Both follow the released code,
which adds 1e-6 to O^2, sets negative weights to 0, and falls back on equal
weights where all are 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Blend:
    """Weights of the branches, and G and O that led to them (None where they do not)."""

    weights: dict[str, float]
    generalisation: dict[str, float] | None = None
    overfitting: dict[str, float] | None = None


class Policy:
    """Equal weights over the branches: the systems that do not blend."""

    def update(
        self,
        training_loss_sums: dict[str, float],
        validation_loss_sums: dict[str, float],
        training_size: int,
        validation_size: int,
    ) -> Blend:
        """Weights after an evaluation; the first evaluation is before any training.

        ``training_loss_sums`` and ``validation_loss_sums`` are each branch's losses
        summed over the ``training_size`` sequences of the training subset and the
        ``validation_size`` sequences of the validation set.
        """
        return _equal(training_loss_sums)

    def state(self) -> dict:
        """What `restore` needs to go on from here, fit for JSON."""
        return {}

    def restore(self, state: dict) -> None:
        """Go on from a `state`."""


def _equal(branches) -> Blend:
    return Blend({branch: 1 / len(branches) for branch in branches})


class _Adaptive(Policy, ABC):
    """Weights from the history of losses; a subclass says what G and O are."""

    warm_up: int
    """Evaluations after the first that keep the weights equal."""
    floor: float
    """Least weight of a branch that has one, after normalising."""

    def __init__(self):
        self.losses: dict[str, list[tuple[float, float]]] = {}  # (training, validation)

    @abstractmethod
    def measures(self, branch: str, sizes: tuple[int, int]) -> tuple[float, float]:
        """G and O of a branch."""

    def update(
        self,
        training_loss_sums: dict[str, float],
        validation_loss_sums: dict[str, float],
        training_size: int,
        validation_size: int,
    ) -> Blend:
        for branch, training in training_loss_sums.items():
            pair = (float(training), float(validation_loss_sums[branch]))
            self.losses.setdefault(branch, []).append(pair)
            evaluations = len(self.losses[branch])
        if evaluations - 1 <= self.warm_up:
            return _equal(training_loss_sums)

        sizes = (training_size, validation_size)
        measured = {branch: self.measures(branch, sizes) for branch in training_loss_sums}
        raw = {branch: max(g / (o**2 + 1e-6), 0.0) for branch, (g, o) in measured.items()}
        total = sum(raw.values())
        if total == 0:
            weights = _equal(raw).weights
        else:
            weights = {b: max(w / total, self.floor) if w > 0 else 0.0 for b, w in raw.items()}
        return Blend(
            weights,
            {branch: g for branch, (g, _) in measured.items()},
            {branch: o for branch, (_, o) in measured.items()},
        )

    def state(self) -> dict:
        return {"losses": {branch: [*map(list, pairs)] for branch, pairs in self.losses.items()}}

    def restore(self, state: dict) -> None:
        self.losses = {b: [(t, v) for t, v in pairs] for b, pairs in state["losses"].items()}


class XSleepNet1(_Adaptive):
    """G and O from the mean losses now and before training."""

    warm_up = 0
    floor = 0.0

    def measures(self, branch: str, sizes: tuple[int, int]) -> tuple[float, float]:
        first, last = (np.divide(self.losses[branch][i], sizes) for i in (0, -1))
        training, validation = first - last  # how far the losses have fallen
        return float(validation), float(training - validation)


class XSleepNet2(_Adaptive):
    """G and O from the tangents of the losses against the best tangents so far.

    A tangent is the slope of the line fitted to the last ``window`` (released: 20) points of
    the smoothed loss, a point of which is the mean of the last ``window`` losses. The
    reference is the pair of tangents at which the validation loss, which stands for the true one,
    fell fastest; the first reference is that of the window one evaluation earlier.
    Losses are sums over the sets, as in the released code; the paper has means.
    """

    floor = 1e-5

    def __init__(self, window: int):
        super().__init__()
        self.window = self.warm_up = window
        self.reference: dict[str, list[float]] = {}  # tangents (training, validation)

    def measures(self, branch: str, sizes: tuple[int, int]) -> tuple[float, float]:
        losses = np.array(self.losses[branch])
        now = self._tangents(losses)
        reference = self.reference.setdefault(branch, self._tangents(losses[:-1]))
        training, validation = np.subtract(now, reference)
        if now[1] < reference[1]:
            self.reference[branch] = now
        return float(validation), float(validation - training)

    def _tangents(self, losses: np.ndarray) -> list[float]:
        """Slopes of the training and the validation loss at the end of ``losses`` (n, 2)."""
        n = len(losses)
        smoothed = [
            losses[max(0, end - self.window) : end].mean(0)
            for end in range(max(0, n - self.window) + 1, n + 1)
        ]
        return np.polyfit(np.arange(len(smoothed)), smoothed, 1)[0].tolist()

    def state(self) -> dict:
        return super().state() | {"reference": {b: [*r] for b, r in self.reference.items()}}

    def restore(self, state: dict) -> None:
        super().restore(state)
        self.reference = {branch: [*pair] for branch, pair in state["reference"].items()}


def policy(system: str, window: int = 20) -> Policy:
    """The policy of a system; those other than XSleepNet1 and XSleepNet2 weight equally.

    ``window`` is the number of evaluations over which XSleepNet2 looks back.
    """
    if system == "XSleepNet2":
        return XSleepNet2(window)
    return XSleepNet1() if system == "XSleepNet1" else Policy()
