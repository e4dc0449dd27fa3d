"""``xsleep compare``: the results of two laboratories, each in a bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsleep.cli.command import command

if TYPE_CHECKING:
    from xsleep.results.bundles_compared import Comparison

EXAMPLES = """\
examples:
  xsleep compare ours/bundle.zip theirs/bundle.zip
  xsleep compare A.zip B.zip --out differences.csv

`snakemake --cores 8 results/bundle.zip` makes a bundle (docs/how-to/bundle.md).
"""

WIDEST = 200
"""Characters in a line of a table at most; a narrower console, or a file, cuts no value off."""


def add(commands: Any) -> None:
    """Add the command."""
    aim = "compare the bundles of results of two laboratories"
    more = (
        "It checks the files of both against their hashes, and prints the differences of the "
        "metrics of the rows that both have with their 95 % intervals over subjects, the rows that "
        "one alone has, and the claims with different verdicts."
    )
    argument = command(commands, "compare", _run, aim, more, EXAMPLES)
    argument("a", type=Path, metavar="A.zip", help="bundle of results")
    argument("b", type=Path, metavar="B.zip", help="another one")
    what = "CSV file of all metrics of all rows, to be written"
    argument("--out", type=Path, metavar="FILE.csv", help=what)


def _run(given: argparse.Namespace) -> None:
    from xsleep.core.files import write_csv
    from xsleep.results.bundles_compared import compare, rounded

    found = compare(given.a, given.b)
    if given.out:
        write_csv(given.out, rounded(found.rows))
    _print(found, given)


def _print(found: Comparison, given: argparse.Namespace) -> None:
    from rich.console import Console

    from xsleep.core.console_table import console_table
    from xsleep.results.bundles_compared import BOTH, NAMES, rounded
    from xsleep.results.claims.base import UNDECIDED
    from xsleep.results.formatting import NOT_SLEEP, entitled
    from xsleep.results.measurements import CASE
    from xsleep.results.metrics import METRICS

    for remark in found.remarks:
        print(f"remark: {remark}", file=sys.stderr)
    console = Console(highlight=False, markup=False, soft_wrap=True, width=WIDEST)
    console.print(f"A: {given.a}\nB: {given.b}\n")

    rows = rounded(found.rows).astype(str)
    numbers = ["A", "B", "A - B", "95 % interval", "subjects"]
    for case, of in rows[rows["in"] == BOTH].groupby([*CASE], sort=False):
        title = entitled(", ".join(map(str, case)), [str(case[0])], found.simulated)
        table = console_table(title, ("system", "metric"), numbers)
        for place, row in enumerate(of.to_dict("records")):
            system = "" if place % len(METRICS) else row["system"]
            span = f"{row['95 % from']} to {row['95 % to']}" if row["95 % from"] else "none"
            values = (row["A"], row["B"], row["difference"], span, row["subjects"])
            table.add_row(system, row["metric"], *values)
        console.print(table)

    alone = rows[(rows["in"] != BOTH) & (rows["metric"] == METRICS[0])]
    if len(alone):
        table = console_table("Rows in one alone", (*NAMES, "in"), [METRICS[0]])
        for row in alone.to_dict("records"):
            table.add_row(*(row[name] for name in (*NAMES, "in")), row["A"] or row["B"])
        console.print(table)

    claims = found.claims
    same = claims["A"] == claims["B"]
    for row in claims[~same].to_dict("records"):
        where = ", ".join(filter(None, (row[name] for name in CASE)))
        verdicts = f"{row['A'] or 'none'} in A, {row['B'] or 'none'} in B"
        console.print(f"Claim: {row['claim']} ({where}): {verdicts}")
    undecided = int((same & (claims["A"] == UNDECIDED)).sum())
    console.print(f"Claims: {same.sum()} verdicts are the same, {undecided} of them undecided.")
    for name in found.simulated:
        console.print(f"Database {name}: {NOT_SLEEP}.")
    console.print(found.conclusion)
