"""Training jobs: settings and stored recordings in; model, history and ``run.json`` out.

PyTorch takes seconds to import, so it is imported where it is used.
"""

from __future__ import annotations

import json
import random
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsleep.config.names import BLOCKS, STRATEGIES, Strategy
from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.errors import InputError
from xsleep.core.files import read_csv, sha256, whole, write_csv
from xsleep.preparation.windows import unusable
from xsleep.store.recordings import read_index
from xsleep.systems import same_network
from xsleep.training.origin import check_writable, origin
from xsleep.training.parts import Data, load_part, load_parts
from xsleep.training.sequences import Part, bridging

if TYPE_CHECKING:
    from xsleep.networks import Network


def make_source_split(
    databases: Mapping[str, tuple[Path, str]], validation: int, seed: int, out: Path
) -> None:
    """Write which subjects of the pooled databases train and which validate; none test.

    Args:
        databases: name to the index of its store and the window that is trained on.
        validation: number of subjects that validate. As many of the others, all of which train,
            are the training subset.
        seed: of the random choice.
        out: CSV file with a line per recording and role.

    Raises:
        InputError: there are too few subjects.
    """
    usable = [
        (name, stored.info)
        for name, (index, window) in databases.items()
        for stored in read_index(index).values()
        if not unusable(stored.info, [window], Path(stored.epochs))
    ]
    subjects = sorted({(name, info.subject) for name, info in usable})
    if len(subjects) < 2 * validation:
        raise InputError(
            f"{', '.join(databases)}: {len(subjects)} usable subjects, too few for {validation} to "
            f"validate and as many to train; lower transfer.validation to at most "
            f"{len(subjects) // 2} or add recordings"
        )
    order = random.Random(seed).sample(subjects, len(subjects))
    roles = {
        "validation": order[:validation],
        "training": order[validation:],
        "training subset": order[validation : 2 * validation],
    }
    lines = [
        {"role": role, "database": name, "subject": info.subject, "recording": info.recording}
        for role, who in roles.items()
        for name, info in usable
        if (name, info.subject) in who
    ]
    write_csv(out, lines)


def train_run(
    address: Mapping[str, Any],
    network: NetworkSettings,
    settings: TrainingSettings,
    *,
    folds: Path,
    index: Path,
    folder: Path,
    threads: int,
    report: Callable[[str], None],
) -> None:
    """Train a network on a fold.

    Args:
        address: database, window, channels, system, seed and fold.
        network, settings: hyper-parameters.
        folds: CSV file of the folds.
        index: of the stored recordings.
        folder: receives ``model.safetensors``, ``history.csv`` and ``run.json``.
        threads: of the processor, of all processes together.
        report: receives lines about the progress.
    """
    from xsleep.networks import build

    channels = tuple(address["channels"].split("-"))
    data = _fold_data(address, folds, index, network)
    start = build(address["system"], len(channels), network, address["seed"])
    inputs = {folds.name: folds}
    _run(
        address, start, settings, data, inputs=inputs, folder=folder, threads=threads, report=report
    )


def finetune_run(
    address: Mapping[str, Any],
    strategy: Strategy,
    subjects: int | None,
    settings: TrainingSettings,
    *,
    pretrained: Path,
    folds: Path,
    index: Path,
    folder: Path,
    threads: int,
    report: Callable[[str], None],
) -> None:
    """Finetune a pretrained network on a fold.

    The network's settings are those of the pretraining; the spectrograms are normalised with the
    statistics of the target's training recordings.

    Args:
        address: source, source_channels, and those of `train_run`.
        strategy: decides which blocks are trained.
        subjects: number of training subjects; ``None``: all.
        settings: hyper-parameters of the finetuning.
        pretrained: checkpoint of the network.
        folds, index, folder, threads, report: as of `train_run`.

    Raises:
        InputError: the network is of another system, or has another number of channels.
    """
    from xsleep.networks import build, checkpoints

    system, channels = address["system"], address["channels"].split("-")
    network, pretrained_system, pretrained_channels = checkpoints.load(pretrained)
    if not same_network(pretrained_system, system):
        raise InputError(
            f"{pretrained}: the network of an {pretrained_system}, which cannot be finetuned as "
            f"{system}; take weights of the same system"
        )
    if len(pretrained_channels) != len(channels):
        raise InputError(
            f"{pretrained}: a network of the channels {', '.join(pretrained_channels)}, for the "
            f"target's {', '.join(channels)}; choose as many"
        )
    if strategy == "scratch":
        network = build(system, len(channels), network.settings, address["seed"])
    _run(
        {**address, "strategy": strategy},
        network,
        settings,
        _fold_data(address, folds, index, network.settings, subjects=subjects),
        blocks=STRATEGIES[strategy],
        inputs={folds.name: folds, "pretrained": pretrained},
        folder=folder,
        threads=threads,
        report=report,
    )


