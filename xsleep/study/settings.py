"""Hyper-parameters of the runs, and the stores of the signals that they read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import product
from typing import Any

from xsleep import systems
from xsleep.config.network import Filtering, NetworkSettings
from xsleep.config.presets import Preset
from xsleep.config.training import TrainingSettings
from xsleep.config.workflow import Workflow
from xsleep.study import paths
from xsleep.systems import System

HYPNOGRAMS = "data/hypnograms"
"""The store of databases without signals."""


class RunSettings:
    """Settings of the runs of a configuration, by database or by the wildcards of a run's path."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self._presets: dict[tuple[str, ...], Preset] = {}

    def preset(self, database: str, difference: str = "") -> Preset:
        """Return the hyper-parameters of a database, or these with one difference switched."""
        key = database, difference
        if key not in self._presets:
            plain, paper = self.workflow.preset(database), self.workflow.presets["paper"]
            self._presets[key] = plain.switched(difference, paper) if difference else plain
        return self._presets[key]

    def varied(self, database: str, system: System, path: str) -> Preset:
        """Return the hyper-parameters of a database with a variant, as in a path, of a system."""
        key = database, system.name, path
        if key not in self._presets:
            variants = {systems.slug(name): variant for name, variant in system.variants.items()}
            self._presets[key] = self.preset(database).varied(system.name, variants[path])
        return self._presets[key]

    @cached_property
    def pretraining(self) -> Preset:
        """Hyper-parameters of the pretraining."""
        return self.workflow.source_preset

    def preset_of(self, wildcards: Mapping[str, str]) -> Preset:
        """Return the hyper-parameters of a run, or what has no root: a database, a pretraining."""
        if wildcards.get("database") is None:
            return self.pretraining
        ablated = wildcards.get("root", "").partition("/ablation/")[2]
        if ablated and (system := systems.by_slug()[wildcards["system"]]).variants:
            return self.varied(wildcards["database"], system, ablated)
        return self.preset(wildcards["database"], ablated)

    def training(self, wildcards: Mapping[str, str], finetuning: bool = False) -> TrainingSettings:
        """Return the training settings of a run, with what differs for its system."""
        system = systems.by_slug()[wildcards["system"]].name
        return self.preset_of(wildcards).training_of(system, finetuning)

    def record(self, wildcards: Mapping[str, str]) -> dict[str, Any]:
        """Return the settings of a run that does not finetune, as its ``run.json`` has them."""
        return self.preset_of(wildcards).record(systems.by_slug()[wildcards["system"]].name)

    @cached_property
    def filterings(self) -> dict[str, dict[str, Any]]:
        """Filter settings of each store: as released, or as a preset has them."""
        differences = ("", "raw_filter", "filter_rate")
        presets = [self.preset(*of) for of in product(self.workflow.sources, differences)]
        networks = [preset.network for preset in (self.workflow.presets["released"], *presets)]
        fields = {*Filtering.model_fields}
        filtered = {store_of(n): n.model_dump(mode="json", include=fields) for n in networks}
        return filtered | {HYPNOGRAMS: {}}

    def source(self, database: str, fetched: bool = False) -> dict[str, Any]:
        """Return where recordings are; how they got there (``fetched``) changes no result.

        Neither does what is known about them.
        """
        source = self.workflow.sources[database].source
        exclude = set() if fetched else {"fetch", "apply", "about"}
        if source.signals:
            exclude.add("hypnograms")  # used without signals alone
        return source.model_dump(mode="json", exclude=exclude)

    def index(self, database: str, network: NetworkSettings | None = None) -> str:
        """Return the index of the store that a network reads; by default the database's own.

        Without signals a database has one store, of its hypnograms.
        """
        store = store_of(network or self.preset(database).network)
        if not self.workflow.sources[database].source.signals:
            store = HYPNOGRAMS
        return paths.INDEX.format(store=store, database=database)

    def index_of(self, wildcards: Mapping[str, str]) -> str:
        """Return the index that a run reads, or without a root the database's own."""
        finetuned = wildcards.get("root", "").startswith("results/transfer/")
        preset = self.pretraining if finetuned else self.preset_of(wildcards)
        return self.index(wildcards["database"], preset.network)


def store_of(network: Filtering) -> str:
    """Return where epochs and spectrograms are stored, filtered as a network reads them."""
    named = {Filtering().filter_name: "data", "none": "data/unfiltered"}
    return named.get(network.filter_name, f"data/{network.filter_name}")
