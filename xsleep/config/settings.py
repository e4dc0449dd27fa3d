"""Hyper-parameters, databases and the configuration of the workflow, checked before anything runs.

This module is light on purpose: the Snakefile imports it at the start of every job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidationError,
    model_validator,
)

from xsleep.core.errors import InputError

System = Literal[
    "XSleepNet2",
    "XSleepNet1",
    "Naive Fusion",
    "ARNN+RNN",
    "FCNN+RNN",
    "SeqSleepNet+",
    "DeepSleepNet+",
    "XSleepNet (equal weights)",
]
Window = Literal[
    "in-bed", "in-bed+30min", "in-bed+30min-as-published", "sleep+30min", "whole-night"
]
"""Parts of a night, as `xsleep.preparation.preprocessing.in_window` defines them."""
RawFilter = Literal["band-pass", "high-pass", "high-pass-and-notches", "none"]
"""Filters of a channel, as `xsleep.preparation.preprocessing.FILTERS` defines them."""
Channel = Literal["EEG", "EOG", "EMG"]
ChannelSet = Literal["EEG", "EOG", "EEG-EOG", "EEG-EOG-EMG"]

SYSTEMS: tuple[System, ...] = System.__args__[:5]
"""The systems of Table 2, in its order."""

TRANSFER_SYSTEMS: tuple[System, ...] = System.__args__[5:7]
"""Those of the transfer paper (Phan et al., IEEE TBME 2021), which train from scratch as well."""

EQUAL_WEIGHTS: System = "XSleepNet (equal weights)"
"""A control that the paper lacks: XSleepNet whose three branches weigh a third throughout. It tells
what adaptive blending adds to deep supervision."""


def slug(system: str) -> str:
    """A system's name in a path: a hyphen for spaces, and no brackets."""
    return re.sub(r"[ ()]+", "-", system).strip("-")


BLOCKS = ("epoch", "sequence", "softmax")
"""Parts of every network: what sees single epochs, what sees sequences, and the outputs."""

Strategy = Literal["scratch", "direct", "softmax", "softmax+SPB", "softmax+EPB", "all"]
STRATEGIES: dict[Strategy, tuple[str, ...]] = {
    "scratch": BLOCKS,
    "direct": (),
    "softmax": ("softmax",),
    "softmax+SPB": ("sequence", "softmax"),
    "softmax+EPB": ("epoch", "softmax"),
    "all": BLOCKS,
}
"""Ways to finetune a pretrained network: the blocks that are trained. EPB and SPB are the paper's
names of the epoch and the sequence block. To compare with, ``scratch`` draws all weights anew and
``direct`` trains none."""


