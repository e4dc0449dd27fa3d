"""A GPU as PyTorch tells of it, where there is none."""

import torch

from xsleep.compute import device

TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version from the URL: "
    "http://www.nvidia.com/Download/index.aspx Alternatively, go to: https://pytorch.org to "
    "install a PyTorch version that has been compiled with your version of the CUDA driver."
)
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def with_memory(monkeypatch, *, total, free, own):
    """A GPU with so many bytes, of which this process has its ``own``; the shares it is given."""
    shares = []
    monkeypatch.setattr(device, "found", lambda: True)
    monkeypatch.setattr(device, "name", lambda: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *given: (free, total))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda *given: own)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    return shares


def unusable(monkeypatch, message):
    """No GPU that PyTorch can use, as it says when it is asked to."""

    def init():
        raise RuntimeError(message)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
