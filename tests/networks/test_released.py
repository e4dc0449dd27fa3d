import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.helpers.rounding import SINGLE
from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.networks import build
from xsleep.networks.released import load_variables, variables

PARITY = Path(__file__).parents[3] / "shared/reference/parity"
NAMES = {"raw": "deep", "time-frequency": "seq", "joint": "joint"}
LOSS_WEIGHTS = {"raw": 0.2, "time-frequency": 0.3, "joint": 0.5}
B, L = 8, 20


def load(name):
    if not PARITY.is_dir():
        pytest.skip("the fixtures of the released networks (shared/reference/parity) are absent")
    with np.load(PARITY / name) as file:
        return dict(file)


def fill(name, shape):
    """The value of a variable in the fixtures, drawn from its name."""
    a = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype("f4")
    if name.endswith("pop_var"):
        return 0.5 + np.abs(a)
    if name.endswith("scale"):
        return 1 + np.float32(0.1) * a
    if "filterbank" in name:
        return a
    if len(shape) < 2 or name.endswith("pop_mean"):
        return np.float32(0.1) * a
    return a * np.float32(np.sqrt(2 / np.prod(shape[:-1])))


def answers(channels, dtype):
    """The network's logits, losses and gradients of variables, in evaluation and in training."""
    settings = NetworkSettings(convolution_dropout=0.0, recurrent_dropout=0.0)
    network = build("XSleepNet2", channels, settings, seed=0)
    load_variables(
        network, {name: fill(name, tuple(v.shape)) for name, v in variables(network).items()}
    )
    network.to(dtype)
    r = np.random.default_rng(100 + channels)
    raw = torch.from_numpy((2 * r.standard_normal((B, L, 3000, channels))).astype("f4"))
    spectra = torch.from_numpy(r.standard_normal((B, L, 29, 129, channels)).astype("f4"))
    labels = torch.from_numpy(r.integers(0, 5, (B, L)))
    found = {}
    for mode, training in (("eval", False), ("train", True)):
        logits = network.train(training)(raw.to(dtype), spectra.to(dtype))
        losses = {
            branch: F.cross_entropy(v.transpose(1, 2), labels, reduction="sum") / L
            for branch, v in logits.items()
        }
        found |= {f"{NAMES[b]}_{mode}": v.detach().double().numpy() for b, v in logits.items()}
        found[f"loss_{mode}"] = [loss.item() for loss in losses.values()]
    sum(LOSS_WEIGHTS[b] * loss for b, loss in losses.items()).backward()
    gradients = variables(network, of=lambda value: value.grad)
    norms = {name: g.double().norm().item() for name, g in gradients.items() if g is not None}
    return found | {"norms": norms}


@pytest.fixture(scope="module", params=(1, 3))
def released(request):
    """The released graph's answers, in single precision; and the network's, in double.

    Of the latter next to nothing is rounding, so what is between the two is the rounding of the
    released graph: it is in the fixtures, and the same on any machine.
    """
    channels = request.param
    return channels, load(f"xsleepnet_{channels}chan.npz"), answers(channels, torch.float64)


LOGITS = [f"{name}_{mode}" for mode in ("eval", "train") for name in NAMES.values()]


@pytest.mark.parametrize("name", LOGITS)
def test_released_xsleepnet_logits(released, name):
    """Batch statistics multiply rounding tenfold."""
    _, expected, exact = released
    tolerance = 1e-4 if name in ("seq_train", "joint_train") else 1e-5
    assert np.abs(exact[name] - expected[name]).max() < tolerance * expected[name].std()


@pytest.mark.parametrize("mode", ("eval", "train"))
def test_released_xsleepnet_losses(released, mode):
    _, expected, exact = released
    losses = exact[f"loss_{mode}"]
    np.testing.assert_allclose(losses, expected[f"loss_{mode}"][:3], rtol=4 * SINGLE)


