"""Jobs of the rule for external systems: settings and an index in, one file of predictions out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from xsleep import __version__
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.files import check_writable, hashes, read_csv, sha256, whole
from xsleep.databases import Source, open_database
from xsleep.external.controls import CONTROLS, NOTES, second_scorer
from xsleep.external.files import read_foreign
from xsleep.external.logistic import Roles, logistic_regression
from xsleep.external.placing import placed
from xsleep.external.stagers import open_stager
from xsleep.preparation import folds as fold_tables
from xsleep.store.predictions import Prediction, write_predictions
from xsleep.store.recordings import Stored, read_index
from xsleep.workflow import commit

Made = tuple[list[Prediction], list[str], dict[str, str]]
"""Predictions, remarks, and the SHA-256 of each file that they were made from."""


@dataclass(frozen=True)
class Case:
    """A database in a window, with the channels that are read.

    Attributes:
        index, recordings, folds: index of the store, ``recordings.csv`` and ``folds.csv``.
        source: where its recordings are.
    """

    index: Path
    recordings: Path
    folds: Path
    source: Source
    window: str
    channels: tuple[str, ...]

    @cached_property
    def stored(self) -> dict[str, Stored]:
        """Recordings that are used, by name."""
        used = [row["recording"] for row in read_csv(self.recordings) if not row["skipped"]]
        known = read_index(self.index)
        return {name: known[name] for name in used}

    @cached_property
    def roles(self) -> dict[int, Roles]:
        """Recordings of each fold that test and that train."""
        rows = fold_tables.read(self.folds)

        def of(fold: str, role: str) -> list[str]:
            return [r["recording"] for r in rows if (r["fold"], r["role"]) == (fold, role)]

        numbers = dict.fromkeys(row["fold"] for row in rows)
        return {int(n): Roles(tested=of(n, "test"), training=of(n, "training")) for n in numbers}

    @cached_property
    def fold_of(self) -> dict[str, int]:
        """Fold that tests each recording."""
        return {name: n for n, roles in self.roles.items() for name in roles.tested}

    def tested(self) -> list[Stored]:
        """Return the recordings that test in any fold."""
        return [self.stored[name] for name in self.fold_of]


def make(kind: str, settings: Mapping[str, Any], case: Case, out: Path) -> list[str]:
    """Write the predictions of an external system, and its ``import.json`` beside them.

    Where it cannot be used, there are no predictions and the reason is the one remark, so that the
    other systems of Table 2 go on.

    Args:
        kind: key of ``MAKERS``.
        settings: as of `xsleep.config.external`.

    Returns:
        Remarks for the note of Table 2.
    """
    check_writable(out.parent)
    with warnings_of_inputs() as warned:
        try:
            predictions, remarks, inputs = MAKERS[kind](settings, case)
        except InputError as error:
            predictions, remarks, inputs = [], [str(error)], {}
    remarks = [*dict.fromkeys((*remarks, *warned))]
    predictions = [replace(one, fold=case.fold_of[one.recording]) for one in predictions]
    write_predictions(out, predictions, remarks)
    record = {
        "settings": dict(settings),
        "version": __version__,
        "commit": commit(),
        "recordings": [one.recording for one in predictions],
        "epochs": sum(len(one.stages) for one in predictions),
        "remarks": remarks,
        "inputs": inputs | {str(path): sha256(path) for path in (case.index, case.folds)},
        "outputs": {out.name: sha256(out)},
    }
    with whole(out.with_name("import.json")) as temporary:
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return remarks


def _imported(settings: Mapping[str, Any], case: Case) -> Made:
    """Return predictions of another program."""
    path = Path(settings["file"])
    foreign = read_foreign(path, settings["classes"])
    infos = [stored.info for stored in read_index(case.index).values()]
    predictions, remarks = placed(foreign, infos, case.window, case.fold_of, where=str(path))
    return predictions, remarks, hashes(path)


def _staged(settings: Mapping[str, Any], case: Case) -> Made:
    """Return the predictions of a stager, and say on stderr what is fetched."""
    stager = open_stager(settings["stager"], lambda line: print(line, file=sys.stderr))
    predictions, remarks = stager.score(case.tested(), case.channels, case.window)
    return predictions, remarks, hashes(Path(settings["stager"]))


def _control(settings: Mapping[str, Any], case: Case) -> Made:
    """Return the predictions of a control."""
    name, seed = settings["control"], settings["seed"]
    remarks = [NOTES[name]]
    if name == "second scorer":
        found, more = second_scorer(open_database(case.source), case.tested(), case.window)
        return found, remarks + more, settings["content"]
    if name == "logistic regression":
        found = logistic_regression(case.stored, case.roles, case.channels, case.window)
        return found, remarks, {}
    found = []
    for roles in case.roles.values():
        tested, training = (
            [case.stored[name].info for name in names] for names in (roles.tested, roles.training)
        )
        found += CONTROLS[name](tested, training, case.window, seed)
    return found, remarks, {}


MAKERS = {"predictions": _imported, "released": _imported, "stagers": _staged, "controls": _control}
