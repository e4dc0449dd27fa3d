"""Hypnograms as run-length coded text: a JSON object of recording to runs, as in ``W38 11 213``.

A run is a stage of Rechtschaffen & Kales (``W``, ``1``, ``2``, ``3``, ``4``, ``R``), ``M`` for
movement or ``?`` for none, and the number of 30-s epochs that it lasts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from reprlib import repr as shown

from xsleep.core.errors import InputError
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.databases.formats.channels import content

RUN = re.compile(r"([W1234RM?])([1-9]\d*)", re.ASCII)


def read(path: Path) -> dict[str, str]:
    """Return recording to runs, which are not checked yet.

    Raises:
        InputError: the file is not such an object.
    """
    try:
        found = json.loads(content(path, "put it there"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not JSON ({error}); correct it") from None
    if not isinstance(found, dict) or not all(isinstance(runs, str) for runs in found.values()):
        raise InputError(f"{path}: no object of recording to text, as in {{'SC4001E0': 'W38 11'}}")
    return found


def as_annotations(path: Path, recording: str, runs: str) -> list[tuple[float, float, str]]:
    """Return onset and duration in seconds, and text as in EDF+, of each run.

    Raises:
        InputError: a run is not one; ``path`` and the recording are named.
    """
    found, onset = [], 0.0
    for run in runs.split():
        if not (match := RUN.fullmatch(run)):
            raise InputError(
                f"{path}: {recording}: {shown(run)} is no run; write a stage (W, 1, 2, 3, 4, R, M "
                "or ?) and how many epochs of 30 s it lasts, as in 213"
            )
        stage, seconds = match[1], float(EPOCH_SECONDS * int(match[2]))
        found.append((onset, seconds, "Movement time" if stage == "M" else f"Sleep stage {stage}"))
        onset += seconds
    return found
