"""What the rules from training to scoring do: files in, files out.

What takes long to import is imported by the rule that needs it.
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
from xsleep.training.parts import load_part, load_parts
from xsleep.training.sequences import Part, bridging

if TYPE_CHECKING:
    from xsleep.networks import Network
    from xsleep.training.loop import Data


def make_source_split(
    databases: Mapping[str, tuple[Path, str]], validation: int, seed: int, out: Path
) -> None:
    """Write who of the pooled databases trains and who validates; none tests.

    Args:
        databases: of each the index of its store and the window that is trained on.
        validation: how many subjects validate. As many of the others, who all train, measure the
            training loss.
    """
    nights = [
        (name, stored.info)
        for name, (index, window) in databases.items()
        for stored in read_index(index).values()
        if not unusable(stored.info, [window], Path(stored.epochs))
    ]
    subjects = sorted({(name, night.subject) for name, night in nights})
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
        {"role": role, "database": name, "subject": night.subject, "recording": night.recording}
        for role, who in roles.items()
        for name, night in nights
        if (name, night.subject) in who
    ]
    write_csv(out, lines)


def train_run(
    address: Mapping[str, Any],
    network: NetworkSettings,
    settings: TrainingSettings,
    folds: Path,
    index: Path,
    folder: Path,
    threads: int,
    report: Callable[[str], None],
) -> None:
    """Train the run at ``address`` (database, window, channels, system, seed, fold)."""
    from xsleep.networks import build

    channels = tuple(address["channels"].split("-"))
    data = _fold_data(address, folds, index, network)
    start = build(address["system"], len(channels), network, address["seed"])
    _run(address, start, BLOCKS, settings, data, {folds.name: folds}, folder, threads, report)


def finetune_run(
    address: Mapping[str, Any],
    strategy: Strategy,
    subjects: int | None,
    settings: TrainingSettings,
    pretrained: Path,
    folds: Path,
    index: Path,
    folder: Path,
    threads: int,
    report: Callable[[str], None],
) -> None:
    """Finetune a pretrained network by a strategy, on so many training subjects or on all.

    Sequence length, filter and all else that the network computes is as it was pretrained; the
    spectrograms are normalised with the statistics of the target's training recordings.

    Raises:
        InputError: the network is another system's, or of another number of channels.
    """
    from xsleep.networks import build, checkpoints

    system, channels = address["system"], address["channels"].split("-")
    network, pretrained_system, pretrained_channels = checkpoints.load(pretrained)
    if not same_network(pretrained_system, system):
        raise InputError(
            f"{pretrained}: the network of an {pretrained_system}, which {system} cannot go on "
            "from; take weights of the same system"
        )
    if len(pretrained_channels) != len(channels):
        raise InputError(
            f"{pretrained}: a network of the channels {', '.join(pretrained_channels)}, for the "
            f"target's {', '.join(channels)}; choose as many"
        )
    if strategy == "scratch":
        network = build(system, len(channels), network.settings, address["seed"])
    data = _fold_data(address, folds, index, network.settings, subjects)
    _run(
        {**address, "strategy": strategy},
        network,
        STRATEGIES[strategy],
        settings,
        data,
        {folds.name: folds, "pretrained": pretrained},
        folder,
        threads,
        report,
    )


def pretrain_run(
    address: Mapping[str, Any],
    network: NetworkSettings,
    settings: TrainingSettings,
    split: Path,
    windows: Mapping[str, str],
    indexes: Mapping[str, Path],
    folder: Path,
    threads: int,
    report: Callable[[str], None],
) -> None:
    """Pretrain the run at ``address`` (source, channels, system, seed) on whole databases.

    ``windows`` and ``indexes`` are those of each database; ``split`` is `make_source_split`'s.
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
    _run(address, start, BLOCKS, settings, data, {split.name: split}, folder, threads, report)


def _fold_data(
    address: Mapping[str, Any],
    folds: Path,
    index: Path,
    network: NetworkSettings,
    subjects: int | None = None,
) -> Data:
    recordings = read_index(index)
    channels = tuple(address["channels"].split("-"))
    return _data(
        lambda role: load_parts(
            *(folds, address["fold"], role, recordings, address["window"], channels, network),
            subjects,
        )
    )


def _data(parts: Callable[[str], list[Part]]) -> Data:
    from xsleep.training.loop import Data

    return Data(parts("training"), parts("training subset"), parts("validation"))


def _run(
    address: Mapping[str, Any],
    network: Network,
    blocks: Sequence[str],
    settings: TrainingSettings,
    data: Data,
    inputs: Mapping[str, Path],
    folder: Path,
    threads: int,
    report: Callable[[str], None],
) -> None:
    """Train these blocks of a network, and write how the run came to be."""
    import torch

    from xsleep.compute import parallel
    from xsleep.training.loop import CHECKPOINT, train

    torch.set_num_threads(max(threads // parallel.size(), 1))
    began = time.monotonic()
    channels = tuple(address["channels"].split("-"))
    parts = {
        "training": data.training,
        "training subset": data.training_subset,
        "validation": data.validation,
    }
    # What can fail is done before hours of training, not after them.
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
        *(address["system"], channels, network, settings, data, address["seed"], folder, report),
        blocks,
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
