"""Model card of a network to score new recordings with: its run in, Markdown out.

It has the form of the cards of the Hugging Face Hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.core.stages import STAGES
from xsleep.databases import Source, open_database
from xsleep.results.metrics import METRICS
from xsleep.results.templates import render


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
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); delete it to train again") from error
    kept = run["best_step"] if run["training"]["model_kept"] == "best" else run["steps"]
    history = read_csv(folder / "history.csv")
    line = next(row for row in reversed(history) if int(row["step"]) <= kept)
    # The branch that decides is the last.
    *_, accuracy = (value for name, value in line.items() if name.endswith("validation accuracy"))
    rows = [row for row in read_csv(split) if row["role"] in ("training", "validation")]
    database = open_database(source)
    return render(
        "model_card.md",
        folder=folder,
        run=run,
        source=source,
        origin=database.origin,
        scoring=database.scoring,
        preset=preset,
        kept=kept,
        accuracy=float(accuracy),
        rows=rows,
        stages=STAGES,
        metrics=METRICS,
        table2=table2,
    )
