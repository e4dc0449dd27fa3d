"""NVIDIA's MPS on a real GPU."""

import os
import subprocess
import sys
from contextlib import closing

import pytest

from tests.gpu.marks import ON_GPU
from tests.helpers.recordings import ROOT
from xsleep.compute.sharing import MPS
from xsleep.core.errors import InputError

pytestmark = ON_GPU

TRAINING = """
import hashlib
from tests.gpu.test_gpu_step import trained
from xsleep.config.network import NetworkSettings
losses, tensors = trained("XSleepNet2", NetworkSettings(), True)
digest = hashlib.sha256(repr(losses).encode())
for tensor in tensors.values():
    digest.update(tensor.cpu().numpy().tobytes())
print(digest.hexdigest())
"""


def start():
    """Start a training in a process of its own, which prints a hash of all that it comes to."""
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_trainings_beside_each_other_by_mps_end_as_one_alone():
    try:
        mps = MPS()
    except InputError as error:
        pytest.skip(f"MPS cannot be started here: {error}")
    with closing(mps):
        found = [training.communicate()[0] for training in [start() for _ in range(2)]]
    alone, _ = start().communicate()
    assert alone
    assert found == [alone, alone]
