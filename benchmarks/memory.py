"""Peak memory of each rule, and whether it grows with the length of a recording.

    python benchmarks/memory.py

A small simulated cohort (5 recordings of 3 hours) goes through the workflow: XSleepNet2 is trained
with the embedded preset's network, and tables, figures, pages, RO-Crate and bundle are made. The
peak resident memory is printed of the largest process of each script in `workflow_scripts`, and of
Snakemake. Then recordings of 8 and 72 hours with 30 channels at 100 Hz are prepared and scored.
Five minutes; it needs 3 GB of disk.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil
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
TARGETS = (
    ["results/recordings.csv", f"{RUN}/predictions.h5", "results/table1.csv", "results/table2.csv"],
    ["figures", "explorer", "audit"],
    ["comparisons", "appendix", "provenance", "results/bundle.zip"],
)
"""Snakemake's targets, those of a row in one call."""

SCRIPT = re.compile(r"/\.snakemake/scripts/tmp\w+\.(\w+)\.py")
EVERY = 0.05
"""Seconds between two looks at the processes."""

CHANNELS, RATE, HOURS = 30, 100, (8, 72)
EPOCH = 30 * RATE
LABEL = "EEG C3"


def watched(command: list[str]) -> dict[str, float]:
    """Return the peak resident MB of each script that a call of Snakemake runs, and of itself."""
    peaks: dict[str, float] = defaultdict(float)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as output:
        run = psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        while run.poll() is None:
            for process in (run, *run.children(recursive=True)):
                with suppress(psutil.Error, OSError, IndexError):  # of one that has ended
                    script = SCRIPT.search(" ".join(process.cmdline()))
                    name = script[1] if script else "snakemake"
                    peaks[name] = max(peaks[name], peak_mb(process.pid))
            time.sleep(EVERY)
        if run.returncode:
            output.seek(0)
            sys.exit(output.read())
    return peaks


def stages(folder: Path) -> None:
    """Print the peak memory of each script of the workflow."""
    settings = folder / "settings.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS))
    workflow = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    workflow += ["--directory", str(folder), "--cores", "1"]
    peaks: dict[str, float] = defaultdict(float)
    for targets in TARGETS:
        for name, peak in watched([*workflow, *targets, "--configfile", str(settings)]).items():
            peaks[name] = max(peaks[name], peak)
    for name, peak in peaks.items():
        print(f"{name:18} {peak:6.0f} MB", flush=True)


def write_long(folder: Path, hours: int) -> None:
    """Write an EDF, a record of 30 s at a time, and a hypnogram of wake.

    The spectrum of the first channel falls with frequency; the others are white.
    """
    import numpy as np

    records = hours * 120
    header = f"{'0':8}{'X X X X':80}{'Startdate 01-JAN-2001 X X X':80}01.01.0122.00.00"
    header += f"{256 * (CHANNELS + 1):<8}{'':44}{records:<8}{'30':8}{CHANNELS:<4}"
    labels = [LABEL, *(f"C{n}" for n in range(1, CHANNELS))]
    fields = [(labels, 16), ("", 80), ("uV", 8), (-3276.8, 8), (3276.7, 8), (-32768, 8)]
    for value, width in [*fields, (32767, 8), ("", 80), (EPOCH, 8), ("", 32)]:
        values = value if isinstance(value, list) else [value] * CHANNELS
        header += "".join(f"{one:<{width}}" for one in values)
    generator = np.random.default_rng(1)
    frequencies = np.maximum(np.fft.rfftfreq(EPOCH, 1 / RATE), 0.3)
    with (folder / "long.edf").open("wb") as file:
        file.write(header.encode())
        for _ in range(records):
            samples = generator.integers(-500, 500, (CHANNELS, EPOCH), "<i2")
            samples[0] = np.fft.irfft(np.fft.rfft(samples[0]) / frequencies)
            file.write(samples.tobytes())
    rows = [f"{30 * n},30,W" for n in range(records)]
    (folder / "long.csv").write_text("\n".join(["onset,duration,stage", *rows]) + "\n")


def prepared_mb(folder: Path) -> float:
    """Return the memory that preparing the long recording takes beside the imports."""
    import xsleep.preparation.preprocessing
    import xsleep.preparation.spectrogram  # noqa: F401
    from xsleep.config.network import Filtering
    from xsleep.databases import source_of
    from xsleep.preparation.jobs import prepare

    hypnogram = {"file": "{name}.csv", "epoch": 30, "stages": {"W": "W"}}
    source = source_of(
        reader="own", folder=folder, labels={"EEG": [LABEL]}, subject=".+", hypnogram=hypnogram
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
        report=lambda line: None,
    )
    return peak_mb() - before


def scored_mb(folder: Path, model: Path) -> float:
    """Return the memory that scoring the long recording takes beside the network and imports."""
    import xsleep.scoring.probabilities
    from xsleep.staging.ensemble import open_model

    network = open_model(str(model))
    before = peak_mb()
    xsleep.score(folder / "long.edf", network, eeg=LABEL)
    return peak_mb() - before


def long(folder: Path, hours: int, model: Path) -> None:
    """Print the memory that a recording of so many hours takes."""
    write_long(folder, hours)
    prepared, scored = alone(prepared_mb, folder), alone(scored_mb, folder, model)
    what = f"{hours} h, {CHANNELS} channels, beside the packages and the network"
    print(f"{what}: prepared with {prepared:.0f} MB, scored with {scored:.0f} MB", flush=True)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as study:
        stages(Path(study))
        for hours in HOURS:
            with tempfile.TemporaryDirectory() as name:
                long(Path(name), hours, Path(study) / RUN)


if __name__ == "__main__":
    main()
