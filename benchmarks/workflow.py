"""Planning of the whole paper: time and number of jobs of ``snakemake --dry-run``.

    python benchmarks/workflow.py

Five databases with the published numbers of recordings, windows and channel sets, all systems, 20
folds each. Planning reads no recording, so these are empty files with names for the DREAMS reader,
planned by a copy of the workflow with nothing prepared. A second plan has the fewest recordings
that 20 folds need, which leaves trainings, scoring and everything after. The least time of several
runs counts, as other load slows planning. The goal is 15 s.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
GOAL_SECONDS = 15
FOLDS = 20
SETS = ["EEG", "EEG-EOG", "EEG-EOG-EMG"]
# Recordings, channel sets, windows.
PAPER = {
    "paper-SleepEDF-20": (39, SETS[:2], ["in-bed", "in-bed+30min"]),
    "paper-SleepEDF-78": (153, SETS[:2], ["in-bed", "in-bed+30min"]),
    "paper-MASS": (200, SETS, ["whole-night"]),
    "paper-Physio2018": (994, SETS, ["whole-night"]),
    "paper-SHHS": (5791, SETS, ["whole-night"]),
}


def prepare(folder: Path, share: float) -> int:
    """Copy the workflow with the databases and their empty recordings; return their number."""
    for name in ("Snakefile", "rules", "config", "profiles", "workflow_scripts", "captions"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    shutil.copy(ROOT / "environment.yml", folder)
    total = 0
    for name, (recordings, channels, windows) in PAPER.items():
        recordings = max(round(recordings * share), FOLDS + 2)
        total += recordings
        files = folder / "recordings" / name
        files.mkdir(parents=True)
        for number in range(1, recordings + 1):
            (files / f"excerpt{number}.edf").touch()
            (files / f"Hypnogram_excerpt{number}.txt").touch()
        settings = {
            "source": {
                "reader": "dreams",
                "folder": str(files),
                "labels": {channel: [channel] for channel in SETS[-1].split("-")},
            },
            "channels": channels,
            "windows": windows,
            "preset": "released",
            "folds": {"folds": FOLDS, "validation": 1, "training_subset": 1},
        }
        (folder / "config" / "databases" / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    return total


def plan(folder: Path) -> tuple[float, int]:
    """Return the seconds of a dry run of everything, and its number of jobs."""
    began = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules"),
            *("--directory", folder / "work", "--snakefile", folder / "Snakefile"),
            *("--config", f"databases=[{','.join(PAPER)}]"),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stdout)
    return seconds, int(re.search(r"^total +(\d+)$", done.stdout, re.MULTILINE)[1])


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for share, what in ((0, "runs of the paper"), (1, "the whole paper")):
        with tempfile.TemporaryDirectory() as name:
            recordings = prepare(Path(name), share)
            seconds, jobs = plan(Path(name))
        print(f"plan of {what}: {recordings:,} recordings, {jobs:,} jobs")
        print(f"  {seconds:.1f} s, {seconds / GOAL_SECONDS:.2f} of the goal of {GOAL_SECONDS} s")


if __name__ == "__main__":
    main()
