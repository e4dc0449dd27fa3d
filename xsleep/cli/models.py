"""``xsleep models``: the networks that are known by name; fetch and remove them."""

from __future__ import annotations

import argparse
from typing import Any

from xsleep.cli.command import command
from xsleep.core.errors import InputError
from xsleep.staging.known import DEFAULT, cache_folder, known


def add(commands: Any) -> None:
    """Add the command."""
    aim = "list the networks that are known by name, fetch or remove them"
    more = "Without an option it lists them. They are fetched when they are first used, too."
    argument = command(commands, "models", _run, aim, more)
    argument("--fetch", nargs="+", default=[], metavar="NAME", help="fetch these networks")
    argument("--remove", nargs="+", default=[], metavar="NAME", help="delete their files")


def _run(given: argparse.Namespace) -> None:
    for name in (*given.fetch, *given.remove):
        if name not in known():
            raise InputError(f"{name}: no network is known by this name; {', '.join(known())} are")
    for name in given.fetch:
        print(f"{name}: {known()[name].fetch(print)}")
    for name in given.remove:
        known()[name].remove()
        print(f"{name}: removed")
    if given.fetch or given.remove:
        return
    for name, network in known().items():
        default = " (default)" if name == DEFAULT else ""
        montage = ", ".join(f"{c}: {labels[0]}" for c, labels in network.montage.items())
        print(f"{name}{default}")
        print(f"  reads       {montage}")
        print(f"  trained on  {network.trained_on}")
        print(f"  licence     {network.licence}; {network.citation.strip()}")
        print(f"  fetched     {'yes' if network.installed else 'no'}, {network.megabytes} MB")
        print(f"  from        {network.source}{network.folder}/checkpoint")
    print(f"They are kept in {cache_folder()} (set XSLEEP_CACHE for another folder).")
