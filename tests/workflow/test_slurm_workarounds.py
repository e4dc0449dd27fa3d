"""Workarounds of rules/slurm.smk, with stand-ins for Slurm's commands; see also tests/slurm."""

import re
import subprocess

from tests.helpers.recordings import ROOT
from tests.workflow.test_cluster_generic import stand_ins
from tests.workflow.test_workflow import command

SBATCH = """\
#!/bin/sh
echo "$@" >> {folder}/submitted
wc -l < {folder}/submitted
"""
# The first query fails. The first job loses its node and is put back, on node1; the second is
# cancelled.
SACCT = """\
#!/bin/sh
case "$*" in
*JobIdRaw,State*)
  [ -f {folder}/asked ] || {{ touch {folder}/asked; exit 1; }}
  echo "1|NODE_FAIL\n2|CANCELLED by 0" ;;
*nodelist*) echo node1 ;;
esac
"""


def test_failed_query_lost_node_and_cancelled_job_do_not_hang_or_end_the_run(tmp_path):
    recordings = [f"data/recordings/simulated/SC40{n}1E0-PSG.edf" for n in range(2)]
    slurm = [
        *("--executor", "slurm", "--jobs=1", "--keep-going", "--slurm-status-attempts=1"),
        "--slurm-init-seconds-before-status-checks=1",
        "--slurm-status-command=sacct",  # without sinfo the plugin would ask squeue, for ever
        *("--default-resources", "slurm_partition=main"),
    ]
    printed = subprocess.run(
        command(tmp_path, *recordings, *slurm),
        env=stand_ins(tmp_path, sbatch=SBATCH, sacct=SACCT),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,  # against waiting for ever; a busy machine takes minutes
    ).stdout
    assert re.findall(r"SLURM-job '(\d)' failed", printed) == ["1", "2"], printed
    assert "'CANCELLED'" in printed
    assert "exclude" not in (tmp_path / "submitted").read_text()
