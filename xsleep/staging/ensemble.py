"""Networks to score with, by the name of a known one or the path of a run, folds or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from xsleep.core.errors import InputError
from xsleep.core.settings import Settings, first_of
from xsleep.staging.known import DEFAULT, known

if TYPE_CHECKING:
    from xsleep.networks import Network

NOT_SLEEP = "the network was trained on simulated recordings and has never seen sleep"
UNKNOWN = "unknown: there is no run.json beside the network"
MODEL = "model.safetensors"


@dataclass(frozen=True)
class Ensemble:
    """Networks of one system and channel set, whose log-probabilities are averaged.

    Attributes:
        networks: in evaluation mode.
        channels: in the order of their inputs.
        montage: channel to the labels of the signals that they were trained on, if known.
        facts: name, system, training data, licence, ... for the answer.
        doubts: what to know about them, a line each.
        has_statistics: the statistics of the training set's spectrograms are in them.
        training_files: SHA-256 of the files that they were trained on, if known.
    """

    networks: tuple[Network, ...]
    channels: tuple[str, ...]
    montage: Mapping[str, tuple[str, ...]]
    facts: dict[str, Any]
    doubts: tuple[str, ...] = ()
    has_statistics: bool = False
    training_files: frozenset[str] = frozenset()


def check_name(model: str) -> None:
    """Raise an `InputError` if a network is neither known by name nor a path; loads nothing."""
    if model not in known() and not _path(model):
        raise InputError(
            f"{model}: no such network; name a run folder, a {MODEL}, the prefix of a TensorFlow "
            f"checkpoint, or one of {', '.join(known())}"
        )


def _path(model: str) -> Path | None:
    """Return the path of a model that is a file, a folder or the prefix of a checkpoint."""
    path = Path(model)
    return path if path.exists() or Path(f"{model}.index").exists() else None


def open_model(model: str = DEFAULT, report: Callable[[str], None] = print) -> Ensemble:
    """Return the networks of a name or path.

    Args:
        model: a key of `known`; the folder of a run, or of several folds, which are an ensemble; a
            ``.safetensors`` checkpoint; the prefix or folder of a TensorFlow checkpoint; or an
            ``.npz`` file of released variables.
        report: is told what is fetched.

    Raises:
        InputError: there is no such network, or its files cannot be used.
    """
    check_name(model)
    if model in known():
        return _known(model, report)
    path = Path(model)
    if path.suffix == ".safetensors":
        return _trained(path, [path])
    paths = [path / MODEL] if (path / MODEL).exists() else sorted(path.glob(f"*/{MODEL}"))
    if paths:
        return _trained(path, paths)
    from xsleep.networks.importing import read
    from xsleep.networks.tensorflow import find_checkpoint

    if path.is_dir() and not find_checkpoint(path):
        raise InputError(
            f"{path}: no {MODEL} in it or in its folders, nor a TensorFlow checkpoint; name a "
            "run's folder"
        )
    return _released(path, read(path))


def _known(name: str, report: Callable[[str], None]) -> Ensemble:
    from xsleep.networks.importing import built
    from xsleep.networks.tensorflow import read_checkpoint

    entry = known()[name]
    network, system, _ = built(entry.prefix, read_checkpoint(entry.fetch(report)))
    facts = {
        "name": name,
        "system": system,
        "trained_on": entry.trained_on,
        "licence": entry.licence,
        "citation": entry.citation,
        "sha256": entry.sha256["data"],
    }
    return Ensemble((network,), entry.channels, entry.montage, facts)


def _released(path: Path, variables: Mapping[str, np.ndarray[Any, Any]]) -> Ensemble:
    from xsleep.networks.importing import built

    network, system, channels = built(path, variables)
    facts = {"name": str(path), "system": system, "trained_on": "unknown: released weights"}
    return Ensemble((network,), channels, {}, facts)


def _trained(model: Path, paths: list[Path]) -> Ensemble:
    from xsleep.core.files import sha256
    from xsleep.networks import checkpoints

    loaded = [checkpoints.load(path) for path in paths]
    kinds = {(system, channels) for _, system, channels in loaded}
    if len(kinds) > 1:
        told = "; ".join(f"{system} of {'-'.join(channels)}" for system, channels in kinds)
        raise InputError(f"{model}: holds networks of several kinds ({told}); name one of them")
    ((system, channels),) = kinds
    runs = [run for path in paths if (run := _run(path))]
    databases = {run.database or run.source for run in runs} - {""}
    montage = {c: labels for c in channels if (labels := _labels(runs, c))}
    facts = {
        "name": str(model),
        "system": system,
        "trained_on": ", ".join(sorted(databases)) or UNKNOWN,
        "networks": len(paths),
        "sha256": [sha256(path) for path in paths],
    }
    doubts = {
        NOT_SLEEP: any(run.simulated for run in runs),
        f"what it was trained on is {UNKNOWN}": len(runs) < len(paths),
    }
    return Ensemble(
        tuple(network for network, _, _ in loaded),
        channels,
        montage,
        facts,
        tuple(doubt for doubt, holds in doubts.items() if holds),
        all(bool(network.mean.any()) for network, _, _ in loaded),
        frozenset(sha for run in runs for sha in run.inputs.values()),
    )


class _Run(Settings):
    """Entries that are read from a ``run.json``."""

    model_config = ConfigDict(extra="ignore")

    database: str = ""
    source: str = ""
    simulated: bool = False
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)


def _labels(runs: list[_Run], channel: str) -> tuple[str, ...]:
    """Return the labels of a channel that any of the runs was trained on."""
    return tuple(dict.fromkeys(label for run in runs for label in run.labels.get(channel, ())))


def _run(model: Path) -> _Run | None:
    """Return the ``run.json`` beside a checkpoint, if there is one."""
    path = model.with_name("run.json")
    try:
        return _Run.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as errors:
        fault = first_of(errors, _Run)
        raise InputError(f"{path}: not a run's JSON ({fault}); train it again") from errors