class Settings(BaseModel):
    """Base of all settings: immutable, and a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    convolution_dropout: float = Field(0.5, ge=0, lt=1)
    dropout_after_last_convolution: bool = False
    recurrent_dropout: float = Field(0.25, ge=0, lt=1)
    deepsleepnet_filters: tuple[PositiveInt, PositiveInt] = (64, 128)
    deepsleepnet_units: PositiveInt = 512
    deepsleepnet_layers: PositiveInt = 2
    deepsleepnet_dropout: float = Field(0.5, ge=0, lt=1)
    deepsleepnet_momentum: float = Field(1e-3, gt=0, le=1)
    sequence_length: PositiveInt = 20
    raw_deviation: PositiveFloat | None = None
    normalisation: Literal["bins", "channels"] = "bins"


class TrainingSettings(Settings):
    """How a network is trained (Section 4.2). The defaults are those of the released code.

    Attributes:
        training_epochs: passes over the training sequences ...
        steps: ... or the number of minibatches; exactly one of the two is given.
        batch_size: sequences in a minibatch.
        learning_rate, adam_epsilon: of Adam.
        l2: factor of half the squared norm of all variables but the filterbanks.
        loss_reduction: over the sequences of a minibatch; within one it is always the mean.
        shuffle: the order of the training sequences: drawn ``once``, or anew for ``every-pass``.
        evaluate_every: steps between evaluations, which also update the loss weights.
        patience: evaluations with a validation accuracy below the best so far after which
            training stops, if it has made ``earliest_stop`` steps; ``None``: never. As in the
            authors' code, one that equals the best begins the count anew.
        model_kept: the network with the ``best`` validation accuracy, or the ``last``.
        blending_window: W, evaluations over which XSleepNet2 smooths losses and fits tangents.
        tangent_points: of the smoothed loss that a line is fitted to: ``W``, or the ``W+1`` from
            n - W to n of Algorithm 1. Weights adapt once there are more than W evaluations; the
            one before any training counts with ``W+1`` alone, which begins one earlier.
        xsleepnet2_losses: what XSleepNet2 reads its tangents off: a set's ``sums`` or ``means``.
            XSleepNet1 always has means.
        first_tangent: what XSleepNet2 compares the first tangents with: those of the ``previous``
            window, or the ``current`` ones themselves, so that G and O are 0 there.
        weight_formula: how G and O of a branch become its weight; see `xsleep.training.blending`.
        longest_gap: a sequence bridges at most so many dropped epochs in a row; ``None``: any
            number, as the authors concatenate.
        scoring_stride: epochs between the beginnings of the sequences that score a test night:
            with 1 an epoch gets up to L predictions, with L (the most there can be) it gets one.
        frozen: what does not change in the blocks that a strategy leaves as they were: the
            ``parameters``, while in training they normalise with the minibatch, learn population
            statistics and drop, as released; or ``everything``, as in evaluation.
    """

    training_epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1e-4
    adam_epsilon: PositiveFloat = 1e-8
    l2: NonNegativeFloat = 1e-3
    loss_reduction: Literal["sum", "mean"] = "sum"
    shuffle: Literal["once", "every-pass"] = "once"
    evaluate_every: PositiveInt = 100
    patience: PositiveInt | None = None
    earliest_stop: NonNegativeInt = 0
    model_kept: Literal["best", "last"] = "best"
    blending_window: int = Field(20, ge=2)
    tangent_points: Literal["W", "W+1"] = "W"
    xsleepnet2_losses: Literal["sums", "means"] = "sums"
    first_tangent: Literal["previous", "current"] = "previous"
    weight_formula: Literal["guarded", "plain"] = "guarded"
    longest_gap: NonNegativeInt | None = None
    scoring_stride: PositiveInt = 1
    frozen: Literal["parameters", "everything"] = "parameters"

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSettings:
        if (self.training_epochs is None) == (self.steps is None):
            raise ValueError("give either training_epochs or steps")
        return self


class ResourceSettings(Settings):
    """What one training job asks for: cores, megabytes, minutes, GPUs.

    With several GPUs as many processes train each run together (`xsleep.training.parallel`).
    """

    threads: PositiveInt = 1
    mem_mb: PositiveInt = 4000
    runtime: PositiveInt = 60
    gpu: NonNegativeInt = 0


DIFFERENCES: dict[str, tuple[str, ...]] = {
    "units": ("network.gru_units", "network.sequence_units"),
    "gru_layers": ("network.gru_layers",),
    "convolution_lengths": ("network.convolution_lengths",),
    "activation": ("network.activation",),
    "dropout_after_last_convolution": ("network.dropout_after_last_convolution",),
    "raw_filter": ("network.raw_filter",),
    "filter_rate": ("network.filter_rate",),
    "normalisation": ("network.normalisation",),
    "attention_softmax": ("network.attention_softmax",),
    "adam_epsilon": ("training.adam_epsilon",),
    "l2": ("training.l2",),
    "loss_reduction": ("training.loss_reduction",),
    "evaluation_interval": ("training.evaluate_every",),
    "xsleepnet2_losses": ("training.xsleepnet2_losses",),
    "tangent_points": ("training.tangent_points",),
    "first_tangent": ("training.first_tangent",),
    "weight_formula": ("training.weight_formula",),
}
"""Where the paper and the released code compute differently, and the settings that say which."""


class Changes(Settings):
    """What differs from a preset, group by group as it has them."""

    network: dict[str, Any] = {}
    training: dict[str, Any] = {}
    systems: dict[System, dict[str, Any]] = {}
    finetuning: dict[str, Any] = {}


class Preset(Settings):
    """A named set of hyper-parameters.

    ``systems`` holds what differs for one system, ``finetuning`` what differs further where a
    network is finetuned, and ``databases`` what differs for one database with this preset alone.
    """

    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings
    systems: dict[System, dict[str, Any]] = {}
    finetuning: dict[str, Any] = {}
    databases: dict[str, Changes] = {}
    resources: ResourceSettings = ResourceSettings()

    @model_validator(mode="after")
    def _differences_fit(self) -> Preset:
        length = self.network.sequence_length
        for system, finetuning in product(System.__args__, (False, True)):
            try:
                training = self.training_of(system, finetuning)
            except ValidationError as errors:
                group = "finetuning" if finetuning else f"systems.{system}"
                raise ValueError(f"{group}.{_first_of(errors, TrainingSettings)}") from errors
            if training.scoring_stride > length:
                raise ValueError(
                    f"training.scoring_stride is {training.scoring_stride}: it leaves epochs out "
                    f"where sequences are {length} epochs long (network.sequence_length)"
                )
        return self

    def training_of(self, system: str, finetuning: bool = False) -> TrainingSettings:
        """The training settings of a system, with its differences."""
        changes = self.systems.get(system, {}) | (self.finetuning if finetuning else {})
        return TrainingSettings(**self.training.model_dump() | changes)

    def of(self, name: str, database: Changes) -> dict[str, Any]:
        """The content of the preset of one database: with what differs for it here, then there."""
        content = self.model_dump(exclude={"databases"})
        for changes in (self.databases.get(name, Changes()), database):
            content = _merged(content, changes.model_dump(include={*Changes.model_fields}))
        return content

    def value(self, setting: str) -> Any:
        """The value of a setting, as in ``network.gru_layers``."""
        group, name = setting.split(".")
        return getattr(getattr(self, group), name)

    def switched(self, difference: str, paper: Preset) -> Preset:
        """This preset with one of `DIFFERENCES` as in the paper, for all systems.

        A preset of small networks keeps to the sizes of its units: as in the paper the GRU has
        the fewer. It keeps to its interval of evaluation, too, which in the paper is one for all
        systems.
        """
        settings = DIFFERENCES[difference]
        if difference in ("units", "evaluation_interval"):
            values = sorted(self.value(setting) for setting in settings)
        else:
            values = [paper.value(setting) for setting in settings]
        content = self.model_dump()
        for setting, value in zip(settings, values, strict=True):
            group, name = setting.split(".")
            content[group][name] = value
            for changes in content["systems"].values():
                changes.pop(name, None)
        return Preset.model_validate(content)

    def differences(self, system: str, paper: Preset) -> list[str]:
        """Those of `DIFFERENCES` in which a system is not set as in the paper."""

        def settings(preset: Preset) -> tuple[NetworkSettings, TrainingSettings]:
            return preset.network, preset.training_of(system)

        return [d for d in DIFFERENCES if settings(self.switched(d, paper)) != settings(self)]


class KFold(Settings):
    """Subject-wise folds.

    Attributes:
        folds: how many; every subject tests in one of them. With 1 there is a single split.
        test: fraction of the subjects that test in a single split.
        validation, training_subset: how many subjects validate, and measure the training loss.
    """

    folds: PositiveInt
    test: float | None = Field(None, gt=0, lt=1)
    validation: PositiveInt
    training_subset: PositiveInt
    seed: NonNegativeInt = 1

    @model_validator(mode="after")
    def _test_belongs_to_a_single_split(self) -> KFold:
        if (self.folds == 1) != (self.test is not None):
            raise ValueError(
                "give test, the fraction of subjects that test, with folds: 1 and only there"
            )
        return self


WORD, GROUP = "(word)", "(settings)"
"""What a value is where either may stand, which decides what its errors are about."""

Folds = Annotated[
    Annotated[Literal["published"], Tag(WORD)] | Annotated[KFold, Tag(GROUP)],
    Discriminator(lambda value: GROUP if isinstance(value, Mapping | KFold) else WORD),
]


class CohortSettings(Settings):
    """A simulated cohort.

    Attributes:
        subjects, nights, hours: how many, of each, and of each record.
        gain, low_pass: another recorder: a factor on EEG and EOG, and the hertz above which it
            damps them.
        seed: another seed, other people.
    """

    subjects: PositiveInt
    nights: PositiveInt = 1
    hours: PositiveFloat
    gain: PositiveFloat = 1
    low_pass: PositiveFloat | None = Field(None, lt=50)
    seed: NonNegativeInt = 1


class HypnogramSettings(Settings):
    """How nights of one's own are scored (reader ``own``).

    Attributes:
        file: name of the hypnogram beside ``NAME.edf``, where ``{name}`` stands for NAME. It ends
            in .edf (EDF+ annotations; ``{name}.edf``: those of the recording itself), .csv or .txt.
        epoch: seconds that scoring was done in; 20 s are taken with 5 s before and after.
        stages: what each label of the scoring is; ``null``: no stage (movement, not scored).
        ignored: texts of annotations that are not about stages.
    """

    file: str
    epoch: float = Field(30, ge=1, le=30)
    stages: dict[
        Annotated[str, BeforeValidator(str)], Literal["W", "N1", "N2", "N3", "REM"] | None
    ] = Field(min_length=1)
    ignored: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _file_is_named_after_the_recording(self) -> HypnogramSettings:
        if "{name}" not in self.file or Path(self.file).suffix not in (".edf", ".csv", ".txt"):
            raise ValueError(
                f"file is {self.file!r}: it must have {{name}} and end in .edf, .csv or .txt"
            )
        return self


WITH_PUBLISHED_FOLDS = {"sleep-edf-20", "sleep-edf-78", "sleep-edf-st", "mass"}
"""Readers of the databases in ``published_folds.csv``."""

Fetched = Literal[
    "sleep-edf-20",
    "sleep-edf-78",
    "sleep-edf-st",
    "dreams",
    "dreams-subjects-aasm",
    "dreams-subjects-rk",
    "physio2018",
    "shhs",
]
"""Readers of the databases whose files are published with a hash of each."""


class FetchSettings(Settings):
    """Where files that are missing are fetched from: the address of the folder or site that has
    them, as in the configuration of each database; that of a mirror may take its place.
    """

    url: str

    @model_validator(mode="after")
    def _over_http(self) -> FetchSettings:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is {self.url!r}: it must begin with https:// or http://")
        return self


class Source(Settings):
    """Where a database's recordings come from.

    Attributes:
        reader: which module of ``xsleep.databases`` reads it.
        folder: where its files are; relative to where Snakemake runs.
        labels: the names that a channel may have in the files, best first; of EDF files also
            derivations, signals added or subtracted as in ``EOG(L) - EOG(R)``.
        fetch: where those are had that are not there, or ``None`` to do without them.
        apply: address at which access is applied for, where it is by licence.
        units: what the numbers of a channel are, where the files give no unit or a wrong one.
        lowest_rate: hertz at which a channel must be sampled; those below 100 Hz are upsampled
            (reader ``shhs``, whose EOG has 50).
        cohort: what the simulator makes (reader ``simulated``).
        hypnogram: how nights are scored (reader ``own``).
        subject: regular expression that finds the subject at the start of a recording's name
            (reader ``own``); all of it, where not given.
    """

    reader: Literal[Fetched, "mass", "own", "simulated"]
    folder: Path
    labels: dict[Channel, tuple[str, ...]]
    units: dict[Channel, Literal["nV", "uV", "mV", "V"]] = {}
    fetch: FetchSettings | None = None
    apply: str | None = None
    lowest_rate: PositiveInt = 100
    cohort: CohortSettings | None = None
    hypnogram: HypnogramSettings | None = None
    subject: str | None = None

    @model_validator(mode="after")
    def _keys_belong_to_the_reader(self) -> Source:
        if (self.reader == "simulated") != (self.cohort is not None):
            raise ValueError("cohort belongs to the reader simulated, and only to it")
        if self.reader != "shhs" and self.lowest_rate != 100:
            raise ValueError("lowest_rate belongs to the reader shhs; elsewhere it is 100")
        if self.fetch and self.reader not in Fetched.__args__:
            raise ValueError(f"fetch is for the readers {', '.join(Fetched.__args__)} alone")
        if (self.reader == "own") != (self.hypnogram is not None):
            raise ValueError("hypnogram belongs to the reader own, and only to it")
        if self.subject is not None:
            if self.reader != "own":
                raise ValueError("subject belongs to the reader own, and only to it")
            try:
                re.compile(self.subject)
            except re.error as error:
                raise ValueError(
                    f"subject = {self.subject!r}: not a regular expression ({error})"
                ) from error
        return self

    @property
    def where_to_apply(self) -> str:
        """The end of a line about files that are missing."""
        return f"; apply for access at {self.apply}" if self.apply else ""


class DatabaseSettings(Changes):
    """One database, and what differs from the preset for it, whichever the preset is.

    Attributes:
        source: where its recordings come from.
        channels: channel sets to train on.
        windows: parts of the night to train on.
        preset: name of the hyper-parameters.
        folds: ``published`` for the authors' folds, or subject-wise k-fold.
    """

    source: Source
    channels: tuple[ChannelSet, ...] = Field(min_length=1)
    windows: tuple[Window, ...] = Field(min_length=1)
    preset: str
    folds: Folds

    @model_validator(mode="after")
    def _consistent(self) -> DatabaseSettings:
        for channels in self.channels:
            for channel in channels.split("-"):
                if channel not in self.source.labels:
                    raise ValueError(f"channels has {channels}, but source.labels has no {channel}")
        if self.folds == "published" and self.source.reader not in WITH_PUBLISHED_FOLDS:
            raise ValueError(
                "none are published for this reader; give folds, validation and training_subset"
            )
        return self

    @property
    def stored_channels(self) -> tuple[str, ...]:
        """The channels that any of the channel sets needs, in the order of the largest."""
        every = max(ChannelSet.__args__, key=len).split("-")
        needed = {channel for channels in self.channels for channel in channels.split("-")}
        return tuple(channel for channel in every if channel in needed)


class ZeroShotSettings(Settings):
    """A released network, and the database that it scores as it is.

    Attributes:
        weights: npz file of its variables; relative to where Snakemake runs.
        database: scored whole, in the first of its windows.
    """

    weights: Path
    database: str


Transferred = Literal["SeqSleepNet+", "DeepSleepNet+", "XSleepNet"]
TRANSFERRED: dict[Transferred, tuple[System, System]] = {
    "SeqSleepNet+": ("SeqSleepNet+", "SeqSleepNet+"),
    "DeepSleepNet+": ("DeepSleepNet+", "DeepSleepNet+"),
    "XSleepNet": ("XSleepNet2", "XSleepNet1"),
}
"""Networks that are transferred: the system that pretrains one, and the one that finetunes it. Both
have the same network; an XSleepNet blends as XSleepNet2 where there is much data and as XSleepNet1
where there is little (XSleepNet paper, Section 4.4)."""

NETWORK_OF: dict[System, System] = {
    "XSleepNet1": "XSleepNet2",
    EQUAL_WEIGHTS: "XSleepNet2",
    "SeqSleepNet+": "ARNN+RNN",
}
"""Systems with the network of another: its weights are theirs."""

Finetuned = Literal["FT-XSleepNet", "FT-SeqSleepNet+", "FT-DeepSleepNet+"]
"""Names in Table 2 of transferred networks."""

AUTHORS = "authors"
"""The source whose networks are the released ones."""


class ChannelTransfer(Settings):
    """Channels of the source's networks, and those of the target that they are finetuned on."""

    source: ChannelSet
    target: ChannelSet

    @model_validator(mode="after")
    def _as_many(self) -> ChannelTransfer:
        of_source, of_target = (c.count("-") + 1 for c in (self.source, self.target))
        if of_source != of_target:
            raise ValueError(
                f"the source has {of_source} and the target {of_target} channels; choose as many "
                "of both"
            )
        return self


