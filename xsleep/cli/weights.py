"""``xsleep import-weights``: a released TensorFlow network as a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xsleep.cli.command import command


def add(commands: Any) -> None:
    """Add the command."""
    aim = "convert a released TensorFlow network to a checkpoint"
    argument = command(commands, "import-weights", _run, aim, "See docs/how-to/importing.md.")
    what = "TensorFlow checkpoint: its path without .index, or its folder; or npz file of variables"
    argument("file", type=Path, help=what)
    argument("out", type=Path, help="checkpoint to write, NAME.safetensors")
    told = "which of the systems with the same variables it is; by default the first in Table 2"
    argument("--system", metavar="NAME", help=told)


def _run(given: argparse.Namespace) -> None:
    from xsleep.networks.importing import import_weights

    print(import_weights(given.file, given.out, given.system))
