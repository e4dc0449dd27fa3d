"""The stages that most scorers of a recording gave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xsleep.core.arrays import Integers
from xsleep.core.stages import STAGES


def majority(scored: Sequence[Integers]) -> Integers:
    """Return the label (n,) that most scorers gave each epoch, ``UNSCORED`` among them.

    Where several are as frequent, that of the scorer counts who agrees best with the others over
    the recording: the mean, over epochs, of the votes that the others gave to this scorer's label,
    as a share of those for their most frequent one (Guillot et al., IEEE TNSRE 28, 2020).

    Args:
        scored: labels (n,) of each scorer.
    """
    every = np.stack(scored) + 1  # from 0, the place of `UNSCORED`
    epochs = np.arange(every.shape[1])
    votes = np.zeros((len(STAGES) + 1, every.shape[1]), int)
    for labels in every:
        votes[labels, epochs] += 1
    agreement = []
    for labels in every:
        others = votes.copy()
        others[labels, epochs] -= 1
        largest = np.maximum(others.max(axis=0), 1)
        agreement.append(float((others[labels, epochs] / largest).mean()))
    best = every[int(np.argmax(agreement))]
    tied = (votes == votes.max(axis=0)).sum(axis=0) > 1
    found: Integers = np.where(tied, best, votes.argmax(axis=0)) - 1
    return found
