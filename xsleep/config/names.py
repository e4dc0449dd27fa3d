"""Names that a configuration may contain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator

from xsleep import systems


def _one_of(choices: Callable[[], Iterable[str]]) -> AfterValidator:
    """Return a validator that accepts these names alone."""

    def check(value: str) -> str:
        *others, last = map(repr, known := tuple(choices()))
        if value not in known:
            raise ValueError(f"Input should be {', '.join(others)} or {last}")
        return value

    return AfterValidator(check)


System: TypeAlias = Annotated[str, _one_of(systems.registry)]
Finetuned: TypeAlias = Annotated[str, _one_of(systems.finetuned)]
Selected: TypeAlias = Annotated[str, _one_of(lambda: (*systems.registry(), *systems.finetuned()))]
"""Name of a row of Table 2: one that trains from scratch, a finetuned ``FT-XSleepNet``, or any."""

Transferred: TypeAlias = Annotated[str, _one_of(systems.transferred)]
"""Name of a network that is pretrained and finetuned."""

SYSTEMS, TRANSFER_SYSTEMS = systems.of_paper("XSleepNet"), systems.of_paper("transfer")
"""The systems of Table 2 that train from scratch, in its order; and those of the transfer paper
(Phan et al., IEEE TBME 2021)."""

Window = Literal[
    "in-bed", "in-bed+30min", "in-bed+30min-as-published", "sleep+30min", "whole-night"
]
"""Parts of a recording, as `xsleep.preparation.windows.in_window` defines them."""

RawFilter = Literal["band-pass", "high-pass", "high-pass-and-notches", "none"]
"""Filters of a channel, as `xsleep.preparation.preprocessing.FILTERS` defines them."""

BLOCKS = ("epoch", "sequence", "softmax")
"""Blocks of every network: epoch processing, sequence processing, and the outputs."""

Strategy = Literal["scratch", "direct", "softmax", "softmax+SPB", "softmax+EPB", "all"]

STRATEGIES: dict[Strategy, tuple[str, ...]] = {
    "scratch": BLOCKS,
    "direct": (),
    "softmax": ("softmax",),
    "softmax+SPB": ("sequence", "softmax"),
    "softmax+EPB": ("epoch", "softmax"),
    "all": BLOCKS,
}
"""Finetuning strategies, and the blocks that each trains (EPB, SPB: epoch and sequence processing
block). For comparison, ``scratch`` draws all weights anew and ``direct`` trains none."""

AUTHORS = "authors"
"""The source whose networks are the released ones."""

MEASURED = "measured"
IMPORTED = "measured from predictions"
GIVEN = "measured with given networks"
STAGER = "measured by another stager"
CONTROL = "control"
SOURCES = (MEASURED, IMPORTED, GIVEN, STAGER, CONTROL)
"""Sources of measured values: networks that were trained here, predictions that were
imported, networks that were trained elsewhere, a stager that is not trained for the database, and
controls without a network."""


def last_of(source: str) -> int:
    """Return a key that sorts other stagers and controls, in this order, after all others."""
    return max(SOURCES.index(source), SOURCES.index(GIVEN))
