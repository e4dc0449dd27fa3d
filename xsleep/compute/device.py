"""Device of the networks: its precision, reproducibility and memory."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

from xsleep.compute.sharing import CONTEXT

TF32 = False
"""Permission for a GPU to round the factors of convolutions and matrix products to 11 bits.

The published networks were trained and scored in float32. Rounded factors change a layer's output
by about 3e-4 of its standard deviation, and that of nine layers by about 1e-3: more than the parity
with the released graphs allows (5e-4), but less than dropout in a training step. On an H200, logits
in training mode were off by 9e-2 to 1.4e-1 of their standard deviation, and a step took 13.2 ms
instead of 14.8. By default PyTorch rounds in convolutions only.
"""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters in glibc's ``malloc.h``: sizes above which freed memory is returned to the system, at
the end of the heap and anywhere."""


def keep_memory() -> None:
    """Let glibc keep freed memory for the next training step.

    The feature maps of a step are so large that the memory of each would be requested from the
    system again, page by page, and cleared: a tenth of a step on a CPU. Other C libraries are left
    as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


CUBLAS = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""Environment variable and the value with which cuBLAS adds in a fixed order. PyTorch reads it at
the first matrix product of a process on a GPU."""


def repeat_exactly() -> None:
    """Enable PyTorch's deterministic algorithms, so that results on a GPU repeat bit for bit.

    Without them two runs of one seed differed by 1e-7 after six steps: the library's convolution,
    which the small layers use, may add its gradients in the order in which threads end. The cost
    on an H200 was 3 % of a captured step of ARNN+RNN at full size, and 7 % of FCNN+RNN.

    According to PyTorch's list all operations of the networks have such an algorithm. One without
    would give a warning and not end a training. Filling uninitialised memory, which PyTorch would
    do as well, is disabled: none is read before it is written.
    """
    os.environ.setdefault(*CUBLAS)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def best() -> torch.device:
    """Return the current GPU, by its index, or the CPU where there is none.

    A GPU is set to the precision of `TF32` and to deterministic algorithms.
    """
    keep_memory()
    torch.backends.cudnn.allow_tf32 = TF32
    torch.backends.cuda.matmul.allow_tf32 = TF32
    if not torch.cuda.is_available():
        return torch.device("cpu")
    repeat_exactly()
    # Some functions of torch.cuda refuse a device without an index.
    return torch.device("cuda", torch.cuda.current_device())


def name() -> str:
    """Return the model of the GPU that `best` returns, or ``cpu``."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def limit_memory(megabytes: int | None) -> None:
    """Limit the GPU memory of this process to its share, ``megabytes``; ``None``: no limit.

    An allocation beyond it fails with PyTorch's message, which states the limit.
    """
    if megabytes and torch.cuda.is_available():
        total = torch.cuda.mem_get_info()[1]
        share = max(megabytes - CONTEXT, 0) * 1_000_000 / total
        torch.cuda.set_per_process_memory_fraction(min(share, 1.0))


def free_memory(device: torch.device) -> float:
    """Return the bytes of a GPU, given with its index, that are free and in the process's share."""
    free, total = torch.cuda.mem_get_info(device)
    return min(free, total * torch.cuda.get_per_process_memory_fraction(device))
