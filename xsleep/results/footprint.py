"""Footprint of the networks: their numbers of parameters beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pandas as pd

from xsleep import systems
from xsleep.config.network import NetworkSettings
from xsleep.networks import build
from xsleep.results.published import CHANNELS


def footprint(networks: Mapping[str, NetworkSettings]) -> pd.DataFrame:
    """Return the number of trainable parameters of each system with one, two and three channels.

    A row for each preset, whose networks have the given settings, system and channel set:
    ``parameters``; the ``published`` number as text with two digits (Sections 4.4 and 5); and
    whether they ``agree`` to these (``yes`` or ``no``). Both are empty if the paper gives no number
    for the channels.
    """
    rows = []
    for preset, system, channels in product(networks, systems.registry(), CHANNELS):
        count = CHANNELS.index(channels) + 1
        network = build(system, count, networks[preset], seed=0)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        published = systems.registry()[system].parameters.get(channels, "")
        agree = ""
        if published:
            agree = "yes" if float(f"{parameters:.1e}") == float(published) else "no"
        rows.append((preset, system, channels, parameters, published, agree))
    names = ("preset", "system", "channels", "parameters", "published", "agree")
    return pd.DataFrame(rows, columns=names)
