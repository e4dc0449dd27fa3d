"""Import of released TensorFlow networks: their checkpoints or npz files in, our checkpoints out.

System, channels and sizes are inferred from the names and shapes of the variables. Several
variables depend on each size and the majority decides, so that a variable of a wrong shape is
reported by its name.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xsleep.config.network import NetworkSettings
from xsleep.core.arrays import Singles
from xsleep.core.errors import InputError
from xsleep.core.files import read_npz
from xsleep.networks import Network, build, checkpoints
from xsleep.networks.released import CHANNELS, load_variables
from xsleep.networks.tensorflow import find_checkpoint, read_checkpoint
from xsleep.systems import registry, same_network

LARGEST = 10**9
"""Bytes of all variables of a network above which a file is none."""

Shapes = Mapping[str, tuple[int, ...]]

SIZES: dict[str, tuple[tuple[str, int], ...]] = {
    "kernel": ((r"/enc_\d+/W$", 0),),
    "gru_units": ((r"/candidate/bias$", 0), (r"/candidate/kernel$", 1)),
    "frame_units": ((r"frame_rnn_layer/.*/W_hh$", 0), (r"frame_rnn_layer/.*Cell/c/", -1)),
    "attention": ((r"attention_layer/Variable$", 1), (r"attention_layer/Variable_", 0)),
    "sequence_units": ((r"epoch_rnn_layer/.*/W_hh$", 0), (r"epoch_rnn_layer/.*Cell/c/", -1)),
    "sequence_length": ((r"epoch_rnn_layer/.*/pop_", 0),),
    "deepsleepnet_units": ((r"/w_[fio]_diag$", 0),),
}
"""Patterns of the names of the variables that have each size, and along which axis."""

CELLS = {"BNLSTMCell": "ARNN+RNN", "gru_cell": "FCNN+RNN", "lstm_cell": "DeepSleepNet+"}
"""Recurrent cells, as in the names of variables, to the system that has them between epochs."""


def import_weights(file: Path, out: Path, system: str | None = None) -> str:
    """Write a released network as a checkpoint, and return a line that describes it.

    It has no statistics of its training set, so the checkpoint has no normalisation (mean 0,
    standard deviation 1): its user has to set one.

    Args:
        file: an npz file of the variables, or a TensorFlow checkpoint (`read`).
        out: ``NAME.safetensors``.
        system: which of those that have the same variables it is; ``None``: the first of them.

    Raises:
        InputError: the file cannot be read; a variable is missing, surplus, of another shape or not
            finite; it is not a network of the system; or ``out`` does not end with
            ``.safetensors``. Nothing is written then.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: not the name of a checkpoint; let it end with .safetensors")
    checkpoint, variables = find_checkpoint(file), read(file)
    file = checkpoint.prefix if checkpoint else file
    network, found, channels = built(file, variables)
    alike = [name for name in registry() if name != found and same_network(name, found)]
    if system not in (None, found, *alike):
        raise InputError(
            f"{file}: the network of {' or '.join([found, *alike])} was found, that of {system} "
            "expected; name another file, or its system"
        )
    checkpoints.save(out, network, system or found, channels)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    told = [
        f"{out}: {system or found}, channels {'-'.join(channels)}, {parameters:,} parameters, "
        f"sequences of {network.settings.sequence_length} epochs"
    ]
    if alike and not system:
        told.append(f"{' and '.join(alike)} would have the same variables (--system)")
    if checkpoint and checkpoint.others:
        told.append(f"read from {file}, not from {' or '.join(checkpoint.others)} beside it")
    return "; ".join(told)


def built(file: Path, variables: Mapping[str, Singles]) -> tuple[Network, str, tuple[str, ...]]:
    """Return the network that has these variables in evaluation mode, its system and channels.

    Raises:
        InputError: a variable is missing, surplus or of another shape; ``file`` is named.
    """
    try:
        system, filterbanks, settings = recognise({n: v.shape for n, v in variables.items()})
        network = _empty(system, len(filterbanks), settings)
        load_variables(network, variables, filterbanks)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    return network.eval(), system, channels_by_path(file, filterbanks)


