"""Arrays of Slurm, with a stand-in that refuses them; tests/slurm runs them on a real one."""

import re
import subprocess

from tests.conftest import ROOT
from tests.workflow.test_cluster_generic import stand_ins
from tests.workflow.test_workflow import command

SBATCH = """\
#!/bin/sh
(echo "submitted: $@"; cat) >> {folder}/submitted
[ -f {folder}/accepts ] && rm {folder}/accepts && echo 7 && exit
echo "not today" >&2
exit 1
"""
SACCT = """\
#!/bin/sh
case "$*" in *=JobID,State*) ;; *) exit ;; esac
echo "7_1|FAILED\n7_2|CANCELLED by 0"
test -f {folder}/asked && echo "7_[3-4]|CANCELLED by 0" || echo "7_[3-4]|PENDING"
touch {folder}/asked
"""


def refused(folder, environment, *arguments):
    """What is printed where five recordings are to be made through Slurm, as arrays."""
    recordings = [f"data/recordings/simulated/SC40{n}1E0-PSG.edf" for n in range(5)]
    slurm = [
        *("--executor", "slurm", "--slurm-array-jobs", "simulate", "--jobs=4", "--keep-going"),
        "--slurm-init-seconds-before-status-checks=1",
        "--slurm-status-command=sacct",  # without sinfo the plugin would ask squeue, for ever
        *("--default-resources", "slurm_partition=main"),
    ]
    done = subprocess.run(
        command(folder, *recordings, *slurm, *arguments),
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode
    return done.stdout


def test_jobs_that_ask_for_the_same_share_an_array_and_wait_for_no_others(tmp_path):
    """Of five, four at once; three need twice the memory."""
    memory = "simulate:mem_mb=100 if wildcards.night < 'SC402' else 200"
    environment = stand_ins(tmp_path, sbatch=SBATCH, sacct="#!/bin/sh\n")
    printed = refused(tmp_path, environment, "--set-resources", memory)
    assert printed.count("not today") == 5, printed
    submitted = set()
    for call in (tmp_path / "submitted").read_text().split("submitted: ")[1:]:
        nights = re.findall(r"night=(\w+)", call)
        assert {"100" if night < "SC402" else "200" for night in nights} == set(
            re.findall(r"--mem (\d+)", call)
        )
        assert re.findall(r"--array=1-(\d) ", call) == [str(len(nights))] * (len(nights) > 1)
        submitted.update(nights)
    assert len(submitted) == 5 and "--array" in printed


def test_each_task_has_its_own_state(tmp_path):
    """Two ended; what waits is cancelled with its array, and the fifth job cannot be submitted."""
    (tmp_path / "accepts").touch()
    environment = stand_ins(tmp_path, sbatch=SBATCH, sacct=SACCT)
    printed = refused(tmp_path, environment)
    ended = re.findall(r"SLURM-job '7_(\d)' failed, SLURM status is: '(\w+)'", printed)
    assert sorted(ended) == [("1", "FAILED"), *((n, "CANCELLED") for n in "234")], printed
    assert printed.count("not today") == 1


def test_another_version_of_the_plugin_is_not_mended_but_refused(tmp_path):
    other = tmp_path / "snakemake_executor_plugin_slurm-9.9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Name: snakemake-executor-plugin-slurm\nVersion: 9.9.9\n")
    environment = stand_ins(tmp_path, sbatch=SBATCH, sacct="#!/bin/sh\n")
    environment["PYTHONPATH"] = f"{tmp_path}:{environment['PYTHONPATH']}"
    printed = refused(tmp_path, environment)
    line = "snakemake-executor-plugin-slurm 9.9.9 is installed, and rules/slurm.smk mends 2.8.0: "
    assert line in printed
    assert not (tmp_path / "submitted").exists()
