"""The command ``xsleep``: what is run by hand, beside the workflow."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xsleep.core.errors import InputError, warnings_of_inputs

EXAMPLE = """\
example, for a network of EEG and EOG:
  xsleep score results/simulated/in-bed+30min/EEG-EOG/XSleepNet2/seed-1/fold-1/model.safetensors \\
      recording.edf scored.csv --label 'EEG Fpz-Cz' --label 'EOG horizontal'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status. An unusable input is one line on stderr."""
    given = _parser().parse_args(arguments)
    said, status = "", 0
    with warnings_of_inputs() as doubts:
        try:
            said = given.run(given)
        except (InputError, OSError) as error:
            said, status = f"error: {error}", 1
    for doubt in doubts:
        print(f"warning: {doubt}", file=sys.stderr)
    print(said, file=sys.stderr if status else sys.stdout)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xsleep",
        description="Commands beside the workflow, which snakemake runs (README.md).",
        epilog="'xsleep COMMAND --help' lists the arguments of a command.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[..., str], aim: str, more: str, **texts: Any) -> Any:
        """Return the function that adds an argument to a new command."""
        texts["description"] = textwrap.fill(f"{aim[0].upper()}{aim[1:]}. {more}", 90)
        style = argparse.RawDescriptionHelpFormatter
        made = commands.add_parser(name, help=aim, formatter_class=style, **texts)
        made.set_defaults(run=run)
        return made.add_argument

    aim = "convert a released SeqSleepNet or XSleepNet to a checkpoint"
    add = command("import-weights", _import_weights, aim, "See docs/importing.md.")
    add("file", type=Path, help="npz file of the variables, by their TensorFlow names")
    add("out", type=Path, help="checkpoint to write, NAME.safetensors")
    aim = "score the 30-s epochs of a recording of your own with a trained network"
    doubts = "Doubts about its signals are warnings; a file that cannot be used is an error."
    add = command("score", _score, aim, doubts, epilog=EXAMPLE)
    add("model", type=Path, help="trained network, model.safetensors of a run")
    add("recording", type=Path, help="EDF or BDF file")
    out = "CSV file to write: onset in seconds, stage, and the probability of each stage"
    add("out", type=Path, help=out)
    add(
        "--label",
        action="append",
        required=True,
        help="label of a signal in the file, or a derivation such as 'C4 - M1'; give one for each "
        "channel of the network, in the order EEG, EOG, EMG. 'LABEL#2' is the second signal with "
        "that label. The message about an unknown label lists those in the file",
    )
    add(
        "--unit",
        action="append",
        default=[],
        choices=("nV", "uV", "mV", "V"),
        help="unit of the signals, if the file gives none or a wrong one; give one for all "
        "channels, or one for each",
    )
    aim = "estimate the cost of Table 2 in jobs, hours and disk space"
    where = "Run it in the folder of the workflow; it writes results/plan.csv (docs/cluster.md)."
    add = command("plan", _plan, aim, where)
    file = "configuration file that overrides config/config.yaml, as for snakemake"
    add("--configfile", action="append", default=[], type=Path, metavar="FILE", help=file)
    values = "values that override the configuration, as for snakemake"
    add("--config", nargs="+", default=[], metavar="KEY=VALUE", help=values)
    folder = "folder of config.yaml, databases and presets (default: config)"
    add("--folder", type=Path, default=Path("config"), help=folder)
    return parser


# PyTorch takes seconds to load: what needs it is imported when it runs.
def _import_weights(given: argparse.Namespace) -> str:
    from xsleep.networks.importing import import_weights

    return import_weights(given.file, given.out)


def _score(given: argparse.Namespace) -> str:
    from xsleep.scoring.score_file import score_file

    return score_file(given.model, given.recording, given.out, labels=given.label, units=given.unit)


def _plan(given: argparse.Namespace) -> str:
    from xsleep.study.planning import write_plan

    return write_plan(given.configfile, given.config, given.folder)
