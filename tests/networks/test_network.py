import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from tests.helpers.rounding import assert_alike, in_double
from xsleep import systems
from xsleep.config.names import SYSTEMS, TRANSFER_SYSTEMS
from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.networks import build

ALL = SYSTEMS + TRANSFER_SYSTEMS

SMALL = NetworkSettings(
    filters=(4, 8),
    kernel=15,
    gru_units=8,
    frame_units=8,
    sequence_units=8,
    attention=4,
    filterbank=16,
    deepsleepnet_filters=(3, 4),
    deepsleepnet_units=8,
    sequence_length=10,
)
B, L, C = 3, 10, 2


@pytest.fixture(scope="module")
def inputs():
    generator = torch.Generator().manual_seed(4)
    raw = 20 * torch.randn(B, L, 3000, C, generator=generator)
    return raw, -20 + 10 * torch.randn(B, L, 29, 129, C, generator=generator)


@pytest.mark.parametrize(
    ("channels", "parameters"), [(1, 5_736_831), (2, 5_757_839), (3, 5_778_847)]
)
def test_released_number_of_parameters(channels, parameters):
    network = build("XSleepNet2", channels, NetworkSettings(), seed=0)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("difference", "parameters"),
    [
        ({"activation": "prelu"}, 2 * (16 + 32 + 64 + 128) + 256),
        ({"convolution_lengths": "printed"}, 0),
        ({"dropout_after_last_convolution": True}, 0),
        # (input + units, 3 gates, bias) of the second layer in each direction
        ({"gru_layers": 1}, -2 * (3 * 256 * (256 + 256) + 3 * 256)),
    ],
)
def test_paper_differences_change_the_number_of_parameters_by(difference, parameters):
    network = build("XSleepNet2", 1, NetworkSettings(**difference), seed=0)
    assert sum(p.numel() for p in network.parameters()) == 5_736_831 + parameters


@pytest.mark.parametrize(
    ("gru_units", "sequence_units", "raw", "time_frequency"),
    [(256, 64, 5_569_493, 164_133), (64, 256, 2_689_877, 859_557)],
)
def test_only_the_released_units_give_the_papers_5_6e6_and_1_6e5_parameters(
    gru_units, sequence_units, raw, time_frequency
):
    settings = NetworkSettings(gru_units=gru_units, sequence_units=sequence_units)
    for system, expected in (("FCNN+RNN", raw), ("ARNN+RNN", time_frequency)):
        network = build(system, 1, settings, seed=0)
        assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize(
    ("channels", "parameters"), [(1, 22_647_557), (2, 22_676_357), (3, 22_705_157)]
)
def test_transfer_number_of_parameters_of_deepsleepnet(channels, parameters):
    """Without the outer columns of the released first filters, which see nothing."""
    network = build("DeepSleepNet+", channels, NetworkSettings(), seed=0)
    assert sum(p.numel() for p in network.parameters()) == parameters

    def convolution(inputs, filters, kernel):
        return filters * (inputs * kernel + 3)  # bias, scale and offset

    def lstm(inputs, units=512):
        return 4 * units * (inputs + units + 1) + 3 * units  # peepholes

    first = convolution(channels, 64, 50) + convolution(channels, 64, 400)
    others = sum(convolution(64, 128, k) + 2 * convolution(128, 128, k) for k in (8, 6))
    shortcut = 1024 * (3072 + 3)
    assert parameters == first + others + 2 * (lstm(3072) + lstm(512)) + shortcut + 5 * 1025