def _channel_transfer(value: Any) -> Any:
    """``EEG-to-EOG`` in two parts; ``EEG`` is ``EEG-to-EEG``."""
    if not isinstance(value, str):
        return value
    source, _, target = value.partition("-to-")
    return {"source": source, "target": target or source}


class TransferSettings(Settings):
    """How networks are transferred.

    Attributes:
        networks: which; of the source ``authors`` only SeqSleepNet+ is to be had.
        channels: of source and target, ``EEG`` or across channels ``EEG-to-EOG``.
        strategies: keys of `STRATEGIES`.
        validation: subjects of the source who validate; all others train.
        subjects: how many of the subjects of a target's fold train, for the learning curves; that
            of all is always there.
        weights: of the source ``authors``: npz files of variables by channel set, relative to where
            Snakemake runs.
    """

    networks: tuple[Transferred, ...] = Field(min_length=1)
    channels: tuple[Annotated[ChannelTransfer, BeforeValidator(_channel_transfer)], ...] = Field(
        min_length=1
    )
    strategies: tuple[Strategy, ...] = Field(min_length=1)
    validation: PositiveInt
    subjects: tuple[PositiveInt, ...]
    weights: dict[ChannelSet, Path]


class AblationSettings(Settings):
    """What the ablation table is made of: one of each that is selected or configured."""

    database: str
    window: Window
    channels: ChannelSet
    system: System