def pretrain_run(
    address: Mapping[str, Any],
    network: NetworkSettings,
    settings: TrainingSettings,
    *,
    split: Path,
    windows: Mapping[str, str],
    indexes: Mapping[str, Path],
    folder: Path,
    threads: int,
    report: Callable[[str], None],
) -> None:
    """Pretrain a network on whole databases.

    Args:
        address: source, channels, system and seed.
        network, settings: hyper-parameters.
        split: what `make_source_split` wrote.
        windows, indexes: database to its window and to the index of its store.
        folder, threads, report: as of `train_run`.
    """
    from xsleep.networks import build

    channels = tuple(address["channels"].split("-"))
    recordings = {name: read_index(index) for name, index in indexes.items()}

    def parts(role: str) -> list[Part]:
        rows = [row for row in read_csv(split) if row["role"] == role]
        return [
            load_part(
                recordings[row["database"]][row["recording"]],
                windows[row["database"]],
                channels,
                network,
            )
            for row in rows
        ]

    data = _data(parts)
    start = build(address["system"], len(channels), network, address["seed"])
    inputs = {split.name: split}
    _run(
        address, start, settings, data, inputs=inputs, folder=folder, threads=threads, report=report
    )


def _fold_data(
    address: Mapping[str, Any],
    folds: Path,
    index: Path,
    network: NetworkSettings,
    *,
    subjects: int | None = None,
) -> Data:
    """Return the recordings of a fold."""
    recordings = read_index(index)
    channels = tuple(address["channels"].split("-"))
    return _data(
        lambda role: load_parts(
            folds,
            address["fold"],
            role,
            recordings,
            window=address["window"],
            channels=channels,
            network=network,
            subjects=subjects,
        )
    )


def _data(parts: Callable[[str], list[Part]]) -> Data:
    """Return the recordings of the roles that a training needs."""
    return Data(parts("training"), parts("training subset"), parts("validation"))


def _run(
    address: Mapping[str, Any],
    network: Network,
    settings: TrainingSettings,
    data: Data,
    *,
    blocks: Sequence[str] = BLOCKS,
    inputs: Mapping[str, Path],
    folder: Path,
    threads: int,
    report: Callable[[str], None],
) -> None:
    """Train blocks of a network, and write ``run.json`` with the settings and the origin of it."""
    import torch

    from xsleep.compute import parallel
    from xsleep.training.loop import train
    from xsleep.training.resume import CHECKPOINT

    torch.set_num_threads(max(threads // parallel.size(), 1))
    began = time.monotonic()
    channels = tuple(address["channels"].split("-"))
    parts = {
        "training": data.training,
        "training subset": data.training_subset,
        "validation": data.validation,
    }
    # Steps that may fail come before hours of training.
    check_writable(folder)
    known = {
        "training_subjects": len({part.info.subject for part in data.training}),
        "sequences_bridging_gaps": sum(
            bridging(part.info.places, network.settings.sequence_length, settings.longest_gap)
            for part in data.training
        ),
        **origin(parts, inputs),
    }
    facts = train(
        network,
        settings,
        data,
        folder,
        system=address["system"],
        channels=channels,
        seed=address["seed"],
        report=report,
        blocks=blocks,
    )
    if parallel.rank():
        return
    run = {
        **address,
        "network": network.settings.model_dump(mode="json"),
        "training": settings.model_dump(mode="json"),
        **facts,
        "duration_seconds": round(time.monotonic() - began, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **known,
        "outputs": {name: sha256(folder / name) for name in ("model.safetensors", "history.csv")},
    }
    with whole(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(run, indent=2) + "\n")
    (folder / CHECKPOINT).unlink(missing_ok=True)
