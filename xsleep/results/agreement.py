"""Agreement of the scorers of a database: each beside the majority of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.core.arrays import Integers
from xsleep.core.errors import InputError
from xsleep.core.files import read_table
from xsleep.core.recording import Hypnogram
from xsleep.core.stages import UNSCORED
from xsleep.databases import Source, open_database
from xsleep.databases.formats.consensus import majority
from xsleep.databases.formats.hypnograms import stages_at
from xsleep.results import metrics

COUNTS = "recordings", "epochs"


def agreement(
    sources: Mapping[str, Source], recordings: Sequence[Path], report: Callable[[str], None]
) -> pd.DataFrame:
    """Return a row for each scorer of each database, and their mean.

    The stages of a scorer are compared with those that most of the others gave, in all epochs that
    have both, pooled over the recordings that are used. A tie is decided as by `majority`.

    Args:
        sources: where the recordings of each database are.
        recordings: the ``recordings.csv`` of each database.
        report: receives a line for each recording that is left out.

    Raises:
        InputError: no database has several scorers.
    """
    rows: list[dict[str, Any]] = []
    for (name, source), path in zip(sources.items(), recordings, strict=True):
        table = read_table(path)
        used = {*table["recording"][table["skipped"] == ""]}
        compared: list[list[Integers]] = []
        database, count = open_database(source), 0
        for entry in database.entries():
            if entry.name not in used:
                continue
            try:
                found = _compared(database.scorers(entry))
            except InputError as error:
                report(f"left out: {error}")
                continue
            count += bool(found)
            compared += [[] for _ in range(len(found) - len(compared))]
            for pooled, pair in zip(compared, found, strict=False):
                pooled.append(pair)
        pairs = [np.concatenate(pooled, axis=1) for pooled in compared]
        measured = [metrics.measure(*pair) for pair in pairs]
        head = {"database": name, "recordings": count}
        for scorer, (pair, values) in enumerate(zip(pairs, measured, strict=True), start=1):
            rows.append({**head, "scorer": str(scorer), "epochs": pair.shape[1], **values})
        if measured:
            means = {m: np.mean([values[m] for values in measured]) for m in metrics.METRICS}
            rows.append({**head, "scorer": "mean", **means})
    if not rows:
        raise InputError(
            f"{', '.join(sources)}: has no second scorer; give second_hypnogram or scorers in the "
            "database's configuration"
        )
    table = pd.DataFrame(rows, columns=["database", "scorer", *COUNTS, *metrics.METRICS])
    return table.astype(dict.fromkeys(COUNTS, "Int64"))


def _compared(hypnograms: Sequence[Hypnogram]) -> list[Integers]:
    """Return majority of the others and stages (2, n) of each scorer."""
    if not hypnograms:
        return []
    onsets = hypnograms[0].onsets
    scored = [stages_at(hypnogram, onsets) for hypnogram in hypnograms]
    pairs = []
    for place, stages in enumerate(scored):
        others = majority(scored[:place] + scored[place + 1 :])
        both = (others != UNSCORED) & (stages != UNSCORED)
        pairs.append(np.stack([others[both], stages[both]]))
    return pairs
