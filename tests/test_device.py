import subprocess
import sys

import pytest
import torch

from xsleep import device

STEPS = """
import resource, torch
from xsleep import device
device.best()
for _ in range(12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    x = torch.ones(2**24)
    x = x + x
    x = x + x
    del x
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
    """Three arrays, asked for anew, would be 49,152 pages from the system in every step."""
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert int(done.stdout) < 1000, done.stderr
