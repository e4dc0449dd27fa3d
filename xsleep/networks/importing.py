"""Networks of the authors' TensorFlow code, as npz files of variables, made into checkpoints.

System, channels and sizes are recognised from the variables' names and shapes. Several variables
tell of each size; most of them decide, so that a misshapen one is refused by its name instead of
misleading the others.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.networks import build, checkpoints
from xsleep.networks.released import CHANNELS, load_variables

Shapes = Mapping[str, tuple[int, ...]]

SIZES = {
    "kernel": ((r"/enc_\d+/W$", 0),),
    "gru_units": ((r"/candidate/bias$", 0), (r"/candidate/kernel$", 1)),
    "frame_units": ((r"frame_rnn_layer/.*/W_hh$", 0), (r"frame_rnn_layer/.*Cell/c/", -1)),
    "attention": ((r"attention_layer/Variable$", 1), (r"attention_layer/Variable_", 0)),
    "sequence_units": ((r"epoch_rnn_layer/.*/W_hh$", 0), (r"epoch_rnn_layer/.*Cell/c/", -1)),
    "sequence_length": ((r"epoch_rnn_layer/.*/pop_", 0),),
}
"""Names of the variables that tell a size, and along which axis."""


DAMAGE = (
    *(OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error),
    MemoryError,  # a damaged header may claim any shape
)
"""What NumPy raises for damaged files."""


def import_weights(file: Path, out: Path) -> str:
    """Write the network in an npz file as a checkpoint; returns one line that says what it is.

    The file has no statistics of its training set, so the checkpoint's normalisation is none
    (mean 0, deviation 1): whoever uses it sets one.

    Raises:
        InputError: a file that is no npz, a variable that is missing, surplus, of another shape
            or not finite, or an ``out`` that is no ``.safetensors``. Nothing is written then.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: not the name of a checkpoint; let it end with .safetensors")
    variables = read(file)
    try:
        system, filterbanks, settings = recognise({n: v.shape for n, v in variables.items()})
        network = build(system, len(filterbanks), settings, seed=0)
        load_variables(network, variables, filterbanks)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    channels = _channels(file, filterbanks)
    checkpoints.save(out, network, system, channels)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return (
        f"{out}: {system}, channels {'-'.join(channels)}, {parameters:,} parameters, "
        f"sequences of {settings.sequence_length} epochs"
    )


def read(path: Path) -> dict[str, np.ndarray]:
    """The variables in an npz file, as float32; pickled objects are refused, not run."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; name the npz file (in the workflow: zero_shot.weights)"
        )
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not an npz file; write the variables with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
    except DAMAGE as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable npz file ({why}); write it anew") from error
    return {name: _numbers(path, name, values) for name, values in arrays.items()}


def _numbers(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    where = f"{path}: variable {name} of shape {values.shape}"
    if values.dtype.kind != "f":
        raise InputError(f"{where}: of type {values.dtype}; a variable has floating-point numbers")
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if wrong := values.size - np.count_nonzero(np.isfinite(values)):
        raise InputError(f"{where}: {wrong} of {values.size} values are NaN or infinite")
    return values


def recognise(shapes: Shapes) -> tuple[str, tuple[str, ...], NetworkSettings]:
    """System, channels as the filterbanks' names have them, and sizes of a released network.

    The variables of XSleepNet1 and XSleepNet2 are the same; such a network is taken as an
    XSleepNet2. Where nothing tells the names of the channels, they are the first of ``CHANNELS``.

    Raises:
        InputError: no name is one of a released network.
    """
    system = _system(shapes)
    default = NetworkSettings()
    sizes = {
        size: _vote(_along(shapes, *evidence), getattr(default, size))
        for size, evidence in SIZES.items()
    }
    # As many as released: without the ninth convolution the shapes would still fit together.
    sizes["filters"] = tuple(_filters(shapes, *layer) for layer in enumerate(default.filters))
    cells = {cell[0] for name in shapes if (cell := re.search(r"/cell_\d+/", name))}
    sizes["gru_layers"] = len(cells) or default.gru_layers

    columns = list(_along(shapes, ("filterbank-layer-", 1)))
    rows = list(_along(shapes, (r"frame_rnn_layer/.*/W_xh$", 0)))  # filters of all channels
    filterbank = _vote(columns, default.filterbank)
    counts = [len(columns), *(row // filterbank for row in rows if row % filterbank == 0)]
    channels = min(_vote([*counts, *_along(shapes, ("/enc_0/W$", 2))], 1), len(CHANNELS))
    sizes["filterbank"] = _vote([*columns, *(row // channels for row in rows)], default.filterbank)

    named = tuple(c for c in CHANNELS if any(f"filterbank-layer-{c}/" in name for name in shapes))
    names = named if len(named) == channels else CHANNELS[:channels]
    return system, names, NetworkSettings(**sizes)


def _system(shapes: Shapes) -> str:
    both = sum(name.startswith(("deep_", "seq_", "joint_")) for name in shapes)
    if 2 * both > len(shapes):
        single = any(name.startswith("output_layer/joint_output/") for name in shapes)
        return "Naive Fusion" if single else "XSleepNet2"
    if any("BNLSTMCell/" in name for name in shapes):
        return "ARNN+RNN"
    if any("gru_cell/" in name for name in shapes):
        return "FCNN+RNN"
    raise InputError(
        f"none of its {len(shapes)} variables has a name of a released SeqSleepNet or XSleepNet; "
        "keep their TensorFlow names"
    )


def _along(shapes: Shapes, *evidence: tuple[str, int]) -> Iterable[int]:
    """Lengths, along the axis, of the variables whose name has the pattern."""
    for pattern, axis in evidence:
        for name, shape in shapes.items():
            if re.search(pattern, name) and -len(shape) <= axis < len(shape):
                yield shape[axis]


def _filters(shapes: Shapes, layer: int, default: int) -> int:
    """Filters of a convolution, by its own variables and by the channels of the next one."""
    own = (f"/enc_{layer}/W$", 3), (f"/enc_{layer}/b$", 0)
    return _vote(_along(shapes, *own, (f"/enc_{layer + 1}/W$", 2)), default)


def _vote(sizes: Iterable[int], default: int) -> int:
    """The most frequent size, and of those the released one."""
    votes = Counter(size for size in sizes if size > 0)
    return max(votes, key=lambda size: (votes[size], size == default), default=default)


def _channels(file: Path, filterbanks: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the channels.

    A released network of one channel calls its filterbank ``eeg`` whatever the channel is; only
    the name of its file, as in ``seqsleepnet_mass_1chan_eog.npz``, tells.
    """
    words = re.split("[^a-z]+", file.stem.lower())
    told = tuple(channel for channel in CHANNELS if channel in words)
    if len(filterbanks) == len(told) == 1:
        filterbanks = told
    return tuple(channel.upper() for channel in filterbanks)
