"""Time and memory of the embedded run: the whole of Table 2, in a new folder.

    python benchmarks/embedded_run.py [--cores 2]

Memory is the peak over time of the summed unique set sizes (USS) of all processes of the run. The
goal is 600 s and 3,000 MB on two cores.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
GOAL_SECONDS, GOAL_MB = 600, 3000


def watch(process: psutil.Process, peak: list[float]) -> None:
    """Keep the largest memory of a process and its children in ``peak[0]`` until it ends."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        total = 0
        for one in [process, *process.children(recursive=True)]:
            try:
                total += one.memory_full_info().uss
            except psutil.Error:  # it has ended
                continue
        peak[0] = max(peak[0], total / 1e6)
        time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", default="2")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        run = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"),
                *("--directory", folder, "--cores", arguments.cores),
            ]
        )
        peak = [0.0]
        watcher = threading.Thread(target=watch, args=(psutil.Process(run.pid), peak), daemon=True)
        watcher.start()
        status = run.wait()
        seconds = time.monotonic() - began
    print(f"embedded run, {arguments.cores} cores: exit status {status}")
    print(f"  {seconds:.0f} s, {seconds / GOAL_SECONDS:.2f} of the goal of {GOAL_SECONDS} s")
    print(f"  {peak[0]:.0f} MB at most, {peak[0] / GOAL_MB:.2f} of the goal of {GOAL_MB} MB")


if __name__ == "__main__":
    main()
