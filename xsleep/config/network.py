"""Settings of the networks, and of the signals that they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
)

from xsleep.config.names import RawFilter
from xsleep.core.recording import Channel
from xsleep.core.settings import Settings

RELEASED_FILTERS: dict[Channel, RawFilter] = {
    "EEG": "band-pass",
    "EOG": "band-pass",
    "EMG": "high-pass",
}


def _every_channel(value: Any) -> Any:
    """A filter for each channel: one name is for all, and a channel left out has the released."""
    if isinstance(value, str):
        return dict.fromkeys(Channel.__args__, value)
    return RELEASED_FILTERS | value if isinstance(value, Mapping) else value


class Filtering(Settings):
    """How signals are filtered, and so their spectrograms.

    Attributes:
        raw_filter: of each channel: ``band-pass`` 0.3-40 Hz, ``high-pass`` from 10 Hz, the same
            ``-and-notches`` at 50 and 60 Hz, or ``none`` but that of resampling to 100 Hz.
        filter_rate: at which rate: ``resampled``, 100 Hz; or ``recorded``, before resampling, where
            as many taps reach less far in time.
    """

    raw_filter: Annotated[dict[Channel, RawFilter], BeforeValidator(_every_channel)] = (
        RELEASED_FILTERS
    )
    filter_rate: Literal["resampled", "recorded"] = "resampled"

    @property
    def filter_name(self) -> str:
        """One name for both, fit for a path: equal where signals are filtered alike."""
        if set(self.raw_filter.values()) == {"none"}:
            return "none"
        of_channels = [f"{channel}-{self.raw_filter[channel]}" for channel in Channel.__args__]
        return "+".join([*of_channels, *["recorded"] * (self.filter_rate == "recorded")])


class NetworkSettings(Filtering):
    """What the networks compute, of signals that are filtered as `Filtering` says.

    The defaults are those of the released code.

    Attributes:
        filters, kernel: of the convolutions of the FCNN, each of stride 2 (Section 3).
        filter_deviation: of the truncated normal distribution that filters start from.
        convolution_lengths: ``halved``: every feature map has half the samples of the one before,
            rounded up; ``printed``: as in the paper's text, where the third of nine is 325 samples
            long instead of 375 (its middle is kept).
        activation: of the convolutions: ``leaky_relu`` of slope 0.3, or ``prelu``, which learns
            one slope for each filter.
        gru_units, gru_layers: bidirectional GRU between epochs, after the FCNN.
        filterbank: filters of the learned filterbank.
        frame_units: bidirectional LSTM between the frames of an epoch.
        attention: size of the attention layer.
        attention_softmax: of its weights (eq. 5): ``shifted`` subtracts the largest score before
            the exponential, ``unshifted`` does not. The same function but for its rounding.
        sequence_units: bidirectional LSTM between epochs, after the attention.
        convolution_dropout, recurrent_dropout: probability of dropping a value; of DeepSleepNet+
            it is ``deepsleepnet_dropout`` everywhere.
        dropout_after_last_convolution: whether the FCNN's output is dropped from as well.
        deepsleepnet_filters: of its first convolutions and of all others.
        deepsleepnet_units, deepsleepnet_layers: bidirectional LSTM between epochs.
        deepsleepnet_momentum: share that a batch's statistics get of the population's.
        sequence_length: L, epochs in a sequence.
        raw_deviation: each recording's raw channels are scaled to this deviation, in microvolts;
            ``None``: they are left as they are, as released.
        own: hyper-parameters of a network of one's own, as its file reads them.
        normalisation: spectrograms get mean 0 and deviation 1 over the training recordings: each
            of the frequency ``bins`` of a channel by itself, or whole ``channels``.
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
    own: dict[str, bool | int | float | str] = Field(default_factory=dict)
