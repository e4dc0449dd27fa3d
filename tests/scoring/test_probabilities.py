"""Scoring: up to L predictions for each epoch, and features shared between sequences.

The networks compute in double precision; probabilities are stored in single precision.
"""

import numpy as np
import pytest
import torch

from tests.helpers.recordings import NETWORK, make_part
from tests.helpers.rounding import CHAIN, DOUBLE, SINGLE, in_double
from xsleep.config.names import SYSTEMS, TRANSFER_SYSTEMS
from xsleep.core.errors import InputError
from xsleep.networks import build
from xsleep.scoring.probabilities import score
from xsleep.training.evaluation import evaluate, inputs
from xsleep.training.sequences import read
from xsleep.training.step import weighted_loss

L = NETWORK.sequence_length


def network(system, channels=1):
    """A network with population statistics that differ from step to step."""
    built = in_double(build(system, channels, NETWORK, seed=3)).eval()
    generator = torch.Generator().manual_seed(0)
    for name, buffer in built.named_buffers():
        if name.endswith(("mean", "variance")) and buffer.ndim == 2 and buffer.shape[0] != 129:
            buffer.uniform_(0.5, 1.5, generator=generator)
    return built


def plainly(built, part, spans):
    """The plain way: every sequence through the whole network by itself."""
    sums = {branch: np.zeros((len(part), 5)) for branch in built.branches}
    counts = np.zeros((len(part), 1))
    for start, stop in spans:
        arrays = {view: read(part, view, start, stop)[None] for view in built.views}
        with torch.inference_mode():
            logits = built(**inputs(built, arrays))
        for branch, values in logits.items():
            sums[branch][start:stop] += values[0].log_softmax(-1).numpy()
        counts[start:stop] += 1
    return {
        branch: torch.from_numpy(total / counts).softmax(-1).numpy()
        for branch, total in sums.items()
    }


@pytest.mark.parametrize("system", SYSTEMS + TRANSFER_SYSTEMS)
def test_shared_features_give_the_scores_of_the_plain_way(tmp_path, system):
    part, built = make_part(tmp_path, epochs=13), network(system)
    (prediction,) = score(built, [part], None)
    expected = plainly(built, part, [(s, s + L) for s in range(13 - L + 1)])
    assert list(prediction.probabilities) == list(built.branches)
    for branch, values in expected.items():
        assert np.abs(prediction.probabilities[branch] - values).max() < SINGLE


@pytest.mark.parametrize(
    ("stride", "spans"),
    [
        (2, [(0, 5), (2, 7), (4, 9), (6, 11), (8, 13), (9, 14)]),
        (4, [(0, 5), (4, 9), (8, 13), (9, 14)]),
        (L, [(0, 5), (5, 10), (9, 14)]),  # the last is aligned to the end
    ],
)
def test_sequences_may_score_a_recording_some_epochs_apart(tmp_path, stride, spans):
    part, built = make_part(tmp_path, epochs=14), network("XSleepNet2")
    (prediction,) = score(built, [part], None, stride)
    for branch, values in plainly(built, part, spans).items():
        assert np.abs(prediction.probabilities[branch] - values).max() < SINGLE


def test_every_stretch_is_scored_to_its_end_some_epochs_apart(tmp_path):
    places = [*range(7), 100, 101, *range(200, 206)]
    part, built = make_part(tmp_path, epochs=15, places=places), network("XSleepNet1")
    (prediction,) = score(built, [part], longest_gap=3, stride=L)
    expected = plainly(built, part, [(0, 5), (2, 7), (7, 9), (9, 14), (10, 15)])
    assert np.abs(prediction.probabilities["joint"] - expected["joint"]).max() < SINGLE


def test_sequences_too_far_apart_to_score_every_epoch_are_one_line(tmp_path):
    part = make_part(tmp_path, epochs=14)
    with pytest.raises(InputError, match=r"scoring_stride is 6: .* choose at most 5"):
        score(network("ARNN+RNN"), [part], None, L + 1)


@pytest.mark.parametrize("channels", [("EEG", "EOG"), ("EEG", "EOG", "EMG")])
def test_two_and_three_channels_are_scored(tmp_path, channels):
    part = make_part(tmp_path, epochs=8, channels=channels)
    (prediction,) = score(network("XSleepNet2", len(channels)), [part], None)
    total = prediction.probabilities["joint"].sum(1, dtype=float)
    assert np.abs(total - 1).max() < SINGLE


def test_a_stretch_shorter_than_a_sequence_is_scored_by_itself(tmp_path):
    places = [*range(7), 100, 101, *range(200, 206)]
    part, built = make_part(tmp_path, epochs=15, places=places), network("XSleepNet1")
    (prediction,) = score(built, [part], longest_gap=3)
    spans = [(0, 5), (1, 6), (2, 7), (7, 9), (9, 14), (10, 15)]
    expected = plainly(built, part, spans)
    assert np.abs(prediction.probabilities["joint"] - expected["joint"]).max() < SINGLE


def test_places_and_stages_are_those_of_the_recording(tmp_path):
    part = make_part(tmp_path, "excerpt1", epochs=9, subject="4")
    (prediction,) = score(network("ARNN+RNN"), [part], None)
    assert (prediction.recording, prediction.subject) == ("excerpt1", "4")
    assert np.array_equal(prediction.places, part.info.places)
    assert np.array_equal(prediction.stages, part.info.stages)


def test_more_epochs_than_a_block_are_scored_alike(tmp_path, monkeypatch):
    part, built = make_part(tmp_path, epochs=17), network("XSleepNet2")
    (whole,) = score(built, [part], None)
    monkeypatch.setattr("xsleep.training.evaluation.EPOCHS", 4)
    monkeypatch.setattr("xsleep.training.evaluation.SEQUENCES", 3)
    (blocks,) = score(built, [part], None)
    found, expected = (one.probabilities["joint"] for one in (blocks, whole))
    assert np.abs(found - expected).max() < SINGLE


def test_losses_are_sums_over_sequences_of_means_over_epochs(tmp_path):
    part, built = make_part(tmp_path, epochs=9), network("XSleepNet2")
    losses = evaluate(built, [part], None)
    spans = [(s, s + L) for s in range(9 - L + 1)]
    arrays = {v: np.stack([read(part, v, *span) for span in spans]) for v in built.views}
    labels = torch.tensor(np.stack([part.info.stages[slice(*s)] for s in spans]).astype("i8"))
    with torch.inference_mode():
        logits = built(**inputs(built, arrays))
    assert losses.count == len(spans)
    for branch in built.branches:
        alone = weighted_loss({branch: logits[branch]}, labels, {branch: 1.0}, "sum").item()
        assert losses.sums[branch] == pytest.approx(alone, rel=CHAIN * DOUBLE)
        right = (logits[branch].argmax(-1) == labels).double().mean().item()
        assert losses.accuracies[branch] == right
