"""Networks and kernels on a real GPU against the CPU, and against themselves."""

import copy

import pytest
import torch

from tests.gpu.marks import ON_GPU
from tests.helpers.recordings import NETWORK
from tests.helpers.rounding import SINGLE
from tests.scoring.test_probabilities import network as with_statistics
from xsleep.compute import device
from xsleep.config.names import SYSTEMS, TRANSFER_SYSTEMS
from xsleep.config.network import NetworkSettings
from xsleep.networks import build
from xsleep.networks.fast import acceleration, steps
from xsleep.training.evaluation import inputs
from xsleep.training.step import weighted_loss

pytestmark = ON_GPU

WITHOUT_DROPOUT = {
    "convolution_dropout": 0.0,
    "recurrent_dropout": 0.0,
    "deepsleepnet_dropout": 0.0,
}
ROUNDED = 100
"""Times the rounding of single precision on the CPU that a GPU may be off: it adds in another order
and has other functions for tanh and the sigmoid. Factors rounded to 11 bits (TF32) would be off by
8,192 times as much, of which this is about the square root."""

SIZES = [(system, "small", 6) for system in SYSTEMS + TRANSFER_SYSTEMS]
SIZES += [("XSleepNet2", "full", 4), ("DeepSleepNet+", "full", 4)]
SETTINGS = {"small": NETWORK, "full": NetworkSettings()}


def minibatch(network, sequences, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"raw": (3000, 1), "time-frequency": (29, 129, 1)}
    first = sequences, network.settings.sequence_length
    views = {v: torch.randn(*first, *shapes[v], generator=generator) for v in network.views}
    return views, torch.randint(5, first, generator=generator)


def computed(network, sequences, place, dtype=torch.float32):
    """Logits in evaluation and in training, and all gradients, each as one vector."""
    views, labels = minibatch(network, sequences)
    network = copy.deepcopy(network).to(place, dtype)
    given = inputs(network, {view: values.to(dtype) for view, values in views.items()})
    torch.manual_seed(1)
    with torch.inference_mode():
        evaluated = network.eval()(**given)
    trained = network.train()(**given)
    weights = dict.fromkeys(network.branches, 1.0)
    weighted_loss(trained, labels.to(place), weights, "sum").backward()
    found = {
        "logits in evaluation": evaluated.values(),
        "logits in training": trained.values(),
        "gradients": [parameter.grad for parameter in network.parameters()],
    }
    return {
        what: torch.cat([value.detach().cpu().flatten() for value in values])
        for what, values in found.items()
    }


@pytest.mark.parametrize(("system", "size", "sequences"), SIZES)
def test_a_network_computes_on_a_gpu_what_it_does_on_a_cpu(system, size, sequences):
    settings = SETTINGS[size].model_copy(update=WITHOUT_DROPOUT)
    network = build(system, 1, settings, seed=1)
    exact = computed(network, sequences, "cpu", torch.float64)
    on_cpu, on_gpu = (computed(network, sequences, where) for where in ("cpu", device.best()))
    for what, expected in exact.items():
        rounding = max((on_cpu[what] - expected).norm(), SINGLE * expected.norm())
        assert (on_gpu[what] - expected).norm() <= ROUNDED * rounding, what


@pytest.mark.parametrize(("system", "size", "sequences"), SIZES)
def test_what_is_computed_twice_is_the_same_bit_for_bit(system, size, sequences):
    """Dropout included, which draws the same."""
    network = build(system, 1, SETTINGS[size], seed=1)
    first, second = (computed(network, sequences, device.best()) for _ in range(2))
    for what, values in first.items():
        assert torch.equal(values, second[what]), what


@pytest.mark.parametrize("system", SYSTEMS + TRANSFER_SYSTEMS)
def test_sequences_that_share_epochs_are_decoded_as_on_a_cpu(system):
    network = with_statistics(system)
    views, _ = minibatch(network, 3)

    def logits(network):
        with torch.inference_mode():
            given = inputs(network, {view: x.flatten(0, 1) for view, x in views.items()})
            found = network.decode_overlapping(network.encode(**given), 5)
        return torch.cat([values.cpu().flatten() for values in found.values()])

    expected, found = logits(network), logits(copy.deepcopy(network).to(device.best()))
    # Logits of about 1 come through some ten layers, each off by a few roundings.
    assert (found - expected).norm() <= ROUNDED * 10 * SINGLE * expected.norm()


def test_the_check_of_the_kernels_draws_none_of_a_trainings_random_numbers():
    place = device.best()
    given = [torch.randn(shape, device=place) for shape in ((2, 4, 6, 9), (2, 3, 6), (2, 3, 3))]
    acceleration._chosen.cache_clear()
    torch.manual_seed(1)
    before = torch.cuda.get_rng_state()
    acceleration.accelerated("gru", steps.gru, *given)
    assert torch.equal(torch.cuda.get_rng_state(), before)
