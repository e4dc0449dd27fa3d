import subprocess
import sys

import pytest
import torch

from xsleep import device

FAULTS = """
import resource, torch
from xsleep import device
device.best()
torch.ones(2**26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(2**26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_networks_compute_in_float32_proper():
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
    assert device.best().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_a_share_of_a_gpu_is_a_limit_and_what_is_free_is_at_most_that(monkeypatch):
    """Several folds on one GPU: each takes its share, also while the others have not begun."""
    shares = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *given: (20e9, 24e9))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda *given: shares[-1])
    device.limit_memory(None)
    assert not shares
    device.limit_memory(6600)
    assert shares == [6e9 / 24e9]
    assert device.free_memory(torch.device("cuda")) == 6e9


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_the_memory_of_a_step_serves_the_next():
    """A quarter of a gigabyte, asked for again, would be 65,536 pages from the system."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True)
    assert int(done.stdout) < 1000, done.stderr