def fitted(
    file: Path,
    variables: Mapping[str, Singles],
    system: str,
    channels: Sequence[str],
    settings: NetworkSettings,
) -> Network:
    """Return the network of a system with these variables, in evaluation mode.

    Raises:
        InputError: they are of another system, of other channels or sizes; in one line what was
            found and what was expected.
    """
    try:
        found, filterbanks, sizes = recognise({n: v.shape for n, v in variables.items()})
        if not same_network(found, system):
            raise InputError(f"found the network of {found}, expected {system}; name another")
        if len(filterbanks) != len(channels):
            told = f"found {len(filterbanks)} channels, expected {len(channels)}"
            raise InputError(f"{told} ({', '.join(channels)}); name another network")
        expected = settings.model_dump()
        wrong = [
            f"{size} {value} (expected {expected[size]})"
            for size, value in sizes.model_dump(include=sizes.model_fields_set).items()
            if value != expected[size]
        ]
        if wrong:
            raise InputError(f"found {', '.join(wrong)}; name another, or choose its `preset`")
        network = _empty(system, len(channels), settings)
        load_variables(network, variables, filterbanks)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    return network.eval()


def _empty(system: str, channels: int, settings: NetworkSettings) -> Network:
    """Return a network to load variables into, unless a file tells sizes that no file holds."""
    with torch.device("meta"):  # takes no memory
        every = build(system, channels, settings, seed=0).parameters()
        size = sum(one.nbytes for one in every)
    if size > LARGEST:
        raise InputError(
            f"its variables are of a network of {size / 1e9:,.0f} GB, the largest one that is read "
            f"has {LARGEST / 1e9:g} GB; name another"
        )
    return build(system, channels, settings, seed=0)


