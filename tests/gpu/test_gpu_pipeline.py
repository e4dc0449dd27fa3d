"""From nothing to Table 2 through `profiles/gpu` on a real GPU, killed once on the way."""

import copy
import csv
import json
import os
import re
import signal
import subprocess
import time

import torch

from tests.gpu.marks import ON_GPU
from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import RUN, SYSTEMS, TINY, command, environment, snakemake

pytestmark = ON_GPU

PROFILE = ("--workflow-profile", str(ROOT / "profiles/gpu"), "--cores", "4")


def test_folds_that_share_a_gpu_come_to_table_2_after_they_were_killed_once(tmp_path):
    config = copy.deepcopy(TINY)
    config["preset_settings"]["embedded"]["training"]["steps"] = 200
    target = (tmp_path, "results/table2.csv", *PROFILE)
    first = subprocess.Popen(
        command(*target, config=config),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    while first.poll() is None and not list(tmp_path.glob("results/**/checkpoint.pt")):
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGTERM)
    first.wait()
    stopped = [path.parent for path in tmp_path.glob("results/**/checkpoint.pt")]
    assert stopped

    status, text = snakemake(*target, config=config)
    assert status == 0, text
    for said in ("without a CUDA graph", "without the GPU kernels", "deterministic"):
        assert said not in text
    for folder in stopped:
        log = tmp_path / "logs/training" / f"{folder.relative_to(tmp_path)}.log"
        assert re.search(r"resumes from step \d+", log.read_text())
    folders = [tmp_path / RUN.format(s.replace(" ", "-"), fold) for s in SYSTEMS for fold in (1, 2)]
    for folder in folders:
        for record in ("run.json", "scoring.json"):
            facts = json.loads((folder / record).read_text())
            assert facts["device"] == torch.cuda.get_device_name()
    with (tmp_path / "results/table2.csv").open() as file:
        measured = {row["system"] for row in csv.DictReader(file) if row["source"] == "measured"}
    assert measured == set(SYSTEMS)