class Workflow(Settings):
    """The whole configuration: what ``config/config.yaml`` says, with what it refers to.

    Attributes:
        databases: the selected databases, in order.
        sources: these, the database of ``zero_shot``, and those of the transfer.
        source: the databases that networks are pretrained on, pooled; or `AUTHORS` alone.
        target: the databases that they are finetuned on, each in the first of its windows.
        systems, finetuned: the rows of Table 2, from scratch and transferred.
        presets: those that the sources name; ``paper``, which the ablation takes from; and
            ``released``, with which the authors' networks were trained.
    """

    databases: dict[str, DatabaseSettings]
    sources: dict[str, DatabaseSettings]
    zero_shot: ZeroShotSettings
    source: tuple[str, ...]
    target: tuple[str, ...]
    transfer: TransferSettings
    systems: tuple[System, ...]
    finetuned: tuple[Finetuned, ...]
    seeds: tuple[NonNegativeInt, ...]
    presets: dict[str, Preset]
    ablation: AblationSettings

    def preset(self, database: str) -> Preset:
        """The hyper-parameters of a database."""
        source = self.sources[database]
        return Preset.model_validate(self.presets[source.preset].of(database, source))


def _names(value: Any) -> Any:
    """A name alone is a list of one."""
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]


class _Selection(Settings):
    """The keys of ``config/config.yaml``."""

    databases: tuple[str, ...] = Field(min_length=1)
    systems: tuple[Literal[System, Finetuned], ...] = Field(min_length=1)
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    zero_shot: ZeroShotSettings
    source: Names
    target: Names
    transfer: TransferSettings
    database_settings: dict[str, dict[str, Any]] = {}
    preset_settings: dict[str, dict[str, Any]] = {}
    ablation: dict[str, Any] = {}


