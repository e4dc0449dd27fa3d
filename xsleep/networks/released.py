"""Variables of the released TensorFlow networks, by their names.

A released SeqSleepNet is an ARNN+RNN; in an XSleepNet the same names carry ``seq_`` in front, those
of the raw stream ``deep_``, those of the joint output ``joint_``. Variables of DeepSleepNet+ of
which the network has parts have the part in brackets after their names (`parts`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from xsleep.core.arrays import Singles
from xsleep.core.errors import InputError
from xsleep.networks.arnn_rnn import ARNN
from xsleep.networks.deepsleepnet import BatchNorm, EpochPart, SequencePart
from xsleep.networks.deepsleepnet import Convolution as DeepConvolution
from xsleep.networks.fast.convolution import Convolution
from xsleep.networks.fcnn_rnn import FCNN
from xsleep.networks.layers import Output
from xsleep.networks.network import Network
from xsleep.networks.recurrent import BatchNormLSTM, Bidirectional, PeepholeLSTM

CHANNELS = ("eeg", "eog", "emg")
"""Channels, as in the names of the filterbanks."""

OUTPUTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("raw", "time-frequency", "joint"): (
        "deep_output_layer/deep_output",
        "seq_output_layer/seq_output",
        "joint_output_layer/joint_output",
    ),
    ("joint",): ("output_layer/joint_output",),
    ("time-frequency",): ("output_layer/output",),
    ("raw",): ("output_layer/output",),
}
"""Branches of a network to the names of their output layers."""

PEEPHOLES = {"enter": "w_i_diag", "forget": "w_f_diag", "leave": "w_o_diag"}
"""Gates of `PeepholeLSTM` to the names of their peepholes."""


def variables(
    network: Network,
    of: Callable[[Tensor], Tensor] = Tensor.detach,
    channels: Sequence[str] = CHANNELS,
) -> dict[str, Tensor]:
    """Return views of a network's variables by their TensorFlow names, in TensorFlow's shapes.

    ``of`` returns what is viewed of a parameter or buffer: itself, or its gradient. ``channels``
    are names of filterbanks; those of the network are the first.
    """
    both = len(network.views) == 2
    named: dict[str, Tensor] = {}

    raw = network.epoch["raw"] if "raw" in network.views else None
    if isinstance(raw, EpochPart):
        named |= _deepsleepnet_variables(raw, cast(SequencePart, network.sequence["raw"]).rnn, of)
    elif raw:
        block = "deep_all_cnn_layer/all_conv_block" if both else "conv_eeg"
        for i, convolution in enumerate(cast(list[Convolution], cast(FCNN, raw).convolutions)):
            # (filters, channels, kernel) to (kernel, 1, channels, filters)
            named[f"{block}/enc_{i}/W"] = of(convolution.weight).permute(2, 1, 0).unsqueeze(1)
            named[f"{block}/enc_{i}/b"] = of(convolution.bias)
        for way in ("fw", "bw"):
            for i, layer in enumerate(getattr(network.sequence["raw"], way)):
                cell = f"{'deep_' if both else ''}epoch_rnn_layer/{way}/multi_rnn_cell/cell_{i}"
                for part in ("gates", "candidate"):
                    for kind in ("kernel", "bias"):
                        value = of(getattr(layer, f"{part}_{kind}"))
                        named[f"{cell}/gru_cell/{part}/{kind}"] = value

    if "time-frequency" in network.views:
        prefix = "seq_" if both else ""
        arnn = cast(ARNN, network.epoch["time-frequency"])
        weights = of(arnn.filterbank.weight)
        for channel, weight in zip(channels[: len(weights)], weights, strict=True):
            named[f"{prefix}filterbank-layer-{channel}/Variable"] = weight
        attention = f"{prefix}frame_attention_layer/Variable"
        named[attention] = of(arnn.attention.kernel)
        named[f"{attention}_1"] = of(arnn.attention.bias)
        named[f"{attention}_2"] = of(arnn.attention.context)
        sequence = cast(Bidirectional, network.sequence["time-frequency"])
        for layer, rnn in (("frame_rnn_layer", arnn.rnn), ("epoch_rnn_layer", sequence)):
            named |= _lstm_variables(f"{prefix}{layer}", rnn, of)

    for name, branch in zip(OUTPUTS[network.branches], network.branches, strict=True):
        output = cast(Output, network.outputs[branch])
        named[f"{name}/weights"] = of(output.weight)
        named[f"{name}/biases"] = of(output.bias)
    return named


def _lstm_variables(
    layer: str, rnn: Bidirectional, of: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return views of the variables of a bidirectional LSTM."""
    named = {}
    for way in ("fw", "bw"):
        cell = f"{layer}/{way}/BNLSTMCell"
        lstm: BatchNormLSTM = getattr(rnn, way)
        named[f"{cell}/W_xh"] = of(lstm.W_xh)
        named[f"{cell}/W_hh"] = of(lstm.W_hh)
        for part in ("xh", "hh", "c"):
            norm = getattr(lstm, part)
            named[f"{cell}/{part}/scale"] = of(norm.scale)
            if norm.offset is not None:
                named[f"{cell}/{part}/offset"] = of(norm.offset)
            named[f"{cell}/{part}/pop_mean"] = of(norm.mean)
            named[f"{cell}/{part}/pop_var"] = of(norm.variance)
    return named


