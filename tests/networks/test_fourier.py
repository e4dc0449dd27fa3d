import pytest
import torch
import torch.nn.functional as F

from tests.helpers.rounding import assert_alike
from xsleep.networks.fast import fourier


def plain(x, weight, bias, before, outputs):
    """The sum over the taps, one after another."""
    padded = F.pad(x, (0, 0, 0, 0, before, outputs + len(weight)))
    return bias + sum(padded[q : q + outputs] @ tap for q, tap in enumerate(weight))


def drawn(generator, rows, taps, epochs=3):
    sizes = (rows, epochs, 6), (taps, 6, 4), (4,)
    return [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]


@pytest.mark.parametrize(
    ("rows", "taps", "before", "outputs"),
    [
        (750, 16, 7, 750),  # many pieces
        (188, 16, 8, 188),
        (50, 16, 7, 50),  # pieces of 17, the last of 16
        (24, 16, 8, 24),  # one piece
        (12, 16, 7, 12),  # taps out of reach
        (6, 16, 7, 6),
        (1, 16, 8, 1),
        (7, 5, 2, 6),  # fewer outputs than rows
        (13, 4, 0, 10),
        (5, 1, 0, 5),
        (2, 2, 0, 2),
    ],
)
def test_a_correlation_by_frequencies_is_the_sum_over_taps(generator, rows, taps, before, outputs):
    inputs = [x.requires_grad_() for x in drawn(generator, rows, taps)]
    y = fourier.correlate(*inputs, before=before, outputs=outputs)
    expected = plain(*inputs, before, outputs)
    assert_alike(y, expected)
    weights = torch.randn(y.shape, generator=generator, dtype=y.dtype)
    assert_alike(
        torch.autograd.grad((weights * y).sum(), inputs),
        torch.autograd.grad((weights * expected).sum(), inputs),
    )


def test_epochs_are_computed_in_parts_that_fit_into_the_cache(generator, monkeypatch):
    inputs = drawn(generator, 30, 5, epochs=7)
    whole = fourier.correlate(*inputs, before=2, outputs=30)
    monkeypatch.setattr(fourier, "CACHED", 18)  # three epochs of six channels at once
    assert_alike(fourier.correlate(*inputs, before=2, outputs=30), whole)


@pytest.mark.parametrize("wanted", (0, 1, 2))
def test_gradients_that_are_wanted_alone_are_the_same(generator, wanted):
    """As where a filter is frozen, or the signals need none."""
    inputs = drawn(generator, 30, 5)
    inputs[wanted].requires_grad_()
    found, expected = (
        torch.autograd.grad(function(*inputs, before=2, outputs=30).sum(), inputs[wanted])
        for function in (fourier.correlate, plain)
    )
    assert_alike(found, expected)


def test_any_order_of_the_input_in_memory_will_do(generator):
    x, weight, bias = drawn(generator, 30, 5)
    turned = x.transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    y = fourier.correlate(turned, weight, bias, before=2, outputs=30)
    assert_alike(y, fourier.correlate(x, weight, bias, before=2, outputs=30))
    assert_alike(
        torch.autograd.grad(y.sum(), turned),
        torch.autograd.grad(plain(x.requires_grad_(), weight, bias, 2, 30).sum(), x),
    )


def test_rounding_is_that_of_the_plain_sum(generator):
    """Errors of a layer of 64 channels agree within a factor of three."""
    sizes = (94, 8, 64), (16, 64, 32), (32,)
    inputs = [torch.randn(size, generator=generator) for size in sizes]
    exact = plain(*(x.double() for x in inputs), 7, 94)
    errors = [
        (function(*inputs, before=7, outputs=94) - exact).square().mean().sqrt()
        for function in (fourier.correlate, plain)
    ]
    assert errors[0] < 3 * errors[1]
