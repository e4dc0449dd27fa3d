"""Robustness: which systems of Table 2 score perturbed recordings, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from typing import Any

from xsleep.config.robustness import Perturbation
from xsleep.study import paths
from xsleep.study.external import External
from xsleep.study.runs import Run, folder
from xsleep.study.settings import store_of
from xsleep.study.table2 import Table2

NETWORK, LOGISTIC = "network", "logistic regression"
NONE = "none"
"""Name of no perturbation in a path."""

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

    @cached_property
    def changes(self) -> dict[str, Perturbation | None]:
        """Each perturbation, of ``none`` first, by its name in a path."""
        changes = self.workflow.robustness.perturbations
        return {NONE: None} | {_in_path(change.name): change for change in changes}

    @property
    def perturbations(self) -> list[str]:
        """Names of the perturbations, in order."""
        return [change.name for change in self.workflow.robustness.perturbations]

    def change(self, wildcards: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the settings of a perturbation."""
        change = self.changes[wildcards["perturbation"]]
        return change.model_dump(mode="json") if change else None

    def scorers(self, wildcards: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the systems whose channels a perturbation reaches, as settings of `Scorer`."""
        database, change = wildcards["database"], self.changes[wildcards["perturbation"]]
        return [
            one
            for one in self._scorers
            if one["row"]["database"] == database
            if not change or change.reaches(database, one["row"]["channels"].split("-"))
        ]

    @cached_property
    def _scorers(self) -> list[dict[str, Any]]:
        """All systems that score signals."""
        return [*self._networks(), *self._externals()]

    def _networks(self) -> Iterator[dict[str, Any]]:
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
            made = {"kind": NETWORK, "index": of, "model": f"{place}/model.safetensors"}
            yield _scorer(row, place) | made | {"scoring": scoring}

    def _externals(self) -> Iterator[dict[str, Any]]:
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
                yield _scorer(row, system.folder) | made

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
        """Return the predictions, and the networks, of the systems that a perturbation reaches."""
        return [
            path
            for one in self.scorers(wildcards)
            for path in (one["predictions"], *([one["model"]] if one["kind"] == NETWORK else ()))
        ]

    def indexes(self, database: str) -> list[str]:
        """Return the indexes of the stores that the systems of a database read."""
        return sorted({o["index"] for o in self._scorers if o["row"]["database"] == database})

    def filterings(self, database: str) -> dict[str, dict[str, Any]]:
        """Return the filters of each of these stores, by its index."""
        networks = (self.settings.preset(database).network, self.settings.pretraining.network)
        known = {self.settings.index(database, network): store_of(network) for network in networks}
        return {of: self.settings.filterings[known[of]] for of in self.indexes(database)}

    @property
    def scores(self) -> list[str]:
        """Files of the scores under all perturbations that reach a system."""
        databases = dict.fromkeys(one["row"]["database"] for one in self._scorers)
        cases = product(databases, self.changes)
        names = [{"database": database, "perturbation": change} for database, change in cases]
        return [paths.PERTURBED.format(**case) for case in names if self.scorers(case)]

    def _why_not(self, system: External) -> str:
        """Return why a system cannot score perturbed recordings; empty if it can."""
        if system.database not in self.table2.databases.with_signals:
            return "no signals of the database"
        if system.settings.get("control") == LOGISTIC:
            return ""
        return NO_SIGNALS.get(system.kind, "")


def _scorer(run: Run, place: str) -> dict[str, Any]:
    names = ("database", "window", "channels", "system", "seed")
    return {
        "row": {name: run[name] for name in names},
        "fold": run["fold"],
        "predictions": f"{place}/predictions.h5",
    }


def _in_path(name: str) -> str:
    """Return the name of a perturbation as it stands in a path."""
    return re.sub(r"[^\w.]+", "-", name)
