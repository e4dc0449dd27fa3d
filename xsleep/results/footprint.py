"""Footprint of the networks: their numbers of parameters beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from xsleep import systems
from xsleep.config.network import NetworkSettings
from xsleep.networks import build
from xsleep.results.published import CHANNELS


def footprint(networks: Mapping[str, NetworkSettings]) -> pd.DataFrame:
    """Return the number of trainable parameters of each system with one, two and three channels.

    Args:
        networks: Preset to the settings of its networks.

    Returns:
        A row for each preset, system and channel set: ``parameters``; the ``published`` number as
        text with two digits (Sections 4.4 and 5); and whether they ``agree`` to these digits
        (``yes`` or ``no``). Both are empty if the paper gives no number for the channel set.
    """
    rows = []
    for preset, settings in networks.items():
        for system, facts in systems.registry().items():
            for count, channels in enumerate(CHANNELS, start=1):
                network = build(system, count, settings, seed=0)
                parameters = sum(parameter.numel() for parameter in network.parameters())
                published = facts.parameters.get(channels, "")
                rows.append(
                    {
                        "preset": preset,
                        "system": system,
                        "channels": channels,
                        "parameters": parameters,
                        "published": published,
                        "agree": _agree(parameters, published) if published else "",
                    }
                )
    return pd.DataFrame(rows)


def _agree(parameters: int, published: str) -> str:
    return "yes" if float(f"{parameters:.1e}") == float(published) else "no"
