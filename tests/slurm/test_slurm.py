"""Workflow on a real Slurm with stand-in GPUs, while jobs, nodes and daemons fail.

`make test-slurm` runs it and prints the faults and the list of Slurm's jobs.
"""

import copy
import re
import shutil
import signal
import subprocess
import time

import psutil
import pytest

from tests.helpers.recordings import ROOT
from tests.slurm import cluster
from tests.workflow.test_workflow import TINY, command, environment, snakemake

pytestmark = pytest.mark.slurm

CONFIG = copy.deepcopy(TINY)
CONFIG["preset_settings"]["embedded"] |= {
    "training": {"steps": 120, "evaluate_every": 2, "blending_window": 2},
    "resources": {"threads": 1, "mem_mb": 1000, "runtime": 5, "gpu": 1},
}
# Unlike on a real cluster, nodes have two cores, and the controller need not be spared.
PROFILE = [
    *("--workflow-profile", ROOT / "profiles/slurm", "--cores", "2"),
    *("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10"),
]
RUNS = [
    f"results/simulated/in-bed/EEG/{system}/seed-1/fold-{fold}"
    for system in ("XSleepNet2", "Naive-Fusion")
    for fold in (1, 2)
]
COLUMNS = "jobid%8,state%14,nodelist%9,reqmem,timelimit,elapsed,exitcode,comment%70"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    try:
        with cluster.running(tmp_path_factory.mktemp("slurm")) as running:
            yield running
    except cluster.Unavailable as reason:
        pytest.skip(f"no Slurm here: {reason}")


