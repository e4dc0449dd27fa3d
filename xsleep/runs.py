"""What the rules from training to scoring do: files in, files out.

What takes long to import is imported by the rule that needs it.
"""

from __future__ import annotations

import csv
import json
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from xsleep import __version__, store
from xsleep import folds as fold_tables
from xsleep.databases import open_database
from xsleep.errors import InputError
from xsleep.sequences import Part, amplitude_scale, bridging
from xsleep.settings import (
    BLOCKS,
    NETWORK_OF,
    STRATEGIES,
    NetworkSettings,
    Source,
    Strategy,
    TrainingSettings,
)
from xsleep.windows import in_window, unusable

if TYPE_CHECKING:
    from xsleep.models import Network
    from xsleep.training import Data

PACKAGES = ("xsleep", "torch", "numpy", "scipy", "h5py", "edfio", "wfdb", "snakemake")


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
        (name, stored.night)
        for name, (index, window) in databases.items()
        for stored in store.read_index(index).values()
        if not unusable(stored.night, [window], Path(stored.epochs))
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
    store.write_csv(out, lines)


def load_parts(
    folds: Path,
    number: int,
    role: str,
    recordings: Mapping[str, store.Stored],
    window: str,
    channels: tuple[str, ...],
    network: NetworkSettings,
    subjects: int | None = None,
) -> list[Part]:
    """The recordings of one role of a fold; with ``subjects``, where only so many train."""
    with folds.open() as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == str(number)]
    chosen = [row for row in rows if row["role"] == role]
    if subjects is not None and role.startswith("training"):
        few = fold_tables.few(
            *([r["subject"] for r in rows if r["role"] == "training"], subjects, number)
        )
        # Those of the subset that train; where none does, all who train.
        chosen = [row for row in chosen if row["subject"] in few] or [
            row for row in rows if row["role"] == "training" and row["subject"] in few
        ]
    names = [row["recording"] for row in chosen]
    return [load_part(recordings[name], window, channels, network) for name in names]


def load_part(
    stored: store.Stored, window: str, channels: tuple[str, ...], network: NetworkSettings
) -> Part:
    """The epochs of one recording that lie in a window, as a network of these settings reads them.

    With ``raw_deviation`` (microvolts) each raw channel is scaled to it over these epochs, so that
    amplitudes compare between subjects.

    Raises:
        InputError: the stored signals are filtered otherwise than the network's.
    """
    night = stored.night
    if night.raw_filter != network.filter_name:
        raise InputError(
            f"{stored.epochs}: filtered by {night.raw_filter}, what the network reads by "
            f"{network.filter_name}; take the epochs stored with that filter"
        )
    chosen = np.flatnonzero(in_window(night, window))
    part = replace(
        night,
        places=night.places[chosen],
        onsets=night.onsets[chosen],
        stages=night.stages[chosen],
    )
    data = store.NightData(stored, channels, chosen)
    raw_scale = None
    if network.raw_deviation is not None:
        raw_scale = amplitude_scale(
            data.raw(0, len(chosen)), network.raw_deviation, night.recording
        )
    return Part(part, data, raw_scale)


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
    from xsleep.models import build

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
    from xsleep import checkpoints
    from xsleep.models import build

    system, channels = address["system"], address["channels"].split("-")
    network, pretrained_system, pretrained_channels = checkpoints.load(pretrained)
    if NETWORK_OF.get(pretrained_system, pretrained_system) != NETWORK_OF.get(system, system):
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
    from xsleep.models import build

    channels = tuple(address["channels"].split("-"))
    recordings = {name: store.read_index(index) for name, index in indexes.items()}

    def parts(role: str) -> list[Part]:
        with split.open() as file:
            rows = [row for row in csv.DictReader(file) if row["role"] == role]
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
    recordings = store.read_index(index)
    channels = tuple(address["channels"].split("-"))
    return _data(
        lambda role: load_parts(
            *(folds, address["fold"], role, recordings, address["window"], channels, network),
            subjects,
        )
    )


