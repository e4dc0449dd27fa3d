"""Data-parallel training by several processes, one for each GPU; does nothing in a single one.

Every process has the whole network and computes its share of every minibatch and of the recordings
that are evaluated. Sums and means over the minibatch (batch statistics, gradients, losses) are
taken over all processes, so that all take the same steps and keep the same weights.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from xsleep.compute import device
from xsleep.core.errors import InputError


def size() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def processes(count: int) -> Iterator[None]:
    """Run a script's block in ``count`` processes, each with a GPU if there are any.

    With more than one, torchrun starts the script again in all of them, and this process ends with
    their exit status. They communicate by NCCL on GPUs, otherwise by gloo.

    Raises:
        InputError: there are GPUs, but too few or not usable.
    """
    on_gpu = device.found()
    if not dist.is_torchelastic_launched():
        if count > 1:
            if on_gpu and (there := torch.cuda.device_count()) < count:
                raise InputError(
                    f"gpu = {count}: this machine has {there}; lower gpu in the preset's resources"
                )
            _torchrun(count)
        yield
        return
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    yield
    dist.destroy_process_group()


def _torchrun(count: int) -> NoReturn:
    """Run this script in ``count`` processes and exit."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    # The processes have reported their errors themselves.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        main(["--standalone", f"--nproc-per-node={count}", sys.argv[0]])
    except ChildFailedError:
        raise SystemExit(1) from None
    raise SystemExit(0)


def sum_(values: Tensor) -> Tensor:
    """Sum over all processes, in place and outside of autograd."""
    if size() > 1:
        dist.all_reduce(values)
    return values


def summed(values: Tensor) -> Tensor:
    """Return the sum over all processes, through which gradients flow back to each of them."""
    from torch.distributed.nn.functional import all_reduce

    total: Tensor = all_reduce(values)
    return total


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Sum the gradients of all processes by one communication."""
    if size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    every = sum_(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = every.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def totals(values: Sequence[float]) -> list[float]:
    """Return the sums of numbers over all processes."""
    if size() == 1:
        return list(values)
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    return sum_(torch.tensor(values, dtype=torch.float64, device=device)).tolist()


def gathered(value: Any) -> list[Any]:
    """Return the values of all processes, in their order."""
    found = [value] * size()
    if size() > 1:
        dist.all_gather_object(found, value)
    return found