@pytest.mark.parametrize(("channels", "parameters"), [(1, 164_133), (2, 184_645), (3, 205_157)])
def test_transfer_seqsleepnet_is_arnn_rnn(channels, parameters):
    ours, theirs = (
        build(system, channels, NetworkSettings(), seed=2).state_dict()
        for system in ("SeqSleepNet+", "ARNN+RNN")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    network = build("SeqSleepNet+", channels, NetworkSettings(), seed=2)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("system", ALL)
def test_transfer_blocks_have_every_parameter_once(system):
    network = build(system, C, SMALL, seed=0)
    parameters = [p for block in network.blocks().values() for p in block.parameters()]
    assert len(parameters) == len({id(p) for p in parameters})
    assert {id(p) for p in parameters} == {id(p) for p in network.parameters()}
    assert list(network.blocks()) == ["epoch", "sequence", "softmax"]
    assert all(list(block.parameters()) for block in network.blocks().values())


@pytest.mark.parametrize("system", ALL)
@pytest.mark.parametrize("frozen", ("epoch", "sequence"))
def test_transfer_a_block_in_evaluation_mode_drops_nothing_and_keeps_its_statistics(
    system, frozen, inputs
):
    network = build(system, C, SMALL, seed=0).train()
    network.blocks()[frozen].eval()
    before = {name: value.clone() for name, value in network.named_buffers()}
    views = [view.flatten(0, 1) for view in inputs]
    with torch.no_grad():
        features = network.encode(*views)
        same_features = torch.equal(features, network.encode(*views))
        features = features.view(B, L, -1)
        one, other = network.decode(features), network.decode(features)
    same_logits = all(torch.equal(one[branch], other[branch]) for branch in network.branches)
    assert (same_features, same_logits) == (frozen == "epoch", frozen == "sequence")
    changed = {
        name.split(".")[0]
        for name, value in network.named_buffers()
        if not torch.equal(value, before[name])
    }
    normalised = {name.split(".")[0] for name in before} & {"epoch", "sequence"}
    assert changed == {
        block
        for block in normalised - {frozen}
        if any("mean" in name and name.startswith(block) for name in before)
    }


@pytest.mark.parametrize(
    "difference", [{"activation": "prelu"}, {"convolution_lengths": "printed"}]
)
def test_differences_in_the_convolutions_keep_the_initial_values_of_the_rest(difference):
    released = build("XSleepNet2", C, SMALL, seed=0).state_dict()
    other = build("XSleepNet2", C, SMALL.model_copy(update=difference), seed=0).state_dict()
    assert all(torch.equal(value, other[name]) for name, value in released.items())


@pytest.mark.parametrize(
    ("system", "branches", "views"),
    [
        ("XSleepNet2", ("raw", "time-frequency", "joint"), ("raw", "time-frequency")),
        ("XSleepNet1", ("raw", "time-frequency", "joint"), ("raw", "time-frequency")),
        ("Naive Fusion", ("joint",), ("raw", "time-frequency")),
        ("ARNN+RNN", ("time-frequency",), ("time-frequency",)),
        ("FCNN+RNN", ("raw",), ("raw",)),
        ("SeqSleepNet+", ("time-frequency",), ("time-frequency",)),
        ("DeepSleepNet+", ("raw",), ("raw",)),
    ],
)
def test_sec3_1_branches_and_views_of_the_systems(system, branches, views, inputs):
    network = build(system, C, SMALL, seed=0)
    assert (network.branches, network.views) == (branches, views)
    raw, time_frequency = inputs
    logits = network(
        raw if "raw" in views else None, time_frequency if "time-frequency" in views else None
    )
    assert {b: tuple(v.shape) for b, v in logits.items()} == dict.fromkeys(branches, (B, L, 5))
    sum(v.square().sum() for v in logits.values()).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_unknown_system_is_one_line():
    with pytest.raises(InputError, match=r"unknown system 'SleepNet'.*ARNN") as error:
        build("SleepNet", 1, SMALL, seed=0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("system", ALL)
def test_seed_determines_the_weights(system):
    before = torch.get_rng_state()
    one, same, other = (build(system, C, SMALL, seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("system", ALL)
def test_forward_is_decode_of_encode(system, inputs):
    network = in_double(build(system, C, SMALL, seed=0)).eval()
    with torch.no_grad():
        features = network.encode(*(view.flatten(0, 1) for view in inputs))
        assert_alike(network(*inputs), network.decode(features.view(B, L, -1)))


def test_features_of_an_epoch_do_not_depend_on_others_in_evaluation(inputs):
    network = in_double(build("XSleepNet2", C, SMALL, seed=0)).eval()
    with torch.no_grad():
        features = network.encode(*(view.flatten(0, 1) for view in inputs))
        alone = network.encode(*(view[1, 4:5] for view in inputs))
    assert_alike(alone, features[L + 4 : L + 5])


def test_shorter_sequences_use_the_statistics_of_the_first_steps(inputs):
    network = in_double(build("XSleepNet2", C, SMALL, seed=0))
    network.train()(*inputs)  # makes the population statistics differ between steps
    network.eval()
    short = build("XSleepNet2", C, NetworkSettings(**{**vars(SMALL), "sequence_length": 4}), 0)
    state = network.state_dict()
    for name, value in short.state_dict().items():
        if value.shape != state[name].shape:  # a population of 10 steps
            state[name] = state[name][:4]
    in_double(short).load_state_dict(state)
    views = [view[:, 2:6] for view in inputs]
    with torch.no_grad():
        assert_alike(network(*views), short.eval()(*views))


def test_longer_sequences_are_refused(inputs):
    network = build("XSleepNet2", C, SMALL, seed=0).eval()
    features = network.encode(*(view[0, :1] for view in inputs))
    with pytest.raises(InputError, match=r"11 epochs.*at most 10"):
        network.decode(features.expand(1, 11, -1))


def test_sec4_2_normalisation_is_inside_the_network(inputs):
    raw, time_frequency = inputs
    network = in_double(build("XSleepNet2", C, SMALL, seed=0)).eval()
    time_frequency = time_frequency.double()
    deviation, mean = torch.std_mean(time_frequency, dim=(0, 1, 2))  # (129, C)
    with torch.no_grad():
        expected = network(raw, (time_frequency - mean) / deviation)
        network.set_normalisation(mean, deviation)
        assert_alike(network(raw, time_frequency), expected)
    again = build("XSleepNet2", C, SMALL, seed=1).double()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.mean, mean) and torch.equal(again.deviation, deviation)


def test_released_l2_penalty_spares_the_filterbanks_alone():
    network = build("XSleepNet2", C, SMALL, seed=0)
    penalised = {id(p) for p in network.penalised_parameters()}
    spared = [name for name, p in network.named_parameters() if id(p) not in penalised]
    assert spared == ["epoch.time-frequency.filterbank.weight"]


def test_released_batch_statistics_run_over_all_epochs_of_the_minibatch(inputs):
    settings = NetworkSettings(
        **{**vars(SMALL), "convolution_dropout": 0.0, "recurrent_dropout": 0.0}
    )
    network = build("ARNN+RNN", C, settings, seed=0).double().train()
    network(None, inputs[1])
    lstm = network.epoch["time-frequency"].rnn.fw
    filterbank = network.epoch["time-frequency"].filterbank
    frames = filterbank(inputs[1].double().flatten(0, 1))
    assert_alike(lstm.xh.mean[0], 0.05 * (frames[:, 0] @ lstm.W_xh).mean(0))


class Mean(nn.Module):
    """Epoch part of stock layers, as a newcomer writes it."""

    def __init__(self, features=6):
        super().__init__()
        self.dense, self.features = nn.Linear(129 * C, features), features

    def forward(self, x):
        return self.dense(x.mean(1).flatten(1))


class States(nn.Module):
    """Sequence part of a GRU of PyTorch, without `overlapping`."""

    def __init__(self, features=6, units=4, channels_last=False):
        super().__init__()
        self.gru = nn.GRU(features, units, bidirectional=True, batch_first=channels_last)

    def forward(self, x):
        return self.gru(x)[0]


@pytest.fixture
def own(monkeypatch):
    """Return a function that registers a system whose ``stream`` returns this."""

    def register(returned):
        module = ModuleType("own_stream")
        module.stream = lambda channels, settings, generator: returned()
        monkeypatch.setitem(sys.modules, "xsleep.networks.own_stream", module)
        system = systems.System(
            name="Own",
            place=9,
            streams={"time-frequency": "own_stream"},
            branches=["time-frequency"],
            cost=1,
        )
        monkeypatch.setattr(systems, "registry", lambda: {"Own": system})
        return module

    return register


def test_layers_of_pytorch_have_the_weights_of_the_seed(own):
    own(lambda: (Mean(), States(), 8))
    before = torch.get_rng_state()
    first = build("Own", C, SMALL, 1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again, other = (build("Own", C, SMALL, seed).state_dict() for seed in (1, 2))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(
        first["epoch.time-frequency.dense.weight"], other["epoch.time-frequency.dense.weight"]
    )


def test_a_gru_of_pytorch_decodes_overlapping_sequences(own, inputs):
    own(lambda: (Mean(), States(), 8))
    network = in_double(build("Own", C, SMALL, seed=0)).eval()
    with torch.no_grad():
        features = network.encode(None, inputs[1][0])
        expected = torch.stack([features[i : i + 4] for i in range(L - 3)])
        found = network.decode_overlapping(features, 4)
        assert_alike(found, network.decode(expected))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda: Mean(), r"`stream` returned Mean; \(epoch part, sequence part, size of the "),
        (lambda: (Mean(), States()), r"`stream` returned \(Mean, States\); \(epoch part, "),
        (lambda: (nn.Flatten(), States(), 8), "the epoch part has no number of `features`"),
        (
            lambda: (Mean(5), nn.GRU(5, 8), 8),
            r"the sequence part returned \(\(10, 2, 8\), \(1, 2, 8\)\); \(10, 2, 8\) is expected",
        ),
        (
            lambda: (Mean(5), States(5), 4),
            r"the sequence part returned \(10, 2, 8\); \(10, 2, 4\) is expected, L epochs, B ",
        ),
        (
            lambda: (Mean(5), States(6), 8),
            r"the sequence part cannot read \(10, 2, 5\) \(RuntimeError: .+, test_network.py:\d+",
        ),
    ],
)
def test_a_stream_of_the_wrong_shape_is_one_line(own, returned, message):
    own(returned)
    with pytest.raises(InputError, match=f"^xsleep/networks/own_stream.py: {message}") as error:
        build("Own", C, SMALL, seed=0)
    assert "\n" not in str(error.value)


def test_an_epoch_part_of_the_wrong_shape_is_one_line(own):
    epoch = Mean()
    epoch.features = 7
    own(lambda: (epoch, States(7), 8))
    expected = r"the epoch part returned \(2, 6\); \(2, 7\) is expected, N epochs by its `features`"
    with pytest.raises(InputError, match=expected):
        build("Own", C, SMALL, seed=0)


def test_a_module_without_stream_is_one_line(own):
    del own(None).stream
    with pytest.raises(InputError, match=r"own_stream.py: there is no function `stream`"):
        build("Own", C, SMALL, seed=0)


def test_trying_a_stream_changes_neither_its_statistics_nor_its_mode(own):
    normalised = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(29 * 129 * C), nn.Dropout())
    normalised.features = 29 * 129 * C
    own(lambda: (normalised, States(29 * 129 * C), 8))
    network = build("Own", C, SMALL, seed=0)
    assert normalised[1].num_batches_tracked == 0 and network.training and normalised.training
