import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.rounding import DOUBLE, of_sum, of_weights
from xsleep.config.training import TrainingSettings
from xsleep.training.blending import policy

TRACES = Path(__file__).parents[3] / "shared/reference/parity/blending_traces.json"
RELEASED = TrainingSettings(steps=1)
BRANCHES = ("raw", "time-frequency", "joint")


@pytest.fixture(scope="module", params=("XSleepNet1", "XSleepNet2"))
def trace(request):
    if not TRACES.is_file():
        pytest.skip("the released code's traces (shared/reference/parity) are absent")
    return request.param, json.loads(TRACES.read_text())[request.param.lower()]


def evaluations(trace):
    """The arguments of `update`, evaluation by evaluation."""
    names = [branch.replace("-", "_") for branch in BRANCHES]
    for i in range(len(trace["weights"])):
        sums = [
            {b: trace[which][n][i] for b, n in zip(BRANCHES, names, strict=True)}
            for which in ("train_loss_sums", "validation_loss_sums")
        ]
        yield *sums, (trace["train_size"], trace["validation_size"])


def test_released_traces_are_reproduced(trace):
    system, trace = trace
    blending = policy(system, RELEASED)
    # G and O are differences of slopes through 20 points, each the mean of 20 losses.
    bound = of_sum(20 * 20, max(map(max, trace["validation_loss_sums"].values())), DOUBLE)
    for arguments, weights, w_g_o in zip(
        evaluations(trace), trace["weights"], trace["w_g_o"], strict=True
    ):
        blend = blending.update(*arguments)
        found = [blend.weights[b] for b in BRANCHES]
        if w_g_o is None:
            assert not blend.generalisation and not blend.overfitting
            assert found == weights == [1 / 3] * 3
        else:
            g = [blend.generalisation[b] for b in BRANCHES]
            o = [blend.overfitting[b] for b in BRANCHES]
            np.testing.assert_allclose(np.transpose([g, o]), np.array(w_g_o)[:, 1:], 0, bound)
            np.testing.assert_allclose(found, weights, 0, of_weights(blend.generalisation, bound))


@pytest.mark.parametrize("system", ("XSleepNet1", "XSleepNet2"))
@pytest.mark.parametrize("interruption", (1, 21, 22, 40))
def test_policy_resumes_exactly_from_a_json_state(system, interruption):
    curves = 1000 / np.sqrt(np.arange(1, 61)) + np.random.default_rng(0).normal(0, 9, (2, 3, 60))
    whole, interrupted = policy(system, RELEASED), policy(system, RELEASED)
    for i, (training, validation) in enumerate(curves.transpose(2, 0, 1)):
        if i == interruption:
            state = json.dumps(interrupted.state())
            interrupted = policy(system, RELEASED)
            interrupted.restore(json.loads(state))
        losses = [dict(zip(BRANCHES, values, strict=True)) for values in (training, validation)]
        assert whole.update(*losses, (10, 20)) == interrupted.update(*losses, (10, 20))


def test_state_of_a_policy_does_not_change_with_later_evaluations():
    blending = policy("XSleepNet2", RELEASED)
    feed(blending, [100.0], [100.0])
    state = blending.state()
    before = json.dumps(state)
    feed(blending, [90.0], [95.0])
    assert json.dumps(state) == before


def feed(blending, training, validation, scale=(1.0, 1.0, 1.0)):
    """Update with the same curves for every branch, scaled; the last blend."""
    for t, v in zip(training, validation, strict=True):
        sums = [{b: s * loss for b, s in zip(BRANCHES, scale, strict=True)} for loss in (t, v)]
        blend = blending.update(*sums, (10, 20))
    return blend


