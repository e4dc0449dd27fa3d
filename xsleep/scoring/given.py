"""Networks that were trained elsewhere: a TensorFlow checkpoint in, a network to score with out."""

from __future__ import annotations

import json
from pathlib import Path

from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.core.files import check_writable, sha256, whole
from xsleep.networks import checkpoints
from xsleep.networks.importing import channels_by_path, fitted, read
from xsleep.networks.tensorflow import find_checkpoint
from xsleep.store.recordings import read_index
from xsleep.training.origin import origin
from xsleep.training.parts import load_part, recordings_of_role
from xsleep.training.sequences import normalisation

SIGNALS = ("raw_filter", "filter_rate", "raw_deviation", "normalisation")
"""Settings that decide how signals reach a network, and that no checkpoint tells."""


def import_given(
    checkpoint: Path,
    folds: Path,
    fold: int,
    index: Path,
    *,
    window: str,
    channels: tuple[str, ...],
    system: str,
    settings: NetworkSettings,
    out: Path,
) -> None:
    """Write the network of a checkpoint, with the normalisation of a fold's training recordings.

    An ``import.json`` beside ``out`` records its origin, and what is doubtful about it.

    Args:
        checkpoint: as `xsleep.networks.tensorflow.find_checkpoint` takes it.
        folds, fold: CSV file of the folds, and number of the fold.
        index: of the stored recordings.
        settings: of the network, and of the signals that it reads.
        out: ``model.safetensors``.

    Raises:
        InputError: there is no checkpoint, it is damaged, or it is of another system, of other
            channels or sizes.
    """
    found = find_checkpoint(checkpoint)
    if not found:
        raise InputError(
            f"{checkpoint}: no TensorFlow checkpoint: {checkpoint}.index is missing, and it is no "
            f"folder with one; correct `trained: {{{system}: ...}}` of the database"
        )
    network = fitted(found.prefix, read(found.prefix), system, channels, settings)
    chosen = recordings_of_role(read_index(index), folds, fold, "training")
    training = [load_part(stored, window, channels, settings) for stored in chosen]
    network.set_normalisation(*normalisation(training, settings.normalisation))
    check_writable(out.parent)
    checkpoints.save(out, network, system, channels)
    released, used = NetworkSettings().model_dump(), settings.model_dump()
    remarks = [
        f"{name} is {used[name]}, of the released networks {released[name]}"
        for name in SIGNALS
        if used[name] != released[name]
    ]
    if (named := channels_by_path(found.prefix, channels)) != channels:
        remarks.append(f"read for {'-'.join(channels)}, though the path has {'-'.join(named)}")
    if found.others:
        remarks.append(f"read from {found.prefix}, not from {' or '.join(found.others)} beside it")
    record = {
        "system": system,
        "channels": channels,
        "network": settings.model_dump(mode="json"),
        **origin({"training": training}, {}),
        "inputs": {str(path): sha256(path) for path in (*found.files, folds)},
        "remarks": remarks,
        "outputs": {out.name: sha256(out)},
    }
    with whole(out.with_name("import.json")) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")
