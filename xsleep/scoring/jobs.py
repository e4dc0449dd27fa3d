"""Jobs that score recordings: a network and an index in, predictions out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from xsleep.config.databases import Source
from xsleep.core.errors import InputError
from xsleep.core.files import sha256, whole, write_csv
from xsleep.databases import open_database
from xsleep.preparation.windows import unusable
from xsleep.store.predictions import read_predictions, write_predictions
from xsleep.store.recordings import read_index

if TYPE_CHECKING:
    pass


from xsleep.training.origin import check_writable, origin
from xsleep.training.parts import load_part, load_parts


def score_run(
    model: Path,
    folds: Path,
    number: int,
    index: Path,
    window: str,
    longest_gap: int | None,
    scoring_stride: int,
    out: Path,
    threads: int,
) -> None:
    """Score the test recordings of a fold with its trained network.

    Beside ``out`` a ``probabilities.json`` says how the scores came to be.
    """
    import torch

    from xsleep.compute import device
    from xsleep.networks import checkpoints
    from xsleep.scoring import probabilities

    torch.set_num_threads(threads)
    network, _, channels = checkpoints.load(model)
    network.to(device.best())
    recordings = read_index(index)
    parts = load_parts(folds, number, "test", recordings, window, channels, network.settings)
    check_writable(out.parent)
    record = {
        "scoring": {"longest_gap": longest_gap, "scoring_stride": scoring_stride},
        "device": device.name(),
        "threads": threads,
        **origin({"test": parts}, {path.name: path for path in (model, folds)}),
    }
    write_predictions(out, probabilities.score(network, parts, longest_gap, scoring_stride))
    record["outputs"] = {out.name: sha256(out)}
    with whole(out.with_name("scoring.json")) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")


def zero_shot(
    database: str,
    source: Source,
    model: Path,
    index: Path,
    window: str,
    longest_gap: int | None,
    scoring_stride: int,
    predictions_out: Path,
    table_out: Path,
    threads: int,
) -> None:
    """Score all usable recordings of a database with a network that was trained elsewhere.

    What the network was trained on is not at hand, so the spectrograms are normalised with the
    statistics of the recordings themselves.
    """
    import torch

    from xsleep.compute import device
    from xsleep.networks import checkpoints
    from xsleep.results import table2
    from xsleep.scoring import probabilities
    from xsleep.training.sequences import normalisation

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
    predictions = probabilities.score(network, parts, longest_gap, scoring_stride)
    write_predictions(predictions_out, predictions)

    address = {"database": database, "window": window, "channels": "-".join(channels)}
    counts = {"recordings": len(used), "skipped": len(files) - len(used)}
    table = table2.confusion_table(read_predictions(predictions_out))
    write_csv(table_out, [address | {"system": system} | counts | row for row in table])