def test_eq13_eq14_xsleepnet1_measures_are_falls_of_the_mean_losses():
    blend = feed(policy("XSleepNet1", RELEASED), [100.0, 80.0], [200.0, 170.0])
    assert blend.generalisation["raw"] == pytest.approx(30 / 20)
    assert blend.overfitting["raw"] == pytest.approx(20 / 10 - 30 / 20)
    assert blend.weights == pytest.approx(dict.fromkeys(BRANCHES, 1 / 3))


def test_eq13_eq14_falls_are_from_before_training_to_now():
    blend = feed(policy("XSleepNet1", RELEASED), [100.0, 80.0, 70.0], [200.0, 170.0, 190.0])
    assert blend.generalisation["raw"] == pytest.approx(10 / 20)
    assert blend.overfitting["raw"] == pytest.approx(30 / 10 - 10 / 20)


def test_eq15_eq16_xsleepnet2_measures_are_zero_on_straight_lines():
    # Past the smoothing's start the tangent of a line is constant, and its own reference.
    line = np.linspace(500, 100, 60)
    blend = feed(policy("XSleepNet2", RELEASED), line, line)
    bound = of_sum(20 * 20, 500, DOUBLE)
    assert blend.generalisation["joint"] == pytest.approx(0, abs=bound)
    assert blend.overfitting["joint"] == pytest.approx(0, abs=bound)


def test_released_xsleepnet2_weights_are_equal_for_the_first_21_evaluations():
    curve = np.cumsum(np.linspace(-30, 1, 22)) + 1000
    assert not feed(policy("XSleepNet2", RELEASED), curve[:21], curve[:21]).generalisation
    assert feed(policy("XSleepNet2", RELEASED), curve, curve).generalisation


def test_released_weights_are_equal_where_all_are_negative():
    blend = feed(policy("XSleepNet1", RELEASED), [100.0, 80.0], [200.0, 210.0])
    assert blend.generalisation["raw"] < 0
    assert blend.weights == dict.fromkeys(BRANCHES, 1 / 3)


def test_released_xsleepnet2_floors_positive_weights_at_1e_5():
    curve = np.cumsum(np.linspace(-40, 1, 22)) + 2000
    small = feed(policy("XSleepNet2", RELEASED), curve, curve, scale=(1.0, 1e-7, 1.0))
    assert small.weights["time-frequency"] == 1e-5


CURVES = 1000 / np.sqrt(np.arange(1, 41)) + np.random.default_rng(1).normal(0, 9, (3, 2, 40))


def run(system, settings, divisors=(1, 1)):
    """The last blend on made-up losses of 10 and 20 sequences, each divided."""
    blending = policy(system, settings)
    for training, validation in CURVES.transpose(2, 1, 0) / np.reshape(divisors, (2, 1)):
        losses = [dict(zip(BRANCHES, values, strict=True)) for values in (training, validation)]
        blend = blending.update(*losses, (10, 20))
    return blend


def test_eq10_xsleepnet2_reads_mean_losses():
    means = RELEASED.model_copy(update={"xsleepnet2_losses": "means"})
    blend, expected = run("XSleepNet2", means), run("XSleepNet2", RELEASED, divisors=(10, 20))
    assert blend.weights == pytest.approx(expected.weights)
    assert blend.overfitting == pytest.approx(expected.overfitting)
    assert blend.weights != pytest.approx(run("XSleepNet2", RELEASED).weights)


def test_xsleepnet1_reads_means_in_any_case():
    means = RELEASED.model_copy(update={"xsleepnet2_losses": "means"})
    assert run("XSleepNet1", means) == run("XSleepNet1", RELEASED)


PRINTED = TrainingSettings(steps=1, blending_window=2, tangent_points="W+1")
FIRST = [8.0, 6.0, 5.0, 5.0]
"""Losses of evaluations 0 to 3. With W = 2 their moving averages are 8, 7, 5.5 and 5."""


