"""Stage probabilities: a network and recordings in, predictions out.

Every epoch lies in up to L sequences and gets a prediction from each, or from those that begin
every ``stride`` epochs and from the last of a stretch. Their log-probabilities are averaged: the
stage is that of the released code, which adds them, and the probabilities are comparable between
epochs at the edge and in the middle of a recording.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from xsleep.core.errors import InputError
from xsleep.networks import Network
from xsleep.store.predictions import Prediction
from xsleep.training.evaluation import sequence_logits
from xsleep.training.sequences import Part


def score(
    network: Network, parts: Sequence[Part], longest_gap: int | None, stride: int = 1
) -> list[Prediction]:
    """Return the predictions of every branch of a network in evaluation mode for every epoch.

    Args:
        longest_gap: number of dropped epochs that a sequence may bridge; ``None``: any.
        stride: number of epochs between the beginnings of sequences.

    Raises:
        InputError: the stride leaves epochs without a sequence, or a probability is not finite.
    """
    if stride > (length := network.settings.sequence_length):
        raise InputError(
            f"training.scoring_stride is {stride}: it leaves epochs out where sequences are "
            f"{length} epochs long; choose at most {length}"
        )
    return [_prediction(network, part, longest_gap, stride) for part in parts]


def _prediction(network: Network, part: Part, longest_gap: int | None, stride: int) -> Prediction:
    """Return the predictions for one recording."""
    info = part.info
    sums = {branch: torch.zeros(len(part), 5, dtype=torch.float64) for branch in network.branches}
    counts = torch.zeros(len(part), 1, dtype=torch.float64)
    for first, logits in sequence_logits(network, part, longest_gap, stride):
        for branch, values in logits.items():
            log_probabilities = values.log_softmax(-1).double().cpu()
            length = values.shape[1]
            epochs = (torch.from_numpy(first)[:, None] + torch.arange(length)).flatten()
            sums[branch].index_add_(0, epochs, log_probabilities.flatten(0, 1))
        counts.index_add_(0, epochs, torch.ones(len(epochs), 1, dtype=torch.float64))
    found = {branch: (total / counts).softmax(-1).float() for branch, total in sums.items()}
    for branch, values in found.items():
        if wrong := int((~values.isfinite()).any(-1).sum()):
            raise InputError(
                f"{info.recording}: the {branch} probabilities of {wrong} of its {len(values)} "
                "epochs are not finite; look for broken signals in it, or train the network again"
            )
    probabilities = {branch: values.numpy() for branch, values in found.items()}
    return Prediction(info.recording, info.subject, info.places, info.stages, probabilities)
