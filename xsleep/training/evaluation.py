"""Evaluation: a network and recordings in, logits and losses of all sequences out.

In evaluation mode the features of an epoch do not depend on its sequence, so each epoch is encoded
once for the up to L sequences that contain it; the result is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from xsleep.compute import parallel
from xsleep.core.arrays import Singles
from xsleep.networks import Network
from xsleep.training.sequences import Part, blocks, read, stretches

EPOCHS, SEQUENCES = 256, 256
"""Number of epochs encoded and of sequences decoded at once, which bounds the memory."""


@torch.inference_mode()
def sequence_logits(
    network: Network, part: Part, longest_gap: int | None, stride: int = 1
) -> Iterator[tuple[NDArray[np.int64], dict[str, torch.Tensor]]]:
    """Yield first epochs (B,) of sequences, and branch to their logits (B, L, 5).

    All sequences of the part come once, in blocks, or every ``stride``-th and the last of a
    stretch; a stretch shorter than L is one shorter sequence. The network must be in evaluation
    mode.
    """
    length = network.settings.sequence_length
    for start, stop in stretches(part.info.places, longest_gap):
        ranges = ((start + first, start + last) for first, last in blocks(stop - start, EPOCHS))
        features = encoded(network, part, *next(ranges))  # of the epochs from `begin` on
        long, begin = min(length, stop - start), 0
        every = range(0, stop - start - long + 1, stride)
        windows = np.unique([*every, stop - start - long])
        for first, last in blocks(len(windows), SEQUENCES):
            chosen = windows[first:last] - begin
            features, begin, chosen = features[chosen[0] :], windows[first], chosen - chosen[0]
            while len(features) < chosen[-1] + long:
                features = torch.cat([features, encoded(network, part, *next(ranges))])
            if stride == 1:  # sequences share what they can
                logits = network.decode_overlapping(features[: chosen[-1] + long], long)
            else:
                epochs = torch.from_numpy(chosen)[:, None] + torch.arange(long)
                logits = network.decode(features[epochs])
            yield start + windows[first:last], logits


def encoded(network: Network, part: Part, start: int, stop: int) -> torch.Tensor:
    """Return the features (stop - start, F) of a range of epochs."""
    return network.encode(**inputs(network, {v: read(part, v, start, stop) for v in network.views}))


def inputs(
    network: Network, views: Mapping[str, Singles | torch.Tensor]
) -> dict[str, torch.Tensor | None]:
    """Return the network's arguments from view to values, on its device."""
    device = next(network.parameters()).device
    return {
        argument: torch.as_tensor(views[view]).to(device, non_blocking=True)
        if view in views
        else None
        for argument, view in (("raw", "raw"), ("time_frequency", "time-frequency"))
    }


@dataclass(frozen=True)
class Losses:
    """Losses of a network over ``count`` sequences; that of a sequence is the mean of its epochs.

    ``sums`` and ``accuracies`` are branch to its summed cross-entropy and to its accuracy,
    ``not_finite`` the recordings with a loss that is not finite.
    """

    sums: dict[str, float]
    accuracies: dict[str, float]
    count: int
    not_finite: tuple[str, ...] = ()


def evaluate(
    network: Network, parts: Sequence[Part], longest_gap: int | None, stride: int = 1
) -> Losses:
    """Return losses and accuracies over the `sequence_logits` of these parts, in evaluation mode.

    If several processes train together, each evaluates some of the parts.
    """
    training = network.training
    network.eval()
    sums = dict.fromkeys(network.branches, 0.0)
    correct = dict.fromkeys(network.branches, 0)
    count = predicted = 0
    not_finite: dict[str, None] = {}  # in order
    for part in parts[parallel.rank() :: parallel.size()]:
        stages = torch.from_numpy(part.info.stages.astype(np.int64))
        for first, logits in sequence_logits(network, part, longest_gap, stride):
            for branch, values in logits.items():
                length = values.shape[1]
                labels = stages[torch.from_numpy(first)[:, None] + torch.arange(length)]
                labels = labels.to(values.device)
                loss = functional.cross_entropy(
                    values.flatten(0, 1), labels.flatten(), reduction="sum"
                )
                value = loss.item() / length
                sums[branch] += value
                if not math.isfinite(value):
                    not_finite[part.info.recording] = None
                correct[branch] += int((values.argmax(-1) == labels).sum())
            count += len(first)
            predicted += labels.numel()
    network.train(training)
    found = parallel.totals([count, predicted, *sums.values(), *correct.values()])
    branches = len(sums)
    sums = dict(zip(sums, found[2 : 2 + branches], strict=True))
    right = dict(zip(correct, found[2 + branches :], strict=True))
    if not all(map(math.isfinite, sums.values())):  # in every process
        not_finite = {name: None for names in parallel.gathered(not_finite) for name in names}
    accuracies = {branch: value / found[1] for branch, value in right.items()}
    return Losses(sums, accuracies, int(found[0]), tuple(not_finite))
