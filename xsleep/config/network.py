"""Settings of the networks, and of the signals that they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from xsleep.config.names import RawFilter, System
from xsleep.core.recording import KINDS, Kind
from xsleep.core.settings import Settings

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
        raw_filter: of each kind of channel: ``band-pass`` 0.3-40 Hz, ``high-pass`` from 10 Hz, the
            same ``-and-notches`` at 50 and 60 Hz, or ``none`` except that of resampling to 100 Hz.
        filter_rate: sampling rate of the filter: ``resampled``, 100 Hz; or ``recorded``, before
            resampling, where the same number of taps spans less time.
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
        filters: numbers of filters of the convolutions of the FCNN, each of stride 2 (Section 3).
        kernel (samples): length of these filters.
        filter_deviation: standard deviation of the truncated normal initial filters.
        convolution_lengths: ``halved``: a feature map has half the samples of the one before,
            rounded up; ``printed``: as in the paper, the third of nine has the middle 325 of 375.
        activation: ``leaky_relu`` of slope 0.3, or ``prelu``, which learns a slope of each filter.
        gru_units (units): of the bidirectional GRU between epochs, after the FCNN, per direction.
        gru_layers (layers): of the same, stacked in each direction.
        filterbank (filters): of the learned filterbank of a channel.
        frame_units (units): of the bidirectional LSTM between the frames of an epoch.
        attention (units): size of the attention layer.
        attention_softmax: of its weights (eq. 5): ``shifted`` subtracts the largest score before
            the exponential, ``unshifted`` does not; the function is the same except for rounding.
        sequence_units (units): of the bidirectional LSTM between epochs, after the attention.
        convolution_dropout (probability): of dropping a value after a convolution.
        dropout_after_last_convolution: whether that is done after the last convolution as well.
        recurrent_dropout (probability): of dropping an input or output of a recurrent layer.
        deepsleepnet_filters: of DeepSleepNet+: in its first convolutions, and in all others.
        deepsleepnet_units (units): of its bidirectional LSTM between epochs, per direction.
        deepsleepnet_layers (layers): of the same, stacked in each direction.
        deepsleepnet_dropout (probability): of dropping a value anywhere in DeepSleepNet+.
        deepsleepnet_momentum: weight of a batch's statistics in the update of the population's.
        sequence_length (epochs): L, the length of a sequence.
        raw_deviation (microvolts): standard deviation that each raw channel of a recording is
            scaled to; ``None``: no scaling, as released.
        own: system to hyper-parameters of a network of one's own, as its file reads them.
        normalisation: spectrograms are scaled to mean 0 and standard deviation 1 over the training
            recordings, each of the frequency ``bins`` of a channel or whole ``channels``.
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
    own: dict[System, dict[str, bool | int | float | str]] = Field(default_factory=dict)
