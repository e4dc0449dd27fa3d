"""Adaptive gradient blending (Section 3.2): losses of the branches in, their loss weights out.

The generalisation measure G and the overfitting measure O of a branch are computed from its losses
on a subset of the training set and on the validation set; its weight is proportional to G / O^2
(eq. 11). XSleepNet1 computes them from the losses (eqs. 13 and 14), XSleepNet2 from the tangents of
the smoothed losses (eqs. 15 and 16).

The ``guarded`` formula is that of the released code: it adds 1e-6 to O^2, and XSleepNet2 raises
non-zero weights to at least 1e-5. The ``plain`` formula is G / O^2 as printed; where O is 0 and G
is not, the weight is infinite, and the branches with infinite weights share all of the weight. In
both, a branch with negative G has weight 0 as in the released code (the paper does not say), and
if all weights are 0, they are set equal.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xsleep import systems
from xsleep.config.training import TrainingSettings
from xsleep.core.arrays import Doubles

Sums = dict[str, float]
"""Branch to the sum of its losses over a set of sequences."""


@dataclass(frozen=True)
class Blend:
    """Weights of the branches, and the G and O they are computed from, if any."""

    weights: dict[str, float]
    generalisation: dict[str, float] = field(default_factory=dict)
    overfitting: dict[str, float] = field(default_factory=dict)


class Policy:
    """Equal weights of all branches, for systems that do not blend."""

    def update(self, training: Sums, validation: Sums, sizes: tuple[int, int]) -> Blend:
        """Return the weights after an evaluation; the first evaluation is before any training.

        The losses are summed over the training subset and the validation set, which have these
        numbers of sequences.
        """
        return _equal(training)

    def state(self) -> dict[str, Any]:
        """Return the state for `restore`, serialisable as JSON."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""


class Joint(Policy):
    """All weight on the last branch, which is the prediction."""

    def update(self, training: Sums, validation: Sums, sizes: tuple[int, int]) -> Blend:
        *others, last = training
        return Blend(dict.fromkeys(others, 0.0) | {last: 1.0})


def _equal(branches: Collection[str]) -> Blend:
    """Return equal weights."""
    return Blend({branch: 1 / len(branches) for branch in branches})


def _guarded(g: float, o: float) -> float:
    """Return the weight of a branch, not normalised, as released."""
    return max(g / (o**2 + 1e-6), 0.0)


def _plain(g: float, o: float) -> float:
    """Return the weight of a branch, not normalised, as printed."""
    if g <= 0:
        return 0.0
    return g / square if (square := o**2) else math.inf


class _Adaptive(Policy, ABC):
    """Weights from the history of losses; subclasses compute G and O."""

    warm_up: int
    """Number of evaluations after the first that keep the weights equal."""
    floor: float
    """Least normalised weight of a branch whose weight is not 0, in the guarded formula."""

    def __init__(self, settings: TrainingSettings):
        self.plain = settings.weight_formula == "plain"
        self.losses: dict[str, list[tuple[float, float]]] = {}  # (training, validation)

    @abstractmethod
    def measures(self, branch: str, sizes: tuple[int, int]) -> tuple[float, float]:
        """Return G and O of a branch, given the sizes of training subset and validation set."""

    def update(self, training: Sums, validation: Sums, sizes: tuple[int, int]) -> Blend:
        for branch in training:
            pair = (float(training[branch]), float(validation[branch]))
            self.losses.setdefault(branch, []).append(pair)
            evaluations = len(self.losses[branch])
        if evaluations - 1 <= self.warm_up:
            return _equal(training)

        measured = {branch: self.measures(branch, sizes) for branch in training}
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

    def state(self) -> dict[str, Any]:
        return {"losses": {branch: [*map(list, pairs)] for branch, pairs in self.losses.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        self.losses = {b: [(t, v) for t, v in pairs] for b, pairs in state["losses"].items()}


class XSleepNet1(_Adaptive):
    """G and O from the mean losses now and before training (eqs. 13 and 14)."""

    warm_up = 0
    floor = 0.0

    def measures(self, branch: str, sizes: tuple[int, int]) -> tuple[float, float]:
        first, last = (np.divide(self.losses[branch][i], sizes) for i in (0, -1))
        training, validation = first - last  # decrease of the losses
        return float(validation), float(training - validation)


class XSleepNet2(_Adaptive):
    """G and O from the tangents of the losses relative to the best tangents (eqs. 15 and 16).

    A tangent is the slope of a line fitted to the last points of the smoothed loss; each point is
    the mean of the last W losses (``blending_window``, 20). In the released code there are W points
    and the first adapted weights are those of evaluation W + 1, counted from 0 before any training;
    in Algorithm 1 there are W + 1 points, from n - W to n, and the first are those of n = W. The
    reference is the pair of tangents at which the validation loss, which estimates the true one,
    decreased fastest. The first reference is that of the previous window, as in the released code,
    or the first tangents themselves, the smallest so far as in the paper: then G and O start at 0
    and the weights are equal. Losses are sums over the sets, as in the released code, or means, as
    in the paper.
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

    def _tangents(self, losses: Doubles) -> list[float]:
        """Return the slopes of training and validation loss at the end of ``losses`` (n, 2)."""
        n = len(losses)
        smoothed = [
            losses[max(0, end - self.window) : end].mean(0)
            for end in range(max(0, n - self.points) + 1, n + 1)
        ]
        slopes: list[float] = np.polyfit(np.arange(len(smoothed)), smoothed, 1)[0].tolist()
        return slopes

    def state(self) -> dict[str, Any]:
        return super().state() | {"reference": {b: [*r] for b, r in self.reference.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.reference = {branch: [*pair] for branch, pair in state["reference"].items()}


POLICIES: dict[str, Callable[[TrainingSettings], Policy]] = {
    "equal": lambda settings: Policy(),
    "losses": XSleepNet1,
    "tangents": XSleepNet2,
    "joint": lambda settings: Joint(),
}
"""Policies by their names in the registry of systems and in the settings of a training."""


def policy(system: str, settings: TrainingSettings) -> Policy:
    """Return the blending policy of the settings, or else of the system."""
    return POLICIES[settings.blending or systems.registry()[system].blending](settings)
