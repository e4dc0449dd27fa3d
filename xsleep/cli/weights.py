"""``xsleep import-weights``: a released TensorFlow network as a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xsleep.cli.command import command


def add(commands: Any) -> None:
    """Add the command."""
    aim = "convert a released SeqSleepNet or XSleepNet to a checkpoint"
    argument = command(commands, "import-weights", _run, aim, "See docs/importing.md.")
    what = "npz file of the variables, or a TensorFlow checkpoint (its path without .index)"
    argument("file", type=Path, help=what)
    argument("out", type=Path, help="checkpoint to write, NAME.safetensors")


def _run(given: argparse.Namespace) -> None:
    from xsleep.networks.importing import import_weights

    print(import_weights(given.file, given.out))
