"""Style of the tables on the console."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table


def console_table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return an empty table with headings of left-aligned names and right-aligned numbers."""
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
