"""``xsleep evaluate``: stages that ``xsleep score`` wrote against those of another scorer."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsleep.cli.command import command
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES

if TYPE_CHECKING:
    from xsleep.staging.evaluation import Compared

EXAMPLES = """\
examples:
  xsleep evaluate night_hypnogram.tsv night.csv
  xsleep evaluate scored/ hypnograms/ --out agreement.csv

Exit status 1 says that at least one recording could not be compared; the others are.
"""


def add(commands: Any) -> None:
    """Add the command."""
    aim = "compare what xsleep score wrote with another scoring of the same recordings"
    more = (
        "It prints accuracy, kappa, MF1, sensitivity and specificity, the confusion matrix, and "
        "the agreement by stage and recording. Files of folders are paired by their names."
    )
    argument = command(commands, "evaluate", _run, aim, more, EXAMPLES)
    what = "NAME_hypnogram.tsv or .csv that xsleep score wrote, or a folder of them"
    argument("scored", type=Path, metavar="SCORED", help=what)
    what = (
        "another scoring, or a folder: EDF+ annotations, a table with stages among its events, "
        "one label a line, or another output of xsleep score"
    )
    argument("scoring", type=Path, metavar="SCORING", help=what)
    argument("--json", action="store_true", help="print JSON in place of tables")
    what = "CSV file of the recordings, to be written"
    argument("--out", type=Path, metavar="TABLE", help=what)


def _run(given: argparse.Namespace) -> int:
    for path in (given.scored, given.scoring):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; name a hypnogram or several in one")
    from xsleep.staging.evaluation import compare, pair

    pairs = pair(given.scored, given.scoring)
    compared, failed = [], pairs.alone
    for name, scored, scoring in pairs.found:
        try:
            compared.append(compare(name, scored, scoring))
        except InputError as error:
            failed.append(str(error))
    for line in failed:
        print(f"error: {line}", file=sys.stderr)
    if pairs.surplus:
        named = f"{pairs.surplus[0]}{', ...' if len(pairs.surplus) > 1 else ''}"
        print(f"scorings of other recordings: {len(pairs.surplus)} ({named})", file=sys.stderr)
    if not compared:
        return 1
    if given.out:
        import pandas as pd

        from xsleep.results.formatting import write_csv

        write_csv(given.out, pd.DataFrame([one.row() for one in compared]))
    if given.json:
        print(json.dumps(_facts(compared), allow_nan=False))
    else:
        _print(compared)
    return int(bool(failed))


def _facts(compared: Sequence[Compared]) -> dict[str, Any]:
    """Return all that is told, for JSON: ``None`` for what is undefined."""
    from xsleep.staging.evaluation import by_stage, pooled, summed

    counts = pooled(compared)
    stages = {
        stage: {name: _defined(float(values[place])) for name, values in by_stage(counts).items()}
        for place, stage in enumerate(STAGES)
    }
    rows = [{name: _defined(value) for name, value in one.row().items()} for one in compared]
    whole = {name: _defined(value) for name, value in summed(compared).items()}
    return {**whole, "confusion": counts.tolist(), "stages": stages, "recordings": rows}


def _defined(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _print(compared: Sequence[Compared]) -> None:
    from rich.console import Console

    from xsleep.core.console_table import console_table
    from xsleep.results.formatting import HEADINGS, number
    from xsleep.results.metrics import METRICS
    from xsleep.staging.evaluation import LEFT_OUT, by_stage, pooled, summed

    console = Console(highlight=False)
    whole, counts = summed(compared), pooled(compared)
    left = [f"{whole[why]} {what}" for why, what in LEFT_OUT.items() if whole[why]]
    told = f"; left out: {', '.join(left)}" if left else ""
    recordings = f"{len(compared)} recording{'s' * (len(compared) > 1)}"
    line = f"{recordings}, {whole['compared']} epochs compared{told}\n"
    console.print(line, markup=False, soft_wrap=True)

    table = console_table("Agreement", (), HEADINGS)
    table.add_row(*(number(whole[metric], metric) for metric in METRICS))
    console.print(table)

    names = {"kappa": "kappa", "F1": "F1", "sensitivity": "sens.", "specificity": "spec."}
    headings = [*(f"as {stage}" for stage in STAGES), *names.values()]
    table = console_table("Epochs by their stage in the scoring", ("",), headings)
    of_stages = by_stage(counts)
    for place, stage in enumerate(STAGES):
        values = (number(of_stages[name][place], name) for name in names)
        table.add_row(stage, *map(str, counts[place]), *values)
    console.print(table)

    table = console_table("Recordings", ("",), ["compared", "left out", *HEADINGS[:2]])
    for one in compared:
        row = one.row()
        epochs = row["compared"], sum(one.left_out.values())
        values = (number(row[metric], metric) for metric in METRICS[:2])
        table.add_row(one.recording, *map(str, epochs), *values)
    console.print(table)