def load(config: Mapping[str, Any], folder: Path) -> Workflow:
    """The checked configuration.

    Args:
        config: the content of ``config.yaml``, ``--config`` included.
        folder: where ``databases/NAME.yaml`` and ``presets/NAME.yaml`` are.

    Raises:
        InputError: one line that names the wrong key or value.
    """
    selection = _checked(_Selection, config, "configuration")
    zero_shot = selection.zero_shot
    transferred = [*(n for n in selection.source if n != AUTHORS), *selection.target]
    _existing(folder / "databases", zero_shot.database, "configuration: zero_shot.database")
    sources = {
        name: database(name, selection.database_settings, folder)
        for name in dict.fromkeys([*selection.databases, zero_shot.database, *transferred])
    }
    _check_transfer(selection, sources)
    databases = {name: sources[name] for name in selection.databases}
    # In one order, as jobs run again where a parameter of theirs is another.
    used = dict.fromkeys(["paper", "released", *(source.preset for source in sources.values())])
    presets = {
        name: _named(Preset, folder / "presets", name, selection.preset_settings) for name in used
    }
    for name, source in sources.items():
        _checked(Preset, presets[source.preset].of(name, source), f"databases/{name}.yaml")
    for name, preset in presets.items():
        for known in preset.databases:
            _existing(folder / "databases", known, f"presets/{name}.yaml: databases")
    for group, given, kind in (
        ("database_settings", selection.database_settings, "databases"),
        ("preset_settings", selection.preset_settings, "presets"),
    ):
        for name in given:
            _existing(folder / kind, name, f"configuration: {group}")
    return Workflow(
        databases=databases,
        sources=sources,
        zero_shot=zero_shot,
        source=selection.source,
        target=selection.target,
        transfer=selection.transfer,
        systems=_scratch(selection),
        finetuned=_finetuned(selection),
        seeds=selection.seeds,
        presets=presets,
        ablation=_ablation(selection, databases),
    )


