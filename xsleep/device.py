"""Where networks compute, how exactly, and in which memory."""

from __future__ import annotations

import ctypes
import sys

import torch

TF32 = False
"""Whether a GPU may round the factors of convolutions and matrix products to 11 bits.

The published networks were trained and scored in float32. Factors rounded so move a layer's output
by some 3e-4 of its spread, and nine layers one after another by about 1e-3: more than the parity
with the released graphs allows (5e-4), though less than the dropout of a training step does. Left
to itself PyTorch would round in convolutions and nowhere else. What it gains is not measured.
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


def best() -> torch.device:
    """The GPU where there is one, set to the precision of `TF32`; else the CPU."""
    keep_memory()
    torch.backends.cudnn.allow_tf32 = TF32
    torch.backends.cuda.matmul.allow_tf32 = TF32
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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
    """Bytes of a GPU that are free and in this process's share."""
    free, total = torch.cuda.mem_get_info(device)
    return min(free, total * torch.cuda.get_per_process_memory_fraction(device))
