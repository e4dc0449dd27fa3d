"""The two views of a network on two CUDA streams, with stand-ins for streams and no GPU.

PyTorch's sanitizer is told which operation a stream is given and which stream waits for which. It
finds memory that two streams may use in either order. Equality on a GPU is in tests/gpu, and so is
the backward pass, whose streams PyTorch chooses.
"""

from contextlib import contextmanager
from itertools import count

import pytest
import torch
from torch.cuda._sanitizer import EventHandler
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.helpers.recordings import NETWORK
from xsleep.networks import build
from xsleep.networks.fast import streams
from xsleep.training.step import Step

TWO_VIEWS = ("XSleepNet2", "Naive Fusion", "XSleepMix")


def address(tensor):
    return tensor.untyped_storage().data_ptr()


def addresses(values):
    tensors = (value for value in tree_leaves(values) if isinstance(value, torch.Tensor))
    return {address(tensor) for tensor in tensors if tensor.numel()}


class Gpu(TorchDispatchMode):
    """Streams, and what PyTorch's sanitizer says of the operations that they are given.

    Attributes:
        races: its errors.
        waits: number of waits so far; that of number ``missing`` does not happen.
        uses: memory and the streams that used it.
        owners: memory and the stream that allocated it.
        told: memory and a stream of which PyTorch was told that it uses it.
    """

    def __init__(self, missing=None):
        super().__init__()
        self.sanitizer, self.races = EventHandler(), []
        self.missing, self.waits = missing, 0
        self.uses, self.owners, self.told = {}, {}, set()
        self.kept = []  # so that no memory is allocated twice
        self.numbers = count()
        self.current = self.main = self.stream()

    def stream(self, device=None):
        return Stream(self)

    @contextmanager
    def on(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.kept.append(result)
        made = [value.alias_info for value in operation._schema.returns]
        if any(info is not None and not info.is_write for info in made):
            return result  # a view, for which nothing runs
        written = addresses(result)
        read = addresses((args, kwargs)) - written
        for place in written:
            self.owners.setdefault(place, self.current)
        for place in read | written:
            self.uses.setdefault(place, set()).add(self.current)
        names = {place: [] for place in read | written}
        self.races += self.sanitizer._handle_kernel_launch(
            self.current.number, read, written, written, str(operation), names
        )
        return result


class Stream:
    def __init__(self, gpu):
        self.gpu, self.number, self.device = gpu, next(gpu.numbers), None

    def wait_stream(self, other):
        self.gpu.waits += 1
        if self.gpu.waits - 1 != self.gpu.missing:
            event = self.gpu.waits
            self.gpu.sanitizer._handle_event_record(event, other.number)
            self.gpu.sanitizer._handle_event_wait(event, self.number)


@pytest.fixture
def install(monkeypatch):
    def installed(gpu):
        monkeypatch.setattr(streams, "DEVICES", {"cpu"})
        monkeypatch.setattr(torch.cuda, "Stream", gpu.stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: gpu.current)
        monkeypatch.setattr(torch.cuda, "stream", gpu.on)
        monkeypatch.setattr(
            torch.Tensor,
            "record_stream",
            lambda tensor, stream: gpu.told.add((address(tensor), stream)),
        )
        return gpu

    return installed


def inputs():
    generator = torch.Generator().manual_seed(0)
    shapes = {"raw": (3000, 1), "time_frequency": (29, 129, 1)}
    length = NETWORK.sequence_length
    return {v: torch.randn(3, length, *s, generator=generator) for v, s in shapes.items()}


def run(network, gpu):
    """Forward pass on the stand-in, after operations of its stream that made the inputs."""
    with gpu:
        given = {view: 1 * values for view, values in inputs().items()}
        return network(**given)


@pytest.mark.parametrize("training", (True, False), ids=("training", "evaluation"))
@pytest.mark.parametrize("system", TWO_VIEWS)
def test_two_streams_of_a_stand_in_wait_for_each_other_wherever_memory_changes_hands(
    install, system, training
):
    gpu = install(Gpu())
    network = build(system, 1, NETWORK, seed=1).train(training)
    run(network, gpu)
    assert gpu.waits == 2
    assert not gpu.races, gpu.races[0]


@pytest.mark.parametrize("missing", (0, 1), ids=("at the fork", "before the outputs"))
@pytest.mark.parametrize("system", TWO_VIEWS)
def test_without_one_of_the_two_waits_the_sanitizer_finds_a_race_of_the_stand_ins(
    install, system, missing
):
    gpu = install(Gpu(missing))
    run(build(system, 1, NETWORK, seed=1).train(), gpu)
    assert gpu.races


@pytest.mark.parametrize("system", TWO_VIEWS)
def test_the_allocator_is_told_of_all_memory_that_another_stand_in_uses(install, system):
    """And of no other; parameters and buffers stay where they are."""
    gpu = install(Gpu())
    network = build(system, 1, NETWORK, seed=1).train()
    lasting = addresses([*network.parameters(), *network.buffers()])
    run(network, gpu)
    foreign = {
        (place, stream)
        for place, used in gpu.uses.items()
        for stream in used - {gpu.owners.get(place, gpu.main)}
        if place not in lasting
    }
    assert foreign == gpu.told
    assert len(foreign) == 2  # spectrograms, and the states of their sequences


def test_of_two_views_one_stays_on_the_current_stand_in_and_the_outputs_are_there(install):
    gpu = install(Gpu())
    network = build("XSleepNet2", 1, NETWORK, seed=1).train()
    run(network, gpu)
    for name, parameter in network.named_parameters():
        (stream,) = gpu.uses[address(parameter)]
        apart = not name.startswith("outputs") and "time-frequency" in name
        assert (stream is not gpu.main) == apart, name


@pytest.mark.parametrize("system", TWO_VIEWS)
def test_on_stand_ins_for_streams_a_step_has_the_values_gradients_and_draws_of_one_stream(
    install, system
):
    def step(gpu):
        network = build(system, 1, NETWORK, seed=1).train()
        torch.manual_seed(1)
        logits = run(network, gpu)
        sum(values.square().sum() for values in logits.values()).backward()
        gradients = [parameter.grad for parameter in network.parameters()]
        return [*logits.values(), *gradients, *network.buffers(), torch.get_rng_state()]

    expected = step(Gpu())
    gpu = install(Gpu())
    found = step(gpu)
    assert gpu.waits == 2
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("system", ("FCNN+RNN", "ARNN+RNN"))
def test_a_network_of_one_view_has_no_stand_in_beside_the_current_one(install, system):
    gpu = install(Gpu())
    network = build(system, 1, NETWORK, seed=1).train()
    run(network, gpu)
    assert gpu.waits == 0 and not gpu.told
    assert {stream for used in gpu.uses.values() for stream in used} == {gpu.main}


def test_two_stand_ins_for_current_streams_have_different_ones_beside_them(install):
    """So that two trainings in one process do not wait for each other."""
    gpu = install(Gpu())
    found = []

    def work(name, x):
        found.append(gpu.current)
        return x

    one, other = gpu.main, gpu.stream()
    for current in (one, other, one):
        with gpu.on(current):
            streams.side_by_side(dict.fromkeys("ab", torch.zeros(1)), work)
    assert found[::2] == [one, other, one]
    beside_one, beside_other, again = found[1::2]
    assert again is beside_one
    assert len({one, other, beside_one, beside_other}) == 4


def test_where_values_are_on_the_cpu_cuda_is_not_asked(monkeypatch):
    """It would be initialised, which a forked process cannot do."""

    def asked(*given):
        raise AssertionError("CUDA was asked")

    for name in ("stream", "current_stream", "Stream", "current_device"):
        monkeypatch.setattr(torch.cuda, name, asked)
    build("XSleepNet2", 1, NETWORK, seed=1).train()(**inputs())


@pytest.mark.parametrize("kept", (False, True))
def test_no_graph_outlives_a_step(kept):
    """One that did would leave gradients to the streams of that step, outside of a capture."""
    network = build("XSleepNet2", 1, NETWORK, seed=1).train()
    step = Step(network, torch.optim.Adam(network.parameters()), "sum")
    logits = []

    def last_nodes():
        return [p.view_as(p).grad_fn.next_functions[0][0] for p in network.parameters()]

    def mark(network, given, found):
        for node in last_nodes():
            node.metadata["step"] = 1
        if kept:
            logits.append(found)

    network.register_forward_hook(mark)
    views = {view.replace("_", "-"): values for view, values in inputs().items()}
    step(views, torch.zeros(3, NETWORK.sequence_length, dtype=torch.int64))
    assert any("step" in node.metadata for node in last_nodes()) == kept
