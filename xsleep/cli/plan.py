"""``xsleep plan``: the cost of Table 2 before anything is run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xsleep.cli.command import command


def add(commands: Any) -> None:
    """Add the command."""
    aim = "estimate the cost of Table 2 in jobs, hours and disk space"
    where = "Run it in the workflow's folder. It writes results/plan.csv (docs/how-to/cluster.md)."
    argument = command(commands, "plan", _run, aim, where)
    file = "configuration file that overrides config/config.yaml, as for snakemake"
    argument("--configfile", action="append", default=[], type=Path, metavar="FILE", help=file)
    values = "values that override the configuration, as for snakemake"
    argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help=values)
    folder = "folder of config.yaml, databases and presets (default: config)"
    argument("--folder", type=Path, default=Path("config"), help=folder)


def _run(given: argparse.Namespace) -> None:
    from xsleep.study.planning import write_plan

    print(write_plan(given.configfile, given.config, given.folder))
