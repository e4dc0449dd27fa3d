"""`profiles/gpu` through the real command, with stand-ins for NVIDIA's programs and driver."""

import os
import re
import signal
import subprocess
import time

import pytest
from snakemake.cli import parse_args

from tests.helpers.recordings import ROOT
from tests.workflow.test_cluster_generic import stand_ins
from tests.workflow.test_workflow import command
from xsleep.compute import sharing

RECORDING = "data/recordings/simulated/SC4001E0-PSG.edf"
SMI = "#!/bin/sh\necho NVIDIA H200, 140000\n"
CONTROL = """\
#!/bin/sh
test -d "$CUDA_MPS_PIPE_DIRECTORY" || exit 1
if [ "$1" = -d ]; then echo started $CUDA_VISIBLE_DEVICES; else cat; fi >> {folder}/said
"""
DRIVER = """\
import ctypes, os

class Driver:
    def cuInit(self, flags):
        return {code} if "CUDA_MPS_PIPE_DIRECTORY" in os.environ else 100

    def cuDevicePrimaryCtxRetain(self, context, device):
        return 0

load = ctypes.CDLL
ctypes.CDLL = lambda name, *more, **others: (
    Driver() if name == "libcuda.so.1" else load(name, *more, **others)
)
"""
"""Imported by every Python that starts: a driver that answers where there is MPS."""


def start(folder, *arguments, smi=SMI, control=CONTROL, code=0):
    """Start the command with this profile."""
    env = stand_ins(folder, **{"nvidia-smi": smi, "nvidia-cuda-mps-control": control})
    (folder / "driver").mkdir()
    (folder / "driver/sitecustomize.py").write_text(DRIVER.format(code=code))
    env |= {"PYTHONPATH": f"{folder / 'driver'}:{ROOT}", "CUDA_VISIBLE_DEVICES": "0"}
    return subprocess.Popen(
        command(folder, *arguments, "--workflow-profile", ROOT / "profiles/gpu"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=env,
        start_new_session=True,
    )


def said(folder, text):
    """Return whether the stand-in for MPS has been told this, by and by."""
    file = folder / "said"
    for _ in range(600):
        if file.exists() and text in file.read_text():
            return True
        time.sleep(0.1)
    return False


def test_a_dry_run_tells_how_many_trainings_share_the_gpu(tmp_path):
    printed, _ = start(tmp_path, RECORDING, "--dry-run").communicate()
    assert "GPU: NVIDIA H200, 146,800 MB free: 4 at once, 36,700 MB each\n" in printed
    assert not (tmp_path / "said").exists()  # it needs no MPS


def test_every_rule_that_may_use_a_gpu_has_a_share_of_its_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", stand_ins(tmp_path, **{"nvidia-smi": SMI})["PATH"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    sharing.shares.cache_clear()
    given = parse_args(["--workflow-profile", str(ROOT / "profiles/gpu")])[1]
    sharing.shares.cache_clear()
    text = "\n".join(path.read_text() for path in ROOT.glob("rules/*.smk"))
    rules = re.findall(r"^rule (\w+):\n((?: .*\n|\n)+)", text, re.M)
    using = {name for name, body in rules if "gpu=" in body}
    using |= {
        name for of, name in re.findall(r"^use rule (\w+) as (\w+)", text, re.M) if of in using
    }
    assert using > {"train", "pretrain", "score"}
    shares = {rule: limits["gpu_mem_mb"].value for rule, limits in given.set_resources.items()}
    assert shares == dict.fromkeys(using, 36_700)
    assert given.resources["gpu_mem_mb"].value == 4 * 36_700


def test_without_a_gpu_the_run_goes_on_without_mps(tmp_path):
    run = start(tmp_path, RECORDING, smi="#!/bin/sh\necho No devices were found\nexit 6\n")
    printed, _ = run.communicate()
    assert run.returncode == 0, printed
    assert "GPU: none found (nvidia-smi: No devices were found)" in printed
    assert "MPS" not in printed
    assert not (tmp_path / "said").exists()


def test_mps_begins_and_ends_with_the_run(tmp_path):
    run = start(tmp_path, RECORDING)
    printed, _ = run.communicate()
    assert run.returncode == 0, printed
    assert "GPU: jobs run beside each other there, by NVIDIA's MPS\n" in printed
    assert said(tmp_path, "quit")
    assert (tmp_path / "said").read_text() == "started\nquit\n"


@pytest.mark.parametrize("sent", (signal.SIGKILL, signal.SIGTERM))
def test_mps_ends_after_a_run_that_was_killed(tmp_path, sent):
    run = start(tmp_path, RECORDING)
    assert said(tmp_path, "started")
    os.killpg(run.pid, sent)
    run.communicate()
    assert run.returncode != 0
    assert said(tmp_path, "quit")


WAITS = "while ! test -e {folder}/released; do sleep 0.1; done"


def test_the_output_of_a_run_ends_with_it_although_mps_has_not_ended(tmp_path):
    """Else `snakemake ... | tee log` would wait for jobs that a killed run has left."""
    run = start(tmp_path, RECORDING, control=CONTROL.replace("else", f"else {WAITS};"))
    try:
        printed, _ = run.communicate(timeout=60)
        assert run.returncode == 0, printed
        assert (tmp_path / "said").read_text() == "started\n"
    finally:
        (tmp_path / "released").touch()
    assert said(tmp_path, "quit")


def test_ctrl_c_while_mps_does_not_answer_is_a_line(tmp_path):
    run = start(tmp_path, RECORDING, control=CONTROL.replace("; else", f"; {WAITS}; else"))
    try:
        assert said(tmp_path, "started")
        os.killpg(run.pid, signal.SIGINT)
        printed, _ = run.communicate(timeout=60)
    finally:
        (tmp_path / "released").touch()
    assert run.returncode != 0
    assert "interrupted before any job" in printed and "Traceback" not in printed
    assert said(tmp_path, "quit")


@pytest.mark.parametrize(
    ("control", "code", "why"),
    [
        (
            "#!/bin/sh\necho An instance of this daemon is already running\nexit 1\n",
            0,
            "An instance",
        ),
        (CONTROL, 805, "CUDA error 805"),
    ],
    ids=("the daemon does not start", "it serves no program"),
)
def test_without_mps_the_run_goes_on_and_a_line_says_why(tmp_path, control, code, why):
    run = start(tmp_path, RECORDING, control=control, code=code)
    printed, _ = run.communicate()
    assert run.returncode == 0, printed
    assert re.search(rf"^GPU: jobs take turns there, .*\({why}.*\)$", printed, re.M)
    assert code == 0 or said(tmp_path, "quit")
