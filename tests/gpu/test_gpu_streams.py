"""Two views on two streams of a real GPU, against one stream bit for bit."""

import pytest
import torch

from tests.gpu.marks import ON_GPU
from tests.gpu.test_gpu_networks import computed
from tests.gpu.test_gpu_step import assert_same, trained
from tests.helpers.recordings import NETWORK
from xsleep.compute import device
from xsleep.config.network import NetworkSettings
from xsleep.networks import build
from xsleep.networks.fast import streams

pytestmark = ON_GPU

SIZES = [(system, NETWORK) for system in ("XSleepNet2", "Naive Fusion", "XSleepMix")]
SIZES += [("XSleepNet2", NetworkSettings())]


@pytest.fixture
def on_one_stream_and_on_two(monkeypatch):
    """Results of a function in either way; the second must have asked for a second stream."""

    def both(function):
        with monkeypatch.context() as one:
            one.setattr(streams, "DEVICES", set())
            first = function()
        streams._beside.cache_clear()
        second = function()
        assert streams._beside.cache_info().currsize
        return first, second

    return both


@pytest.mark.parametrize(("system", "settings"), SIZES)
def test_logits_and_gradients_are_those_of_one_stream(on_one_stream_and_on_two, system, settings):
    network = build(system, 1, settings, seed=1)
    first, second = on_one_stream_and_on_two(lambda: computed(network, 4, device.best()))
    for what, values in first.items():
        assert torch.equal(values, second[what]), what


@pytest.mark.parametrize("graphed", (False, True), ids=("eager", "captured"))
@pytest.mark.parametrize(("system", "settings"), SIZES)
def test_steps_are_those_of_one_stream(on_one_stream_and_on_two, system, settings, graphed):
    """One after another, whose memory is given from step to step; dropout draws the same."""
    assert_same(*on_one_stream_and_on_two(lambda: trained(system, settings, graphed)))
