"""Networks to score new recordings with: trained on all recordings of a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from xsleep import systems
from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.databases import open_database
from xsleep.study import paths
from xsleep.study.settings import RunSettings

TABLE2 = Path("results/table2.csv")


class Networks:
    """Networks of the databases of a configuration, by the wildcards of `paths.NETWORK`."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings

    def indexes(self, wildcards: Mapping[str, str]) -> list[str]:
        """Return the one index that the training reads, as the pretraining has several.

        Raises:
            InputError: a channel is not stored.
        """
        database = wildcards["database"]
        stored = self.settings.workflow.sources[database].stored_channels
        if absent := [c for c in wildcards["channels"].split("-") if c not in stored]:
            raise InputError(
                f"{database}: no {absent[0]} is stored; add it to the database's channels, or "
                f"choose from {', '.join(stored)}"
            )
        return [self.settings.index_of(wildcards)]

    def validating(self, wildcards: Mapping[str, str]) -> int:
        """Return how many subjects validate: as many as in a fold of the database."""
        database = self.settings.workflow.sources[wildcards["database"]]
        if database.folds == "published":
            published = open_database(database.source).published_folds()
            return max(len(roles["validation"]) for roles in published.values())
        return database.folds.validation

    def table2(self, wildcards: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Return the rows of its cross-validation in Table 2 by their ``source``.

        There are none as long as the table is not made, or if runs had other settings than the
        network. The table is no input of the card, which would ask for trainings.
        """
        if not TABLE2.exists() or not self._cross_validated(wildcards):
            return {}
        system = systems.by_slug()[wildcards["system"]].name
        named = {"database": wildcards["database"], "window": wildcards["window"], "system": system}
        accuracy = f"{wildcards['channels']} accuracy"
        rows = [
            row for row in read_csv(TABLE2) if row.items() >= named.items() and row.get(accuracy)
        ]
        return {row["source"]: row for row in rows}

    def _cross_validated(self, wildcards: Mapping[str, str]) -> bool:
        """Return whether there are runs of the folds, and all have the settings of the network."""
        wanted = self.settings.record(wildcards)
        case = paths.CASE.format_map(wildcards)
        runs = [*Path("results", case, wildcards["system"]).glob("seed-*/fold-*/run.json")]
        try:
            found = [json.loads(run.read_text()) for run in runs]
            return bool(found) and all(run.items() >= wanted.items() for run in found)
        except (OSError, ValueError, AttributeError, RecursionError):  # damaged
            return False
