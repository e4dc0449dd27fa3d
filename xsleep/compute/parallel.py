"""One training by several processes, one for each GPU; a process alone does without all of this.

Every process has the whole network and takes its share of every minibatch and of the recordings
that are evaluated. What is a sum or a mean over the minibatch is taken over that of all of them:
batch statistics, gradients, losses. So they take the same steps and keep the same weights.
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

from xsleep.core.errors import InputError


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def processes(count: int) -> Iterator[None]:
    """Run a script's block in so many processes, each with a GPU where there are any.

    With more than one, torchrun runs the script anew in all of them, and this process ends as they
    do. They meet by NCCL on GPUs, else by gloo.

    Raises:
        InputError: there are GPUs, but not as many.
    """
    on_gpu = torch.cuda.is_available()
    if not dist.is_torchelastic_launched():
        if count > 1:
            if on_gpu and torch.cuda.device_count() < count:
                raise InputError(
                    f"gpu = {count}: this machine has {torch.cuda.device_count()}; lower gpu in "
                    "the preset's resources"
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
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    # What went wrong the processes themselves have said.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        main(["--standalone", f"--nproc-per-node={count}", sys.argv[0]])
    except ChildFailedError:
        raise SystemExit(1) from None
    raise SystemExit(0)


def sum_(values: Tensor) -> Tensor:
    """Add up in place over all processes; nothing for autograd."""
    if size() > 1:
        dist.all_reduce(values)
    return values


def summed(values: Tensor) -> Tensor:
    """The sum over all processes, through which gradients flow back to each of them."""
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(values)


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Add up the gradients of all processes, in one go."""
    if size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    every = sum_(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = every.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def totals(values: Sequence[float]) -> list[float]:
    """Numbers added up over all processes."""
    if size() == 1:
        return list(values)
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    return sum_(torch.tensor(values, dtype=torch.float64, device=device)).tolist()


def gathered(value: Any) -> list[Any]:
    """What each process has, in their order."""
    found = [value] * size()
    if size() > 1:
        dist.all_gather_object(found, value)
    return found