def test_released_xsleepnet_gradients(released):
    _, expected, exact = released
    assert sorted(exact["norms"]) == sorted(expected["var_names"].tolist())
    for name, norm in zip(expected["var_names"], expected["grad_norms"], strict=True):
        assert exact["norms"][name] == pytest.approx(norm, rel=5e-4), name


def test_single_precision_rounds_about_as_much_as_in_the_released_graph(released):
    """In logits and norms of gradients, on average: within a factor of four.

    The order of sums decides; were all errors of one chain of roundings independent, a factor of
    four would be one of sixteen in its length.
    """
    channels, expected, exact = released
    single = answers(channels, torch.float32)

    def rounding(values):
        return np.sqrt(np.mean(np.square(values)))

    for name in LOGITS:
        theirs = rounding(expected[name] - exact[name])
        assert rounding(single[name] - exact[name]) < 4 * theirs, name
    norms = dict(zip(expected["var_names"].tolist(), expected["grad_norms"], strict=True))
    ours, theirs = (
        rounding([values[name] / exact["norms"][name] - 1 for name in norms])
        for values in (single["norms"], norms)
    )
    assert ours < 4 * theirs


def test_released_seqsleepnet_scores():
    network = build("ARNN+RNN", 1, NetworkSettings(), seed=0).double().eval()
    load_variables(network, load("seqsleepnet_mass_1chan_eeg.npz"))
    x = np.random.default_rng(8).standard_normal((3, L, 29, 129, 1)).astype("f4")
    with torch.no_grad():
        scores = network(None, torch.from_numpy(x).double())["time-frequency"].numpy()
    expected = load("seqsleepnet_1chan_eeg_scores.npz")["scores"]
    assert np.abs(scores - expected).max() < 1e-5 * expected.std()


@pytest.mark.parametrize(("file", "channels"), [("1chan_eog", 1), ("2chan_eegeog", 2)])
def test_released_seqsleepnets_of_other_channels(file, channels):
    given = load(f"seqsleepnet_mass_{file}.npz")
    network = build("ARNN+RNN", channels, NetworkSettings(), seed=0)
    load_variables(network, given)
    for name, value in variables(network).items():
        np.testing.assert_array_equal(value.numpy(), given[name])


TINY = NetworkSettings(
    filters=(2,),
    gru_units=2,
    frame_units=2,
    sequence_units=2,
    deepsleepnet_filters=(2, 2),
    deepsleepnet_units=2,
)


@pytest.mark.parametrize(
    "system", ("XSleepNet2", "Naive Fusion", "ARNN+RNN", "FCNN+RNN", "DeepSleepNet+")
)
def test_every_parameter_and_statistic_has_a_released_name(system):
    source, target = (build(system, 2, TINY, seed) for seed in (1, 2))
    load_variables(target, {name: v.numpy() for name, v in variables(source).items()})
    for name, value in source.state_dict().items():
        assert torch.equal(value, target.state_dict()[name])
    ours = [
        v
        for n, v in source.state_dict().items()
        if n not in ("mean", "deviation") and not n.endswith(".num_batches_tracked")
    ]
    assert sum(v.numel() for v in variables(source).values()) == sum(v.numel() for v in ours)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("output_layer/output/biases"), r"output/biases.*\(5,\).*missing"),
        (lambda v: v.update(beta1_power=np.float32(0)), r"beta1_power.*no such variable.*\(\)"),
        (
            lambda v: v.update({"output_layer/output/weights": np.zeros((5, 4))}),
            r"output/weights.*\(4, 5\).*\(5, 4\)",
        ),
    ],
)
def test_variables_that_do_not_fit_are_named_in_one_line(change, message):
    network = build("ARNN+RNN", 1, TINY, seed=0)
    before = {name: v.clone() for name, v in network.state_dict().items()}
    given = {name: v.numpy() + 1 for name, v in variables(network).items()}
    change(given)
    with pytest.raises(InputError, match=message) as error:
        load_variables(network, given)
    assert "\n" not in str(error.value)
    assert all(torch.equal(v, before[name]) for name, v in network.state_dict().items())
