"""Transfer learning: pretrained networks, and the runs that finetune them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any

from xsleep import systems
from xsleep.config.names import AUTHORS
from xsleep.config.workflow import Workflow
from xsleep.study import paths
from xsleep.study.runs import combinations, folder, folds
from xsleep.study.settings import RunSettings

Finetuning = dict[str, Any]
"""A finetuned run: network, source_channels, strategy, subjects, address (`Run`) and folder."""

CURVE_STRATEGIES = ("scratch", "direct", "all")
"""Strategies of the learning curves."""


class Transfer:
    """Pretraining and finetuning.

    Attributes:
        source: the databases that networks are pretrained on, as in a path.
        of_authors: whether the pretrained networks are the released ones.
        windows, indexes: those of each database that networks are pretrained on here.
        pretraining_folder: pattern of the folder of pretrained networks.
    """

    def __init__(self, workflow: Workflow, settings: RunSettings) -> None:
        self.workflow, self.settings = workflow, settings
        self.source = "+".join(workflow.source)
        self.of_authors = self.source == AUTHORS
        databases = () if self.of_authors else workflow.source
        self.windows = {d: workflow.sources[d].windows[0] for d in databases}
        self.indexes = {d: self.index(d) for d in databases}
        self.pretraining_folder = paths.PRETRAINED.replace("{source}", self.source)

    def index(self, database: str) -> str:
        """Return the index of the store of a database that pretrained networks read."""
        return self.settings.index(database, self.settings.pretraining.network)

    def pretrained(self, names: Mapping[str, Any]) -> str:
        """Return the network that a run with these source_channels, system and seed starts from."""
        place = self.pretraining_folder.format(source_channels=names["source_channels"])
        if self.of_authors:
            return f"{place}/model.safetensors"
        transfer = systems.by_slug()[names["system"]].transfer
        assert transfer is not None
        return f"{place}/{systems.slug(transfer.pretrained)}/seed-{names['seed']}/model.safetensors"

    def record(self, wildcards: Mapping[str, str]) -> dict[str, Any]:
        """Return the settings of a finetuning."""
        subjects = wildcards["subjects"].rpartition("-")[2]
        return {
            "system": systems.by_slug()[wildcards["system"]].name,
            "subjects": int(subjects) if subjects else None,
            "training": self.settings.training(wildcards, True).model_dump(mode="json"),
        }

    def of(self, network: str, strategy: str, subjects: int | None = None) -> list[Finetuning]:
        """Return the runs that finetune a network by a strategy, on all or so many subjects."""
        few = f"-subjects-{subjects}" if subjects else ""
        found: list[Finetuning] = []
        for database, channels in product(self.workflow.target, self.workflow.transfer.channels):
            names = {"source_channels": channels.source, "strategy": strategy}
            root = paths.TRANSFER.format(source=self.source, subjects=few, **names)
            addresses = combinations(
                database=[database],
                window=self.workflow.sources[database].windows[:1],
                channels=[channels.target],
                system=[systems.transferred()[network].system.slug],
                seed=self.workflow.seeds,
                fold=folds(self.workflow, database),
            )
            run = {"network": network, **names, "subjects": subjects}
            found += [{**run, "address": a, "folder": folder(a, root)} for a in addresses]
        return found

    @cached_property
    def runs(self) -> dict[str, list[Finetuning]]:
        """The runs of the table of strategies and of the learning curves."""
        transfer = self.workflow.transfer

        def runs(strategies: Sequence[str], subjects: Sequence[int | None]) -> list[Finetuning]:
            return [
                run
                for network, strategy in product(transfer.networks, strategies)
                # a strategy that trains nothing needs no subjects
                for count in ([None] if strategy == "direct" else subjects)
                for run in self.of(network, strategy, count)
            ]

        return {
            "transfer": runs(transfer.strategies, [None]),
            "learning_curves": runs(CURVE_STRATEGIES, [*transfer.subjects, None]),
        }

    def files(self, table: str, name: str) -> list[str]:
        """Return the files of a name of the runs of a table."""
        return [f"{run['folder']}/{name}" for run in self.runs[table]]

    def finetuned(self, databases: Sequence[str]) -> list[Finetuning]:
        """Return the runs of Table 2 that finetune a network on these databases."""
        return [
            run
            for network in (name.removeprefix("FT-") for name in self.workflow.finetuned)
            for run in self.of(network, systems.transferred()[network].strategy)
            if run["address"]["database"] in databases
            if run["address"]["channels"] == run["source_channels"]
        ]
