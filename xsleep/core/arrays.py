"""Types of arrays, by the numbers in them, and values that are made where they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.integer]


class Rows(Protocol):
    """Values of which slices are read: an array, `Blocks`, or a dataset on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, and shape of each."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> NDArray[Any]: ...


class Blocks:
    """(n,) values that are made a block at a time, where they are asked for; two blocks are kept.

    Args:
        length: number of values.
        size: values of a block.
        make: returns the values from a start, which is a multiple of ``size``, to a stop.
    """

    def __init__(self, length: int, size: int, make: Callable[[int, int], Floats]) -> None:
        self.size = size
        self._length = length
        self._made = lru_cache(2)(make)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values."""
        return (self._length,)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> Floats:
        start, stop, step = part.indices(self._length)
        first = start // self.size * self.size
        out: Floats = np.empty(0, np.float32)
        for begin in range(first, max(stop, first + 1), self.size):
            block = self._made(begin, min(begin + self.size, self._length))
            if start >= begin and stop <= begin + self.size:
                return block[start - begin : max(stop - begin, 0) : step]
            if begin == first:
                out = np.empty(stop - start, block.dtype)
            inside = block[max(start - begin, 0) : stop - begin]
            place = max(begin - start, 0)
            out[place : place + len(inside)] = inside
        return out[::step]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[:], dtype)
