"""Bounds of rounding and chance, for tests that compare two computations.

The processor and the libraries choose in which order a sum is taken and whether a product is
rounded before it is added, so that no figure of one machine bounds those of another.
"""

from collections.abc import Mapping

import numpy as np
import torch

SINGLE, DOUBLE = (float(np.finfo(dtype).eps) for dtype in ("f4", "f8"))
"""Distance from 1 to the next number; a rounding moves a value by at most half of it."""

CHAIN = 2**20
"""Roundings that one result of a network or a training of these tests can hold, with what the
layers and steps after them multiply each by: sums of up to 3,000 products, some tens of them in a
row, and a growth of some ten. Of double precision that leaves nine digits."""


def of_sum(terms, magnitude, epsilon=SINGLE):
    """Return the largest difference of two sums of so many terms, taken in different orders.

    Each is off by at most terms * epsilon / 2 of the sum of the terms' magnitudes (Higham, Accuracy
    and Stability of Numerical Algorithms, 2nd ed., section 4.2; of products, section 3.1).
    """
    return terms * epsilon * magnitude


def assert_alike(actual, expected):
    """Assert that two computations of one formula in double precision differ by rounding alone.

    Tensors, or lists or mappings of them; what is compared together is measured by the largest of
    its values, as one that cancels keeps the rounding of what cancelled.
    """
    bound = CHAIN * DOUBLE * _largest(expected)
    torch.testing.assert_close(actual, expected, rtol=0, atol=bound)


def _largest(values):
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return max(map(_largest, values))
    return float(torch.as_tensor(values).detach().abs().max())


def of_weights(generalisation, bound):
    """Return the largest change of guarded loss weights when G and O are each off by a bound.

    A weight is a share of G / (O^2 + 1e-6), in which O counts for at most
    2 |O| / (O^2 + 1e-6) <= 1000 of its error; a share moves by at most the sum of two such.
    """
    smallest = min((g for g in generalisation.values() if g > 0), default=np.inf)
    return 2 * bound * (1 / smallest + 1000)


def in_double(network):
    """A network that computes in double precision whatever it is given."""
    for part in network.epoch.values():
        part.register_forward_pre_hook(lambda _, given: tuple(x.double() for x in given))
    return network.double()


def chance(rate, count):
    """Five deviations of the share of so many independent draws: one in 2 million is outside."""
    return 5 * (rate * (1 - rate) / count) ** 0.5
