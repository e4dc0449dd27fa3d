"""Steps on a real GPU, as they are and as a CUDA graph."""

import pytest
import torch

from tests.gpu.marks import ON_GPU
from tests.gpu.test_gpu_networks import minibatch
from tests.helpers.recordings import NETWORK
from xsleep.compute import device
from xsleep.config.names import SYSTEMS, TRANSFER_SYSTEMS
from xsleep.config.network import NetworkSettings
from xsleep.networks import build
from xsleep.training.augmentation import Augmentation
from xsleep.training.step import Graphed, Step

pytestmark = ON_GPU

SIZES = [(system, NETWORK) for system in SYSTEMS + TRANSFER_SYSTEMS]
SIZES += [("XSleepNet2", NetworkSettings())]
STEPS = 8


def ready(system, settings):
    """A network, its step with all options and its minibatches; random numbers begin anew."""
    place = device.best()
    torch.manual_seed(1)
    network = build(system, 1, settings, seed=1).to(place).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True, capturable=True)
    augment = Augmentation(polarity=True, gain=2.0, channel_dropout=0.3)
    step = Step(network, optimizer, "sum", label_smoothing=0.1, augment=augment)
    step.weigh(dict.fromkeys(network.branches, 1 / len(network.branches)))
    batches = [minibatch(network, 4, seed) for seed in range(STEPS)]
    return (
        network,
        step,
        [
            ({view: values.to(place) for view, values in views.items()}, labels.to(place))
            for views, labels in batches
        ],
    )


def trained(system, settings, graphed):
    """Losses, all weights and statistics, and the random numbers that would come next."""
    network, step, batches = ready(system, settings)
    take = Graphed(step, device.best()) if graphed else step
    losses = [take(*batch).item() for batch in batches]
    if graphed:
        assert take.graph is not None
    random = torch.cuda.get_rng_state()
    return losses, {"random": random, **{n: v.cpu() for n, v in network.state_dict().items()}}


def assert_same(first, second):
    assert first[0] == second[0]
    differ = [name for name, value in first[1].items() if not torch.equal(value, second[1][name])]
    assert not differ


@pytest.mark.parametrize("graphed", (False, True), ids=("eager", "captured"))
@pytest.mark.parametrize(("system", "settings"), SIZES)
def test_steps_are_the_same_from_run_to_run(system, settings, graphed):
    assert_same(*(trained(system, settings, graphed) for _ in range(2)))


@pytest.mark.parametrize(("system", "settings"), SIZES)
def test_a_captured_step_is_the_step_and_draws_the_same_random_numbers(system, settings):
    """So that a run which goes on, and begins with steps as they are, ends as one that did not
    stop."""
    assert_same(trained(system, settings, False), trained(system, settings, True))


def test_a_captured_step_follows_the_loss_weights():
    network, step, batches = ready("XSleepNet2", NETWORK)
    take = Graphed(step, device.best())
    for batch in batches:
        take(*batch)
    losses = []
    for weight in (0.0, 1.0):
        step.weigh(dict.fromkeys(network.branches, weight))
        losses.append(take(*batches[0]).item())
    assert losses[0] == 0 < losses[1]


def test_where_a_capture_fails_a_warning_says_so_and_the_steps_go_on():
    if torch.__version__ < "2.13":
        pytest.skip("before 2.13 PyTorch's generator stays in a capture that failed")
    _, step, batches = ready("ARNN+RNN", NETWORK)

    def waits(views, labels):
        """Take a step that no graph can capture."""
        loss = step(views, labels)
        loss.item()
        return loss

    take = Graphed(waits, device.best())
    with pytest.warns(RuntimeWarning, match="without a CUDA graph"):
        losses = [take(*batch).item() for batch in batches]
    assert take.graph is None
    _, step, batches = ready("ARNN+RNN", NETWORK)
    assert losses == [step(*batch).item() for batch in batches]
