"""``xsleep init``: a folder for a study of one's own, which the installed workflow runs."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xsleep import __version__
from xsleep.cli.command import command
from xsleep.core.errors import InputError
from xsleep.core.files import check_writable, written
from xsleep.workflow import FOLDER, STUDY

PARTS = ("config", "profiles", "dvc.yaml", ".dvcignore")
"""Files and folders of the workflow that a study has copies of."""

TRIGGERS = """
# Scripts of the workflow are as new as the installation of xsleep. Without `code`, an update of the
# package makes nothing again by itself, no training above all.
rerun-triggers: [mtime, params, input]
"""
"""What each profile of a study has besides."""

NEXT = {
    False: """\
The configuration is for recordings that are simulated, to try it out:
  cd {folder}
  snakemake --cores all --dry-run   lists the jobs
  snakemake --cores all             makes all tables and figures, in results/
Recordings of your own, or another database: edit config/config.yaml (docs/how-to/study.md).""",
    True: """\
What is to be done next:
  1. In {folder}/config/databases/own.yaml, set the labels of the channels and the format of the
     scorings. This lists the signals of a file:
       xsleep info {example} --channels
  2. See which recordings can be used, and why others cannot:
       cd {folder}
       snakemake --cores all results/recordings.csv
  3. Train and compare:
       snakemake --cores all results/table2.csv""",
}
"""What is said after a study was made without and with recordings."""


def add(commands: Any) -> None:
    """Add the command."""
    aim = "make a folder for a study of your own, which the installed workflow runs"
    more = (
        "It writes a Snakefile, the configuration, and profiles of Snakemake, and overwrites "
        "nothing (docs/how-to/study.md)."
    )
    argument = command(commands, "init", _run, aim, more)
    argument("folder", type=Path, metavar="FOLDER", help="a new folder, or one without a study")
    given = "folder of EDF or BDF files with their scorings, to be the database 'own'"
    argument("--recordings", type=Path, metavar="FOLDER", help=given)


def _run(given: argparse.Namespace) -> None:
    folder, recordings = given.folder, given.recordings
    names = sorted({*PARTS, "Snakefile", ".gitignore"})
    if present := [name for name in names if (folder / name).exists()]:
        raise InputError(f"{folder}: has {', '.join(present)} already; name another folder")
    example = _first(recordings) if recordings else None
    check_writable(folder)
    with written(folder), TemporaryDirectory(dir=folder, prefix=".xsleep-init-") as temporary:
        made = Path(temporary)
        for name in PARTS:
            _copy(FOLDER / name, made / name)
        _copy(STUDY / "Snakefile", made / "Snakefile")
        _copy(STUDY / "gitignore", made / ".gitignore")
        for profile in made.glob("profiles/*/config.yaml"):
            profile.write_text(profile.read_text() + TRIGGERS)
        if recordings:
            place = json.dumps(str(recordings.resolve()), ensure_ascii=False)
            _set(made / "config/databases/own.yaml", "  folder", place)
            _set(made / "config/config.yaml", "databases", "[own]")
        for part in made.iterdir():
            part.rename(folder / part.name)
    print(f"{folder}: a study, run by xsleep {__version__} in {FOLDER}")
    print("  Snakefile   includes that workflow; rules of your own can stand there")
    print("  config/     databases, systems, seeds, hyper-parameters")
    print("  profiles/   how Snakemake runs: here, on a GPU, on Slurm, PBS or SGE")
    quoted = {"folder": shlex.quote(str(folder)), "example": shlex.quote(str(example))}
    print(NEXT[bool(recordings)].format(**quoted))


def _first(recordings: Path) -> Path:
    """Return the first recording in a folder."""
    from xsleep.databases.base import files

    for path in files(recordings, "*.edf") + files(recordings, "*.bdf"):
        return path
    raise InputError(f"{recordings}: no EDF or BDF file there; name the folder of the recordings")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _set(path: Path, key: str, value: str) -> None:
    """Set the value of the first line with a key, and keep the rest, comments too."""
    line = f"{key}: {value}"
    path.write_text(re.sub(rf"^{key}: .*$", lambda _: line, path.read_text(), count=1, flags=re.M))
