"""Where networks compute, and how exactly."""

from __future__ import annotations

import torch

TF32 = False
"""Whether a GPU may round the factors of convolutions and matrix products to 11 bits.

The published networks were trained and scored in float32. Factors rounded so move a layer's output
by some 3e-4 of its spread, and nine layers one after another by about 1e-3: more than the parity
with the released graphs allows (5e-4), though less than the dropout of a training step does. Left
to itself PyTorch would round in convolutions and nowhere else. What it gains is not measured.
"""


def best() -> torch.device:
    """The GPU where there is one, set to the precision of `TF32`; else the CPU."""
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
