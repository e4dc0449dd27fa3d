"""The profile for PBS and SGE, with stand-ins for their commands."""

import json
import subprocess
import sys

import pytest

from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import command, environment

PROFILE = ROOT / "profiles/cluster-generic"
QSUB = """\
#!/bin/sh
echo "$@" >> {folder}/submitted
for script; do :; done
(sh "$script" > {folder}/job.log 2>&1; echo "  Exit_status = $?" > {folder}/ended) > /dev/null &
echo 17.server
"""
QSTAT = """\
#!/bin/sh
if [ -f {folder}/ended ]; then echo "    job_state = F"; cat {folder}/ended
else echo "    job_state = R"; fi
"""


def stand_ins(folder, **scripts):
    """Write these commands and return an environment in which they are found first."""
    for name, text in scripts.items():
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    found = environment()
    return found | {"PATH": f"{folder}:{found['PATH']}", "PYTHONPATH": str(ROOT)}


def test_group_of_short_jobs_runs_with_its_resources_on_pbs(tmp_path):
    recording = "data/recordings/simulated/SC4001E0-PSG.edf"
    done = subprocess.run(
        command(tmp_path, recording, "--workflow-profile", PROFILE, "--latency-wait=2"),
        env=stand_ins(tmp_path, qsub=QSUB, qstat=QSTAT),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / recording).exists()
    submitted = (tmp_path / "submitted").read_text()
    assert "select=1:ncpus=1:mem=1000mb -l walltime=600" in submitted


def test_sge_job_requests_memory_for_each_slot_and_a_gpu(tmp_path):
    job = {"rule": "train", "threads": 4, "resources": {"mem_mb": 8000, "runtime": 60, "gpu": 1}}
    script = tmp_path / "job.sh"
    script.write_text(f"#!/bin/sh\n# properties = {json.dumps(job)}\n")
    printed = subprocess.run(
        [sys.executable, PROFILE / "submit.py", script],
        env=stand_ins(tmp_path, qsub='#!/bin/sh\necho "$@"\n') | {"SGE_ROOT": "/"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    ).stdout
    assert "-pe smp 4 -l h_rt=3600,h_vmem=2000M,gpu=1" in printed


@pytest.mark.parametrize(
    "said, status",
    [
        ("job_state = Q", "running"),
        ("job_state = F\n    Exit_status = 0", "success"),
        ("job_state = F\n    Exit_status = 271", "failed"),
        ("qstat: Unknown Job Id 17.server", "failed"),
        ("qstat: cannot connect to server", "running"),
    ],
)
def test_state_of_a_pbs_job(tmp_path, said, status):
    printed = subprocess.run(
        [sys.executable, PROFILE / "status.py", "17.server"],
        env=stand_ins(tmp_path, qstat=f"#!/bin/sh\necho '{said}'\n"),
        capture_output=True,
        text=True,
    ).stdout
    assert printed == f"{status}\n"
