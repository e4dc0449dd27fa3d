"""Cards of a network to score new recordings with, and of a Table 2: results in, Markdown out.

They have the form of the cards of the Hugging Face Hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep import __version__, systems
from xsleep.core.errors import InputError
from xsleep.core.files import check_recorded, read_csv
from xsleep.core.stages import STAGES
from xsleep.databases import Source, open_database
from xsleep.results import model_index
from xsleep.results.formatting import NOT_SLEEP, number
from xsleep.results.metrics import METRICS
from xsleep.results.table2 import COUNTS
from xsleep.results.templates import render
from xsleep.workflow import commit

_TAGS = ("sleep-staging", "polysomnography")
_TERMS = {"license": "other", "license_name": "terms-of-the-recordings"}


def written(
    folder: Path, split: Path, source: Source, preset: str, table2: Mapping[str, Mapping[str, str]]
) -> str:
    """Return the model card of a network.

    Args:
        folder: of the network, with ``run.json`` and ``history.csv``; the card names it.
        split: CSV file of `xsleep.preparation.jobs.make_source_split`.
        source: where the recordings are.
        preset: name of the hyper-parameters.
        table2: rows of its cross-validation in Table 2 by their ``source``; empty if there is none.

    Raises:
        InputError: ``run.json`` cannot be read.
    """
    path = folder / "run.json"
    try:
        run = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); delete it to train again") from error
    kept = run["best_step"] if run["training"]["model_kept"] == "best" else run["steps"]
    check_recorded(folder / "history.csv")
    history = read_csv(folder / "history.csv")
    line = next(row for row in reversed(history) if int(row["step"]) <= kept)
    # The branch that decides is the last.
    *_, accuracy = (value for name, value in line.items() if name.endswith("validation accuracy"))
    rows = [row for row in read_csv(split) if row["role"] in ("training", "validation")]
    database = open_database(source)
    return render(
        "model_card.md",
        front=_front_matter(run, table2),
        folder=folder,
        run=run,
        source=source,
        origin=database.origin,
        scoring=database.scoring,
        citation=known.citation if (known := systems.registry().get(run["system"])) else None,
        preset=preset,
        kept=kept,
        accuracy=float(accuracy),
        rows=rows,
        stages=STAGES,
        metrics=METRICS,
        table2=table2,
    )


def _front_matter(run: Mapping[str, Any], table2: Mapping[str, Mapping[str, str]]) -> str:
    """Return the YAML at the head of a network's card."""
    facts: dict[str, Any] = {"library_name": "xsleep"}
    if run["simulated"]:
        facts["license"] = "bsd-3-clause"
    else:
        facts |= _TERMS
    facts["tags"] = [*_TAGS, *map(str.lower, run["labels"])]
    rows = pd.DataFrame([*table2.values()]).replace("", np.nan)
    found = model_index.measured(rows) if len(rows) else []
    found = [one for one in found if one.channels == run["channels"]]
    simulated = [run["database"]] if run["simulated"] else []
    return model_index.front_matter(facts, found, simulated, " in cross-validation")


def results_card(table: pd.DataFrame, sources: Mapping[str, Source]) -> str:
    """Return the card of a Table 2: what was measured, on what it stands, and how it may be used.

    Args:
        table: as from `xsleep.results.table2.read_csv`.
        sources: where the recordings of each database are.
    """
    databases = {name: open_database(source) for name, source in sources.items()}
    simulated = [name for name, database in databases.items() if database.simulated]
    found = model_index.measured(table)
    licences = {database.origin.licence for database in databases.values()}
    facts: dict[str, Any] = {"library_name": "xsleep"}
    if len(simulated) == len(databases):
        facts["license"] = "bsd-3-clause"
    elif "" in licences:
        facts["license"] = "unknown"
    else:
        facts |= _TERMS
    facts["tags"] = [*_TAGS]
    return render(
        "card.md",
        front=model_index.front_matter(facts, found, simulated),
        rows=found,
        notes=dict.fromkeys(
            (one.database, one.window, one.system, one.note)
            for one in found
            if one.note not in ("", NOT_SLEEP)
        ),
        value=_with_interval,
        databases=databases,
        simulated=simulated,
        not_sleep=NOT_SLEEP,
        stages=STAGES,
        metrics=METRICS,
        counts=COUNTS,
        version=__version__,
        commit=commit(),
    )


def _with_interval(row: model_index.Measured, metric: str) -> str:
    """Return a value with its interval, as in ``78.2 [70.1, 84.0]``."""
    value, low, high = (number(one, metric) for one in row.values[metric])
    return f"{value} [{low}, {high}]" if low else value
