"""The footprint of the networks: their parameters, beside those that the paper gives."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from xsleep import systems
from xsleep.config.network import NetworkSettings
from xsleep.networks import build
from xsleep.results.published import CHANNELS, PARAMETERS


def footprint(networks: Mapping[str, NetworkSettings]) -> pd.DataFrame:
    """Return how many trainable parameters each system has, with one, two and three channels.

    Args:
        networks: preset to its networks' settings.

    Returns:
        A row for each preset, system and channel set: ``parameters``; those ``published``, to two
        digits, as a text; and whether they ``agree`` to these (``yes`` or ``no``). Both are empty
        where the paper gives none of so many channels.
    """
    rows = []
    for preset, settings in networks.items():
        for system in systems.registry():
            for count, channels in enumerate(CHANNELS, start=1):
                network = build(system, count, settings, seed=0)
                parameters = sum(parameter.numel() for parameter in network.parameters())
                published = PARAMETERS.get((system, channels), "")
                rows.append(
                    {
                        **{"preset": preset, "system": system, "channels": channels},
                        "parameters": parameters,
                        "published": published,
                        "agree": _agree(parameters, published) if published else "",
                    }
                )
    return pd.DataFrame(rows)


def _agree(parameters: int, published: str) -> str:
    return "yes" if float(f"{parameters:.1e}") == float(published) else "no"
