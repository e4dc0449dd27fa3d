"""Parser of one command, in the form that all of them have."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from typing import Any

WIDTH = 90


def command(
    commands: Any, name: str, run: Callable[..., int | None], aim: str, more: str, epilog: str = ""
) -> Callable[..., Any]:
    """Add a command, and return the function that adds an argument to it.

    Args:
        commands: what `argparse.ArgumentParser.add_subparsers` returned.
        name: of the command.
        run: takes the parsed arguments and returns the exit status, or ``None`` for 0.
        aim: what the command does, without a full stop.
        more: sentences that follow the aim in its help.
        epilog: examples, as they are to be printed.
    """
    made = commands.add_parser(
        name,
        help=aim,
        description=textwrap.fill(f"{aim[0].upper()}{aim[1:]}. {more}", WIDTH),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    add: Callable[..., Any] = made.add_argument
    return add