def read(path: Path) -> dict[str, Singles]:
    """Return the variables of a released network as finite float32 values.

    Args:
        path: npz file, or TensorFlow checkpoint (`xsleep.networks.tensorflow.find_checkpoint`).

    Raises:
        InputError: there is no such file, it is damaged or of another kind, or a value is not
            finite.
    """
    if checkpoint := find_checkpoint(path):
        path, found = checkpoint.prefix, read_checkpoint(checkpoint.prefix)
    else:
        found = _read_npz(path)
    return {name: _numbers(path, name, values) for name, values in found.items()}


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file; pickled objects are refused."""
    if path.is_dir():
        raise InputError(
            f"{path}: neither it nor a folder checkpoint in it has an .index file of a TensorFlow "
            "checkpoint; name the folder or the checkpoint of a network"
        )
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; name an npz file or a TensorFlow checkpoint (in the workflow: "
            "zero_shot.weights)"
        )
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: not an npz file, nor the path of a TensorFlow checkpoint without its .index"
        )
    return read_npz(path, LARGEST)


def _numbers(path: Path, name: str, values: NDArray[Any]) -> Singles:
    """Return a variable as finite float32 values."""
    where = f"{path}: variable {name} of shape {values.shape}"
    if values.dtype.kind != "f":
        raise InputError(f"{where}: of type {values.dtype}; a variable has floating-point numbers")
    if values.dtype.itemsize < 4:
        raise InputError(
            f"{where}: rounded to {values.dtype}; networks are computed in float32: name the file "
            "that has it as it was trained"
        )
    if not values.size:
        raise InputError(f"{where}: no value; a variable has some, save the network again")
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    if wrong := found.size - np.count_nonzero(np.isfinite(found)):
        raise InputError(f"{where}: {wrong} of {found.size} values are NaN or infinite")
    return found


def recognise(shapes: Shapes) -> tuple[str, tuple[str, ...], NetworkSettings]:
    """Return system, channels as in the filterbanks' names, and settings of a released network.

    Of systems with the same variables, as XSleepNet1 and XSleepNet2, it is the first of Table 2.
    Where the names of the channels are unknown, they are the first of ``CHANNELS``. Settings that
    no variable tells are not in ``model_fields_set`` and have the released values.

    Raises:
        InputError: no variable has the name of one of a released network.
    """
    system = _system(shapes)
    default = NetworkSettings()
    sizes: dict[str, Any] = {}

    def tell(size: str, lengths: Iterable[int]) -> None:
        if lengths := list(lengths):
            sizes[size] = _vote(lengths, getattr(default, size))

    for size, evidence in SIZES.items():
        tell(size, _along(shapes, *evidence))
    # As many as released: without the ninth convolution the shapes would still fit together. Each
    # by its own variables and the next convolution's channels.
    if any("/enc_" in name for name in shapes):
        sizes |= {"activation": "leaky_relu", "convolution_lengths": "halved"}  # of all released
        sizes["filters"] = tuple(
            _vote(
                _along(shapes, (f"/enc_{i}/W$", 3), (f"/enc_{i}/b$", 0), (f"/enc_{i + 1}/W$", 2)),
                size,
            )
            for i, size in enumerate(default.filters)
        )
    if system == "DeepSleepNet+":
        own = default.deepsleepnet_filters
        sizes["deepsleepnet_filters"] = tuple(
            _vote(_along(shapes, (rf"/conv[12]{those}/weights$", 3)), size)
            for those, size in zip(("1", "[234]"), own, strict=True)
        )
    layers = "deepsleepnet_layers" if system == "DeepSleepNet+" else "gru_layers"
    if cells := {cell[0] for name in shapes if (cell := re.search(r"/cell_\d+/", name))}:
        sizes[layers] = len(cells)

    columns = list(_along(shapes, ("filterbank-layer-", 1)))
    rows = list(_along(shapes, (r"frame_rnn_layer/.*/W_xh$", 0)))  # filters of all channels
    filterbank = _vote(columns, default.filterbank)
    counts = [len(columns), *(row // filterbank for row in rows if row % filterbank == 0)]
    first = _along(shapes, ("/enc_0/W$", 2), (r"/conv[12]1/weights$", 2))
    channels = min(_vote([*counts, *first], 1), len(CHANNELS))
    tell("filterbank", [*columns, *(row // channels for row in rows)])

    named = tuple(c for c in CHANNELS if any(f"filterbank-layer-{c}/" in name for name in shapes))
    names = named if len(named) == channels else CHANNELS[:channels]
    return system, names, NetworkSettings.model_validate(sizes)


def _system(shapes: Shapes) -> str:
    """Return the system that has variables of these names."""
    both = sum(name.startswith(("deep_", "seq_", "joint_")) for name in shapes)
    if 2 * both > len(shapes):
        single = any(name.startswith("output_layer/joint_output/") for name in shapes)
        return "Naive Fusion" if single else "XSleepNet2"
    for part, system in CELLS.items():
        if any(f"/{part}/" in name for name in shapes):
            return system
    raise InputError(
        f"none of its {len(shapes)} variables has a name of a released SeqSleepNet, XSleepNet or "
        "DeepSleepNet; keep their TensorFlow names"
    )


def _along(shapes: Shapes, *evidence: tuple[str, int]) -> Iterable[int]:
    """Yield the lengths along an axis of the variables whose names match a pattern."""
    for pattern, axis in evidence:
        for name, shape in shapes.items():
            if re.search(pattern, name) and -len(shape) <= axis < len(shape):
                yield shape[axis]


def _vote(sizes: Iterable[int], default: int) -> int:
    """Return the most frequent size; the released one in a tie."""
    votes = Counter(size for size in sizes if size > 0)
    return max(votes, key=lambda size: (votes[size], size == default), default=default)


def channels_by_path(file: Path, filterbanks: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the channels; of a single one as the path tells it.

    A released network of one channel calls its filterbank ``eeg`` whatever the channel is; the
    channel is in the name of its file or of one of the two folders around it, as in
    ``1chan_eog/checkpoint/pretrained_model.ckpt``.
    """
    for part in reversed(file.parts[-3:]):
        words = re.split("[^a-z]+", part.lower())
        told = tuple(channel for channel in CHANNELS if channel in words)
        if len(filterbanks) == len(told) == 1:
            filterbanks = told
            break
    return tuple(channel.upper() for channel in filterbanks)
