"""Footprint of the networks: their numbers of parameters beside the published ones, operations."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import cast

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from xsleep import systems
from xsleep.config.network import NetworkSettings
from xsleep.core.recording import EPOCH_SECONDS, SHAPES
from xsleep.networks import Network, build
from xsleep.networks.network import EpochPart
from xsleep.results.published import CHANNELS

NIGHT = 8 * 3600 // EPOCH_SECONDS
"""Epochs of a night of eight hours."""

MORE = 8
"""Epochs that a second count of operations has more than the first."""


def footprint(networks: Mapping[str, Mapping[str, NetworkSettings]]) -> pd.DataFrame:
    """Return parameters and operations of each system with one, two and three channels.

    A row for each preset, whose ``networks`` have the given settings by system, system and channel
    set: trainable ``parameters``; the ``published`` number as text with two digits (Sections 4.4
    and 5, or docs/explanation/prior-work.md); whether they ``agree`` to these (``yes`` or ``no``);
    and `night_operations` in 10^9, ``GFLOP a night``. ``published`` and ``agree`` are empty if no
    number is published for the channels.
    """
    rows = []
    known = ((preset, *of) for preset, settings in networks.items() for of in settings.items())
    for (preset, system, settings), channels in product(known, CHANNELS):
        count = CHANNELS.index(channels) + 1
        network = build(system, count, settings, seed=0)
        parameters = number_of_parameters(network)
        published = systems.registry()[system].parameters.get(channels, "")
        agree = ""
        if published:
            agree = "yes" if float(f"{parameters:.1e}") == float(published) else "no"
        operations = round(night_operations(network, count) / 1e9, 2)
        rows.append((preset, system, channels, parameters, published, agree, operations))
    names = ("preset", "system", "channels", "parameters", "published", "agree", "GFLOP a night")
    return pd.DataFrame(rows, columns=names)


def number_of_parameters(network: Network) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


@torch.inference_mode()
def night_operations(network: Network, channels: int) -> float:
    """Return the floating-point operations that score `NIGHT`, without gaps.

    Multiplications and additions of matrix products and convolutions are counted, as PyTorch runs
    them: each epoch is encoded once, and all overlapping sequences are decoded. Their number grows
    linearly with the epochs, so few are counted.
    """
    network.eval()
    length = min(network.settings.sequence_length, NIGHT)
    size = sum(cast(EpochPart, part).features for part in network.epoch.values())
    inputs = [torch.zeros(1, *SHAPES[view], channels) for view in ("raw", "time-frequency")]

    def decoded(epochs: int) -> int:
        with FlopCounterMode(display=False) as counter:
            network.decode_overlapping(torch.zeros(epochs, size), length)
        return int(counter.get_total_flops())

    with FlopCounterMode(display=False) as encoded:
        network.encode(*inputs)
    first, second = decoded(length), decoded(length + MORE)
    more = (second - first) / MORE
    return NIGHT * int(encoded.get_total_flops()) + first + (NIGHT - length) * more
