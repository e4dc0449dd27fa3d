import numpy as np
import pytest
import torch

from tests.helpers.rounding import assert_alike, of_sum
from xsleep.networks.fast.convolution import Convolution
from xsleep.networks.layers import Attention, Filterbank, Output, triangles
from xsleep.networks.recurrent import BatchNormLSTM, GRULayer


def test_released_filterbank_is_32_triangles_from_0_to_50_hz():
    bank = triangles(32).numpy()
    corners = np.floor(257 * np.linspace(0, 50, 34) / 100).astype(int)
    assert bank.shape == (129, 32) and (bank >= 0).all() and (bank.max(0) == 1).all()
    np.testing.assert_array_equal(bank.argmax(0), corners[1:-1])
    for filter, start, stop in zip(bank.T, corners[:-2], corners[2:], strict=True):
        np.testing.assert_array_equal(np.flatnonzero(filter), np.arange(start + 1, stop))


def test_released_filterbanks_are_one_for_each_channel(generator):
    filterbank = Filterbank(2, 32, generator)
    x = torch.randn(3, 29, 129, 2, generator=generator)
    before = filterbank(x)
    x[..., 1] += 1
    same = filterbank(x) == before
    assert before.shape == (3, 29, 64)
    assert same[..., :32].all() and not same[..., 32:].any()


def assert_deviates(values, expected):
    """Assert that the deviation of draws is the expected one, to five times what chance makes of
    normal ones; of truncated ones it is less."""
    bound = 5 / (2 * values.numel()) ** 0.5
    assert values.std().item() == pytest.approx(expected, rel=bound)


def test_released_initial_values(generator):
    lstm = BatchNormLSTM(128, 64, 20, generator)
    for kernel in (lstm.W_xh, lstm.W_hh):
        products, one = kernel @ kernel.T, torch.eye(len(kernel))
        # Of two rows of length 1 the products' magnitudes add up to at most 1.
        torch.testing.assert_close(products, one, rtol=0, atol=of_sum(kernel.shape[1], 1))
    assert lstm.hh.offset.tolist() == [1.0] * 64 + [0.0] * 192
    assert lstm.xh.offset is None and not lstm.c.offset.any()
    assert all((norm.scale == 0.1).all() for norm in (lstm.xh, lstm.hh, lstm.c))

    gru = GRULayer(100, 64, generator)
    for kernel, fans in ((gru.gates_kernel, 164 + 128), (gru.candidate_kernel, 164 + 64)):
        assert kernel.abs().max() <= (6 / fans) ** 0.5
        assert kernel.abs().max() > 0.99 * (6 / fans) ** 0.5
    assert (gru.gates_bias == 1).all() and not gru.candidate_bias.any()

    output = Output(128, 5, generator)
    assert 0.95 * (6 / 133) ** 0.5 < output.weight.abs().max() <= (6 / 133) ** 0.5
    assert 0 < output.bias.abs().max() <= 0.6**0.5

    convolution = Convolution(100, 16, 64, 31, deviation=0.02, generator=generator)
    assert 0.039 < convolution.weight.abs().max() <= 0.04
    assert_deviates(convolution.weight, 0.02 * 0.8796)  # of the truncated
    assert not convolution.bias.any()

    attention = Attention(128, 64, "unshifted", generator)
    assert_deviates(attention.kernel, 0.1)
    assert_deviates(Filterbank(1, 32, generator).weight, 1)


@pytest.mark.parametrize("softmax", ("shifted", "unshifted"))
def test_eq5_attention_is_a_mean_with_positive_weights(generator, softmax):
    attention = Attention(4, 3, softmax, generator).double()
    x = torch.randn(29, 2, 4, generator=generator, dtype=torch.float64)
    y = attention(x)
    assert (y <= x.max(0).values).all() and (y >= x.min(0).values).all()
    assert_alike(attention(x.flip(0)), y)
    attention.context.data.zero_()
    assert_alike(attention(x), x.mean(0))


def test_released_attention_does_not_shift_its_scores():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(29, 2, 4, generator=generator, dtype=torch.float64)
    shifted, unshifted = (
        Attention(4, 3, softmax, torch.Generator().manual_seed(1)).double()
        for softmax in ("shifted", "unshifted")
    )
    assert_alike(shifted(x), unshifted(x))
    for attention in (shifted, unshifted):
        attention.bias.data.fill_(100)  # tanh is 1, and each score 900, too much for exp
        attention.context.data.fill_(300)
    assert_alike(shifted(x), x.mean(0))
    assert unshifted(x).isnan().all()