def database(name: str, changes: Mapping[str, Mapping[str, Any]], folder: Path) -> DatabaseSettings:
    """A database, selected or not, with the changes that ``database_settings`` has for it.

    Raises:
        InputError: one line that names the wrong key or value.
    """
    return _named(DatabaseSettings, folder / "databases", name, changes)


def _scratch(selection: _Selection) -> tuple[System, ...]:
    """The selected systems that train from scratch."""
    return tuple(system for system in selection.systems if system in System.__args__)


def _finetuned(selection: _Selection) -> tuple[Finetuned, ...]:
    """The selected systems that go on from pretrained networks."""
    return tuple(system for system in selection.systems if system in Finetuned.__args__)


def _check_transfer(selection: _Selection, sources: Mapping[str, DatabaseSettings]) -> None:
    """That source and target have what is transferred between them."""
    transfer, channel_sets = selection.transfer, {"source": set(), "target": set()}
    for channels in transfer.channels:
        channel_sets["source"].add(channels.source)
        channel_sets["target"].add(channels.target)
    finetuned = _finetuned(selection)
    if finetuned and not {*selection.target} & {*selection.databases}:
        raise InputError(
            f"configuration: systems has {finetuned[0]}, but none of the databases is a target; "
            "name in target those that it is finetuned on"
        )
    of_authors = AUTHORS in selection.source
    if of_authors:
        where = "configuration: source = authors: "
        if len(selection.source) > 1:
            raise InputError(f"{where}its networks are trained already; name it alone")
        networks = {*transfer.networks, *(name.removeprefix("FT-") for name in finetuned)}
        if surplus := sorted(networks - {"SeqSleepNet+"}):
            raise InputError(
                f"{where}there are no weights of {surplus[0]}; take SeqSleepNet+ alone, or "
                "pretrain on a database"
            )
        if missing := sorted(channel_sets["source"] - transfer.weights.keys()):
            raise InputError(
                f"{where}transfer.weights has no file for {missing[0]}; name it there, or choose "
                f"transfer.channels from {', '.join(transfer.weights)}"
            )
    for role in ("source", "target"):
        for name in getattr(selection, role):
            if role == "source" and of_authors:
                continue
            stored = sources[name].stored_channels
            for channels in sorted(channel_sets[role]):
                if missing := [c for c in channels.split("-") if c not in stored]:
                    raise InputError(
                        f"configuration: transfer.channels has {channels} of the {role} {name}, "
                        f"of which no {missing[0]} is stored; add it to the database's channels "
                        f"and labels, or choose from {', '.join(stored)}"
                    )
    presets = {sources[name].preset for name in selection.source if name != AUTHORS}
    if len(presets) > 1:
        raise InputError(
            f"configuration: source = {', '.join(selection.source)}: their presets differ "
            f"({', '.join(sorted(presets))}); give all the same in database_settings"
        )


