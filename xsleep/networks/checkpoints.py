"""Checkpoints: a trained network in a safetensors file, with what is needed to build it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes

from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError, reason
from xsleep.core.files import sha256, whole
from xsleep.networks import Network, build


def save(path: Path, network: Network, system: str, channels: tuple[str, ...]) -> None:
    """Write the weights, population statistics and normalisation of a network."""
    # A single entry, as safetensors writes several in varying order, and files are compared.
    facts = {"system": system, "channels": channels, "network": network.settings.model_dump()}
    metadata = {"xsleep": json.dumps(facts, sort_keys=True)}
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    with whole(path) as temporary:
        # Files written by safetensors' `save_file` cannot be read by other users.
        temporary.write_bytes(as_bytes(tensors, metadata))


def load(path: Path) -> tuple[Network, str, tuple[str, ...]]:
    """Return a network in evaluation mode, its system and its channels.

    Raises:
        InputError: the file is not a checkpoint of this project, or not the one that ``run.json``
            beside it tells of.
    """
    _check(path)
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["xsleep"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            system, channels = facts["system"], tuple(facts["channels"])
            network = build(system, len(channels), NetworkSettings(**facts["network"]), seed=0)
            network.load_state_dict(tensors)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name the model.safetensors of a run") from None
    # A file of another program, or damaged: not safetensors, other metadata, settings or tensors.
    except (OSError, SafetensorError, LookupError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a checkpoint of xsleep ({reason(error)}); name the model.safetensors of "
            "a run; if it is one, train that run again"
        ) from error
    if broken := [name for name, values in tensors.items() if not torch.isfinite(values).all()]:
        raise InputError(
            f"{path}: {len(broken)} of its tensors have values that are not finite ({broken[0]}, "
            "...); train the run again"
        )
    return network.eval(), system, channels


def _check(path: Path) -> None:
    """Raise an `InputError` if ``run.json`` beside a checkpoint has another SHA-256 of it."""
    try:
        digest = json.loads(path.with_name("run.json").read_text())["outputs"][path.name]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # of nothing trained here
        return
    if path.exists() and sha256(path) != digest:
        raise InputError(
            f"{path}: not as it was written (another SHA-256 than in run.json); delete it, and "
            "train that run again"
        )