class Training:
    """Training in a job of Slurm, seen from outside."""

    def __init__(self, folder, run, workflow):
        self.run, self.workflow = run, workflow
        self.log = folder / f"logs/training/{run}.log"
        self.process = None
        self.step = 0

    def hold(self):
        """Suspend the current training process once it has evaluated the network.

        Returns:
            The step from which it resumed, and that at which the previous process was held.
        """

        def started():
            assert self.workflow.poll() is None, "the workflow has ended"
            process = self._find()
            return process != self.process and self._steps("step", process)

        cluster.wait(started)
        self.process = self._find()
        self.process.suspend()
        before, self.step = self.step, self._steps("step", self.process)[-1]
        return (self._steps("resumes from step", self.process) or [0])[0], before

    def node(self):
        return self.process.environ()["SLURMD_NODENAME"]

    def limit(self, minutes):
        job = self.process.environ()["SLURM_JOB_ID"]
        cluster.output("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}")

    def _steps(self, what, process):
        found = re.findall(rf": {what} (\d+)", self.log.read_text()) if process else []
        return [int(step) for step in found if int(step)]

    def _find(self):
        for process in psutil.process_iter():
            try:
                if str(self.log) in (file.path for file in process.open_files()):
                    return process
            except psutil.Error:  # it ended meanwhile
                pass
        return None


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Return the folder of the same run without Slurm and without faults."""
    folder = tmp_path_factory.mktemp("local")
    status, text = snakemake(folder, "results/table2.csv", config=CONFIG)
    assert status == 0, text
    return folder


@pytest.fixture(scope="module")
def finished(slurm, tmp_path_factory):
    """Return the folder of a run with every fault, and the steps at which trainings resumed."""
    folder = tmp_path_factory.mktemp("cluster")
    began, resumed = time.monotonic(), []

    def fault(text):
        print(f"{time.monotonic() - began:4.0f} s  {text}", flush=True)

    with (folder / "printed.txt").open("w") as printed:
        workflow = subprocess.Popen(
            command(folder, *PROFILE, "results/table2.csv", config=CONFIG),
            stdout=printed,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment() | {"PYTHONPATH": str(ROOT)},
        )
    try:
        trainings = [Training(folder, run, workflow) for run in RUNS]
        for training in trainings:
            training.hold()
            fault(f"{training.run} trains on {training.node()}, step {training.step}")
        first, second = (training for training in trainings if training.node() == "node1")

        slurm.kill("node2")
        fault("node2 is lost")
        urgent = ["-p", "urgent", "-w", "node1", "--exclusive", "-o", "/dev/null"]
        cluster.output("sbatch", *urgent, "--wrap", "sleep 1")
        fault("jobs on node1 are preempted")
        for training in (first, second):
            resumed.append(training.hold())
            fault("{} resumed from step {} of {}".format(training.run, *resumed[-1]))
        cluster.wait(lambda: "down" in cluster.output("sinfo", "-hNo", "%t"))
        slurm.start("node2")
        fault("node2 is back")

        first.process.kill()
        fault(f"{first.run} is killed")
        slurm.kill("controller")
        fault("the controller is killed")
        time.sleep(5)
        slurm.start("controller")
        fault("the controller is back")
        second.limit(1)
        fault(f"{second.run} is held until its time limit of a minute")
        for training in (first, second):
            resumed.append(training.hold())
            fault("{} resumed from step {} of {}".format(training.run, *resumed[-1]))
            training.process.resume()
        assert workflow.wait() == 0, (folder / "printed.txt").read_text()
        fault("the table is there")
    finally:
        workflow.kill()
        workflow.wait()
        print(cluster.output("sacct", "-XD", "-o", COLUMNS), flush=True)
    return folder, resumed


def test_table_and_networks_equal_those_of_a_local_run_byte_by_byte(finished, local):
    for path in ["results/table2.csv", *(f"{run}/model.safetensors" for run in RUNS)]:
        assert (finished[0] / path).read_bytes() == (local / path).read_bytes()


def test_training_resumes_from_its_last_evaluation(finished):
    """Preempted, killed, or ended at the time limit."""
    assert len(finished[1]) == 4
    assert all(start == held > 0 for start, held in finished[1])


def states(comment):
    """Return state, memory, time limit and ID of jobs with this comment, requeued ones included."""
    rows = cluster.output("sacct", "-XDnP", "-o", "comment%200,state,reqmem,timelimit,jobid")
    return [row.split("|")[1:] for row in rows.splitlines() if comment in row.split("|")[0]]


def test_slurm_recorded_every_fault(finished):
    found = {state for state, *_ in states("rule_train")}
    assert found >= {"COMPLETED", "FAILED", "TIMEOUT", "PREEMPTED", "NODE_FAIL"}


def test_memory_and_time_grow_with_each_submission(finished):
    asked = {(memory, minutes) for _, memory, minutes, _ in states("rule_train")}
    assert ("1000M", "00:05:00") in asked and ("2000M", "00:10:00") in asked


def test_each_training_is_a_separate_job(finished):
    assert len({job for _, memory, _, job in states("rule_train") if memory == "1000M"}) == 4


def test_short_jobs_are_grouped(finished):
    grouped = ("rule_recordings_prepare_simulate", "rule_scoring_score")
    assert [len(states(group)) for group in grouped] == [1, 1]


def test_ctrl_c_cancels_running_and_pending_jobs(slurm, local, tmp_path):
    folder = shutil.copytree(local, tmp_path / "local")
    elsewhere = cluster.output(
        *("sbatch", "--parsable", "-w", "node2", "--exclusive", "-o", "/dev/null"),
        *("--wrap", "sleep 600"),
    )
    models = [f"{run}/model.safetensors" for run in RUNS]
    workflow = subprocess.Popen(
        command(folder, *PROFILE, *models, "--forcerun", "train", config=CONFIG),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        # Else it is ignored where the tests themselves run in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:

        def jobs(state):
            assert state != "R" or workflow.poll() is None, "the workflow has ended"
            return cluster.output("squeue", "-h", "-t", state, "-o", "%k").count("rule_train")

        cluster.wait(lambda: jobs("R") == jobs("PD") == 2)
        workflow.send_signal(signal.SIGINT)
        assert workflow.wait()
        cluster.wait(lambda: jobs("R,PD,CG") == 0)
    finally:
        workflow.kill()
        cluster.output("scancel", elsewhere)


@pytest.mark.parametrize(
    "wrong, reason",
    [
        ("slurm_partition=nosuch", "Invalid partition name specified"),
        ("gpu_model=nosuch", "configuration is not available"),
    ],
)
def test_reason_for_a_refused_training_is_printed(slurm, local, tmp_path, wrong, reason):
    folder = shutil.copytree(local, tmp_path / "local")
    model = f"{RUNS[0]}/model.safetensors"
    (folder / model).unlink()
    resources = ["--set-resources", f"train:{wrong}"]
    status, text = snakemake(folder, model, *PROFILE, "--retries=0", *resources, config=CONFIG)
    assert status and reason in text
    assert re.search("^failed: train", text, re.MULTILINE)
