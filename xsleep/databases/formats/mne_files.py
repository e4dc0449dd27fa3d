"""Recordings in formats other than EDF and BDF, by MNE: BrainVision, EEGLAB, FIF and others."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING

import numpy as np

from xsleep.core.arrays import Blocks, Singles
from xsleep.core.errors import DamagedError, reason
from xsleep.core.recording import Signal
from xsleep.databases.formats import channels as common
from xsleep.databases.formats.channels import UNITS, Channels
from xsleep.databases.formats.derivations import read_channel
from xsleep.databases.formats.edf import Edf

if TYPE_CHECKING:
    from mne.io import BaseRaw

BLOCK_SECONDS = 600
"""Seconds that are read at a time."""

READ_MATLAB = "import sys, scipy.io; scipy.io.loadmat(sys.argv[1], squeeze_me=True)"
"""The first step of MNE's reader of EEGLAB files."""


@contextmanager
def by_mne(path: str | Path) -> Iterator[None]:
    """Make a `DamagedError` of any error: MNE raises many kinds for a damaged or unknown file."""
    try:
        yield
    except Exception as error:
        raise DamagedError(f"{path}: not readable by MNE ({reason(error)})") from error


def read_raw(path: Path) -> BaseRaw:
    """Return a recording, without its samples, or raise any error (`by_mne`)."""
    import mne

    if path.name.lower().endswith((".fif", ".fif.gz")):
        _check_tags(path)
    elif path.name.lower().endswith(".set"):
        _check_matlab(path)
    return mne.io.read_raw(path, verbose="error")


def _check_tags(path: Path) -> None:
    """Raise a ``ValueError`` if tags of a FIF file go in circles, or are longer than the file.

    MNE would follow them for ever, or take all memory.
    """
    place, seen = 0, set[int]()
    with (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        while 0 <= place <= end - 16:
            if place in seen:
                raise ValueError(f"the tag at byte {place:,} comes again")
            seen.add(place)
            file.seek(place)
            size, following = struct.unpack(">8xii", file.read(16))
            if not 0 <= size <= end - place - 16:
                raise ValueError(f"the tag at byte {place:,} is longer than the file")
            place = following or place + 16 + size


def _check_matlab(path: Path) -> None:
    """Raise a ``ValueError`` for an EEGLAB file that would end the process.

    SciPy 1.17 takes numbers of a damaged one for places in its memory. So it is read in another
    process before.
    """
    command = [sys.executable, "-P", "-c", READ_MATLAB, str(path)]
    status = subprocess.run(command, capture_output=True, check=False).returncode
    if status < 0:
        raise ValueError(f"SciPy ends with {Signals(-status).name}")


def as_header(path: Path, raw: BaseRaw) -> Edf:
    """Return start and duration of a recording as those of an EDF file without signals."""
    began = raw.info["meas_date"]
    return Edf(
        path=path,
        width=2,
        plus="",
        day=began.date() if began else None,
        clock=began.time() if began else None,
        records=1,
        record_seconds=raw.n_times / float(raw.info["sfreq"]),
        signals=(),
        annotations=(),
        data=0,
        record_bytes=0,
    )


def read_channels(
    path: Path, raw: BaseRaw, channels: Channels, names: Sequence[str]
) -> dict[str, Signal]:
    """Return channel to signal, in microvolts, of the channels with these names.

    Raises:
        InputError: a channel is missing, or is sampled too slowly.
    """
    rate, places = float(raw.info["sfreq"]), {name: i for i, name in enumerate(raw.ch_names)}

    def read(channel: str, label: str) -> Signal:
        common.check_rate(path, label, rate, channels.lowest_rate)
        unit = channels.units.get(channel, "V")  # MNE gives volts
        factor = np.float32(UNITS[unit])

        def microvolts(start: int, stop: int) -> Singles:
            with by_mne(path):
                (values,) = raw.get_data([places[label]], start, stop, verbose="error")
            return np.asarray(values * factor, np.float32)

        size = max(round(BLOCK_SECONDS * rate), 1)
        return Signal(Blocks(raw.n_times, size, microvolts), rate, label, unit)

    return {
        name: read_channel(
            path,
            name,
            channels.labels[name],
            places,
            partial(read, name),
            ambiguous=partial(common.ambiguous, path, descriptions=[]),
            every=places,
        )
        for name in names
    }
