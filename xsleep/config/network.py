"""Settings of the networks, and of the signals that they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from xsleep.config.names import RawFilter, System
from xsleep.core.recording import KINDS, Kind
from xsleep.core.settings import Settings
from xsleep.systems import Own

Filters = dict[Kind, RawFilter]

RELEASED_FILTERS: Filters = {"EEG": "band-pass", "EOG": "band-pass", "EMG": "high-pass"}


def _every_kind(value: Any) -> Any:
    """Return the filter of each kind: a single name is for all; the default is as released."""
    if isinstance(value, str):
        return dict.fromkeys(KINDS, value)
    return {**RELEASED_FILTERS, **value} if isinstance(value, Mapping) else value


class Filtering(Settings):
    """Filters of the signals, which spectrograms are computed from.

    Attributes:
        raw_filter: filter of each kind of channel: ``band-pass`` 0.3-40 Hz, ``high-pass`` from 10
            Hz, ``high-pass-and-notches`` with notches at 50 and 60 Hz, or ``none``.
        filter_rate: rate at which signals are filtered: ``resampled`` (100 Hz), or ``recorded``,
            where the same number of taps spans less time.
    """

    raw_filter: Annotated[Filters, BeforeValidator(_every_kind)] = RELEASED_FILTERS
    filter_rate: Literal["resampled", "recorded"] = "resampled"

    @property
    def filter_name(self) -> str:
        """Return a name for use in paths, equal for equal filtering."""
        if set(self.raw_filter.values()) == {"none"}:
            return "none"
        of_kinds = [f"{kind}-{self.raw_filter[kind]}" for kind in KINDS]
        return "+".join([*of_kinds, *["recorded"] * (self.filter_rate == "recorded")])


class NetworkSettings(Filtering):
    """Hyper-parameters of the networks and of their inputs; defaults are those released.

    Attributes:
        filters: numbers of filters of the FCNN's convolutions, each of stride 2 (Section 3).
        kernel (samples): length of these filters.
        filter_deviation: standard deviation of their initial values, truncated normal.
        convolution_lengths: ``halved``: a feature map has half the samples of the one before,
            rounded up; ``printed``: as in the paper, the third of nine has the middle 325 of 375.
        activation: ``leaky_relu`` with slope 0.3, or ``prelu`` with a learned slope per filter.
        gru_units (units): size of the bidirectional GRU between epochs, per direction; raw stream.
        gru_layers (layers): layers of this GRU, stacked in each direction.
        filterbank (filters): size of the learned filterbank of a channel.
        frame_units (units): size of the bidirectional LSTM between the frames of an epoch, per
            direction.
        attention (units): size of the attention layer.
        attention_softmax: softmax of the attention weights (eq. 5): ``shifted`` subtracts the
            largest score before the exponential, ``unshifted`` does not. Only rounding differs.
        sequence_units (units): size of the bidirectional LSTM between epochs, per direction;
            time-frequency stream.
        convolution_dropout (probability): dropout after a convolution.
        dropout_after_last_convolution: whether dropout follows the last convolution too.
        recurrent_dropout (probability): dropout of inputs and outputs of recurrent layers.
        deepsleepnet_filters: filters of DeepSleepNet+: in the first convolutions, in all others.
        deepsleepnet_units (units): size of DeepSleepNet+'s bidirectional LSTM between epochs, per
            direction.
        deepsleepnet_layers (layers): layers of this LSTM, stacked in each direction.
        deepsleepnet_dropout (probability): dropout everywhere in DeepSleepNet+.
        deepsleepnet_momentum: weight of a minibatch's statistics in the update of DeepSleepNet+'s
            population statistics.
        sequence_length (epochs): L, the length of a sequence.
        raw_deviation (microvolts): standard deviation that each raw channel of a recording is
            scaled to; ``None``: no scaling, as released.
        own: hyper-parameters of networks of your own, by system.
        normalisation: spectrograms are scaled to mean 0 and standard deviation 1 over the training
            recordings: each frequency of a channel by itself (``bins``), or whole ``channels``.
    """

    filters: tuple[PositiveInt, ...] = (16, 16, 32, 32, 64, 64, 128, 128, 256)
    kernel: PositiveInt = 31
    filter_deviation: PositiveFloat = 0.02
    convolution_lengths: Literal["halved", "printed"] = "halved"
    activation: Literal["leaky_relu", "prelu"] = "leaky_relu"
    gru_units: PositiveInt = 256
    gru_layers: PositiveInt = 2
    filterbank: PositiveInt = 32
    frame_units: PositiveInt = 64
    attention: PositiveInt = 64
    attention_softmax: Literal["shifted", "unshifted"] = "unshifted"
    sequence_units: PositiveInt = 64
    convolution_dropout: float = Field(default=0.5, ge=0, lt=1)
    dropout_after_last_convolution: bool = False
    recurrent_dropout: float = Field(default=0.25, ge=0, lt=1)
    deepsleepnet_filters: tuple[PositiveInt, PositiveInt] = (64, 128)
    deepsleepnet_units: PositiveInt = 512
    deepsleepnet_layers: PositiveInt = 2
    deepsleepnet_dropout: float = Field(default=0.5, ge=0, lt=1)
    deepsleepnet_momentum: float = Field(default=1e-3, gt=0, le=1)
    sequence_length: PositiveInt = 20
    raw_deviation: PositiveFloat | None = None
    normalisation: Literal["bins", "channels"] = "bins"
    own: dict[System, Own] = Field(default_factory=dict)
