"""Device of the networks: its precision, reproducibility and memory."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from xsleep.compute.sharing import CONTEXT
from xsleep.core.errors import InputError, reason

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


NONE = ("no NVIDIA driver", "No CUDA GPUs are available", "not have a CUDA gpu", "stub library")
"""Parts of PyTorch's messages where there is no GPU, or none that may be seen."""


def found() -> bool:
    """Return whether there is a GPU.

    Raises:
        InputError: PyTorch cannot use the one that is there, of which it only warns.
    """
    with warnings.catch_warnings(action="ignore"):
        if torch.cuda.is_available():
            return True
        if torch.version.cuda is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
            return False
        try:
            torch.cuda.init()
        except RuntimeError as error:
            if any(part in str(error) for part in NONE):
                return False
            raise InputError(
                f"PyTorch {torch.__version__} cannot use the GPU ({reason(error)}); install a "
                f"driver for CUDA {torch.version.cuda} or newer, or a PyTorch for that driver, or "
                "set CUDA_VISIBLE_DEVICES=-1 to compute without a GPU"
            ) from error
    return False


def best() -> torch.device:
    """Return the current GPU, by its index, or the CPU where there is none.

    A GPU is set to the precision of `TF32` and to deterministic algorithms.

    Raises:
        InputError: there is a GPU that cannot be used.
    """
    keep_memory()
    torch.backends.cudnn.allow_tf32 = TF32
    torch.backends.cuda.matmul.allow_tf32 = TF32
    if not found():
        return torch.device("cpu")
    repeat_exactly()
    # Some functions of torch.cuda refuse a device without an index.
    return torch.device("cuda", torch.cuda.current_device())


def name() -> str:
    """Return the model of the GPU that `best` returns, or ``cpu``."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


LACKING = ("out of memory", "STATUS_ALLOC_FAILED", "ALLOCATION_FAILED")
"""Parts of the messages of CUDA and its libraries where a GPU's memory is full."""


def lacks_memory(error: Exception) -> bool:
    """Return whether an error is that of a GPU whose memory is full."""
    return any(part in str(error) for part in LACKING)


@contextmanager
def limited_memory(megabytes: int | None) -> Iterator[None]:
    """Limit a GPU's memory to this job's share, ``megabytes``, for a block and what follows.

    ``None`` sets no limit.

    Raises:
        InputError: the memory does not suffice, or the GPU cannot be used: in one line what to do.
    """
    on_gpu = found()
    try:
        if on_gpu and megabytes:
            total = torch.cuda.mem_get_info()[1]
            share = max(megabytes - CONTEXT, 0) * 1_000_000 / total
            torch.cuda.set_per_process_memory_fraction(min(share, 1.0))
        yield
    except RuntimeError as error:
        if on_gpu and lacks_memory(error):
            raise InputError(_lacking(megabytes)) from error
        raise


def _lacking(megabytes: int | None) -> str:
    """Return who takes how much of the GPU's memory, and what to do.

    Either the job needs more than its share, or the GPU is full, of this job or of others.
    """
    again = "then the same command: a training goes on from its last evaluation"
    try:
        free, total = torch.cuda.mem_get_info()
    except RuntimeError:  # not even enough to ask
        return f"no memory of the GPU is free; end what else uses it (nvidia-smi), {again}"
    own = torch.cuda.memory_reserved()
    others = max(total - free - own - CONTEXT * 1_000_000, 0)
    share = f" of its share of {megabytes:,} MB (gpu_mem_mb)" if megabytes else ""
    smaller = "or a smaller batch_size in the preset, with which a training begins anew"
    if megabytes and (megabytes - CONTEXT) * 1_000_000 - own < free:
        remedy = f"let fewer run at once in the profile, with a larger gpu_mem_mb ({smaller})"
    elif others > own:
        fewer = ", or run fewer at once (a larger gpu_mem_mb)" if megabytes else ""
        remedy = f"end what else uses the GPU (nvidia-smi){fewer}"
    else:
        remedy = f"take a larger GPU ({smaller})"
    return (
        f"{name()}: too little memory: {total / 1e9:.1f} GB, of which {free / 1e9:.1f} free and "
        f"{others / 1e9:.1f} taken by others; this job took {own / 1e9:.1f} GB{share} and needs "
        f"more; {remedy}, {again}"
    )


def free_memory(device: torch.device) -> float:
    """Return the bytes of a GPU, given with its index, that are free and in the process's share."""
    free, total = torch.cuda.mem_get_info(device)
    return min(free, total * torch.cuda.get_per_process_memory_fraction(device))
