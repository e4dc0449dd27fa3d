"""Reading of selected signals of EDF, EDF+, BDF and BDF+ files (samples of 16 and 24 bits).

Headers are read as leniently as by other programs: errors with only one possible meaning are read
with a warning, others become one line that names the file, the field and its value.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from xsleep.core.arrays import Blocks, Doubles, Integers, Singles
from xsleep.core.errors import DamagedError, InputError, warn
from xsleep.core.recording import DAY_SECONDS, Signal
from xsleep.databases.formats import channels as common
from xsleep.databases.formats.channels import UNITS, Channels, as_clock, content
from xsleep.databases.formats.derivations import read_channel

BLOCK_BYTES = 2**22
"""Bytes read at a time, to bound memory."""

ANNOTATIONS = re.compile(
    rb"(?P<onset>[+-]\d+(\.\d+)?)(\x15(?P<duration>[^\x14\x15]*))?"
    rb"\x14(?P<texts>([^\x14\x15]*\x14)+)"
)
"""Annotations of EDF+ with one onset (EDF+ 2.2.2), with any text as duration."""

BDF = b"\xffBIOSEMI"
MAIN_HEADER = {"version": 8, "patient": 80, "recording": 80, "date": 8, "time": 8}
MAIN_HEADER |= {"length": 8, "reserved": 44, "records": 8, "record seconds": 8, "signals": 4}
SCALE = ("physical minimum", "physical maximum", "digital minimum", "digital maximum")
SIGNAL_HEADER = {"label": 16, "transducer": 80, "unit": 8, **dict.fromkeys(SCALE, 8)}
SIGNAL_HEADER |= {"filters": 80, "samples": 8, "reserved": 32}
"""Fields of the header, and of that of a signal, to their bytes."""

LARGEST = 1e7
"""Largest amplitude that a header may give, in microvolts."""
LARGEST_FIELD = 10_000_000
"""Largest number of data records, of seconds of each, and of samples in it."""
LARGEST_DRIFT = 0.5
"""Largest drift of the onsets of data records in a file without gaps, in seconds."""
LONGEST = 31 * DAY_SECONDS
"""Longest recording, in seconds."""
HIGHEST_RATE = 100_000
"""Highest sampling rate, in hertz."""
MOST_FILLED = 10
"""Largest ratio of the samples of a recording with its gaps to those recorded, or to those of a
day at the lowest rate."""

UNKNOWN_DATE = date(1985, 1, 1)
"""Date of anonymised recordings (EDF+ 2.1.3.4)."""

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class SignalHeader:
    """Header of one signal.

    Attributes:
        scale: fields of `SCALE`, as text.
        samples: number of samples in a data record.
        place: slice of the bytes of a data record that they are.
    """

    label: str
    unit: str
    scale: tuple[bytes, ...]
    samples: int
    place: slice


@dataclass(frozen=True)
class Edf:
    """Header of an EDF or BDF file, with access to its samples.

    Attributes:
        width: bytes of a sample: 2, or 3 in BDF.
        plus: ``EDF+C``, ``BDF+D`` and so on, from the reserved field; otherwise empty.
        day, clock: start date and time of the header, if valid.
        records, record_seconds, record_bytes: number of data records, and duration and size of one.
        data: byte of the file at which the data records begin.
        onsets: seconds from the first sample to each data record, if there are gaps.
    """

    path: Path
    width: int
    plus: str
    day: date | None
    clock: time | None
    records: int
    record_seconds: float
    signals: tuple[SignalHeader, ...]
    annotations: tuple[SignalHeader, ...]
    data: int
    record_bytes: int
    onsets: Doubles | None = None

    @cached_property
    def named(self) -> dict[str, SignalHeader]:
        """The signals by ``LABEL``, or ``LABEL#1`` and so on if it is not unique."""
        names = common.numbered([signal.label for signal in self.signals])
        return {name: self.signals[place] for name, place in names.items()}

    @property
    def seconds(self) -> float:
        """Duration of the recording in seconds, gaps included."""
        if self.onsets is not None:
            return float(self.onsets[-1]) + self.record_seconds
        return self.records * self.record_seconds

    @property
    def start(self) -> datetime:
        """Date and clock time of the start; `UNKNOWN_DATE` if the date is not known.

        Raises:
            InputError: the header has no clock time.
        """
        if self.clock is None:
            raise InputError(f"{self.path}: its header gives no start time (hh.mm.ss); correct it")
        return datetime.combine(self.day or UNKNOWN_DATE, self.clock)

    @cached_property
    def delay(self) -> float:
        """Seconds, less than one, from the header's start to the first sample (EDF+ 2.2.4)."""
        given = next(_annotation_lists(self), None) if self.plus else None
        match = given and ANNOTATIONS.fullmatch(given)
        # With a text it is an annotation; without one it says when the data record begins.
        if not match or not match["texts"].startswith(b"\x14"):
            return 0.0
        delay = float(match["onset"])
        if not 0 <= delay < 1:
            raise DamagedError(
                f"{self.path}: its first data record begins {delay:g} s after the file, not with it"
            )
        return delay

    def blocks(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the data records (n, bytes) in order, at most `BLOCK_BYTES` at a time."""
        if not self.record_bytes:
            return
        with self.path.open("rb") as file:
            for start in range(0, self.records, self.step):
                yield self.read(file, start, min(start + self.step, self.records))

    @property
    def step(self) -> int:
        """Number of data records that are read at a time."""
        return max(BLOCK_BYTES // self.record_bytes, 1)

    def read(self, file: BinaryIO, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the data records (stop - start, bytes) from one up to another."""
        file.seek(self.data + start * self.record_bytes)
        content = np.fromfile(file, np.uint8, (stop - start) * self.record_bytes)
        return content.reshape(stop - start, self.record_bytes)


def open_edf(path: Path, gaps: bool = False) -> Edf:
    """Read the header of an EDF or BDF file.

    With ``gaps`` there may be gaps between its data records; signals are 0 in them.

    Raises:
        InputError: it cannot be read, or has gaps that are not allowed.
    """
    missing = "put it there or correct the database's folder"
    first = content(path, missing, 256)
    if len(first) < 256:
        raise DamagedError(f"{path}: not readable as EDF (it has {len(first)} bytes, no header)")
    (main,) = _fields(first, MAIN_HEADER, 1)
    length = _number(path, main["length"], int, "the length of the header", least=256)
    count = _number(path, main["signals"], int, "the number of signals", most=10_000)
    if length != 256 * (count + 1):
        raise DamagedError(
            f"{path}: its header gives {count} signals and is {length} bytes long, which is that "
            f"of {length / 256 - 1:g}"
        )
    header = content(path, missing, length)
    if len(header) < length:
        raise DamagedError(f"{path}: truncated within its header of {length} bytes")
    width = 3 if main["version"] == BDF else 2
    duration = "the duration of a data record"
    record_seconds = _number(path, main["record seconds"], float, duration)
    every = _signal_headers(path, header[256:], count, width)
    is_annotation = ("EDF Annotations", "BDF Annotations")
    signals = tuple(signal for signal in every if signal.label not in is_annotation)
    if any(signal.samples for signal in signals) and not record_seconds:
        raise InputError(
            f"{path}: its header gives 0 as {duration}, so that nobody knows at which rate its "
            "signals were sampled; correct it"
        )
    record_bytes = width * sum(signal.samples for signal in every)
    promised = _number(path, main["records"], int, "the number of data records", least=-1)
    plus = main["reserved"][:5].decode("latin-1")
    records = _records(path, length, record_bytes, promised)
    if signals and not records:
        raise DamagedError(f"{path}: holds no data after its header")
    if records * record_seconds > LONGEST:
        raise DamagedError(
            f"{path}: its {records} data records of {record_seconds:g} s are "
            f"{records * record_seconds / DAY_SECONDS:.0f} days, more than any recording has"
        )
    edf = Edf(
        path=path,
        width=width,
        plus=plus if plus[1:4] == "DF+" else "",
        day=_date(main["date"]),
        clock=_clock(main["time"]),
        records=records,
        record_seconds=record_seconds,
        signals=signals,
        annotations=tuple(signal for signal in every if signal.label in is_annotation),
        data=length,
        record_bytes=record_bytes,
    )
    if edf.plus and edf.annotations and signals:
        onsets = _onsets_of_gaps(edf)
        if onsets is not None and not (gaps and (np.diff(onsets) > 0).all()):
            raise InputError(
                f"{edf.path}: discontinuous ({edf.plus}, with gaps between its data records); "
                "export it as a continuous recording (EDF+C)"
            )
        edf = replace(edf, onsets=onsets)
        if edf.seconds > LONGEST:
            raise DamagedError(f"{path}: lasts {edf.seconds:g} s with the gaps between its records")
    return edf


def _text(field: bytes) -> str:
    """Return the text of a header field, which NUL ends, as in C, and blanks pad."""
    field = field.split(b"\0")[0]
    with suppress(UnicodeDecodeError):
        return field.decode().strip()
    return field.decode("latin-1").strip()


def _number(
    path: Path,
    field: bytes,
    kind: Callable[[str], Number],
    what: str,
    *,
    least: float = 0,
    most: float = LARGEST_FIELD,
) -> Number:
    """Return the number in a header field; ``what`` describes the field for the message."""
    text = _text(field).replace(",", ".")
    with suppress(ValueError):
        # Python accepts more numbers than the format does: 9_00, and digits of other scripts.
        number = kind(text if text.isascii() and "_" not in text else "")
        if least <= number <= most:
            return number
    raise DamagedError(f"{path}: not readable as EDF (its header gives {field!r} as {what})")


def _fields(header: bytes, widths: Mapping[str, int], count: int) -> list[dict[str, bytes]]:
    """Return the fields of ``count`` signals, which give each for all of them before the next."""
    values = struct.unpack("".join(f"{width}s" * count for width in widths.values()), header)
    return [dict(zip(widths, values[place::count], strict=True)) for place in range(count)]


def _signal_headers(path: Path, header: bytes, count: int, width: int) -> list[SignalHeader]:
    found, start = [], 0
    for number, fields in enumerate(_fields(header, SIGNAL_HEADER, count), start=1):
        label, unit = _text(fields["label"]), _text(fields["unit"])
        what = f"the samples of signal {number}, {label!r}, in a data record"
        samples = _number(path, fields["samples"], int, what)
        scale = tuple(fields[name] for name in SCALE)
        end = start + width * samples
        found.append(SignalHeader(label, unit, scale, samples, slice(start, end)))
        start = end
    return found


def _records(path: Path, header: int, record_bytes: int, promised: int) -> int:
    """Return the number of complete data records, with a warning if the header differs."""
    if not record_bytes:
        return max(promised, 0)
    size = path.stat().st_size - header
    records, rest = divmod(size, record_bytes)
    surplus = size - promised * record_bytes
    if promised >= 0 and records > promised and _zeros(path, header + promised * record_bytes):
        # Zeros at the end are padding.
        warn(path, f"{surplus} zeros after the last data record are passed over")
        return promised
    if promised >= 0 and records != promised:
        says = f"its header gives {promised}; the {records} are read"
        warn(path, f"holds {records} data records, {says}")
    elif rest:
        warn(path, f"{rest} bytes after the last whole data record are passed over")
    return records


def _zeros(path: Path, start: int) -> bool:
    """Return whether a file has only zeros from a byte on."""
    with path.open("rb") as file:
        file.seek(start)
        return not any(map(any, iter(lambda: file.read(BLOCK_BYTES), b"")))


def _date(field: bytes) -> date | None:
    """Return the date dd.mm.yy of the header; ``None`` if it is invalid or anonymised."""
    with suppress(ValueError):
        day, month, year = _three_numbers(field, r"\d\d")
        found = date(year + (1900 if year >= 85 else 2000), month, day)  # EDF+ 2.1.3.2
        return None if found == UNKNOWN_DATE else found
    return None


def _clock(field: bytes) -> time | None:
    """Return the clock time hh.mm.ss of the header; ``None`` if it is invalid."""
    with suppress(ValueError):
        hour, minute, second = _three_numbers(field, r"\d\d?")
        return time(hour, minute, second)
    return None


def _three_numbers(field: bytes, last: str) -> list[int]:
    """Return the numbers of a date or time, the last of a pattern; none if it is neither."""
    parts = re.fullmatch(rf"(\d\d?)\D(\d\d?)\D({last})", _text(field), re.ASCII)
    return [int(part) for part in parts.groups()] if parts else []


def _onsets_of_gaps(edf: Edf) -> Doubles | None:
    """Return the onset of each data record from the first if there are gaps (EDF+ 2.2.4).

    For a file that claims to be continuous (``EDF+C``) small drifts and missing onsets are allowed.
    """
    says_gaps = edf.plus.endswith("D")
    matches = [ANNOTATIONS.fullmatch(given) for given in _record_onsets(edf)]
    if not matches or not all(matches):  # none without samples
        if says_gaps:
            raise DamagedError(f"{edf.path}: a data record does not say when it begins (EDF+D)")
        return None
    onsets = np.array([float(match["onset"]) for match in matches if match])
    onsets -= onsets[0]
    drift = np.abs(onsets - np.arange(len(onsets)) * edf.record_seconds).max()
    return onsets if drift > (1e-3 if says_gaps else LARGEST_DRIFT) else None


def read_channels(edf: Edf, channels: Channels, names: Sequence[str]) -> dict[str, Signal]:
    """Return channel to signal, in microvolts, of the channels with these names.

    Samples are read where they are asked for, so that a signal of any length takes little memory.
    The signs of a derivation are between spaces; a label that contains such a sign is preferred.

    Raises:
        InputError: a channel is missing or ambiguous, is sampled too slowly, or is not a voltage.
    """
    return {name: _read_channel(edf, name, channels) for name in names}


def _read_channel(edf: Edf, channel: str, channels: Channels) -> Signal:
    def ambiguous(label: str) -> InputError:
        places = [
            f"signal {place} of the file, {signal.samples / edf.record_seconds:g} Hz"
            for place, signal in enumerate(edf.signals, start=1)
            if signal.label == label
        ]
        return common.ambiguous(edf.path, label, places)

    return read_channel(
        edf.path,
        channel,
        channels.labels[channel],
        edf.named,
        lambda label: _read_signal(edf, channel, label, channels),
        ambiguous=ambiguous,
        every=edf.named.keys() | {signal.label for signal in edf.signals},
    )


def _read_signal(edf: Edf, channel: str, label: str, channels: Channels) -> Signal:
    signal = edf.named[label]
    if not signal.samples:
        raise InputError(f"{edf.path}: channel {label!r} holds no samples; name a file that does")
    rate = signal.samples / edf.record_seconds
    if rate > HIGHEST_RATE:
        raise DamagedError(
            f"{edf.path}: channel {label!r} is sampled at {rate:g} Hz by its header, "
            f"{signal.samples} times in a data record of {edf.record_seconds:g} s"
        )
    common.check_rate(edf.path, label, rate, channels.lowest_rate)
    unit = common.voltage(edf.path, channel, label, channels.units.get(channel) or signal.unit)
    low, high, first, last = _scale(edf, label, signal)
    largest = max(abs(low), abs(high)) * UNITS[unit]
    if not largest < LARGEST:
        raise InputError(
            f"{edf.path}: channel {label!r} reaches {largest:g} uV, more than any electrode gives; "
            f"if its numbers are not {unit} but uV, {common.say_unit(channel, 'uV')}"
        )
    gain = (high - low) / (last - first)
    offset = high / gain - last
    size = edf.records * signal.samples

    def records(start: int, stop: int) -> Singles:
        with edf.path.open("rb") as file:
            block = edf.read(file, start, stop)[:, signal.place]
        digital = _integers(np.ascontiguousarray(block), edf.width)
        values = ((digital + offset) * gain).astype(np.float32)
        values *= np.float32(UNITS[unit])
        return values

    def recorded(start: int, stop: int) -> Singles:
        return records(start // signal.samples, stop // signal.samples).reshape(-1)

    def spread(start: int, stop: int) -> Singles:
        values = np.zeros(stop - start, np.float32)
        reached = np.searchsorted(firsts, start - signal.samples, side="right")
        for begin in range(reached, np.searchsorted(firsts, stop), edf.step):
            chosen = firsts[begin : begin + edf.step]
            for first, record in zip(chosen, records(begin, begin + len(chosen)), strict=True):
                inside = slice(max(first, start), min(first + signal.samples, stop))
                values[inside.start - start : inside.stop - start] = record[
                    inside.start - first : inside.stop - first
                ]
        return values

    if edf.onsets is None:
        return Signal(Blocks(size, edf.step * signal.samples, recorded), rate, label, unit)
    firsts = np.rint(edf.onsets * rate).astype(int)
    length = round(edf.seconds * rate)
    if length > MOST_FILLED * max(size, DAY_SECONDS * channels.lowest_rate):
        raise DamagedError(
            f"{edf.path}: its gaps are nearly all of {edf.seconds:.0f} s, of which "
            f"{edf.records * edf.record_seconds:g} s are recorded"
        )
    return Signal(Blocks(length, edf.step * signal.samples, spread), rate, label, unit)


def _integers(data: NDArray[np.uint8], width: int) -> Integers:
    """Convert (n, bytes) to (n, samples) integers, little endian, in two's complement."""
    if width == 2:
        return data.view("<i2")
    # The three bytes become the upper ones of four.
    wide = np.zeros((len(data), data.shape[1] // 3, 4), np.uint8)
    wide[..., 1:] = data.reshape(len(data), -1, 3)
    return wide.view("<i4")[..., 0] >> 8


def _scale(edf: Edf, label: str, signal: SignalHeader) -> tuple[float, float, float, float]:
    """Return physical minimum and maximum, digital minimum and maximum of a signal."""
    low, high, first, last = (
        _number(edf.path, field, float, f"the {name} of {label!r}", least=-math.inf, most=math.inf)
        for field, name in zip(signal.scale, SCALE, strict=True)
    )
    most = 2 ** (8 * edf.width - 1)
    # A range that is impossible in every unit of voltage is damage.
    possible = max(abs(low), abs(high)) * UNITS["nV"] < LARGEST
    if low == high or not possible or not -most <= first < last < most:
        raise DamagedError(
            f"{edf.path}: channel {label!r} goes from {low:g} to {high:g} as its samples go from "
            f"{first:.0f} to {last:.0f}, which is no scale"
        )
    return low, high, first, last


def read_annotations(path: Path, recording: Edf | None = None) -> list[tuple[float, float, str]]:
    """Return the annotations of an EDF+ file: onset and duration in seconds, and text, by onset.

    If they are of another file, ``recording``, onsets are counted from its first sample, by the
    start times of both.

    Raises:
        InputError: an annotation is invalid, or the file does not begin within the recording.
    """
    edf = open_edf(path)
    found: list[tuple[float, float, str]] = []
    others = 0
    for given in _annotation_lists(edf):
        match = ANNOTATIONS.fullmatch(given)
        if not match:
            raise DamagedError(f"{path}: {given[:40]!r} is no annotation of EDF+")
        onset = float(match["onset"])
        texts, is_utf8 = _decoded(match["texts"])
        others += not is_utf8
        duration = (match["duration"] or b"0").decode("latin-1")
        if not re.fullmatch(r"\d+(\.\d*)?", duration, re.ASCII):
            raise InputError(
                f"{path}: {texts[0]!r} at {onset:+g} s lasts {duration!r} s; a duration is a "
                "number of seconds that is not negative, correct it"
            )
        # Without a text it is the onset of a data record.
        found += [(onset, float(duration), text) for text in texts if text]
    if others:
        warn(path, f"{others} annotations are not in UTF-8; they are read as Latin-1")
    shift = start_after(edf, recording)
    if recording is not None and recording.path != path:
        _warn_of_shift(edf, recording, shift)
    return sorted((round(onset + shift, 9), length, text) for onset, length, text in found)


def _decoded(texts: bytes) -> tuple[list[str], bool]:
    """Return the texts of one onset, and whether they are UTF-8."""
    try:
        return texts.decode().split("\x14")[:-1], True
    except UnicodeDecodeError:
        return texts.decode("latin-1").split("\x14")[:-1], False


def start_after(edf: Edf, recording: Edf | None) -> float:
    """Return the seconds from the first sample of a recording to the start of its annotations.

    If one of them has no date, only the clock times are compared, to the nearest day; if one has no
    clock time, they are assumed to begin together.

    Raises:
        InputError: according to their headers they do not overlap.
    """
    own_delay = edf.delay  # also if it is not used, so that a wrong one is an error
    if recording is None or recording.path == edf.path:
        return -own_delay
    if edf.clock is None or recording.clock is None:
        return -recording.delay
    after = (edf.start - recording.start).total_seconds()
    if edf.day is None or recording.day is None:
        after = between_clocks(after)
    if not -DAY_SECONDS / 2 <= after < recording.seconds:
        raise InputError(
            f"{edf.path}: starts {_start(edf)}, {recording.path.name} {_start(recording)}, so that "
            "they do not overlap; check that they belong together, or correct the start in one of "
            "the headers"
        )
    return after - recording.delay


def between_clocks(seconds: float) -> float:
    """Return the difference of clock times of unknown days that is at most half a day."""
    return (seconds + DAY_SECONDS / 2) % DAY_SECONDS - DAY_SECONDS / 2


def _warn_of_shift(edf: Edf, recording: Edf, shift: float) -> None:
    """Warn if a file does not start with the recording, or if that is unknown."""
    name = recording.path.name
    if edf.clock is None or recording.clock is None:
        without = edf.path.name if edf.clock is None else name
        warn(edf.path, f"taken to begin with {name}: the header of {without} gives no start time")
    elif abs(shift) >= 1:
        apart = f"{as_clock(abs(round(shift)))} {'after' if shift > 0 else 'before'} it"
        starts = f"starts {_start(edf)}, {name} {_start(recording)}"
        warn(edf.path, f"{starts}: its onsets count from {apart}")


def _start(edf: Edf) -> str:
    return f"{edf.day or 'on an unknown date'} at {edf.clock}"


def _record_onsets(edf: Edf) -> Iterator[bytes]:
    """Yield the first annotation list of each data record, which gives its onset."""
    if edf.annotations:
        for block in edf.blocks():
            for record in block[:, edf.annotations[0].place]:
                yield record.tobytes().split(b"\0")[0]


def _annotation_lists(edf: Edf) -> Iterator[bytes]:
    """Yield the annotation lists, which zeros separate in the annotation signals."""
    for block in edf.blocks():
        for record, signal in product(block, edf.annotations):
            yield from filter(None, record[signal.place].tobytes().split(b"\0"))
