"""The command ``xsleep``: what is run by hand, beside the workflow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from xsleep.cli import compare, evaluate, info, init, models, plan, score, weights
from xsleep.core.errors import InputError, warnings_of_inputs

STATUSES = """\
exit status:
  0  done
  1  an input could not be used; what could be done is done, and a line says what could not
  2  the arguments are wrong
  130  interrupted
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    whole = argparse.ArgumentParser(
        prog="xsleep",
        description="Commands beside the workflow, which snakemake runs (README.md).",
        epilog=f"'xsleep COMMAND --help' lists the arguments of a command.\n\n{STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (score, evaluate, info, models, weights, init, plan, compare):
        module.add(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status. An unusable input is one line on stderr."""
    given = parser().parse_args(arguments)
    status = 0
    with warnings_of_inputs() as doubts:
        try:
            status = given.run(given) or 0
        except (InputError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            status = 1
        except KeyboardInterrupt:
            print("interrupted; what is written is whole", file=sys.stderr)
            status = 130
    for doubt in doubts:
        print(f"warning: {doubt}", file=sys.stderr)
    return status
