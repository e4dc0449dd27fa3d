import os
import subprocess
import sys

import pytest
import torch

from xsleep.compute import device

STEPS = """
import resource, torch
from xsleep.compute import device
device.best()
for _ in range(12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    x = torch.ones(2**24)
    x = x + x
    x = x + x
    del x
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.fixture
def settings_of_torch():
    """Restore what `best` sets for the whole process."""
    memory = torch.utils.deterministic.fill_uninitialized_memory
    mode = torch.get_deterministic_debug_mode()
    yield
    torch.set_deterministic_debug_mode(mode)
    torch.utils.deterministic.fill_uninitialized_memory = memory


def test_networks_compute_in_float32_proper():
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
    assert device.best().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_a_gpu_is_asked_to_repeat_exactly_and_named_by_its_index_but_none_computes(
    monkeypatch, settings_of_torch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # is taken back, whatever happens
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    torch.use_deterministic_algorithms(False)
    assert device.best() == torch.device("cuda", 1)
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"  # one of the two that PyTorch accepts


def test_the_workspace_that_a_user_gives_cublas_stays(monkeypatch, settings_of_torch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    device.repeat_exactly()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_a_share_is_asked_of_torch_and_bounds_what_is_free_but_no_gpu_is_held_to_it(monkeypatch):
    """Several folds on one GPU: each takes its share, also while the others have not begun."""
    shares = []

    def fraction(place):
        if place.index is None:  # as torch.cuda does
            raise ValueError(f"Expected a torch.device with a specified index, but got: {place}")
        return shares[-1]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *given: (20e9, 24e9))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", fraction)
    device.limit_memory(None)
    assert not shares
    device.limit_memory(6600)
    assert shares == [6e9 / 24e9]
    assert device.free_memory(torch.device("cuda", 0)) == 6e9


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_the_memory_of_a_step_serves_the_next():
    """Three arrays, asked for anew, would be 49,152 pages from the system in every step."""
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert int(done.stdout) < 1000, done.stderr
