"""153 cassette nights of 24 hours, from EDF to epochs and spectrograms, as the workflow does it.

    python benchmarks/full_size.py [--subjects 51] [--cores 2]

SleepEDF-78's number of nights are simulated, each one by itself (51 subjects of three nights), in a
new folder, which takes 32 GB for the time being. What is reported is of the jobs that then read
them. Memory is that of Snakemake's ``benchmark`` files, which look every half second, and of the
largest process of all, which the kernel knows. The goal is 1,000 MB a job.
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
    """Seconds that it takes to store all nights, or what comes before."""
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
    """Peak memory of the largest process that has ended so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def report(folder: Path, nights: int) -> None:
    """Memory and time of the jobs whose ``benchmark`` files are in the folder."""
    jobs = []
    for path in sorted(folder.rglob("*.tsv")):
        with path.open() as file:
            jobs += csv.DictReader(file, delimiter="\t")
    memory = [float(job["max_rss"]) for job in jobs]
    print(f"    {len(jobs)} jobs: {statistics.median(memory):.0f} MB, {max(memory):.0f} at most")
    for what, column in (("by the clock", "s"), ("of a core", "cpu_time")):
        seconds = sum(float(job[column]) for job in jobs) / nights
        print(f"    {seconds:.2f} s a night {what}, the jobs' start included")


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
        print(f"{len(recordings)} nights of {HOURS} h, {sum(recordings) / 1e9:.1f} GB of EDF")
        print(f"  simulated in {seconds:.0f} s on {arguments.cores} cores")
        report(folder / "logs/benchmarks/recordings", nights)
        before = largest_mb()
        seconds = snakemake(*call)
        print(f"  stored in {seconds:.0f} s, {seconds / nights:.2f} s a night")
        report(folder / "logs/benchmarks/preparation", nights)
        largest = max(before, largest_mb())
        print(f"  largest process: {largest:.0f} MB, {largest / GOAL_MB:.2f} of the goal")


if __name__ == "__main__":
    main()