def _deepsleepnet_variables(
    epoch: EpochPart, rnn: Bidirectional, of: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return views of the variables of a DeepSleepNet+ before its output layer."""
    named: dict[str, Tensor] = {}
    norms: dict[str, BatchNorm] = {}
    for number, branch in ((1, epoch.small), (2, epoch.large)):
        for i, layer in enumerate((x for x in branch if isinstance(x, DeepConvolution)), start=1):
            scope = f"cnn_layers/conv{number}{i}"
            norms[scope] = layer.norm
            weights = f"{scope}/weights" + ("[middle]" if i == 1 else "")
            named[weights] = of(layer.weight).permute(2, 1, 0).unsqueeze(1)
            named[f"{scope}/biases"] = of(layer.bias)
    scope = "residual_layer/residual_layer"
    norms[f"{scope}/bn"] = epoch.shortcut.norm
    named[f"{scope}/weights"] = of(epoch.shortcut.weight)
    named[f"{scope}/biases"] = of(epoch.shortcut.bias)
    for scope, norm in norms.items():
        named[f"{scope}/gamma"] = of(norm.weight)
        named[f"{scope}/beta"] = of(norm.bias)
        named[f"{scope}/moving_mean"] = of(cast(Tensor, norm.running_mean))
        named[f"{scope}/moving_variance"] = of(cast(Tensor, norm.running_var))
    for way in ("fw", "bw"):
        for i, lstm in enumerate(cast(Iterable[PeepholeLSTM], getattr(rnn, way))):
            cell = f"epoch_rnn_layer/{way}/multi_rnn_cell/cell_{i}/lstm_cell"
            named[f"{cell}/kernel[inputs]"] = of(lstm.W_xh)
            named[f"{cell}/kernel[states]"] = of(lstm.W_hh)
            named[f"{cell}/bias"] = of(lstm.bias)
            for gate in ("enter", "forget", "leave"):
                named[f"{cell}/{PEEPHOLES[gate]}"] = of(getattr(lstm, gate))
    return named


def parts(name: str, values: Singles) -> dict[str, Singles]:
    """Return what the network has of a variable, by its name, with the part in brackets.

    Of the first filters of DeepSleepNet+, (kernel, 3, channels, filters), it has the middle column,
    as the others meet padding only; of its LSTMs' kernels the rows of inputs and states apart.
    """
    if re.search(r"/conv[12]1/weights$", name) and np.ndim(values) == 4:
        middle = values.shape[1] // 2
        return {f"{name}[middle]": values[:, middle : middle + 1]}
    if name.endswith("/lstm_cell/kernel") and np.ndim(values) == 2:
        inputs = max(len(values) - values.shape[1] // 4, 0)
        return {f"{name}[inputs]": values[:inputs], f"{name}[states]": values[inputs:]}
    return {name: values}


def load_variables(
    network: Network, variables_by_name: Mapping[str, Singles], channels: Sequence[str] = CHANNELS
) -> None:
    """Copy released variables, including population statistics, into a network.

    Raises:
        InputError: a variable is missing, surplus or of another shape; the network is unchanged.
    """
    targets = variables(network, channels=channels)
    given = {
        n: v for name, whole in variables_by_name.items() for n, v in parts(name, whole).items()
    }
    for name in {**targets, **given}:
        expected = tuple(targets[name].shape) if name in targets else "no such variable"
        found = np.shape(given[name]) if name in given else "missing"
        if expected != found:
            raise InputError(f"variable {name}: the network has {expected}, the file {found}")
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(torch.as_tensor(given[name]))
