"""XSleepMix: its size, what each part of it sees, and what its variants change."""

import pytest
import torch

from tests.helpers.rounding import assert_alike
from tests.networks.test_prior_work import preset
from xsleep.networks import build, checkpoints
from xsleep.networks.xsleepmix import Fusion, Sizes

CHANNELS, LENGTH = 2, 100


def network(epochs=LENGTH, **own):
    settings = preset("embedded").network_of("XSleepMix")
    chosen = {"XSleepMix": settings.own["XSleepMix"] | own}
    settings = settings.model_copy(update={"own": chosen, "sequence_length": epochs})
    return build("XSleepMix", CHANNELS, settings, seed=1).eval()


def views(epochs):
    generator = torch.Generator().manual_seed(3)
    raw = 20 * torch.randn(epochs, 3000, CHANNELS, generator=generator)
    return raw, torch.randn(epochs, 29, 129, CHANNELS, generator=generator)


@pytest.fixture(scope="module")
def features():
    """Features of a sequence, and of the same one with another epoch in its middle."""
    generator = torch.Generator().manual_seed(4)
    plain = torch.randn(1, LENGTH, 32 + 64, generator=generator)
    changed = plain.clone()
    changed[0, 50] += 1
    return plain, changed


def test_as_released_it_has_at_most_two_and_a_half_million_parameters_for_any_channels():
    settings = preset("released").network_of("XSleepMix")
    assert settings.sequence_length == 100
    sizes = {
        channels: sum(p.numel() for p in build("XSleepMix", channels, settings, 0).parameters())
        for channels in (1, 2, 3)
    }
    assert sizes == {1: 1_131_055, 2: 1_150_799, 3: 1_170_543}
    assert max(sizes.values()) <= 2_500_000


@pytest.mark.parametrize("mixer", ["convolutions", "folded", "none"])
@pytest.mark.parametrize("fusion", ["gate", "concatenation"])
def test_every_parameter_has_a_gradient_and_every_branch_logits(mixer, fusion):
    net = network(12, mixer=mixer, fusion=fusion).train()
    torch.manual_seed(1)
    logits = net(*(view.unflatten(0, (2, 12)) for view in views(24)))
    assert {b: tuple(v.shape) for b, v in logits.items()} == dict.fromkeys(
        ("raw", "time-frequency", "joint"), (2, 12, 5)
    )
    sum(values.square().sum() for values in logits.values()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("own", "first", "last"),
    [
        ({"mixer": "none"}, 50, 50),
        ({"mixer": "convolutions", "blocks": 1}, 47, 53),
        ({"mixer": "convolutions", "blocks": 4}, 50 - 3 * 15, 50 + 3 * 15),
        ({"mixer": "folded"}, 0, 99),
    ],
)
def test_the_context_of_an_epoch_is_that_of_the_mixer(own, first, last, features):
    net = network(**own)
    with torch.inference_mode():
        one, other = (net.decode(values)["joint"][0] for values in features)
    differ = (one - other).abs().amax(1).nonzero().flatten()
    assert (differ.min().item(), differ.max().item()) == (first, last)


@pytest.mark.parametrize("mixer", ["convolutions", "folded"])
def test_sequences_of_any_length_are_read(mixer):
    net = network(mixer=mixer)
    with torch.inference_mode():
        encoded = net.encode(*views(23))
        overlapping = net.decode_overlapping(encoded, 17)
        plain = net.decode(encoded.unfold(0, 17, 1).permute(0, 2, 1))
    for branch, values in overlapping.items():
        assert values.shape == (7, 17, 5)
        assert_alike(values, plain[branch])


def test_the_gate_is_between_both_views():
    fused = Fusion(Sizes(width=8)).eval()
    raw, time_frequency = torch.randn(2, 3, 4, 8, generator=torch.Generator().manual_seed(5))
    found = fused(raw, time_frequency)
    between = (found >= torch.minimum(raw, time_frequency)) & (
        found <= torch.maximum(raw, time_frequency)
    )
    assert between.all() and not torch.equal(found, (raw + time_frequency) / 2)


def test_a_flat_channel_is_no_outlier():
    net = network()
    raw, time_frequency = views(10)
    raw[..., 1], time_frequency[..., 1] = 0, -120
    louder = time_frequency.clone()
    louder[..., 1] = -60
    with torch.inference_mode():
        assert torch.equal(net.encode(raw, time_frequency), net.encode(raw, louder))


def test_it_is_read_again_as_it_was_written(tmp_path):
    net = network(mixer="folded")
    checkpoints.save(tmp_path / "model.safetensors", net, "XSleepMix", ("EEG", "EOG"))
    again, system, _ = checkpoints.load(tmp_path / "model.safetensors")
    assert (system, again.settings) == ("XSleepMix", net.settings)
    given = [view[None] for view in views(10)]
    with torch.inference_mode():
        assert torch.equal(again(*given)["joint"], net(*given)["joint"])
