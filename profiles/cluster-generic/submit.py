#!/usr/bin/env python3
"""Submit a job script of Snakemake to PBS, or to SGE if SGE_ROOT is set, and print the job's ID."""

import json
import os
import subprocess
import sys
from pathlib import Path

script = Path(sys.argv[-1])
line = next(text for text in script.read_text().splitlines() if text.startswith("# properties = "))
job = json.loads(line.partition(" = ")[2])
resources = job["resources"]
name = job.get("rule") or job["groupid"]
threads, gpus = job["threads"], resources.get("gpu", 0)
memory, seconds = resources["mem_mb"], 60 * resources["runtime"]
logs = Path("logs/cluster")
logs.mkdir(parents=True, exist_ok=True)

command = ["qsub", "-N", name, "-j"]
if "SGE_ROOT" in os.environ:
    command += ["y", "-terse", "-o", str(logs), "-cwd", "-V", "-pe", "smp", str(threads)]
    # SGE counts memory for each slot.
    command += ["-l", f"h_rt={seconds},h_vmem={memory // threads}M" + (f",gpu={gpus}" * bool(gpus))]
else:
    select = f"select=1:ncpus={threads}:mem={memory}mb" + (f":ngpus={gpus}" * bool(gpus))
    command += ["oe", "-o", f"{logs}/", "-V", "-l", select, "-l", f"walltime={seconds}"]
for option, resource in (("-q", "queue"), ("-A", "account")):
    if resource in resources:
        command += [option, str(resources[resource])]
print(
    subprocess.run([*command, script], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
)