def _ablation(selection: _Selection, databases: Mapping[str, DatabaseSettings]) -> AblationSettings:
    """What is given, and the first there is of what is not given."""

    def chosen(key: str, there: Sequence[str]) -> str:
        value = selection.ablation.get(key, there[0])
        if value not in there:
            raise InputError(
                f"configuration: ablation.{key} = {value!r}: not selected; "
                f"choose from {', '.join(there)}"
            )
        return value

    database = chosen("database", tuple(databases))
    found = {
        "database": database,
        "window": chosen("window", databases[database].windows),
        "channels": chosen("channels", databases[database].channels),
        "system": chosen("system", _scratch(selection) or SYSTEMS),
    }
    return _checked(AblationSettings, selection.ablation | found, "configuration: ablation")


def _named(
    model: type[Settings], folder: Path, name: str, changes: Mapping[str, Mapping[str, Any]]
) -> Any:
    path = _existing(folder, name, f"configuration: {folder.name}")
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise InputError(
            f"{path}: not YAML ({' '.join(str(error).split())}); correct it"
        ) from error
    where = f"{path.parent.name}/{path.name}"
    return _checked(model, _merged(content, changes.get(name, {})), where)


def _existing(folder: Path, name: str, where: str) -> Path:
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in folder.glob("*.yaml")))
        raise InputError(f"{where}: {name!r} is not known; choose from {known}")
    return path


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if both else value
    return merged


