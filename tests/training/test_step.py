"""A step of training, and its capture as a CUDA graph, with a stand-in for the GPU.

What a stand-in cannot show is in the names of its tests; tests/gpu shows it.
"""

from contextlib import nullcontext

import pytest
import torch

from tests.helpers.recordings import NETWORK
from tests.helpers.rounding import CHAIN, DOUBLE
from xsleep.config.names import SYSTEMS, TRANSFER_SYSTEMS
from xsleep.networks import build
from xsleep.networks.fast import convolution
from xsleep.training.evaluation import inputs
from xsleep.training.step import Graphed, Step, weighted_loss

CPU = torch.device("cpu")


def test_released_loss_is_the_sum_over_the_batch_and_the_mean_over_the_sequence():
    logits = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    labels = torch.tensor([[0, 1, 2, 3], [4, 0, 1, 2], [1, 1, 1, 1]])
    expected = -logits.log_softmax(-1).gather(2, labels[..., None]).mean(1).sum()
    loss = weighted_loss(
        {"raw": logits, "joint": logits}, labels, {"raw": 0.2, "joint": 0.5}, "sum"
    )
    assert loss.item() == pytest.approx(0.7 * expected.item(), rel=CHAIN * DOUBLE)


def test_eq10_loss_is_the_mean_over_the_batch():
    logits = {"joint": torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).double()}
    labels = torch.tensor([[0, 1, 2, 3], [4, 0, 1, 2], [1, 1, 1, 1]])
    mean, total = (weighted_loss(logits, labels, {"joint": 0.5}, r) for r in ("mean", "sum"))
    assert mean.item() == pytest.approx(total.item() / 3, rel=CHAIN * DOUBLE)


def test_a_smoothed_target_gives_every_stage_its_share():
    logits = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    labels = torch.tensor([[0, 1, 2, 3], [4, 0, 1, 2], [1, 1, 1, 1]])
    target = 0.9 * torch.nn.functional.one_hot(labels, 5).double() + 0.1 / 5
    expected = -(target * logits.log_softmax(-1)).sum(-1).mean()
    loss = weighted_loss({"raw": logits}, labels, {"raw": 1.0}, "mean", label_smoothing=0.1)
    assert loss.item() == pytest.approx(expected.item(), rel=CHAIN * DOUBLE)


def minibatch(network, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"raw": (3000, 1), "time-frequency": (29, 129, 1)}
    length = NETWORK.sequence_length
    views = {v: torch.randn(3, length, *shapes[v], generator=generator) for v in network.views}
    return views, torch.randint(5, (3, length), generator=generator)


def test_a_step_is_that_of_the_blended_loss_whose_weights_may_change():
    networks = [build("XSleepNet2", 1, NETWORK, seed=1) for _ in range(2)]
    optimizers = [torch.optim.Adam(n.parameters(), 1e-3, fused=True) for n in networks]
    step = Step(networks[0].train(), optimizers[0], "mean")
    reference = networks[1].train()
    for number, weights in enumerate(((0.2, 0.3, 0.5), (0.7, 0.2, 0.1))):
        views, labels = minibatch(reference, number)
        weights = dict(zip(reference.branches, weights, strict=True))
        torch.manual_seed(number)
        step.weigh(weights)
        loss = step(views, labels)
        torch.manual_seed(number)
        logits = reference(views["raw"], views["time-frequency"])
        expected = weighted_loss(logits, labels, weights, "mean")
        optimizers[1].zero_grad()
        expected.backward()
        optimizers[1].step()
        assert torch.equal(loss, expected) and not loss.requires_grad
    for ours, theirs in zip(*(n.state_dict().values() for n in networks), strict=True):
        assert torch.equal(ours, theirs)


@pytest.fixture
def memory_starts_as_nan():
    """Fill new buffers with NaN, so that a read before a write shows; not on a GPU."""
    deterministic = torch.utils.deterministic
    before = torch.get_deterministic_debug_mode(), deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    deterministic.fill_uninitialized_memory = True
    assert torch.empty(1).isnan()
    yield
    torch.set_deterministic_debug_mode(before[0])
    deterministic.fill_uninitialized_memory = before[1]


@pytest.mark.parametrize("many", (0, convolution.MANY))
@pytest.mark.parametrize("system", SYSTEMS + TRANSFER_SYSTEMS)
def test_nothing_is_read_before_it_is_written(monkeypatch, memory_starts_as_nan, system, many):
    """Forwards, backwards, by the optimiser and in evaluation; convolutions by spectra as well, and
    feature maps of 375 samples, which are no pairs."""
    monkeypatch.setattr(convolution, "MANY", many)
    settings = NETWORK.model_copy(update={"filters": (4, 4, 4, 4)})
    network = build(system, 1, settings, seed=1).train()
    step = Step(network, torch.optim.Adam(network.parameters(), 1e-3, fused=True), "sum")
    step.weigh(dict.fromkeys(network.branches, 1.0))
    views, labels = minibatch(network)
    losses = [step(views, labels) for _ in range(2)]
    with torch.inference_mode():
        given = inputs(network.eval(), {view: x.flatten(0, 1) for view, x in views.items()})
        logits = network.decode_overlapping(network.encode(**given), NETWORK.sequence_length)
    found = [*losses, *network.state_dict().values(), *logits.values()]
    assert not any(value.isnan().any() for value in found)


class Recorded:
    """A step that notes the minibatches it ran on, or a capture of it."""

    def __init__(self):
        self.ran, self.capturing = [], False

    def __call__(self, views, labels):
        self.tensors = views, labels
        if not self.capturing:
            self.run()
        return torch.zeros(())

    def run(self):
        views, labels = self.tensors
        self.ran.append((views["raw"].item(), labels.item()))


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that records a step without running it, and runs it on the same tensors at a replay."""
    step = Recorded()

    class Stream:
        def wait_stream(self, other):
            pass

    class Graph:
        def replay(self):
            step.run()

    class Capture:
        def __init__(self, graph, capture_error_mode):
            assert capture_error_mode == "thread_local"

        def __enter__(self):
            step.capturing = True

        def __exit__(self, *error):
            step.capturing = False

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", Capture)
    return step


def run(graphed, count):
    for number in range(count):
        graphed({"raw": torch.tensor(float(number))}, torch.tensor(10 * number))
    return [(float(number), 10 * number) for number in range(count)]


def test_every_minibatch_is_one_step_before_and_after_a_capture_that_records_no_kernels(gpu):
    graphed = Graphed(gpu, CPU)
    assert run(graphed, 8) == gpu.ran
    assert graphed.graph is not None


def test_where_a_capture_is_refused_before_it_began_a_warning_says_so_and_the_steps_go_on(
    gpu, monkeypatch
):
    def fails(graph, capture_error_mode):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr(torch.cuda, "graph", fails)
    with pytest.warns(RuntimeWarning, match="without a CUDA graph: .* when stream") as warned:
        assert run(Graphed(gpu, CPU), 8) == gpu.ran
    assert len(warned) == 1
