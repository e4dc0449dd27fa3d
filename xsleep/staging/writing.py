"""Files of a scored recording: BIDS events with JSON, CSV, EDF+ annotations and pictures.

A file is written whole or not at all, and replaces nothing but an earlier one of its kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from xsleep.core.errors import InputError
from xsleep.core.files import whole, write_csv
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.core.stages import STAGES
from xsleep.staging.scored import Scored

HEADER = ("epoch", "onset", "stage", *STAGES)
"""Columns of a CSV hypnogram."""

PICTURES = (".png", ".svg", ".pdf")
COLUMNS = {
    "onset": {"Description": "Start of the epoch after the first sample", "Units": "s"},
    "duration": {"Description": "Duration of the epoch", "Units": "s"},
    "stage": {
        "Description": "Most probable sleep stage; n/a where the signals are bad",
        "Levels": {stage: f"Stage {stage} of the AASM manual" for stage in STAGES},
    },
    **{stage: {"Description": f"Probability of stage {stage}"} for stage in STAGES},
    "confidence": {"Description": "Probability of the most probable stage"},
    "bad": {"Description": "1 where the signals are bad, so that the epoch has no stage"},
}
"""Descriptions of the columns of the BIDS file."""

MARKS = {".csv": ",".join(HEADER), ".tsv": "\t".join(COLUMNS), ".edf": "0       "}
"""Suffix to the beginning of the files that are written."""


def write(scored: Scored, path: Path) -> list[Path]:
    """Write a scored recording in the format of the path's suffix; return the files written.

    Raises:
        InputError: there is no such format, or the path is a file that was not written here.
    """
    suffix = path.suffix.lower()
    if suffix not in (formats := {**dict.fromkeys(PICTURES, _picture), **WRITERS}):
        raise InputError(
            f"{path}: no format for {suffix or 'a name without an end'}; choose one of "
            f"{', '.join(formats)}"
        )
    check_free(path)
    return formats[suffix](scored, path)


def check_free(path: Path) -> None:
    """Raise an `InputError` if a path is a file that `write` would not have written."""
    if path.suffix.lower() in PICTURES:
        return
    head = _head(path) if path.is_file() else b""
    if path.exists() and not head.startswith(MARKS[path.suffix.lower()].encode()):
        raise InputError(f"{path}: exists and was not written by xsleep score; give another name")
    sidecar = path.with_suffix(".json") if path.suffix.lower() == ".tsv" else path
    if sidecar != path and sidecar.exists() and b'"xsleep"' not in sidecar.read_bytes():
        raise InputError(f"{sidecar}: exists and was not written by xsleep score; take it away")
    if path.suffix.lower() == ".edf" and path.exists() and b"xsleep" not in head:
        raise InputError(f"{path}: is a recording, and not the stages of one; give another name")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(400)


def _csv(scored: Scored, path: Path) -> list[Path]:
    rows = [
        (number, f"{onset:g}", stage or "", *(f"{value:.4f}" for value in row))
        for number, (onset, stage, row) in enumerate(
            zip(scored.onsets, scored.names, scored.probabilities, strict=True), start=1
        )
    ]
    write_csv(path, [dict(zip(HEADER, row, strict=True)) for row in rows])
    return [path]


def _tsv(scored: Scored, path: Path) -> list[Path]:
    """Write a BIDS events file and its JSON sidecar."""
    table = scored.to_frame()
    table["bad"] = table["bad"].astype(int)
    with whole(path) as temporary:
        table.to_csv(
            temporary, sep="\t", index=False, na_rep="n/a", float_format="%.6g", lineterminator="\n"
        )
    sidecar = path.with_suffix(".json")
    with whole(sidecar) as temporary:
        temporary.write_text(json.dumps(described(scored), indent=2, allow_nan=False) + "\n")
    return [path, sidecar]


def described(scored: Scored) -> dict[str, object]:
    """Return the content of the JSON sidecar: columns, what the stages rest on, statistics."""
    return {**COLUMNS, "xsleep": scored.facts(), "statistics": scored.rounded_statistics()}


def _edf(scored: Scored, path: Path) -> list[Path]:
    """Write the stages as annotations of an EDF+ file (EDF+ 2.2, ``Sleep stage W``, ...)."""
    import edfio

    spelled = {None: "?", "REM": "R"}
    annotations = [
        edfio.EdfAnnotation(float(onset), EPOCH_SECONDS, f"Sleep stage {spelled.get(name, name)}")
        for onset, name in zip(scored.onsets, scored.names, strict=True)
    ]
    start = scored.start
    file = edfio.Edf(
        [],
        recording=edfio.Recording(
            startdate=start.date() if start else None, equipment_code="xsleep"
        ),
        starttime=start.time() if start else None,
        annotations=annotations,
    )
    with whole(path) as temporary:
        file.write(temporary)
    return [path]


def _picture(scored: Scored, path: Path) -> list[Path]:
    from xsleep.results.figures import style

    style.write(scored.plot(), path)
    return [path]


WRITERS: dict[str, Callable[[Scored, Path], list[Path]]] = {
    ".tsv": _tsv,
    ".csv": _csv,
    ".edf": _edf,
}
"""Suffix to the function that writes it."""
