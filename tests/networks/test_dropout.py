import pytest
import torch

from tests.helpers.rounding import chance
from xsleep.networks.dropout import dropout


@pytest.mark.parametrize("rate", (0.25, 0.5))
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    torch.manual_seed(2)
    y = dropout(torch.ones(1000, 1001), rate, training=True)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / (1 - rate)).item()}
    assert (y == 0).float().mean() == pytest.approx(rate, abs=chance(rate, y.numel()))
    assert not torch.equal(y, dropout(torch.ones(1000, 1001), rate, training=True))


def test_dropout_does_nothing_in_evaluation_or_at_rate_0():
    x = torch.ones(3)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x
