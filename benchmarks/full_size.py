"""153 cassette recordings of 24 hours, from EDF to epochs and spectrograms, by the workflow.

    python benchmarks/full_size.py [--subjects 51] [--cores 2]

As many recordings as in SleepEDF-78 are simulated separately (51 subjects, three each) in a new
temporary folder of 32 GB. Reported are the jobs that then read them. Memory is from Snakemake's
``benchmark`` files, sampled every half second, and the kernel's value for the largest process. The
goal is 1,000 MB per job.
"""

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOAL_MB = 1000
NIGHTS, HOURS = 3, 24
SOURCE = "{{cohort: {{subjects: {}, nights: {}, hours: {}, seed: 1}}}}"


def snakemake(folder: Path, subjects: int, cores: str, *arguments: str) -> float:
    """Return the seconds taken to store all recordings, or to make their prerequisites."""
    source = SOURCE.format(subjects, NIGHTS, HOURS)
    began = time.monotonic()
    subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"),
            *("--directory", folder, "--cores", cores),
            *("data/index/simulated/all.h5", *arguments, "--quiet", "all"),
            *("--config", f"database_settings={{simulated: {{source: {source}}}}}"),
        ],
        check=True,
    )
    return time.monotonic() - began


def largest_mb() -> float:
    """Return the peak memory of the largest process that has ended so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def report(folder: Path, nights: int) -> None:
    """Print memory and time of the jobs whose ``benchmark`` files are in the folder."""
    jobs = []
    for path in sorted(folder.rglob("*.tsv")):
        with path.open() as file:
            jobs += csv.DictReader(file, delimiter="\t")
    memory = [float(job["max_rss"]) for job in jobs]
    print(f"    {len(jobs)} jobs: {statistics.median(memory):.0f} MB, {max(memory):.0f} at most")
    for what, column in (("by the clock", "s"), ("of a core", "cpu_time")):
        seconds = sum(float(job[column]) for job in jobs) / nights
        print(f"    {seconds:.2f} s per recording {what}, including job start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=51)
    parser.add_argument("--cores", default="2")
    arguments = parser.parse_args()
    nights = arguments.subjects * NIGHTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        call = folder, arguments.subjects, arguments.cores
        seconds = snakemake(*call, "--until", "simulate")
        recordings = [path.stat().st_size for path in folder.glob("data/recordings/*/*-PSG.edf")]
        print(f"{len(recordings)} recordings of {HOURS} h, {sum(recordings) / 1e9:.1f} GB of EDF")
        print(f"  simulated in {seconds:.0f} s on {arguments.cores} cores")
        report(folder / "logs/benchmarks/recordings", nights)
        before = largest_mb()
        seconds = snakemake(*call)
        print(f"  stored in {seconds:.0f} s, {seconds / nights:.2f} s per recording")
        report(folder / "logs/benchmarks/preparation", nights)
        largest = max(before, largest_mb())
        print(f"  largest process: {largest:.0f} MB, {largest / GOAL_MB:.2f} of the goal")


if __name__ == "__main__":
    main()
