"""How the losses of the branches are weighted during training (Section 3 of the paper).

A branch's generalisation measure G and overfitting measure O come from its losses
on a subset of the training set and on the validation set; its weight is
proportional to G / O^2. XSleepNet1 reads them off the losses themselves,
XSleepNet2 off the tangents of the smoothed losses.

The ``guarded`` formula is the released code's: it adds 1e-6 to O^2, and XSleepNet2 lifts the
weights of branches that have one to at least 1e-5. The ``plain`` one is the paper's G / O^2 as it
stands; where O is 0 and G is not, the weight is infinite, and the branches with such a one share
all of it. Under both, a branch with negative G, whose loss a negative weight would raise, has
weight 0 as in the released code (the paper does not say), and where no branch has a weight all
are equal.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xsleep import systems
from xsleep.config.training import TrainingSettings


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


def _guarded(g: float, o: float) -> float:
    return max(g / (o**2 + 1e-6), 0.0)


def _plain(g: float, o: float) -> float:
    if g <= 0:
        return 0.0
    return g / square if (square := o**2) else math.inf


class _Adaptive(Policy, ABC):
    """Weights from the history of losses; a subclass says what G and O are."""

    warm_up: int
    """Evaluations after the first that keep the weights equal."""
    floor: float
    """Least weight of a branch that has one, after normalising; of the guarded formula."""

    def __init__(self, settings: TrainingSettings):
        self.plain = settings.weight_formula == "plain"
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
        share = _plain if self.plain else _guarded
        raw = {branch: share(g, o) for branch, (g, o) in measured.items()}
        if math.inf in raw.values():
            raw = {branch: float(w == math.inf) for branch, w in raw.items()}
        total = sum(raw.values())
        floor = 0.0 if self.plain else self.floor
        if total == 0:
            weights = _equal(raw).weights
        else:
            weights = {b: max(w / total, floor) if w > 0 else 0.0 for b, w in raw.items()}
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

    A tangent is the slope of the line fitted to the last points of the smoothed loss, a point of
    which is the mean of the last W losses (``blending_window``, 20). They are W, and weights begin
    with evaluation W + 1, counted from 0 before any training, as in the released code; or W + 1,
    from n - W to n, and weights begin with evaluation n = W, as in Algorithm 1. The
    reference is the pair of tangents at which the validation loss, which stands for the true one,
    fell fastest. The first reference is that of the window one evaluation earlier, as in the
    released code, or the first tangents themselves, the smallest so far as in the paper: then G
    and O start at 0 and the weights equal.
    Losses are sums over the sets, as in the released code, or means, as in the paper.
    """

    floor = 1e-5

    def __init__(self, settings: TrainingSettings):
        super().__init__(settings)
        self.window = settings.blending_window
        printed = settings.tangent_points == "W+1"
        self.points = self.window + printed
        self.warm_up = self.window - printed
        self.means = settings.xsleepnet2_losses == "means"
        self.first_is_own = settings.first_tangent == "current"
        self.reference: dict[str, list[float]] = {}  # tangents (training, validation)

    def measures(self, branch: str, sizes: tuple[int, int]) -> tuple[float, float]:
        losses = np.array(self.losses[branch]) / (sizes if self.means else 1)
        now = self._tangents(losses)
        first = now if self.first_is_own else self._tangents(losses[:-1])
        reference = self.reference.setdefault(branch, first)
        training, validation = np.subtract(now, reference)
        if now[1] < reference[1]:
            self.reference[branch] = now
        return float(validation), float(validation - training)

    def _tangents(self, losses: np.ndarray) -> list[float]:
        """Slopes of the training and the validation loss at the end of ``losses`` (n, 2)."""
        n = len(losses)
        smoothed = [
            losses[max(0, end - self.window) : end].mean(0)
            for end in range(max(0, n - self.points) + 1, n + 1)
        ]
        return np.polyfit(np.arange(len(smoothed)), smoothed, 1)[0].tolist()

    def state(self) -> dict:
        return super().state() | {"reference": {b: [*r] for b, r in self.reference.items()}}

    def restore(self, state: dict) -> None:
        super().restore(state)
        self.reference = {branch: [*pair] for branch, pair in state["reference"].items()}


POLICIES: dict[str, Callable[[TrainingSettings], Policy]] = {
    "equal": lambda settings: Policy(),
    "losses": XSleepNet1,
    "tangents": XSleepNet2,
}
"""Policies by the name that the registry of systems gives each."""


def policy(system: str, settings: TrainingSettings) -> Policy:
    """Return the blending policy of a system."""
    return POLICIES[systems.registry()[system].blending](settings)
