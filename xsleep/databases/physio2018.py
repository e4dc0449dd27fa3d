"""PhysioNet/CinC Challenge 2018 ("You Snooze You Win"): 994 scored recordings, one a subject.

A record is a folder with ``NAME.hea`` and ``NAME.mat`` (WFDB header and signals, 200 Hz) and
``NAME.arousal`` (WFDB annotations). A note ``W``, ``N1``, ``N2``, ``N3`` or ``R`` there says which
AASM stage begins; it lasts until the next one, the last to the end. What comes before the first is
not scored. Events are notes that open and close, ``(arousal_rera`` and ``arousal_rera)``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from reprlib import repr as shown
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from xsleep.core.errors import DamagedError, InputError, reason
from xsleep.core.recording import EPOCH_SECONDS, Hypnogram, Recording, Signal
from xsleep.core.stages import label
from xsleep.databases.base import Entry, Listed, Origin, Size, Sizes, files
from xsleep.databases.fetch.servers import SUMS, ServerListed, sha256_sums
from xsleep.databases.formats import channels as common
from xsleep.databases.formats.channels import UNITS, Channels, as_clock, content, numbered
from xsleep.databases.formats.hypnograms import epochs_of

if TYPE_CHECKING:
    import wfdb

STAGE_NOTES = {
    "W": "W",
    "N1": "N1",
    "N2": "N2",
    "N3": "N3",
    "R": "REM",
    "U": None,
    "undefined": None,
}
"""Note to stage. The Challenge's sixth stage, undefined, has none."""

FOLDERS = "t[re][0-9][0-9]-[0-9][0-9][0-9][0-9]"
RECORD = re.compile(r"\S+ \d+ \d+(\.\d+)? \d+( |$)"), "tr03-0005 13 200 5147000"
SIGNAL = (
    re.compile(r"\S+ 16\+24 (?=[\d.]*[1-9])[\d.]+(\(-?\d+\))?/\S+ "),
    "tr03-0005.mat 16+24 1/uV ...",
)
"""The lines of a header, and examples: of the record, and of a signal with its gain."""
MISSING = (
    "fetch it, or take the record's folder away (records of the Challenge's test set have no "
    ".arousal)"
)

KINDS = ("hea", "mat", "arousal")

SIGNAL_BYTES = 135_000_000
"""Mean size of a record's signals; PhysioNet lists no sizes."""


class Physio2018(ServerListed):
    """The records that the server lists or, if it is not asked, those in the folder."""

    reader, name = "physio2018", "Physio2018"
    scoring = "AASM"
    origin = Origin(
        "PhysioNet/Computing in Cardiology Challenge 2018, training set, 1.0.0",
        "https://physionet.org/content/challenge-2018/1.0.0/",
        "Open to everyone.",
        cited={
            "https://doi.org/10.22489/CinC.2018.049": "Ghassemi et al., You Snooze, You Win: the "
            "PhysioNet/Computing in Cardiology Challenge 2018, Computing in Cardiology 45 (2018)",
            "https://doi.org/10.1161/01.CIR.101.23.e215": "Goldberger et al., PhysioBank, "
            "PhysioToolkit, and PhysioNet, Circulation 101 (2000)",
        },
    )
    # XSleepNet paper, Table 1.
    sizes: ClassVar[Sizes] = {
        "whole-night": Size(
            994,
            994,
            note="the paper's text has 944 subjects, its Table 1 has 994",
            setup="5-fold CV",
            validation=50,
            training_subset=50,
        )
    }
    amount = "135 GB"
    path_on_server = "training/"
    recordings_listed = True

    def ask(self, url: str) -> dict[str, Listed]:
        sums = sha256_sums(url, self.path_on_server)
        kinds = "|".join(KINDS)
        found = {
            name: match
            for name in sums
            if (match := re.fullmatch(rf"(tr\d\d-\d{{4}})/\1\.({kinds})", name))
        }
        files = {
            name: Listed(sums[name], SIGNAL_BYTES if match[2] == "mat" else 0)
            for name, match in found.items()
        }
        records = {match[1] for match in found.values()}
        if not files or len(files) != len(records) * len(KINDS):
            raise InputError(
                f"{url}/{SUMS}: does not list {', '.join(KINDS)} of each training record"
            )
        return files

    def entries(self) -> list[Entry]:
        records = sorted({(self.folder / name).parent for name in self.published()})
        records = records or files(self.folder, FOLDERS)
        if not records:
            raise self.none_there("record of the Challenge", "tr03-0005/tr03-0005.hea")
        return [
            Entry(path.name, path.name, tuple(path / f"{path.name}.{kind}" for kind in KINDS))
            for path in records
        ]

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        for path in entry.files:
            content(path, MISSING, 1)
        header_path, signals_path, scoring_path = entry.files
        header = _read_header(header_path, signals_path)
        marks = _read_marks(scoring_path)
        return Recording(
            entry.name,
            entry.subject,
            _read_signals(signals_path, header, self.channels, channels),
            read_hypnogram(scoring_path, marks, header.fs, header.sig_len),
            lights=None,
            files=entry.files,
        )


# wfdb and scipy.io take long to import, and every job of the workflow lists the entries.