def _data(parts: Callable[[str], list[Part]]) -> Data:
    from xsleep.training import Data

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

    from xsleep import parallel
    from xsleep.training import CHECKPOINT, train

    torch.set_num_threads(max(threads // parallel.size(), 1))
    began = time.monotonic()
    channels = tuple(address["channels"].split("-"))
    parts = {
        "training": data.training,
        "training subset": data.training_subset,
        "validation": data.validation,
    }
    # What can fail is done before hours of training, not after them.
    _check_writable(folder)
    known = {
        "training_subjects": len({part.night.subject for part in data.training}),
        "sequences_bridging_gaps": sum(
            bridging(part.night.places, network.settings.sequence_length, settings.longest_gap)
            for part in data.training
        ),
        **_origin(parts, inputs),
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
        "outputs": {
            name: store.sha256(folder / name) for name in ("model.safetensors", "history.csv")
        },
    }
    with store.whole(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(run, indent=2) + "\n")
    (folder / CHECKPOINT).unlink(missing_ok=True)


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

    Beside ``out`` a ``scoring.json`` says how the scores came to be.
    """
    import torch

    from xsleep import checkpoints, device, scoring

    torch.set_num_threads(threads)
    network, _, channels = checkpoints.load(model)
    network.to(device.best())
    recordings = store.read_index(index)
    parts = load_parts(folds, number, "test", recordings, window, channels, network.settings)
    _check_writable(out.parent)
    record = {
        "scoring": {"longest_gap": longest_gap, "scoring_stride": scoring_stride},
        "device": device.name(),
        "threads": threads,
        **_origin({"test": parts}, {path.name: path for path in (model, folds)}),
    }
    store.write_predictions(out, scoring.score(network, parts, longest_gap, scoring_stride))
    record["outputs"] = {out.name: store.sha256(out)}
    with store.whole(out.with_name("scoring.json")) as temporary:
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

    from xsleep import checkpoints, device, scoring, tables
    from xsleep.sequences import normalisation

    torch.set_num_threads(threads)
    network, system, channels = checkpoints.load(model)
    files = {entry.name: entry.files[0] for entry in open_database(source).entries()}
    recordings = store.read_index(index)
    reasons = {
        name: unusable(recordings[name].night, [window], path) for name, path in files.items()
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
    predictions = scoring.score(network, parts, longest_gap, scoring_stride)
    store.write_predictions(predictions_out, predictions)

    address = {"database": database, "window": window, "channels": "-".join(channels)}
    counts = {"recordings": len(used), "skipped": len(files) - len(used)}
    table = tables.confusion_table(store.read_predictions(predictions_out))
    store.write_csv(table_out, [address | {"system": system} | counts | row for row in table])


def _check_writable(folder: Path) -> None:
    """Raise `InputError` for a folder that files cannot be written into."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written to ({error.strerror}); make it writable, and give the "
            "same command again"
        ) from error


def _origin(parts: Mapping[str, Sequence[Part]], inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Code, machine and data that something was made with: recordings by role, and all hashes."""
    used = [part for role in parts.values() for part in role]
    return {
        "processor": _processor(),
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "recordings": {role: [part.night.recording for part in of] for role, of in parts.items()},
        "inputs": {
            **{name: store.sha256(path) for name, path in inputs.items()},
            **{name: sha for part in used for name, sha in sorted(part.night.hashes.items())},
        },
        "stores": {path: sha for part in used for path, sha in part.data.hashes.items()},
    }


def _version(package: str) -> str:
    if package == "xsleep":  # which may run from a clone that is not installed
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        raise InputError(
            f"{package}: not installed for {sys.executable}; install requirements.lock there"
        ) from None


def _processor() -> str:
    """The processor's model, where the system tells it, and the instructions that PyTorch takes.

    Virtual machines give processors of different instructions one name.
    """
    from torch.backends.cpu import get_cpu_capability

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(named, platform.processor())} ({get_cpu_capability()})"


def commit() -> str:
    """The commit of the code that runs, with ``+`` where files differ from it; or ``unknown``."""
    folder = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
