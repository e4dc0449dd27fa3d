"""The command ``xsleep``: what is done by hand, beside the workflow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from xsleep.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status. What cannot be used is one line on stderr."""
    parser = argparse.ArgumentParser(prog="xsleep", description="XSleepNet, reproduced")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "import-weights",
        help="make a checkpoint of a released TensorFlow network",
        description="Make a checkpoint of a released SeqSleepNet or XSleepNet (docs/importing.md).",
    )
    command.add_argument("file", type=Path, help="npz file: variables by their TensorFlow names")
    command.add_argument("out", type=Path, help="the checkpoint, NAME.safetensors")
    given = parser.parse_args(arguments)

    from xsleep.importing import import_weights  # PyTorch takes seconds to load

    try:
        print(import_weights(given.file, given.out))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
