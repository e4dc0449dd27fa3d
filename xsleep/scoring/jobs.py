"""Scoring jobs: a network and the index of recordings in, predictions out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

from xsleep.compute import device
from xsleep.core.errors import InputError
from xsleep.core.files import check_writable, sha256, whole
from xsleep.databases import Source, open_database
from xsleep.networks import checkpoints
from xsleep.preparation.windows import unusable
from xsleep.scoring import probabilities
from xsleep.store.predictions import write_predictions
from xsleep.store.recordings import read_index
from xsleep.training.origin import origin
from xsleep.training.parts import load_part, recordings_of_role
from xsleep.training.sequences import normalisation


def score_run(
    model: Path,
    folds: Path,
    number: int,
    index: Path,
    *,
    window: str,
    longest_gap: int | None,
    scoring_stride: int,
    out: Path,
    threads: int,
) -> None:
    """Score the test recordings of a fold with its trained network.

    A ``scoring.json`` beside the predictions in ``out`` records their origin and the duration. What
    is doubtful about a network that was imported goes into the note of Table 2.

    Args:
        model: checkpoint of the network.
        folds, number: CSV file of the folds, and number of the fold.
        index: of the stored recordings.
        longest_gap, scoring_stride: as in `xsleep.config.training.TrainingSettings`.
        threads: of the processor.
    """
    torch.set_num_threads(threads)
    network, _, channels = checkpoints.load(model)
    network.to(device.best())
    tested = recordings_of_role(read_index(index), folds, number, "test")
    parts = [load_part(stored, window, channels, network.settings) for stored in tested]
    check_writable(out.parent)
    record = {
        "scoring": {"longest_gap": longest_gap, "scoring_stride": scoring_stride},
        "device": device.name(),
        "threads": threads,
        **origin({"test": parts}, {path.name: path for path in (model, folds)}),
    }
    remarks = []
    if (imported := model.with_name("import.json")).exists():
        remarks = json.loads(imported.read_text())["remarks"]
    began = time.monotonic()
    predictions = probabilities.score(network, parts, longest_gap, scoring_stride)
    record |= {"seconds": round(time.monotonic() - began, 3), "epochs": sum(map(len, parts))}
    write_predictions(out, predictions, remarks)
    record["outputs"] = {out.name: sha256(out)}
    with whole(out.with_name("scoring.json")) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")


def zero_shot(
    database: str,
    source: Source,
    model: Path,
    index: Path,
    *,
    window: str,
    longest_gap: int | None,
    scoring_stride: int,
    out: Path,
    threads: int,
) -> dict[str, Any]:
    """Score all usable recordings of a database with a network that was trained elsewhere.

    The training recordings are not available, so the spectrograms are normalised with the
    statistics of the scored recordings. Arguments are as of `score_run`. Return database, window,
    channels and system, and the numbers of recordings used and skipped.

    Raises:
        InputError: no recording can be used.
    """
    torch.set_num_threads(threads)
    network, system, channels = checkpoints.load(model)
    files = {entry.name: entry.files[0] for entry in open_database(source).entries()}
    recordings = read_index(index)
    reasons = {
        name: unusable(recordings[name].info, [window], path) for name, path in files.items()
    }
    used = [name for name, reason in reasons.items() if not reason]
    if not used:
        raise InputError(
            f"{database}: no recording can be used; the first: {next(iter(reasons.values()))}"
        )
    settings = network.settings
    parts = [load_part(recordings[name], window, channels, settings) for name in used]
    network.set_normalisation(*normalisation(parts, settings.normalisation))
    network.to(device.best())
    write_predictions(out, probabilities.score(network, parts, longest_gap, scoring_stride))
    return {
        "database": database,
        "window": window,
        "channels": "-".join(channels),
        "system": system,
        "recordings": len(used),
        "skipped": len(files) - len(used),
    }
