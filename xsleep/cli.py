"""The command ``xsleep``: what is done by hand, beside the workflow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from xsleep.core.errors import InputError, warnings_of_inputs

EXAMPLE = """\
example, of a network of EEG and EOG:
  xsleep score results/simulated/in-bed+30min/EEG-EOG/XSleepNet2/seed-1/fold-1/model.safetensors \\
      night.edf scored.csv --label 'EEG Fpz-Cz' --label 'EOG horizontal'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status. What cannot be used is one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="xsleep",
        description="What is done by hand with trained networks; they are trained by snakemake "
        "(README.md). 'xsleep COMMAND --help' has the arguments of a command.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser(
        "import-weights",
        help="make a checkpoint of a released TensorFlow network",
        description="Make a checkpoint of a released SeqSleepNet or XSleepNet (docs/importing.md).",
    )
    command.add_argument("file", type=Path, help="npz file: variables by their TensorFlow names")
    command.add_argument("out", type=Path, help="the checkpoint, NAME.safetensors")
    command.set_defaults(run=_import_weights)
    command = commands.add_parser(
        "score",
        help="score a night of your own",
        description="Score the 30-s epochs of an EDF or BDF file with a trained network. What is "
        "doubtful about its signals is said in a line each, what cannot be used ends the command "
        "with exit status 1.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("model", type=Path, help="the network: model.safetensors of a run")
    command.add_argument("recording", type=Path, help="EDF or BDF file of the night")
    command.add_argument(
        "out",
        type=Path,
        help="CSV that is written: onset in seconds, stage, and the probability of each stage",
    )
    command.add_argument(
        "--label",
        action="append",
        required=True,
        dest="labels",
        metavar="LABEL",
        help="a signal's label in the file, or a derivation as in 'C4 - M1'; once for each channel "
        "of the network, in the order EEG, EOG, EMG. Of several signals with one label, 'LABEL#2' "
        "is the second. A wrong one lists those in the file",
    )
    command.add_argument(
        "--unit",
        action="append",
        default=[],
        dest="units",
        choices=("nV", "uV", "mV", "V"),
        help="what the numbers of the signals are, where the file gives no unit or a wrong one; "
        "once for all channels, or once for each",
    )
    command.set_defaults(run=_score)
    command = commands.add_parser(
        "plan",
        help="estimate what Table 2 of a configuration costs: jobs, hours, disk",
        description="Estimate what Table 2 of a configuration costs, without running any of it "
        "(docs/cluster.md). It is run in the folder of the workflow and writes results/plan.csv.",
    )
    command.add_argument(
        "--configfile",
        action="append",
        default=[],
        dest="files",
        type=Path,
        metavar="FILE",
        help="a configuration over config/config.yaml, as for snakemake",
    )
    command.add_argument(
        "--config",
        nargs="+",
        default=[],
        dest="changes",
        metavar="KEY=VALUE",
        help="changes to the configuration, as for snakemake",
    )
    command.add_argument(
        "--folder",
        type=Path,
        default=Path("config"),
        help="folder of config.yaml, databases and presets (default: config)",
    )
    command.set_defaults(run=_plan)
    given = parser.parse_args(arguments)
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


# PyTorch takes seconds to load: what needs it is imported when it runs.
def _import_weights(given: argparse.Namespace) -> str:
    from xsleep.networks.importing import import_weights

    return import_weights(given.file, given.out)


def _score(given: argparse.Namespace) -> str:
    from xsleep.scoring.score_file import score_file

    return score_file(
        given.model, given.recording, given.out, labels=given.labels, units=given.units
    )


def _plan(given: argparse.Namespace) -> str:
    from xsleep.study.planning import write_plan

    return write_plan(given.files, given.changes, given.folder)