@pytest.mark.parametrize(
    ("points", "begins", "slopes"),
    [
        # n = 2: 8, 7, 5.5 fall by 1.25 each; n = 3: 7, 5.5, 5 by 1.
        ("W+1", 2, [-1.25, -1.0]),
        # n = 3: 5.5, 5 fall by 0.5.
        ("W", 3, [-0.5]),
    ],
)
def test_algorithm_1_fits_w_plus_1_points_and_begins_at_n_equal_w(points, begins, slopes):
    settings = PRINTED.model_copy(update={"tangent_points": points, "first_tangent": "current"})
    blending = policy("XSleepNet2", settings)
    for n, loss in enumerate(FIRST):
        blend = feed(blending, [loss], [loss])
        assert bool(blend.generalisation) == (n >= begins)
        if n >= begins:
            # Against the first tangent: the smallest so far, as losses fall ever slower.
            assert blend.generalisation["raw"] == pytest.approx(slopes[n - begins] - slopes[0])


def test_algorithm_1_from_the_window_before_compares_with_the_points_that_there_are():
    blending = policy("XSleepNet2", PRINTED)
    # n = 2: 8, 7, 5.5 fall by 1.25 each, and 8, 7 before them by 1.
    blend = feed(blending, FIRST[:3], FIRST[:3])
    assert blend.generalisation["raw"] == pytest.approx(-1.25 - -1.0)


CURRENT = RELEASED.model_copy(update={"first_tangent": "current"})


def test_algorithm_1_starts_from_its_own_tangents_and_equal_weights():
    curve = np.cumsum(np.linspace(-30, 1, 24)) + 1000  # falls ever slower
    own, previous = policy("XSleepNet2", CURRENT), policy("XSleepNet2", RELEASED)
    for blending in (own, previous):
        feed(blending, curve[:21], curve[:21])
    first = feed(own, curve[21:22], curve[21:22])
    assert first.generalisation == first.overfitting == dict.fromkeys(BRANCHES, 0)
    assert first.weights == dict.fromkeys(BRANCHES, 1 / 3)
    assert feed(previous, curve[21:22], curve[21:22]).generalisation["raw"] > 0
    # The second is measured against the first, which fell faster.
    blend = feed(own, curve[22:23], curve[22:23])
    tangents = [own._tangents(np.transpose([curve[:n]] * 2))[1] for n in (22, 23)]
    assert blend.generalisation["raw"] == pytest.approx(tangents[1] - tangents[0])


PLAIN = RELEASED.model_copy(update={"weight_formula": "plain"})


@pytest.mark.parametrize("system", ("XSleepNet1", "XSleepNet2"))
def test_eq11_weights_are_proportional_to_g_over_o_squared(system):
    blend = run(system, PLAIN)
    raw = {b: max(blend.generalisation[b], 0) / blend.overfitting[b] ** 2 for b in BRANCHES}
    expected = {b: w / sum(raw.values()) for b, w in raw.items()}
    assert blend.weights == pytest.approx(expected, rel=1e-12)


def weights(settings, *falls):
    """XSleepNet1's weights after training and validation losses fell so much, per branch."""
    blending = policy("XSleepNet1", settings)
    before = dict.fromkeys(BRANCHES, 100.0)
    after = [dict(zip(BRANCHES, 100 - np.array(f), strict=True)) for f in zip(*falls, strict=True)]
    blending.update(before, before, (1, 1))
    return [*blending.update(*after, (1, 1)).weights.values()]


