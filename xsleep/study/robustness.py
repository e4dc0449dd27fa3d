"""Robustness: which systems of Table 2 score perturbed recordings, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from xsleep.study import paths
from xsleep.study.external import External
from xsleep.study.runs import Run, folder, folds
from xsleep.study.settings import store_of
from xsleep.study.table2 import Table2

LOGISTIC = "logistic regression"

NO_SIGNALS = {
    "predictions": "made by another program, which is not run here",
    "controls": "reads no signals",
}
"""Why systems of a kind cannot score perturbed recordings."""


class Robustness:
    """Systems that score the test recordings of each fold, and those that do not."""

    def __init__(self, table2: Table2) -> None:
        self.table2, self.transfer = table2, table2.transfer
        self.settings = self.transfer.settings
        self.workflow = self.settings.workflow

    @property
    def perturbations(self) -> list[str]:
        """Names of the perturbations, in order."""
        return [change.name for change in self.workflow.robustness.perturbations]

    def scorers(self, wildcards: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the systems that score the test recordings of a fold, as settings of `Scorer`."""
        database, fold = wildcards["database"], int(wildcards["fold"])
        return [one for one, number in self._scorers if number in (0, fold) and _of(one, database)]

    @cached_property
    def _scorers(self) -> list[tuple[dict[str, Any], int]]:
        """All scorers, and the fold that each tests; 0 for all."""
        return [*self._networks(), *self._externals()]

    def _networks(self) -> Iterator[tuple[dict[str, Any], int]]:
        index = self.settings.index
        places = [(run, folder(run), run, index(run["database"])) for run in self.table2.scratch]
        for run in self.table2.given:
            places.append((run, folder(run, paths.GIVEN), run, index(run["database"])))
        for one in self.table2.finetuned:
            run, name = one["address"], f"FT-{one['network']}"
            place = one["folder"]
            own = self.transfer.index(run["database"])
            places.append((run | {"system": name}, place, run, own))
        for row, place, run, of in places:
            scoring = self.settings.training(run).model_dump(
                include={"longest_gap", "scoring_stride"}
            )
            made = {"kind": "network", "index": of, "model": f"{place}/model.safetensors"}
            yield _scorer(row, place) | made | {"scoring": scoring}, run["fold"]

    def _externals(self) -> Iterator[tuple[dict[str, Any], int]]:
        for system in self.table2.external:
            if not self._why_not(system):
                is_stager = system.kind == "stagers"
                made = {
                    "kind": "stager" if is_stager else LOGISTIC,
                    "index": self.settings.index(system.database),
                    "model": system.settings.get("stager", ""),
                    "scoring": {},
                }
                row = system.run(self.workflow.seeds[0])
                yield _scorer(row, system.folder) | made, 0

    @property
    def left_out(self) -> list[dict[str, str]]:
        """Systems that cannot score perturbed recordings, with the reason as ``note``."""
        seed = self.workflow.seeds[0]
        return [
            {n: system.run(seed)[n] for n in ("database", "window", "channels", "system")}
            | {"note": f"not perturbed: {note}"}
            for system in self.table2.external
            if (note := self._why_not(system))
        ]

    def inputs(self, wildcards: Mapping[str, str]) -> list[str]:
        """Return the files that the scoring of a fold reads."""
        return [
            path
            for one in self.scorers(wildcards)
            for path in (one["predictions"], *([one["model"]] if one["kind"] == "network" else ()))
        ]

    def indexes(self, database: str) -> list[str]:
        """Return the indexes of the stores that the systems of a database read."""
        return sorted({one["index"] for one, _ in self._scorers if _of(one, database)})

    def filterings(self, database: str) -> dict[str, dict[str, Any]]:
        """Return the filters of each of these stores, by its index."""
        networks = (self.settings.preset(database).network, self.settings.pretraining.network)
        known = {self.settings.index(database, network): store_of(network) for network in networks}
        return {of: self.settings.filterings[known[of]] for of in self.indexes(database)}

    @property
    def scores(self) -> list[str]:
        """Files of the scores of all folds."""
        databases = dict.fromkeys(one["row"]["database"] for one, _ in self._scorers)
        return [
            paths.PERTURBED.format(database=database, fold=fold)
            for database in databases
            for fold in folds(self.workflow, database)
        ]

    def _why_not(self, system: External) -> str:
        """Return why a system cannot score perturbed recordings; empty if it can."""
        if system.database not in self.table2.databases.with_signals:
            return "no signals of the database"
        if system.settings.get("control") == LOGISTIC:
            return ""
        return NO_SIGNALS.get(system.kind, "")


def _scorer(run: Run, place: str) -> dict[str, Any]:
    names = ("database", "window", "channels", "system", "seed")
    return {"row": {name: run[name] for name in names}, "predictions": f"{place}/predictions.h5"}


def _of(scorer: Mapping[str, Any], database: str) -> bool:
    return bool(scorer["row"]["database"] == database)
