"""Reading EDF and EDF+ with edfio: only the signals asked for, in microvolts.

What is wrong with a file becomes one ``InputError`` line that names it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import edfio
import numpy as np

from xsleep.databases.reading import content, microvolts, no_channel, or_line
from xsleep.errors import InputError
from xsleep.recording import Signal
from xsleep.store import RATE

BLOCK_SECONDS = 600
"""How much of a signal is converted at once, to bound memory."""

ANNOTATIONS = re.compile(
    rb"(?P<onset>[+-]\d+(\.\d+)?)(\x15(?P<duration>[^\x14\x15]*))?"
    rb"\x14(?P<texts>([^\x14\x15]*\x14)+)"
)
"""Annotations of EDF+ with one onset (2.2.2), whatever their duration is."""

DIGITAL = range(-(2**15), 2**15)
LARGEST = 1e7
"""Microvolts that a header may give; any more is damage."""
LARGEST_FIELD = 1e6
"""The same of bytes of the header, data records, seconds of each, and signals."""

T = TypeVar("T")


def open_edf(path: Path) -> edfio.Edf:
    """The header of an EDF file; its signals load when they are asked for."""
    header = _header(path)
    edf = _or_line(
        path, lambda: edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")
    )
    _check_size(path, header)
    discontinuous = header[192:197] == b"EDF+D" and edf.signals
    if discontinuous and not _or_line(path, lambda: edf.is_continuous):
        raise InputError(
            f"{path}: discontinuous (EDF+D, with gaps between its data records); export it as a "
            "continuous recording (EDF+C)"
        )
    return edf


def _header(path: Path) -> bytes:
    """The header with that of the signals."""
    missing = "put it there or correct the database's folder"
    header = content(path, missing, 256)
    for what, number, least, start, stop in (
        ("the length of the header", int, 256, 184, 192),
        ("the number of data records", int, -1, 236, 244),
        ("the duration of a data record", float, 0, 244, 252),
        ("the number of signals", int, 0, 252, 256),
    ):
        try:
            fits = least <= number(header[start:stop]) <= LARGEST_FIELD
        except ValueError:
            fits = False
        if not fits:
            raise InputError(
                f"{path}: not readable as EDF (its header gives {header[start:stop]!r} as {what}); "
                "fetch it again"
            )
    length, signals = int(header[184:192]), int(header[252:256])
    if length != 256 * (signals + 1):
        raise InputError(
            f"{path}: its header gives {signals} signals and is {length} bytes long, which is that "
            f"of {length / 256 - 1:g}; it is damaged, fetch it again"
        )
    return content(path, missing, length)


def _signals(path: Path, header: bytes) -> list[tuple[bytes, int]]:
    """Label and bytes per data record of all signals, annotations included."""
    count = len(header) // 256 - 1
    labels = (header[256:][16 * i : 16 * (i + 1)] for i in range(count))
    samples = (header[256 + 216 * count :][8 * i : 8 * (i + 1)] for i in range(count))
    return [
        (label.strip(), 2 * _or_line(path, partial(int, number)))
        for label, number in zip(labels, samples, strict=True)
    ]


def _check_size(path: Path, header: bytes) -> None:
    # edfio takes as many data records as there are, wherever a file was cut or grew.
    promised = int(header[236:244])
    size = path.stat().st_size - len(header)
    records, rest = divmod(size, sum(length for _, length in _signals(path, header)))
    if promised >= 0 and promised > records:
        raise InputError(
            f"{path}: truncated, holds {records} of the {promised} data records that its header "
            "gives; fetch it again"
        )
    if promised >= 0 and (promised < records or rest):
        raise InputError(
            f"{path}: holds more than the {promised} data records that its header gives; it is "
            "damaged, fetch it again"
        )


def start_time(path: Path, edf: edfio.Edf) -> datetime:
    """Date and clock time at which the recording starts."""
    return _or_line(path, lambda: datetime.combine(edf.startdate, edf.starttime))


def read_channels(
    path: Path,
    edf: edfio.Edf,
    labels: Mapping[str, Sequence[str]],
    channels: Sequence[str],
    lowest_rate: float = RATE,
) -> dict[str, Signal]:
    """The signals of these channels in microvolts.

    Args:
        labels: for each channel, what it may be in the file, best first: the label of a signal, or
            a derivation, signals added or subtracted as in ``EOG(L) - EOG(R)``. The signs stand
            between spaces; a label that has such a sign itself is found all the same.
        lowest_rate: at which a channel may be sampled, in hertz.

    Raises:
        InputError: a channel is not there, is sampled more slowly, or is not a voltage.
    """
    return {
        channel: _read_channel(path, edf, channel, labels[channel], lowest_rate)
        for channel in channels
    }


def _read_channel(
    path: Path, edf: edfio.Edf, channel: str, labels: Sequence[str], lowest_rate: float
) -> Signal:
    present = {signal.label: signal for signal in edf.signals}
    terms = next((t for label in labels if (t := _terms(label, present))), None)
    if terms is None:
        raise no_channel(path, channel, labels, present)
    first, *others = terms
    total = _read_signal(path, present[first], duration(edf), lowest_rate)
    for sign, label in zip(others[::2], others[1::2], strict=True):
        term = _read_signal(path, present[label], duration(edf), lowest_rate)
        if term.rate != total.rate:
            raise InputError(
                f"{path}: {first!r} is sampled at {total.rate:g} Hz and {label!r} at {term.rate:g} "
                "Hz; they cannot be added or subtracted, choose another channel"
            )
        (np.add if sign == "+" else np.subtract)(total.values, term.values, out=total.values)
    return replace(total, label=" ".join(terms))


def _terms(label: str, present: Mapping[str, edfio.EdfSignal]) -> list[str] | None:
    """The label, or labels and the signs between them; ``None`` where one is not there."""
    terms = [label] if label in present else re.split(r" ([+-]) ", label)
    return terms if all(term in present for term in terms[::2]) else None


def _read_signal(path: Path, signal: edfio.EdfSignal, seconds: float, lowest_rate: float) -> Signal:
    label = signal.label
    if signal.sampling_frequency < lowest_rate:
        raise InputError(
            f"{path}: channel {label!r} is sampled at {signal.sampling_frequency:g} Hz; at least "
            f"{lowest_rate:g} Hz is needed, choose another channel"
        )
    factor = microvolts(path, label, signal.physical_dimension)
    _check_scale(path, signal, factor)
    values = _or_line(path, lambda: _single(signal, seconds))
    values *= np.float32(factor)
    return Signal(values, float(signal.sampling_frequency))


def _check_scale(path: Path, signal: edfio.EdfSignal, factor: float) -> None:
    # Where these make no scale, edfio gives the samples as they are.
    low, high = _or_line(path, lambda: signal.physical_range)
    first, last = _or_line(path, lambda: signal.digital_range)
    largest = max(abs(low), abs(high)) * factor
    if low == high or not largest < LARGEST or not DIGITAL[0] <= first < last <= DIGITAL[-1]:
        raise InputError(
            f"{path}: channel {signal.label!r} goes from {low:g} to {high:g} as its samples go "
            f"from {first} to {last}, which is no scale; fetch it again or choose another channel"
        )


def _single(signal: edfio.EdfSignal, seconds: float) -> np.ndarray:
    """The physical values in single precision, never the whole of them in double."""
    rate = signal.sampling_frequency
    values = np.empty(round(seconds * rate), np.float32)
    for start in range(0, math.ceil(seconds), BLOCK_SECONDS):
        stop = min(start + BLOCK_SECONDS, seconds)
        values[round(start * rate) : round(stop * rate)] = signal.get_data_slice(start, stop)
    return values


def read_annotations(path: Path) -> list[tuple[float, float, str]]:
    """(onset in seconds, duration in seconds, text) of an EDF+ file, in order of onset.

    Read by hand: what edfio cannot parse it leaves out, and nobody would miss a stage.
    """
    open_edf(path)
    start, found = None, []
    for given in _annotation_lists(path):
        match = ANNOTATIONS.fullmatch(given)
        if not match:
            raise InputError(
                f"{path}: {given[:40]!r} is no annotation of EDF+; it is damaged, fetch it again"
            )
        onset = float(match["onset"])
        *texts, _ = _or_line(path, match["texts"].decode).split("\x14")
        if start is None:
            start = 0.0 if texts[0] else onset
        length = (match["duration"] or b"0").decode("latin-1")
        if not re.fullmatch(r"\d+(\.\d+)?", length, re.ASCII):
            raise InputError(
                f"{path}: {texts[0]!r} at {onset:+g} s lasts {length!r} s; a duration is a number "
                "of seconds that is not negative, correct it"
            )
        # Without a text it tells when a data record starts.
        found += [(onset, float(length), text) for text in texts if text]
    # The first one does so less than a second after the file (2.2.4).
    if start is not None and not 0 <= start < 1:
        raise InputError(
            f"{path}: its first data record begins {start:g} s after the file, not with it; it is "
            "damaged, fetch it again"
        )
    return sorted((round(onset - (start or 0), 12), *others) for onset, *others in found)


def _annotation_lists(path: Path) -> Iterator[bytes]:
    """What there is between the zeros in signals of annotations."""
    header = _header(path)
    signals = _signals(path, header)
    ends = np.cumsum([length for _, length in signals])
    content = np.memmap(path, np.uint8, "r", len(header))
    for record in content[: len(content) // ends[-1] * ends[-1]].reshape(-1, ends[-1]):
        for (label, length), end in zip(signals, ends, strict=True):
            if label == b"EDF Annotations":
                yield from filter(None, record[end - length : end].tobytes().split(b"\0"))


def duration(edf: edfio.Edf) -> float:
    """Length of the recording in seconds."""
    return float(edf.num_data_records * edf.data_record_duration)


def _or_line(path: Path, read: Callable[[], T]) -> T:
    return or_line(path, read, " as EDF")
