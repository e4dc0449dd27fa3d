"""Where networks compute, how exactly, and in which memory."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

TF32 = False
"""Whether a GPU may round the factors of convolutions and matrix products to 11 bits.

The published networks were trained and scored in float32. Factors rounded so move a layer's output
by some 3e-4 of its spread, and nine layers one after another by about 1e-3: more than the parity
with the released graphs allows (5e-4), though less than the dropout of a training step does. On an
H200 logits in training mode were off by 9e-2 to 1.4e-1 of their spread, and a step took 13.2 ms in
place of 14.8. Left to itself PyTorch would round in convolutions and nowhere else.
"""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's ``malloc.h``: bytes above which what is freed goes back to the system, at the end of
the heap and anywhere."""


def keep_memory() -> None:
    """Let the C library keep what is freed, for the next step of a training.

    The feature maps of a step are large enough that each would be asked of the system anew, page by
    page, and cleared: a tenth of a step on a CPU. With another C library nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


CUBLAS = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""Environment variable, and the value by which cuBLAS adds in a fixed order. PyTorch looks for it
when a process first multiplies on a GPU."""


def repeat_exactly() -> None:
    """Have a GPU give the same bits for the same input: PyTorch's deterministic algorithms.

    Without them two runs of one seed came 1e-7 apart within six steps. The library's convolution,
    which the small layers use, may add up its gradients in the order in which threads end. The cost
    on an H200 was 3 % of a captured step of ARNN+RNN at full size, and 7 % of FCNN+RNN.

    By PyTorch's list no operation of the networks lacks such an algorithm. One that did would warn,
    and not end a training. Memory is not filled before it is written to, which PyTorch would do as
    well: nothing here is read earlier.
    """
    os.environ.setdefault(*CUBLAS)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False


def best() -> torch.device:
    """Return the current GPU, by its index, or the CPU where there is none.

    A GPU is set to the precision of `TF32`, and to repeat exactly.
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
    """What `best` is, in words: the GPU's model, or ``cpu``."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


CONTEXT = 600
"""Megabytes, about, that CUDA itself takes for a process; PyTorch does not count them."""


def limit_memory(megabytes: int | None) -> None:
    """Let this process take no more of a GPU than its share, so that others find theirs.

    What needs more fails with PyTorch's message, which says how much there was.
    """
    if megabytes and torch.cuda.is_available():
        total = torch.cuda.mem_get_info()[1]
        share = max(megabytes - CONTEXT, 0) * 1_000_000 / total
        torch.cuda.set_per_process_memory_fraction(min(share, 1.0))


def free_memory(device: torch.device) -> float:
    """Bytes of a GPU, named by its index, that are free and in this process's share."""
    free, total = torch.cuda.mem_get_info(device)
    return min(free, total * torch.cuda.get_per_process_memory_fraction(device))
