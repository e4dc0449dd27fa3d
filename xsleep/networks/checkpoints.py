"""Checkpoints: a trained network in a safetensors file, with what is needed to build it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes

from xsleep import systems
from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError, reason
from xsleep.core.files import check_recorded, whole
from xsleep.core.recording import Channel
from xsleep.core.settings import Settings, checked
from xsleep.networks import Network, build


class Facts(Settings):
    """Metadata of a checkpoint: system, channels and settings of its network."""

    system: str
    channels: tuple[Channel, ...]
    network: NetworkSettings


def save(path: Path, network: Network, system: str, channels: tuple[str, ...]) -> None:
    """Write the weights, population statistics and normalisation of a network."""
    # A single entry, as safetensors writes several in varying order, and files are compared.
    facts = Facts(system=system, channels=channels, network=network.settings).model_dump()
    metadata = {"xsleep": json.dumps(facts, sort_keys=True)}
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    with whole(path) as temporary:
        # Files written by safetensors' `save_file` cannot be read by other users.
        temporary.write_bytes(as_bytes(tensors, metadata))


def load(path: Path) -> tuple[Network, str, tuple[str, ...]]:
    """Return a network in evaluation mode, its system and its channels.

    Raises:
        InputError: the file is not a checkpoint of this project, of another precision, or not the
            one that ``run.json`` beside it tells of.
    """
    check_recorded(path)
    try:
        with safe_open(path, "pt") as file:
            given = json.loads((file.metadata() or {})["xsleep"])
            facts: Facts = checked(Facts, given, "metadata")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            network = _built(facts, tensors)
            network.load_state_dict(tensors)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name the model.safetensors of a run") from None
    # A file of another program, or damaged: not safetensors, other metadata, settings or tensors.
    except (OSError, SafetensorError, LookupError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a checkpoint of xsleep ({reason(error)}); name the model.safetensors of "
            "a run; if it is one, train that run again"
        ) from error
    own = {value.dtype for value in network.state_dict().values()}
    if others := {value.dtype for value in tensors.values()} - own:
        raise InputError(
            f"{path}: values of {', '.join(sorted(map(str, others)))}; networks are computed in "
            "torch.float32: name the file that has them as they were trained"
        )
    if broken := [name for name, values in tensors.items() if not torch.isfinite(values).all()]:
        raise InputError(
            f"{path}: {len(broken)} of its tensors have values that are not finite ({broken[0]}, "
            "...); train the run again"
        )
    return network.eval(), facts.system, facts.channels


def _built(facts: Facts, tensors: Mapping[str, torch.Tensor]) -> Network:
    """Return the network, which takes the memory that the file does, or raise `ValueError`."""
    make = partial(build, facts.system, len(facts.channels), facts.network, seed=0)
    known = systems.registry().get(facts.system)
    if known and known.paper == "none":  # code that may compute with values when it is built
        return make()
    with torch.device("meta"):  # shapes only
        expected = {name: value.shape for name, value in make().state_dict().items()}
    if expected != {name: value.shape for name, value in tensors.items()}:
        raise ValueError("its tensors are not those of its settings")
    return make()