@contextmanager
def _or_line(path: Path) -> Iterator[None]:
    """Make any error of a library a `DamagedError`, and ignore its warnings."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except Exception as error:  # libraries raise many kinds for a damaged file
        raise DamagedError(f"{path}: not readable ({reason(error)})") from error


def _read_header(path: Path, signals_path: Path) -> wfdb.Record:
    import scipy.io
    import wfdb

    with _or_line(path):
        header = wfdb.rdheader(str(path.with_suffix("")))
    # What wfdb cannot read of a line it replaces by values of its own.
    lines = content(path, MISSING).decode("latin-1").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    for number, line in enumerate(lines):
        expected, as_in = SIGNAL if number else RECORD
        if not expected.match(line):
            raise DamagedError(f"{path}: {shown(line)} is no line as {as_in!r}")
    if header.record_name != path.stem:
        raise InputError(
            f"{path}: is the header of record {header.record_name!r}; take that of {path.stem}"
        )
    if header.n_sig != len(header.sig_name or ()):
        raise DamagedError(
            f"{path}: gives {header.n_sig} as the number of signals and describes "
            f"{len(header.sig_name or ())}"
        )
    others = sorted(set(header.file_name or ()) - {signals_path.name})
    if others:
        raise DamagedError(
            f"{path}: says that the signals are in {others[0]!r}, not in {signals_path.name!r}"
        )
    with _or_line(signals_path):
        shape = scipy.io.whosmat(signals_path)[0][1]
    if shape != (header.n_sig, header.sig_len):
        raise DamagedError(
            f"{signals_path}: holds {' x '.join(map(str, shape))} samples, {path.name} says "
            f"{header.n_sig} x {header.sig_len}"
        )
    return header


def _read_signals(
    path: Path, header: wfdb.Record, channels: Channels, names: Sequence[str]
) -> dict[str, Signal]:
    """Return channel to signal, in microvolts by the gains and units of the header."""
    import wfdb

    chosen = {channel: _chosen(path, header, channel, channels) for channel in names}
    for name in chosen.values():
        common.check_rate(path, name, header.fs, channels.lowest_rate)
    places = numbered(header.sig_name)
    columns = sorted({places[name] for name in chosen.values()})
    with _or_line(path):
        record = wfdb.rdrecord(str(path.with_suffix("")), channels=columns, return_res=32)
    signals = {}
    for channel, name in chosen.items():
        column = columns.index(places[name])
        unit = channels.units.get(channel) or record.units[column]
        unit = common.voltage(path, channel, name, unit)
        values = record.p_signal[:, column] * np.float32(UNITS[unit])
        if not np.isfinite(values).all():
            raise InputError(
                f"{path}: channel {name!r} has {np.count_nonzero(~np.isfinite(values))} samples "
                "marked as invalid; choose another channel or take the record away"
            )
        signals[channel] = Signal(values, float(header.fs), name, unit)
    return signals


def _chosen(path: Path, header: wfdb.Record, channel: str, channels: Channels) -> str:
    """Return the first of a channel's labels that is in the record, once."""
    names = numbered(header.sig_name)
    for wanted in channels.labels[channel]:
        if wanted in names:
            return wanted
        if places := [i for i, name in enumerate(header.sig_name, start=1) if name == wanted]:
            raise common.ambiguous(path, wanted, [f"signal {place}" for place in places])
    raise common.no_channel(path, channel, channels.labels[channel], names)


def _read_marks(path: Path) -> list[tuple[int, str]]:
    """Return (sample, note) of every annotation, in the order of the file."""
    from wfdb.io.annotation import load_byte_pairs, proc_ann_bytes

    # The file ends with a null annotation; without it the last stage would last too long.
    if not content(path, MISSING).endswith(b"\0\0"):
        raise DamagedError(f"{path}: is empty or truncated")
    with _or_line(path):
        # wfdb.rdann drops every note at sample 0, also a stage.
        pairs = load_byte_pairs(str(path.with_suffix("")), "arousal", None)
        samples, *_, notes = proc_ann_bytes(pairs, None)
        marks = zip(samples, notes, strict=True)
        return [(int(sample), note.strip("\0 \t\r\n")) for sample, note in marks]


def read_hypnogram(
    path: Path, marks: Sequence[tuple[int, str]], rate: float, samples: int
) -> Hypnogram:
    """Return the 30-s epochs from the first scored one on.

    Args:
        marks: (sample, note) of every annotation; those that are no stages are passed over.
        rate, samples: sampling rate of the signals in hertz, and their length.
    """
    changes = [(sample, note) for sample, note in marks if _is_stage(note)]
    scored = []
    for (sample, note), (end, _) in pairwise([*changes, (samples, "")]):
        at = f"{note!r} at sample {sample} ({as_clock(sample / rate)})"
        if note not in STAGE_NOTES:
            raise InputError(
                f"{path}: unknown note {at}; expected a stage ({', '.join(STAGE_NOTES)}) or an "
                "event in parentheses, correct it"
            )
        if sample >= end:
            raise InputError(
                f"{path}: {at} is not before what follows it, the next stage or the end of the "
                f"signals at sample {end}; check that it belongs to this record"
            )
        scored.append((sample / rate, (end - sample) / rate, label(STAGE_NOTES[note])))
    return epochs_of(path, scored, EPOCH_SECONDS, samples / rate)


def _is_stage(note: str) -> bool:
    """Return whether a note is none of the format's own, ``## time resolution``, nor an event."""
    return bool(note) and not note.startswith(("(", "## ")) and not note.endswith(")")
