"""Reading EDF and EDF+ with edfio: only the signals asked for, in microvolts.

What is wrong with a file becomes one ``InputError`` line that names it.
"""

from __future__ import annotations

import math
import mmap
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import edfio
import numpy as np

from xsleep.databases.reading import microvolts, no_channel, or_line
from xsleep.errors import InputError
from xsleep.recording import Signal
from xsleep.store import RATE

BLOCK_SECONDS = 600
"""How much of a signal is converted at once, to bound memory."""

WRONG_DURATION = re.compile(
    rb"\x00([+-]\d+(?:\.\d+)?)\x15(?!\d+(?:\.\d+)?\x14)([ -~]{0,20})"  # onset and duration
    rb"\x14([^\x00-\x13\x15-\x1f]*)\x14\x00"  # texts
)
"""An annotation of EDF+ (2.2.2) with something else than a plain number for its duration.

Strict enough not to be found in the samples of signals, which may be in the same file.
"""

T = TypeVar("T")


def open_edf(path: Path) -> edfio.Edf:
    """The header of an EDF file; its signals load when they are asked for."""
    header = _start_of_header(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        edf = _or_line(
            path, lambda: edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")
        )
    _check_length(path, edf, header)
    discontinuous = header[192:197] == b"EDF+D" and edf.signals
    if discontinuous and not _or_line(path, lambda: edf.is_continuous):
        raise InputError(
            f"{path}: discontinuous (EDF+D, with gaps between its data records); export it as a "
            "continuous recording (EDF+C)"
        )
    return edf


def _start_of_header(path: Path) -> bytes:
    """The 256 bytes that come before those on the signals."""
    try:
        with path.open("rb") as file:
            header = file.read(256)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; put it there or correct the database's folder"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened ({error.strerror}); correct the link or the permissions"
        ) from None
    for what, start, stop in (
        ("the length of the header", 184, 192),
        ("the number of data records", 236, 244),
        ("the number of signals", 252, 256),
    ):
        try:
            int(header[start:stop])
        except ValueError:
            raise InputError(
                f"{path}: not readable as EDF (its header gives {header[start:stop]!r} as {what}); "
                "fetch it again"
            ) from None
    length, signals = int(header[184:192]), int(header[252:256])
    if length != 256 * (signals + 1):
        raise InputError(
            f"{path}: its header gives {signals} signals and is {length} bytes long, which is that "
            f"of {length / 256 - 1:g}; it is damaged, fetch it again"
        )
    return header


def _check_length(path: Path, edf: edfio.Edf, header: bytes) -> None:
    # edfio mends the record count when a file ends early, so the header is asked itself.
    promised = int(header[236:244])
    if promised >= 0 and promised > edf.num_data_records:
        raise InputError(
            f"{path}: truncated, holds {edf.num_data_records} of the {promised} data records "
            "that its header gives; fetch it again"
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
    values = _or_line(path, lambda: _single(signal, seconds))
    values *= np.float32(factor)
    return Signal(values, float(signal.sampling_frequency))


def _single(signal: edfio.EdfSignal, seconds: float) -> np.ndarray:
    """The physical values in single precision, never the whole of them in double."""
    rate = signal.sampling_frequency
    values = np.empty(round(seconds * rate), np.float32)
    for start in range(0, math.ceil(seconds), BLOCK_SECONDS):
        stop = min(start + BLOCK_SECONDS, seconds)
        values[round(start * rate) : round(stop * rate)] = signal.get_data_slice(start, stop)
    return values


def read_annotations(path: Path) -> list[tuple[float, float, str]]:
    """(onset in seconds, duration in seconds, text) of an EDF+ file, in order of onset."""
    edf = open_edf(path)
    _check_durations(path)
    annotations = _or_line(path, lambda: edf.annotations)
    return [(a.onset, a.duration or 0.0, a.text) for a in annotations]


def _check_durations(path: Path) -> None:
    # edfio leaves out annotations whose duration is not a number without a sign.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        wrong = WRONG_DURATION.search(content)
        if wrong:
            onset, length, text = (part.decode("latin-1") for part in wrong.groups())
            raise InputError(
                f"{path}: {text!r} at {onset} s lasts {length} s; a duration is a number of "
                "seconds that is not negative, correct it"
            )


def duration(edf: edfio.Edf) -> float:
    """Length of the recording in seconds."""
    return float(edf.num_data_records * edf.data_record_duration)


def _or_line(path: Path, read: Callable[[], T]) -> T:
    return or_line(path, read, " as EDF")
