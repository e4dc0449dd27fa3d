"""Prior work: sizes of the networks against their released code, and what every network must do."""

from math import cos

import pytest
import torch
import yaml

from tests.helpers.recordings import ROOT
from tests.helpers.rounding import assert_alike
from xsleep import systems
from xsleep.config.network import NetworkSettings
from xsleep.config.presets import Preset
from xsleep.core.errors import InputError
from xsleep.networks import build, checkpoints
from xsleep.networks.sleeptransformer import positions

PRIOR = [name for name, system in systems.registry().items() if system.citation]
CHANNELS = 2


def preset(name):
    return Preset.model_validate(yaml.safe_load((ROOT / f"config/presets/{name}.yaml").read_text()))


SMALL = {name: preset("embedded").network_of(name) for name in PRIOR}


def batch_norm(*filters):
    return 2 * sum(filters)


def lstm(features, units):
    """Return the size of TensorFlow's cell with peepholes: kernel, bias, three diagonals."""
    return 4 * units * (features + units) + 4 * units + 3 * units


def dense(before, after):
    return before * after + after


def transformer_block(width, inner):
    """Query, key and value; two layers; two layer normalisations."""
    projections, layers = 3 * dense(width, width), dense(width, inner) + dense(inner, width)
    return projections + layers + 2 * 2 * width


def u_net(channels, n=16, kernel=5, pools=(10, 8, 6, 4), stages=5):
    """Convolutions with bias, each followed by batch normalisation; filters double by level."""

    def convolution(before, after, width):
        return dense(width * before, after) + batch_norm(after)

    filters = [n * 2**level for level in range(len(pools) + 1)]
    down = sum(
        convolution(before, after, kernel) + convolution(after, after, kernel)
        for before, after in zip((channels, *filters), filters, strict=False)
    )
    up = sum(
        convolution(2 * n, n, pool) + convolution(2 * n, n, kernel) + convolution(n, n, kernel)
        for n, pool in zip(filters, pools, strict=False)
    )
    return down + up + dense(n, stages) + dense(stages, stages)


# Each layer as in the named file, for one channel and 3000 samples.
RELEASED = {
    # github.com/akaraspt/tinysleepnet, model.py: 3000 samples become 500, 63 and 16; the kernels
    # are without bias. The paper's 1.3 million (by others) are fewer than its code has.
    "TinySleepNet": (50 * 128 + 3 * 8 * 128 * 128 + batch_norm(*[128] * 4))
    + lstm(16 * 128, 128)
    + dense(128, 5),
    # github.com/akaraspt/deepsleepnet, deepsleep/model.py: 16 and 8 samples of 128 filters are left
    "DeepSleepNet": (50 * 64 + 8 * 64 * 128 + 2 * 8 * 128 * 128)
    + (400 * 64 + 6 * 64 * 128 + 2 * 6 * 128 * 128)
    + 2 * batch_norm(64, 128, 128, 128)
    + (3072 * 1024 + batch_norm(1024))
    + 2 * (lstm(3072, 512) + lstm(512, 512))
    + dense(1024, 5),
    # github.com/perslev/U-Time, tag utime-paper-version: utime/models/utime.py and hparams.yaml
    "U-Time": u_net(1),
    # github.com/pquochuy/SleepTransformer, shhs/scratch_training: 4 blocks by run_seq21_block4.sh
    "SleepTransformer": 2 * 4 * transformer_block(128, 1024)
    + (dense(128, 64) + 64)
    + dense(128, 1024)
    + dense(1024, 1024)
    + dense(1024, 5),
    # braindecode, models/sleep_stager_chambon_2018.py at 100 Hz, with three epochs' features
    "Chambon 2018": dense(50, 8) + dense(50 * 8, 8) + dense(3 * 8 * 17, 5),
}


@pytest.mark.parametrize("name", PRIOR)
def test_as_many_parameters_as_the_layers_of_the_released_code(name):
    network = build(name, 1, preset("released").network_of(name), seed=0)
    assert sum(parameter.numel() for parameter in network.parameters()) == RELEASED[name]


def test_numbers_published_are_those_of_the_code_or_explained():
    agree = {
        name: float(f"{RELEASED[name]:.1e}") == float(systems.registry()[name].parameters["EEG"])
        for name in PRIOR
        if systems.registry()[name].parameters
    }
    assert agree == {
        "TinySleepNet": False,
        "DeepSleepNet": False,
        "U-Time": False,
        "SleepTransformer": True,
    }
    page = (ROOT / "docs/explanation/prior-work.md").read_text()
    assert all(f"{RELEASED[name]:,}" in page for name in PRIOR)


