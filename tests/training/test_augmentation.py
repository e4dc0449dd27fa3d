"""Augmentation: what is done to the signals is done to their spectrograms."""

import numpy as np
import pytest
import torch

from tests.helpers.recordings import NETWORK
from tests.helpers.rounding import SINGLE, chance, of_sum
from tests.training.test_step import minibatch
from xsleep.config.training import TrainingSettings
from xsleep.core.errors import InputError
from xsleep.core.settings import checked
from xsleep.networks import build
from xsleep.preparation.spectrogram import spectrogram
from xsleep.training.augmentation import augmentation
from xsleep.training.step import Step, weighted_loss

EVERYTHING = {"polarity": True, "gain": 4, "channel_dropout": 0.3}


def images(raw):
    """Spectrograms (B, L, 29, 129, C) of raw signals (B, L, 3000, C)."""
    epochs = raw.movedim(-1, 0).reshape(-1, 3000).numpy()
    shape = (raw.shape[-1], *raw.shape[:2], 29, 129)
    return torch.from_numpy(spectrogram(epochs)).reshape(shape).movedim(0, -1)


def augmented(changes, raw, time_frequency):
    """Return both views augmented, and the (B, C) factors of the raw signals."""
    augment = augmentation(TrainingSettings(steps=1, **changes))
    before = [x if x is None else x.clone() for x in (raw, time_frequency)]
    found = augment(raw, time_frequency)
    for given, same in zip((raw, time_frequency), before, strict=True):
        assert given is same or torch.equal(given, same)  # not changed in place
    return found


def factors(found, raw):
    """The (B, C) factors of the raw signals."""
    each = (found["raw"] * raw).sum((1, 2)) / raw.square().sum((1, 2))
    assert torch.allclose(found["raw"], raw * each[:, None, None], rtol=1e-5)
    return each


@pytest.fixture(scope="module")
def signals():
    """Raw signals (20, 2, 3000, 3) in microvolts, of which half an epoch is digital silence."""
    raw = 30 * torch.randn(20, 2, 3000, 3, generator=torch.Generator().manual_seed(0))
    raw[0, 0, 1500:] = 0
    return raw, images(raw)


def test_spectrograms_are_those_of_the_augmented_signals(signals):
    raw, before = signals
    torch.manual_seed(1)
    found = augmented(EVERYTHING, raw, before)
    expected = images(found["raw"])
    # A bin is a sum of 200 samples times a window, each rounded when it is scaled and multiplied;
    # its decibels are 8.7 times the relative error, and are rounded themselves, as is the level.
    magnitude = 200 * found["raw"].abs().amax((1, 2))[:, None, None, None]
    error = of_sum(200, magnitude) / 10 ** (expected / 20)
    bound = 8.7 * error + 4 * 160 * SINGLE
    loud = error < 0.1  # of the others, cancelling left but the rounding
    assert loud.float().mean() > 0.6
    off = (found["time_frequency"] - expected).abs()
    assert (off <= bound)[loud].all()
    flat = factors(found, raw) == 0
    assert flat.any() and not flat.all()
    both = (found["time_frequency"], expected)
    assert all(((x == -120).all(3).all(2).all(1) == flat).all() for x in both)
    silent = expected == -120
    assert silent[0, 0].any() and off[silent].max() <= 1e-3


def test_the_sign_of_half_of_the_channels_changes_and_no_spectrogram(signals):
    raw, before = signals
    raw = raw[:, :1, :50].repeat(50, 1, 1, 1)
    found = augmented({"polarity": True}, raw, before)
    assert found["time_frequency"] is before
    signs = factors(found, raw)
    assert torch.equal(found["raw"], raw * signs.sign()[:, None, None])
    assert (signs < 0).float().mean().item() == pytest.approx(0.5, abs=chance(0.5, 3000))


def test_gains_are_log_uniform_up_to_the_given(signals):
    raw = signals[0][:, :1, :50].repeat(50, 1, 1, 1)
    torch.manual_seed(2)
    gains = factors(augmented({"gain": 8.0}, raw, None), raw).log().div(np.log(8)).flatten()
    assert gains.abs().max() <= 1 + 1e-5
    for below in (-0.5, 0.0, 0.5):
        share = (1 + below) / 2
        found = (gains < below).double().mean().item()
        assert found == pytest.approx(share, abs=chance(share, gains.numel()))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_channels_are_flat_as_often_as_given_but_never_all_of_a_sequence(channels):
    raw = torch.ones(4000, 1, 2, channels)
    torch.manual_seed(3)
    found = augmented({"channel_dropout": 0.4}, raw, None)["raw"]
    flat = (found == 0)[:, 0, 0]
    assert torch.equal(found[:, 0, 1] == 0, flat) and torch.equal(found == 0, found != 1)
    assert not flat.all(1).any()
    expected = 0.4 - 0.4**channels
    assert flat.double().mean().item() == pytest.approx(expected, abs=chance(0.4, 4000))
    if channels == 1:
        assert torch.equal(found, raw)


def test_a_view_that_is_not_read_is_absent(signals):
    raw, before = signals
    for given in ((raw, None), (None, before)):
        found = augmented(EVERYTHING, *given)
        assert [x is None for x in found.values()] == [x is None for x in given]


def test_a_step_reads_augmented_signals_and_without_augmentation_the_given():
    network = build("XSleepNet2", 1, NETWORK, seed=1).train()
    views, labels = minibatch(network)
    settings = TrainingSettings(steps=1, **EVERYTHING)
    losses = []
    for augment in (augmentation(settings), None):
        step = Step(network, torch.optim.SGD(network.parameters(), 0.0), "sum", augment=augment)
        step.weigh(dict.fromkeys(network.branches, 1.0))
        torch.manual_seed(5)
        losses.append(step(views, labels))
    given = {"raw": views["raw"], "time_frequency": views["time-frequency"]}
    for loss, augment in zip(losses, (augmentation(settings), lambda **same: same), strict=True):
        torch.manual_seed(5)
        logits = network(**augment(**given))
        assert torch.equal(loss, weighted_loss(logits, labels, step.weights, "sum"))
    assert losses[0] != losses[1]
    assert augmentation(TrainingSettings(steps=1)) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gain": 0.5}, "gain = 0.5: Input should be greater than or equal to 1"),
        ({"gain": "inf"}, "gain = 'inf': Input should be a finite number"),
        ({"channel_dropout": 1}, "channel_dropout = 1: Input should be less than 1"),
        ({"label_smoothing": -1}, "label_smoothing = -1: Input should be greater than or equal"),
        ({"weight_averaging": 1}, "weight_averaging = 1: Input should be less than 1"),
        ({"blending": "none"}, "blending = 'none': Input should be 'equal', 'losses', 'tangents'"),
    ],
)
def test_settings_that_cannot_be_are_one_line(change, message):
    with pytest.raises(InputError, match=rf"^preset: {message}"):
        checked(TrainingSettings, {"steps": 1} | change, "preset")
