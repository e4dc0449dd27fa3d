import os
import subprocess
import sys

import pytest
import torch

from tests.helpers.gpus import FULL, TOO_OLD, unusable, with_memory
from xsleep.compute import device
from xsleep.core.errors import InputError

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
    shares = with_memory(monkeypatch, total=24e9, free=20e9, own=0)

    def fraction(place):
        if place.index is None:  # as torch.cuda does
            raise ValueError(f"Expected a torch.device with a specified index, but got: {place}")
        return shares[-1]

    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", fraction)
    with device.limited_memory(None):
        assert not shares
    with device.limited_memory(6600):
        assert shares == [6e9 / 24e9]
        assert device.free_memory(torch.device("cuda", 0)) == 6e9


@pytest.mark.parametrize(
    ("megabytes", "free", "own", "line"),
    [
        (
            7000,
            60e9,
            5e9,
            "NVIDIA H200: too little memory: 80.0 GB, of which 60.0 free and 14.4 taken by "
            "others; this job took 5.0 GB of its share of 7,000 MB (gpu_mem_mb) and needs more; "
            "let fewer run at once in the profile, with a larger gpu_mem_mb",
        ),
        (7000, 0.1e9, 5e9, "and needs more; end what else uses the GPU (nvidia-smi), or run fewer"),
        (
            None,
            0.1e9,
            5e9,
            "took 5.0 GB and needs more; end what else uses the GPU (nvidia-smi), then the same",
        ),
        (None, 0.1e9, 79e9, "and 0.3 taken by others; this job took 79.0 GB and needs more; take"),
        (99000, 1e9, 78e9, "of its share of 99,000 MB (gpu_mem_mb) and needs more; take a larger"),
    ],
)
def test_too_little_memory_is_a_line_of_who_takes_it_and_what_to_do(
    monkeypatch, megabytes, free, own, line
):
    """The share is too small; others have taken it, with and without a share; the GPU is small."""
    with_memory(monkeypatch, total=80e9, free=free, own=own)
    with pytest.raises(InputError) as told, device.limited_memory(megabytes):
        raise FULL
    assert line in str(told.value) and "\n" not in str(told.value)
    assert str(told.value).endswith("the same command: a training goes on from its last evaluation")


@pytest.mark.parametrize(
    "message",
    ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `c`"],
)
def test_a_gpu_too_full_to_begin_on_is_a_line(monkeypatch, message):
    def full(*given):
        raise RuntimeError(message)

    with_memory(monkeypatch, total=0, free=0, own=0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", full)
    line = r"^no memory of the GPU is free; end what else uses it \(nvidia-smi\), then the same"
    with pytest.raises(InputError, match=line), device.limited_memory(7000):
        pytest.fail("went on without the share")


def test_other_errors_on_a_gpu_are_not_taken_for_a_lack_of_memory(monkeypatch):
    with_memory(monkeypatch, total=80e9, free=60e9, own=5e9)
    with pytest.raises(RuntimeError, match="illegal") as told, device.limited_memory(7000):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    assert not isinstance(told.value, InputError)


def test_a_driver_too_old_is_a_line_and_not_a_training_on_the_cpu(monkeypatch):
    unusable(monkeypatch, TOO_OLD)
    line = rf"^PyTorch {torch.__version__.replace('+', '.')} cannot use the GPU \(The NVIDIA driver"
    line += r" on your system is too old \(found version 11040\).* CUDA 13\.0 or newer"
    for asks in (device.best, device.limited_memory(None).__enter__):
        with pytest.raises(InputError, match=line) as told:
            asks()
        assert "CUDA_VISIBLE_DEVICES=-1" in str(told.value) and "\n" not in str(told.value)


def test_the_cpu_computes_where_there_is_no_gpu_or_none_is_to_be_used(monkeypatch):
    for message in ("Found no NVIDIA driver on your system.", "No CUDA GPUs are available"):
        unusable(monkeypatch, message)
        assert device.best() == torch.device("cpu")
    unusable(monkeypatch, TOO_OLD)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert device.best() == torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_the_memory_of_a_step_serves_the_next():
    """Three arrays, asked for anew, would be 49,152 pages from the system in every step."""
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert int(done.stdout) < 1000, done.stderr
