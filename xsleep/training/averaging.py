"""Averaged weights: the networks after each step in, their exponential moving average out."""

from __future__ import annotations

import copy

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from xsleep.networks import Network


class Average:
    """Exponential moving average of the parameters and buffers of a network.

    Buffers hold the batch statistics. PyTorch's ``AveragedModel`` would wait for the GPU after
    every step, and round averages of whole numbers.

    Attributes:
        network: the averaged network, on the device of the other.
        decay: weight of the average so far in the next, from 0 to 1.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network, self.decay = copy.deepcopy(network), decay

    @torch.no_grad()
    def update(self, network: Network, *, first: bool) -> None:
        """Take the network after a step into the average, which begins with the ``first``."""
        both = ([*one.parameters(), *one.buffers()] for one in (self.network, network))
        pairs = [*zip(*both, strict=True)]
        own, theirs = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        get_ema_multi_avg_fn(0.0 if first else self.decay)(own, theirs, 0)
        for count, latest in pairs:
            if not count.is_floating_point():  # of minibatches
                count.copy_(latest)
