"""How tables look on the console."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table


def view(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    """A table to add rows to and to print: columns of names, then columns of numbers."""
    look = {"box": box.SIMPLE_HEAD, "padding": (0, 1, 0, 0), "pad_edge": False}
    table = Table(title=title, title_justify="left", **look)
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
