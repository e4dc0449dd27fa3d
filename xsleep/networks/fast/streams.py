"""Work on several values at once on a GPU: each value has a CUDA stream of its own.

The two views of a network do not meet before its outputs. One after another, the chain of small
kernels of the recurrent layers leaves most of a GPU idle; beside the convolutions it costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache

import torch
from torch import Tensor

DEVICES = {"cuda"}
"""Types of the devices on which the values have streams; on others one value follows the other."""


def side_by_side(
    given: dict[str, Tensor], *stages: Callable[[str, Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return name to the result of all stages, each of which is called with a name and a value.

    The first value stays on the current stream. Each other one has a stream that begins when what
    the current stream was given is done, and that the current stream waits for at the end; a CUDA
    graph captures both. A stage is called for all values before the next one is, on whatever
    stream, so that random numbers are drawn in one order. In the backward pass PyTorch runs an
    operation on the stream of its forward pass, and waits wherever gradients change streams.

    Memory belongs to the stream that allocated it. PyTorch is told what another stream uses
    (`torch.Tensor.record_stream`), and gives it to nobody until that stream has done with it.
    """
    streams: dict[str, torch.cuda.Stream] = {}
    if any(value.device.type in DEVICES for value in given.values()) and len(given) > 1:
        current = torch.cuda.current_stream()
        for number, name in enumerate(list(given)[1:]):
            streams[name] = _beside(current, number)
            streams[name].wait_stream(current)
            given[name].record_stream(streams[name])
    values = dict(given)
    for stage in stages:
        for name, value in values.items():
            with torch.cuda.stream(streams[name]) if name in streams else nullcontext():
                values[name] = stage(name, value)
    for name, stream in streams.items():
        current.wait_stream(stream)
        values[name].record_stream(current)
    return values


@cache
def _beside(current: torch.cuda.Stream, number: int) -> torch.cuda.Stream:
    """Return the stream of this number that belongs to another one.

    Two trainings in one process share none, so that neither waits for the other.
    """
    return torch.cuda.Stream(current.device)
