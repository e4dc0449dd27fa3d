"""Minibatches: training sequences in, inputs and labels on the network's device out.

If the training recordings fit into the GPU's memory, they are read once and minibatches are
gathered there. Otherwise minibatches are prefetched in the background; for a GPU into pinned
memory, from which they are copied asynchronously.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from xsleep.compute.device import free_memory
from xsleep.core.recording import SHAPES
from xsleep.training.sequences import TrainingSequences, ahead, read

Batch = tuple[dict[str, Tensor], Tensor]
"""View to input (B, L, ...), and labels (B, L)."""

SHARE = 0.5
"""Share of a GPU's free memory that the recordings may take; networks and other runs need some."""


def batches(
    sequences: TrainingSequences, views: Sequence[str], steps: Iterable[int], device: torch.device
) -> Iterator[Batch]:
    """Yield the minibatches of these steps, on the device or in CPU memory."""
    on_gpu, parts = device.type == "cuda", sequences.parts
    values = sum(math.prod(SHAPES[view]) for view in views) * len(parts[0].data.channels)
    if on_gpu and 4 * values * sum(map(len, parts)) <= SHARE * free_memory(device):
        return map(Resident(sequences, views, device).batch, steps)

    def load(step: int) -> Batch:
        arrays, labels = sequences.batch(step, views)
        found = {view: torch.from_numpy(values) for view, values in arrays.items()}
        if on_gpu:
            found = {view: values.pin_memory() for view, values in found.items()}
        return found, torch.from_numpy(labels)

    return ahead(load, steps)


class Resident:
    """Training recordings in a device's memory, one after another."""

    def __init__(
        self, sequences: TrainingSequences, views: Sequence[str], device: torch.device
    ) -> None:
        self.sequences, self.device = sequences, device
        parts = sequences.parts
        ends = np.cumsum([len(part) for part in parts])
        self.first = [0, *ends.tolist()]  # epoch of each part
        stages = np.concatenate([part.info.stages for part in parts])
        self.stages = torch.from_numpy(stages.astype(np.int64)).to(device)
        channels = len(parts[0].data.channels)
        self.values = {
            view: torch.empty(len(stages), *SHAPES[view], channels, device=device) for view in views
        }
        for part, start in zip(parts, self.first, strict=False):
            for view, values in self.values.items():
                epochs = read(part, view, 0, len(part))
                values[start : start + len(part)] = torch.from_numpy(epochs)

    def batch(self, step: int) -> Batch:
        """Return the minibatch of a step, counted from 0."""
        starts = [self.first[part] + start for part, start in self.sequences.chosen(step)]
        first = torch.tensor(starts).to(self.device, non_blocking=True)
        epochs = first[:, None] + torch.arange(self.sequences.length, device=self.device)
        return {view: values[epochs] for view, values in self.values.items()}, self.stages[epochs]
