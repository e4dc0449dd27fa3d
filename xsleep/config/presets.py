"""Presets: named sets of hyper-parameters, and the differences between paper and code."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from pydantic import Field, ValidationError, model_validator

from xsleep import systems
from xsleep.config.names import System
from xsleep.config.network import NetworkSettings
from xsleep.config.training import ResourceSettings, TrainingSettings
from xsleep.core.settings import Settings, first_of, merged
from xsleep.systems import Inputs, Variant

LENGTHS = ("steps", "training_epochs")
"""Settings of the length of a training, one of which is given."""

OF_NETWORK = ["gru_layers", "convolution_lengths", "activation", "dropout_after_last_convolution"]
OF_NETWORK += ["raw_filter", "filter_rate", "normalisation", "attention_softmax"]
OF_BLENDING = ("xsleepnet2_losses", "tangent_points", "first_tangent", "weight_formula")

DIFFERENCES: dict[str, tuple[str, ...]] = {
    "units": ("network.gru_units", "network.sequence_units"),
    **{name: (f"network.{name}",) for name in OF_NETWORK},
    **{name: (f"training.{name}",) for name in ("adam_epsilon", "l2", "loss_reduction")},
    "evaluation_interval": ("training.evaluate_every",),
    **{name: (f"training.{name}",) for name in OF_BLENDING},
}
"""Differences in computation between paper and released code, and the settings of each."""


class Changes(Settings):
    """Differences from a preset, by its groups.

    Attributes:
        network: differences in the networks.
        training: differences in the training.
        systems: by system, differences in its training.
        finetuning: differences in the training of a network that is finetuned.
    """

    network: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    systems: dict[System, dict[str, Any]] = Field(default_factory=dict)
    finetuning: dict[str, Any] = Field(default_factory=dict)


class Preset(Settings):
    """A named set of hyper-parameters.

    Attributes:
        network: hyper-parameters of the networks and of their inputs.
        training: hyper-parameters of the training.
        systems: by system, what differs in its training.
        finetuning: what differs further where a network is finetuned.
        databases: by database, what differs for it with this preset alone.
        resources: resources of a training job.
    """

    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings
    systems: dict[System, dict[str, Any]] = Field(default_factory=dict)
    finetuning: dict[str, Any] = Field(default_factory=dict)
    databases: dict[str, Changes] = Field(default_factory=dict)
    resources: ResourceSettings = ResourceSettings()

    @model_validator(mode="after")
    def _differences_fit(self) -> Preset:
        for system, finetuning in product(systems.registry(), (False, True)):
            try:
                training = self.training_of(system, finetuning)
            except ValidationError as errors:
                group = "finetuning" if finetuning else f"systems.{system}"
                raise ValueError(f"{group}.{first_of(errors, TrainingSettings)}") from errors
            length = self.network_of(system).sequence_length
            if training.scoring_stride > length:
                stride = f"training.scoring_stride is {training.scoring_stride}"
                long = f"sequences are {length} epochs long (network.sequence_length)"
                raise ValueError(f"{stride}: it leaves epochs out where {long}")
        return self

    def training_of(self, system: str, finetuning: bool = False) -> TrainingSettings:
        """Return the training settings of a system: its recipe's, with its differences."""
        recipe = systems.registry()[system].recipe.training
        length = _length_anew(recipe)
        more = self.finetuning if finetuning else {}
        changes = self.systems.get(system, {}) | _length_anew(more) | more
        return TrainingSettings(**self.training.model_dump() | length | recipe | changes)

    def network_of(self, system: str) -> NetworkSettings:
        """Return the network settings of a system, with its own hyper-parameters alone.

        Those of its own that are named as the recipe's inputs win over these.
        """
        own = self.network.own.get(system, {})
        recipe = systems.registry()[system].recipe.inputs.model_dump(exclude_none=True)
        inputs = recipe | {name: own[name] for name in Inputs.model_fields if name in own}
        chosen = {"own": {system: own} if own else {}} | inputs
        return self.network.model_copy(update=chosen)

    def record(self, system: str) -> dict[str, Any]:
        """Return the settings of a run from scratch, as its ``run.json`` has them."""
        network, training = self.network_of(system), self.training_of(system)
        groups = {"network": network, "training": training}
        return {"system": system} | {k: v.model_dump(mode="json") for k, v in groups.items()}

    def of(self, name: str, database: Changes) -> dict[str, Any]:
        """Return the content for a database, with its differences in the preset, then its own."""
        content = self.model_dump(exclude={"databases"})
        for changes in (self.databases.get(name, Changes()), database):
            content = merged(content, changes.model_dump(include={*Changes.model_fields}))
        return content

    def value(self, setting: str) -> Any:
        """Return the value of a setting, such as ``network.gru_layers``."""
        group, name = setting.split(".")
        return getattr(getattr(self, group), name)

    def switched(self, difference: str, paper: Preset) -> Preset:
        """Return this preset with one of `DIFFERENCES` as in the paper, for all systems.

        A preset of small networks keeps its numbers of units: as in the paper, the GRU has the
        smaller one. It also keeps its interval of evaluation, which the paper has for all systems.
        """
        settings, content = DIFFERENCES[difference], self.model_dump()
        source = self if difference in ("units", "evaluation_interval") else paper
        values = sorted(source.value(setting) for setting in settings)
        for setting, value in zip(settings, values, strict=True):
            group, name = setting.split(".")
            content[group][name] = value
            for changes in content["systems"].values():
                changes.pop(name, None)
        return Preset.model_validate(content)

    def changes(self, system: str, variant: Variant) -> Variant:
        """Return a variant of a system with the batch size and stride that it has with this preset.

        If the variant gives a length of sequences alone, a minibatch has as many epochs as in the
        system itself, to the nearest number of sequences. If it gives a ``scoring_stride`` longer
        than sequences, it is their length.
        """
        plain, training = self.network_of(system).sequence_length, {**variant.training}
        length = int(variant.network.get("sequence_length", plain))
        if length != plain and "batch_size" not in training:
            epochs = self.training_of(system).batch_size * plain
            training["batch_size"] = max(1, round(epochs / length))
        if isinstance(stride := training.get("scoring_stride"), int):
            training["scoring_stride"] = min(stride, length)
        return variant.model_copy(update={"training": training})

    def varied(self, system: str, variant: Variant) -> Preset:
        """Return this preset with a variant of a system, which nothing wins over.

        Raises:
            ValidationError: a setting is not known, or does not fit.
        """
        changes = self.changes(system, variant)
        training = _length_anew(changes.training) | changes.training
        more = {"network": {"own": {system: changes.network}}, "systems": {system: training}}
        return Preset.model_validate(merged(self.model_dump(), more))

    def differences(self, system: str, paper: Preset) -> list[str]:
        """Return those of `DIFFERENCES` in which a system differs from the paper."""
        own = self.record(system)
        return [d for d in DIFFERENCES if self.switched(d, paper).record(system) != own]


def _length_anew(changes: Mapping[str, Any]) -> dict[str, None]:
    """Return no length of a training, if changes give one."""
    return dict.fromkeys(LENGTHS) if {*LENGTHS} & {*changes} else {}