@pytest.fixture
def inputs():
    def made(epochs, device="cpu"):
        generator = torch.Generator().manual_seed(3)
        raw = torch.randn(epochs, 3000, CHANNELS, generator=generator)
        return raw.to(device), torch.randn(epochs, 29, 129, CHANNELS, generator=generator).to(
            device
        )

    return made


@pytest.mark.parametrize("name", PRIOR)
def test_every_parameter_has_a_gradient_and_every_epoch_of_a_sequence_logits(name, inputs):
    network, length = build(name, CHANNELS, SMALL[name], seed=1), SMALL[name].sequence_length
    torch.manual_seed(1)
    logits = network(*(view.unflatten(0, (2, length)) for view in inputs(2 * length)))
    (values,) = logits.values()
    assert values.shape == (2, length, 5)
    values.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", PRIOR)
def test_overlapping_sequences_are_the_plain_ones(name, inputs):
    network, length = build(name, CHANNELS, SMALL[name], seed=1).eval(), 10
    with torch.inference_mode():
        features = network.encode(*inputs(length + 5))
        (found,) = network.decode_overlapping(features, length).values()
        plain = features.unfold(0, length, 1).permute(0, 2, 1)
        if name == "U-Time":  # all in one pass, as its authors score a recording
            (whole,) = network.decode_overlapping(features, len(features)).values()
            (expected,) = (whole[0].unfold(0, length, 1).permute(0, 2, 1),)
        else:
            (expected,) = network.decode(plain).values()
    assert_alike(found, expected)


def test_an_epoch_of_u_time_far_from_the_ends_does_not_depend_on_them(inputs):
    network = build("U-Time", CHANNELS, SMALL["U-Time"], seed=1).eval()
    with torch.inference_mode():
        features = network.encode(*inputs(65))  # 65 and 33 differ by 32 epochs, 50 deepest samples
        (long,) = network.decode_overlapping(features, 65).values()
        (short,) = network.decode_overlapping(features[:33], 33).values()
    apart = (long[0, :33] - short[0]).abs().amax(1)
    assert apart[:12].max() < 0.1 * apart[-3:].max()


@pytest.mark.parametrize("name", PRIOR)
def test_nothing_is_tied_to_a_device(name, inputs):
    network = build(name, CHANNELS, SMALL[name], seed=1).to("meta").eval()
    features = network.encode(*inputs(12, "meta"))
    (logits,) = network.decode_overlapping(features, 10).values()
    assert logits.device.type == "meta" and logits.shape == (3, 10, 5)


@pytest.mark.parametrize("name", PRIOR)
def test_a_network_is_read_again_as_it_was_written(name, tmp_path, inputs):
    network = build(name, CHANNELS, SMALL[name], seed=1).eval()
    checkpoints.save(tmp_path / "model.safetensors", network, name, ("EEG", "EOG"))
    again, system, _ = checkpoints.load(tmp_path / "model.safetensors")
    assert (system, again.settings) == (name, SMALL[name])
    with torch.inference_mode():
        views = [view[None] for view in inputs(5)]  # shorter than a sequence
        (found,), (expected,) = again(*views).values(), network(*views).values()
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("name", "epochs"),
    [("Chambon 2018", [3, 4, 5]), ("TinySleepNet", [4, 5, 6, 7, 8, 9])],
    ids=["chambon: its neighbours and no more", "tinysleepnet: those before it"],
)
def test_an_epoch_changes_the_outputs_of_those_that_have_it_as_context(name, epochs, inputs):
    network = build(name, CHANNELS, SMALL[name], seed=1).eval()
    raw, _ = inputs(10)
    changed = raw.clone()
    changed[4] = raw[5]
    with torch.inference_mode():
        (first,), (second,) = (network(x[None], None).values() for x in (raw, changed))
    assert (first != second).any(2)[0].nonzero().flatten().tolist() == epochs


def test_positions_of_sleeptransformer_are_sines_and_cosines():
    found = positions(29, 128).double()
    assert found[0].tolist() == [0, 1] * 64
    assert found[3, 0].item() == pytest.approx(0.1411200, abs=1e-6)  # sin 3
    assert found[3, 3].item() == pytest.approx(cos(3 / 10000 ** (2 / 128)), abs=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"filter": 3}, "network.own.U-Time: filter is not a known key; choose from filters, mom"),
        ({"filters": 0}, "network.own.U-Time: filters = 0: Input should be greater than 0"),
    ],
)
def test_a_wrong_hyper_parameter_is_one_line(given, message):
    with pytest.raises(InputError, match=f"^{message}"):
        build("U-Time", 1, NetworkSettings(own={"U-Time": given}), seed=0)
