"""Channels of a recording from the signals in its file, added or subtracted."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from xsleep.core.arrays import Blocks, Rows, Singles
from xsleep.core.errors import InputError, warn
from xsleep.core.recording import Signal
from xsleep.databases.formats import channels as common
from xsleep.databases.formats.plausibility import measure, warn_of_stretches


def read_channel(
    path: Path,
    channel: str,
    labels: Sequence[str],
    named: Collection[str],
    read: Callable[[str], Signal],
    *,
    ambiguous: Callable[[str], InputError],
    every: Collection[str],
) -> Signal:
    """Return the first of a channel's labels or derivations whose signals are all in the file.

    The signs of a derivation are between spaces; a label that contains such a sign is preferred.
    Samples are read where they are asked for.

    Args:
        named: names of the signals in the file, as `xsleep.databases.formats.channels.numbered`.
        read: returns the signal of a name.
        ambiguous: returns the error that several signals have a label.
        every: the names, and the labels that several signals have.

    Raises:
        InputError: the channel is missing or ambiguous, or its signals have different rates.
    """
    terms = next((t for label in labels if (t := _terms(label, every))), None)
    if terms is None:
        raise common.no_channel(path, channel, labels, named)
    for label in terms[::2]:
        if label not in named:
            raise ambiguous(label)
    first, *others = terms
    total = read(first)
    _warn_of_term(path, first, total, terms)
    added: list[tuple[np.ufunc, Rows]] = []
    for sign, label in zip(others[::2], others[1::2], strict=True):
        term = read(label)
        if term.rate != total.rate:
            raise InputError(
                f"{path}: {first!r} is sampled at {total.rate:g} Hz and {label!r} at "
                f"{term.rate:g} Hz; they cannot be added or subtracted, choose another channel"
            )
        _warn_of_term(path, label, term, terms)
        added.append((np.add if sign == "+" else np.subtract, term.values))
    if not added:
        return total

    def derived(start: int, stop: int) -> Singles:
        values = total.values[start:stop]
        for operation, other in added:
            values = operation(values, other[start:stop])
        return values

    size = total.values.size if isinstance(total.values, Blocks) else len(total.values)
    values = Blocks(len(total.values), max(size, 1), derived)
    return replace(total, values=values, label=" ".join(terms))


def _terms(label: str, present: Collection[str]) -> list[str] | None:
    """Return the label, or labels and the signs between them; ``None`` if one is missing."""
    terms = [label] if label in present else re.split(r" ([+-]) ", label)
    return terms if all(term in present for term in terms[::2]) else None


def _warn_of_term(path: Path, label: str, signal: Signal, terms: Sequence[str]) -> None:
    """Warn of a constant, flat or clipped term of a derivation, which the sum may not show."""
    if len(terms) == 1:
        return
    amplitudes = measure(signal)
    if amplitudes.low == amplitudes.high:
        warn(path, f"{label!r} is constant and adds nothing to {' '.join(terms)!r}")
    else:
        warn_of_stretches(path, f"{label!r} of {' '.join(terms)!r}", signal, amplitudes)
