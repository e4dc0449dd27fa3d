"""Peak memory of each stage, and whether it grows with the length of a recording or of a training.

    python benchmarks/memory.py

A small simulated cohort (5 recordings of 3 hours) is prepared, and XSleepNet2 trained with the
embedded preset's network, through the workflow, one job at a time. Printed per stage is the peak
resident memory of its largest process, which may be Snakemake's own (half of it are packages that
are imported). Then a recording of 72 hours with 30 channels (1.6 GB of EDF at 100 Hz, in the
temporary folder) is read and prepared, and one of 8 hours. A few minutes; it needs 3 GB of disk.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from processes import alone, peak_mb

ROOT = Path(__file__).parents[1]
COHORT = {"subjects": 5, "nights": 1, "hours": 3, "seed": 1}
SETTINGS = {
    "systems": ["XSleepNet2"],
    "preset_settings": {"embedded": {"training": {"steps": 20, "evaluate_every": 10}}},
    "database_settings": {
        "simulated": {
            "source": {"cohort": COHORT},
            "channels": ["EEG"],
            "windows": ["in-bed"],
            "folds": {"folds": 2, "validation": 1, "training_subset": 1},
        }
    },
}
RUN = "results/simulated/in-bed/EEG/XSleepNet2/seed-1/fold-1"
STAGES = {
    "prepare": ["results/recordings.csv"],
    "train": [f"{RUN}/model.safetensors"],
    "score": [f"{RUN}/predictions.h5"],
    "table2": ["results/table2.csv"],
    "explorer": ["explorer"],
    "audit": ["audit"],
}
"""Snakemake's targets of each stage, in order."""

CHANNELS, RATE, HOURS = 30, 100, (8, 72)
EPOCH = 30 * RATE


def children_mb(command: list[str]) -> float:
    """Return the peak resident memory of the largest process that a command starts."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        sys.exit(done.stdout)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def stages(folder: Path) -> None:
    settings = folder / "settings.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS))
    workflow = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--cores", "1"),
    ]
    for stage, targets in STAGES.items():
        command = [*workflow, *targets, "--configfile", str(settings)]
        print(f"{stage:12} {alone(children_mb, command):6.0f} MB", flush=True)
    recording = next((folder / "data/recordings/simulated").glob("*-PSG.edf"))
    command = [sys.executable, "-m", "xsleep", "score", str(recording)]
    command += ["--model", str(folder / RUN), "--out", str(folder / "scored")]
    print(f"{'xsleep score':12} {alone(children_mb, command):6.0f} MB", flush=True)


def write_long(folder: Path, hours: int) -> None:
    """Write an EDF of noise, a record of 30 s at a time, and a hypnogram of wake."""
    import numpy as np

    records = hours * 120
    header = f"{'0':8}{'X X X X':80}{'Startdate 01-JAN-2001 X X X':80}01.01.0122.00.00"
    header += f"{256 * (CHANNELS + 1):<8}{'':44}{records:<8}{'30':8}{CHANNELS:<4}"
    labels = ["EEG", *(f"C{n}" for n in range(1, CHANNELS))]
    fields = [(labels, 16), ("", 80), ("uV", 8), (-3276.8, 8), (3276.7, 8), (-32768, 8)]
    for value, width in [*fields, (32767, 8), ("", 80), (EPOCH, 8), ("", 32)]:
        values = value if isinstance(value, list) else [value] * CHANNELS
        header += "".join(f"{one:<{width}}" for one in values)
    generator = np.random.default_rng(1)
    with (folder / "long.edf").open("wb") as file:
        file.write(header.encode())
        for _ in range(records):
            file.write(generator.integers(-500, 500, (CHANNELS, EPOCH), "<i2").tobytes())
    rows = [f"{30 * n},30,W" for n in range(records)]
    (folder / "long.csv").write_text("\n".join(["onset,duration,stage", *rows]) + "\n")


def prepared_mb(folder: Path) -> float:
    """Return the peak memory of preparing the long recording."""
    from xsleep.config.network import Filtering
    from xsleep.databases import source_of
    from xsleep.preparation.jobs import prepare

    hypnogram = {"file": "{name}.csv", "epoch": 30, "stages": {"W": "W"}}
    source = source_of(
        reader="own", folder=folder, labels={"EEG": ["EEG"]}, subject=".+", hypnogram=hypnogram
    )
    before = peak_mb()
    prepare(
        source,
        ("EEG",),
        Filtering(),
        ["long"],
        epochs=folder / "epochs",
        spectrograms=folder / "spectrograms",
        index=folder / "index.h5",
        seen=folder / "seen.json",
        report=print,
    )
    return peak_mb() - before


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as name:
        stages(Path(name))
    for hours in HOURS:
        with tempfile.TemporaryDirectory() as name:
            write_long(Path(name), hours)
            grown = alone(prepared_mb, Path(name))
            print(f"{hours} h, {CHANNELS} channels: prepared with {grown:.0f} MB beside imports")


if __name__ == "__main__":
    main()
