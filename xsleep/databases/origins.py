"""Where each database comes from: its address, who may have it, and what is cited for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Origin:
    """A database as its keepers offer it; a text is empty where this project does not know.

    Attributes:
        title, address: its name there, and where that is.
        access: who may have it.
        licence: what it may be used for.
        cited: address to text of what its keepers ask to cite.
    """

    title: str
    address: str
    access: str
    licence: str
    cited: Mapping[str, str]


def origin(reader: str) -> Origin:
    """The origin of what a reader reads."""
    return _origins()[reader]


@cache
def _origins() -> dict[str, Origin]:
    listed = json.loads((files("xsleep.databases") / "origins.json").read_text())
    return {reader: Origin(**facts) for facts in listed for reader in facts.pop("readers")}
