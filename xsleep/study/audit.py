"""Inputs of the audit: the current settings, and the run that is trained again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xsleep import systems
from xsleep.config.training import ResourceSettings
from xsleep.study.runs import Run, ScratchRuns
from xsleep.study.table2 import Table2


class Audit:
    """Current settings of the runs of Table 2."""

    def __init__(self, scratch: ScratchRuns, table2: Table2) -> None:
        self.scratch, self.table2, self.transfer = scratch, table2, table2.transfer
        self.settings = self.transfer.settings

    @property
    def again(self) -> list[Run]:
        """The run that is trained again: the first of the cheapest selected system."""
        slugs = self.scratch.selected
        cheapest = min(slugs, key=lambda slug: systems.by_slug()[slug].cost, default=None)
        return [run for run in self.scratch.scratch if run["system"] == cheapest][:1]

    @property
    def resources(self) -> ResourceSettings:
        """The most that a training of any database asks for."""
        names = self.table2.databases.names
        asked = [dict(self.settings.preset(name).resources) for name in names]
        return ResourceSettings(**{key: max(one[key] for one in asked) for key in asked[0]})

    @property
    def configured(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Current settings of the runs of each database and system."""
        return {name: self._configured(name) for name in self.scratch.databases}

    def _configured(self, database: str) -> dict[str, dict[str, Any]]:
        preset, pretraining = self.settings.preset(database), self.settings.pretraining
        known = systems.by_slug()
        # the settings of the authors' networks are in their files
        kept = () if self.transfer.of_authors else ("network",)
        return {slug: preset.record(known[slug].name) for slug in self.scratch.selected} | {
            f"FT-{name}": {
                "source": self.transfer.source,
                "system": transfer.system.name,
                "strategy": transfer.strategy,
                **{group: pretraining.record(transfer.pretrained)[group] for group in kept},
                "training": preset.training_of(transfer.system.name, True).model_dump(mode="json"),
            }
            for name, transfer in systems.transferred().items()
        }

    @property
    def pretrainings(self) -> dict[str, dict[str, Any]]:
        """Current settings of the networks that runs start from, by their folders.

        The authors' networks come without a record of their training.
        """
        first, preset = systems.transferred(), self.settings.pretraining
        return {
            str(Path(self.transfer.pretrained(run | run["address"])).parent): {
                "source": self.transfer.source,
                "channels": run["source_channels"],
                "seed": run["address"]["seed"],
                **preset.record(first[run["network"]].pretrained),
            }
            for run in ([] if self.transfer.of_authors else self.table2.finetuned)
        }