def _with_nulls(content: Any) -> Any:
    """Return settings with ``None`` where a value is the text ``null``.

    Snakemake leaves what is nested in ``--config`` as text. Numbers and truth values are converted
    by their types; no setting is this word.
    """
    if isinstance(content, Mapping):
        return {key: _with_nulls(value) for key, value in content.items()}
    return None if content in ("null", "~") else content


def _checked(model: type[Settings], content: Any, where: str) -> Any:
    try:
        return model.model_validate(_with_nulls(content))
    except ValidationError as errors:
        raise InputError(f"{where}: {_first_of(errors, model)}") from errors


def _first_of(errors: ValidationError, model: type[Settings]) -> str:
    """The first of the errors of settings, in one line that begins with the key."""
    error = errors.errors()[0]
    keys = ".".join(str(key) for key in error["loc"] if key not in (WORD, GROUP))
    if error["type"] == "extra_forbidden":
        known = ", ".join(_group(model, error["loc"][:-1]).model_fields)
        return f"{keys} is not a known key; choose from {known}"
    given = "" if error["type"] == "missing" else f" = {error['input']!r}"
    what = f"{keys}{given}: " if keys else ""
    if error["type"] == "tuple_type":
        return f"{what}give a list, as in [{error['input']}]"
    return f"{what}{error['msg'].removeprefix('Value error, ')}"


def _group(model: type[Settings], keys: Sequence[str | int]) -> type[Settings]:
    """The settings in which a key stands."""
    for key in keys:
        annotation = model.model_fields[key].annotation if key in model.model_fields else None
        if key == GROUP:
            annotation = KFold
        for choice in (annotation, *get_args(annotation)):
            if isinstance(choice, type) and issubclass(choice, Settings):
                model = choice
    return model