@pytest.mark.parametrize(
    ("falls", "expected"),
    [
        # G = 2, O = 1 and G = 4, O = 2: 2 and 1; a branch that got worse has none
        ([(3, 2), (6, 4), (1, -1)], [2 / 3, 1 / 3, 0]),
        # O = 0: infinite, and shared
        ([(3, 3), (6, 4), (5, 5)], [1 / 2, 0, 1 / 2]),
        # G = O = 0 is no weight
        ([(0, 0), (6, 4), (0, 0)], [0, 1, 0]),
        ([(0, 0), (6, -4), (1, -1)], [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_plain_weights_that_are_negative_infinite_or_undefined(falls, expected):
    assert weights(PLAIN, *falls) == pytest.approx(expected)


def test_released_weights_are_g_over_o_squared_and_a_millionth():
    # G = 2, O = 1; G = 1, O = 1/1024; and a branch that got worse has none
    shares = np.array([2 / (1 + 1e-6), 1 / (2**-20 + 1e-6), 0])
    found = weights(RELEASED, (3, 2), (1 + 2**-10, 1), (1, -1))
    assert found == pytest.approx(shares / shares.sum(), rel=1e-9)


@pytest.mark.parametrize("points", ["W", "W+1"])
@pytest.mark.parametrize("formula", ["guarded", "plain"])
@pytest.mark.parametrize("system", ["XSleepNet1", "XSleepNet2"])
def test_losses_that_are_finite_give_weights_that_train(system, formula, points):
    """From none to the largest of single precision, and where they differ by rounding alone."""
    settings = PRINTED.model_copy(update={"weight_formula": formula, "tangent_points": points})
    rng = np.random.default_rng(0)
    for kind in 20 * ["any", "none", "rounding"]:
        blending = policy(system, settings)
        for _ in range(8):
            losses = {
                "any": 10 ** rng.uniform(-300, 38, (2, 3)),
                "none": 5.0 * rng.integers(0, 2, (2, 3)),
                "rounding": 1 + rng.integers(-2, 3, (2, 3)) * 2**-52,
            }[kind]
            sums = [dict(zip(BRANCHES, values, strict=True)) for values in losses.tolist()]
            weights = list(blending.update(*sums, (10, 20)).weights.values())
            assert min(weights) >= 0
            assert sum(weights) == pytest.approx(1, abs=2.1e-5)  # two may be lifted to 1e-5


def test_plain_weights_have_no_floor():
    curve = np.cumsum(np.linspace(-40, 1, 22)) + 2000
    blend = feed(policy("XSleepNet2", PLAIN), curve, curve + 0.01 * curve**1.1, (1.0, 1e7, 1.0))
    assert 0 < blend.weights["time-frequency"] < 1e-5


@pytest.mark.parametrize(
    ("blending", "expected"), [("equal", [1 / 3] * 3), ("joint", [0, 0, 1]), ("losses", None)]
)
def test_settings_win_over_the_blending_of_a_system(blending, expected):
    found, xsleepnet1 = (
        policy(system, RELEASED.model_copy(update={"blending": changed}))
        for system, changed in (("XSleepNet2", blending), ("XSleepNet1", None))
    )
    for loss in (100.0, 90.0, 85.0):
        found.restore(json.loads(json.dumps(found.state())))
        sums = [{b: s + n * loss for n, b in enumerate(BRANCHES, 1)} for s in (loss, 3.0)]
        blend, theirs = (one.update(*sums, (10, 20)) for one in (found, xsleepnet1))
        assert blend.weights == (
            dict(zip(BRANCHES, expected, strict=True)) if expected else theirs.weights
        )
        assert bool(blend.generalisation) == (expected is None and loss < 100)


@pytest.mark.parametrize(
    ("system", "branches"),
    [
        ("Naive Fusion", ("joint",)),
        ("ARNN+RNN", ("time-frequency",)),
        ("FCNN+RNN", ("raw",)),
        ("XSleepNet (equal weights)", BRANCHES),
    ],
)
def test_systems_without_blending_have_constant_weights(system, branches):
    blending = policy(system, RELEASED)
    for loss in np.linspace(100, 1, 50):
        blending.restore(json.loads(json.dumps(blending.state())))
        losses = {branch: loss * (number + 1) for number, branch in enumerate(branches)}
        blend = blending.update(losses, losses, (10, 10))
        assert blend.weights == dict.fromkeys(branches, 1 / len(branches))
        assert not blend.generalisation and not blend.overfitting
