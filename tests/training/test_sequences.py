"""Sequences of L epochs, the rule for gaps, minibatches and normalisation."""

from collections import Counter
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from tests.helpers.recordings import make_part
from tests.helpers.rounding import SINGLE
from xsleep.core.errors import InputError
from xsleep.store.recordings import RecordingInfo
from xsleep.training.sequences import (
    AHEAD,
    Part,
    TrainingSequences,
    ahead,
    amplitude_scale,
    blocks,
    bridging,
    named,
    normalisation,
    read,
    starts,
    stretches,
)

PLACES = np.array([0, 1, 2, 3, 6, 7, 8, 9, 40, 41])  # two dropped epochs, then thirty


def test_released_sequences_are_all_windows_of_the_concatenated_epochs():
    assert starts(PLACES, 4, None).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_gap_longer_than_longest_gap_ends_a_sequence():
    assert stretches(PLACES, 2) == [(0, 8), (8, 10)]
    assert starts(PLACES, 4, 2).tolist() == [0, 1, 2, 3, 4]
    assert stretches(PLACES, 1) == stretches(PLACES, 0)
    assert stretches(PLACES, 0) == [(0, 4), (4, 8), (8, 10)]
    assert starts(PLACES, 4, 0).tolist() == [0, 4]


def test_sequences_that_bridge_a_gap_are_counted():
    assert bridging(PLACES, 4, None) == 5
    assert bridging(PLACES, 4, 2) == 3
    assert bridging(PLACES, 4, 0) == 0


def test_no_sequence_crosses_recordings_and_each_comes_at_most_once(tmp_path):
    parts = [make_part(tmp_path, f"night{n}", epochs=12 + n, seed=n) for n in range(3)]
    sequences = TrainingSequences(parts, 5, 4, None, seed=1)
    assert sequences.count == 8 + 9 + 10
    assert len(sequences) == 27 // 4 - 1  # the incomplete minibatch and one more are left out
    windows = {
        read(part, "raw", s, s + 5).tobytes(): part.info.stages[s : s + 5]
        for part in parts
        for s in range(len(part) - 4)
    }
    seen = []
    for number in range(len(sequences)):
        inputs, labels = sequences.batch(number, ("raw",))
        for sequence, stages in zip(inputs["raw"], labels, strict=True):
            seen.append(sequence.tobytes())
            assert np.array_equal(windows[seen[-1]], stages)
    assert len(set(seen)) == len(seen) == 20


def test_released_sequences_come_in_the_same_order_in_every_pass(tmp_path):
    parts = [make_part(tmp_path, epochs=20)]
    once = TrainingSequences(parts, 5, 3, None, seed=1)
    for step in range(len(once)):
        assert np.array_equal(labels(once, step), labels(once, step + len(once)))


def test_sequences_shuffled_in_every_pass_are_the_same_whichever_was_asked_for_before(tmp_path):
    parts = [make_part(tmp_path, epochs=20)]
    once, whole, later = (
        TrainingSequences(parts, 5, 3, None, seed=1, shuffle=shuffle)
        for shuffle in ("once", "every-pass", "every-pass")
    )
    passes = [[labels(whole, 4 * turn + i) for i in range(4)] for turn in range(3)]
    assert len(whole) == 4
    assert np.array_equal(passes[0], [labels(once, i) for i in range(4)])
    assert not np.array_equal(passes[0], passes[1])
    assert not np.array_equal(passes[1], passes[2])
    assert np.array_equal(labels(later, 9), passes[2][1])


def test_processes_read_each_its_share_of_every_minibatch(tmp_path):
    parts = [make_part(tmp_path, epochs=20)]
    whole = TrainingSequences(parts, 5, 4, None, seed=1)
    shares = [TrainingSequences(parts, 5, 4, None, seed=1, share=(n, 2)) for n in range(2)]
    for step in range(2 * len(whole)):
        assert whole.chosen(step) == [*shares[0].chosen(step), *shares[1].chosen(step)]
        assert len(shares[0].chosen(step)) == 2


def labels(sequences, step):
    return sequences.batch(step, ())[1]


def test_fewer_sequences_than_a_minibatch_still_train(tmp_path):
    sequences = TrainingSequences([make_part(tmp_path, epochs=7)], 5, 32, None, seed=1)
    assert len(sequences) == 1
    assert labels(sequences, 0).dtype == np.int64
    assert sequences.batch(0, ("time-frequency",))[0]["time-frequency"].shape == (3, 5, 29, 129, 1)


def test_recordings_without_one_whole_sequence_are_one_line(tmp_path):
    """Seven epochs, of which no five are in a row, or too few of them."""
    gaps = make_part(tmp_path, "gaps", epochs=7, places=[0, 1, 2, 3, 90, 91, 92])
    short = make_part(tmp_path, "short", epochs=3)
    with pytest.raises(InputError) as error:
        TrainingSequences([gaps, short], 5, 32, 2, seed=1)
    line = "gaps, short: nothing to train on, as the longest stretch has 4 epochs and a sequence 5"
    advice = "; lower sequence_length, raise longest_gap or add recordings"
    assert str(error.value) == line + advice


def test_of_many_recordings_the_first_few_are_named():
    assert named("abc") == "a, b, c"
    assert named("abcd") == "a, b, c and 1 more"
    assert named("abcde") == "a, b, c and 2 more"


def test_blocks_follow_each_other_to_the_end():
    assert [*blocks(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert [*blocks(6, 3)] == [(0, 3), (3, 6)]


def test_raw_signals_are_scaled_by_channel(tmp_path):
    part = make_part(tmp_path, epochs=4, channels=("EEG", "EOG"))
    scaled = replace(part, raw_scale=np.array([2.0, 0.5]))
    plain = read(part, "raw", 1, 3)
    np.testing.assert_array_equal(read(scaled, "raw", 1, 3), plain * np.float32([2, 0.5]))


def test_channels_come_last_in_their_order(tmp_path):
    part = make_part(tmp_path, epochs=6, channels=("EEG", "EOG", "EMG"))
    assert read(part, "raw", 1, 4).shape == (3, 3000, 3)
    assert read(part, "time-frequency", 1, 4).shape == (3, 29, 129, 3)


@pytest.mark.parametrize(("over", "axes"), [("bins", 0), ("channels", (0, 1))])
def test_sec4_2_normalisation_is_over_the_training_set(tmp_path, over, axes):
    parts = [
        make_part(tmp_path, f"n{n}", epochs=9, channels=("EEG", "EOG"), seed=n) for n in (0, 1)
    ]
    mean, deviation = normalisation(parts, over)
    frames = np.concatenate([read(p, "time-frequency", 0, 9) for p in parts]).reshape(-1, 129, 2)
    assert mean.shape == deviation.shape == (129, 2)
    expected = frames.mean(axes, dtype=float), frames.std(axes, dtype=float)
    np.testing.assert_allclose(mean, np.broadcast_to(expected[0], (129, 2)), SINGLE)
    np.testing.assert_allclose(deviation, np.broadcast_to(expected[1], (129, 2)), SINGLE)


def test_a_bin_that_never_changes_is_not_divided_by_zero(tmp_path):
    silence = make_part(tmp_path, epochs=400, gain=0)
    mean, deviation = normalisation([silence])
    assert np.allclose(mean, -120)
    assert (deviation == 1).all()


@pytest.mark.parametrize(("half", "expected"), [(0.0, 1), (0.125, 0.125)])
def test_small_values_around_zero_have_their_own_deviation(half, expected):
    images = np.full((2, 29, 129, 2), np.float32(2.0**-17))
    images[0] += half
    images[1] -= half
    assert normalisation([held(images)])[1] == pytest.approx(expected)
    assert (normalisation([held(np.zeros((1, 29, 129, 2), "f4"))])[1] == 1).all()


class Images:
    """Spectrograms (n, 29, 129, 2) of a recording in memory."""

    channels, hashes = ("EEG", "EOG"), MappingProxyType({})

    def __init__(self, images):
        self.images = images

    def raw(self, start, stop, out=None):
        return self.images[start:stop, 0]

    def time_frequency(self, start, stop, out=None):
        return self.images[start:stop]

    def sums(self):
        return np.stack([(self.images.astype(float) ** power).sum((0, 1)) for power in (1, 2)])


def held(images):
    """A part of a recording in memory."""
    places = np.arange(len(images))
    info = RecordingInfo("night", "", places, 30.0 * places, np.zeros(len(images), "i1"))
    return Part(info, Images(images))


@pytest.mark.parametrize("over", ["bins", "channels"])
def test_images_in_memory_are_normalised_as_stored_ones(tmp_path, over):
    """Sums in double precision of 11,600 values: what differs is single precision at the end."""
    part = make_part(tmp_path, epochs=400, channels=("EEG", "EOG"))
    images = read(part, "time-frequency", 0, 400)
    found = normalisation([held(images)], over)
    for ours, stored in zip(found, normalisation([part], over), strict=True):
        assert ours.dtype == np.float32
        assert ours == pytest.approx(stored, rel=2**-22)


@pytest.mark.parametrize("over", ["bins", "channels"])
def test_a_dead_channel_in_memory_is_not_divided_by_zero(over):
    images = np.random.default_rng(0).normal(0, 10, (400, 29, 129, 2)).astype("f4")
    images[..., 1] = -120
    mean, deviation = normalisation([held(images)], over)
    assert np.allclose(mean[:, 1], -120)
    assert (deviation[:, 1] == 1).all()
    assert np.allclose(deviation[:, 0], 10, rtol=0.05)  # 5 deviations of that of 11,600 values


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_that_is_not_finite_is_normalised_with(tmp_path, value):
    parts = [make_part(tmp_path, f"night{n}", epochs=9) for n in range(3)]
    sums = parts[1].data.sums()
    sums[1, 5, 0] = value
    parts[1] = replace(parts[1], data=SimpleNamespace(sums=lambda: sums))
    with pytest.raises(InputError) as error:
        normalisation(parts)
    assert str(error.value) == (
        "night1: its spectrograms hold values that are not finite; look for broken signals in its "
        "file and prepare it again, or remove it"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_in_memory_that_are_not_finite_are_refused(value):
    images, raw = np.zeros((3, 29, 129, 2), "f4"), np.zeros((3, 3000, 2), "f4")
    images[1, 3, 5, 1] = raw[1, 3, 1] = value
    with pytest.raises(InputError, match=r"^night: its spectrograms"):
        normalisation([held(images)], "bins")
    with pytest.raises(InputError, match=r"^night: its signals"):
        amplitude_scale(raw, 20, "night")


def test_normalisation_is_over_the_epochs_of_the_window_alone(tmp_path):
    whole = make_part(tmp_path, epochs=40)
    inside = make_part(tmp_path, epochs=40, chosen=np.arange(10, 25))
    frames = read(whole, "time-frequency", 10, 25).reshape(-1, 129, 1)
    mean, deviation = normalisation([inside])
    np.testing.assert_allclose(mean, frames.mean(0, dtype=float), SINGLE)
    np.testing.assert_allclose(deviation, frames.std(0, dtype=float), SINGLE)


def test_minibatches_read_ahead_are_those_of_their_steps_over_the_end_of_a_pass(tmp_path):
    parts = [make_part(tmp_path, f"night{n}", epochs=30, seed=n) for n in range(2)]
    sequences = TrainingSequences(parts, 5, 4, None, seed=1, shuffle="every-pass")
    steps = range(len(sequences) - 6, 2 * len(sequences) + 3)
    views = ("raw", "time-frequency")
    taken = list(ahead(lambda step: sequences.batch(step, views), steps))
    assert len(taken) == len(steps)
    plain = TrainingSequences(parts, 5, 4, None, seed=1, shuffle="every-pass")
    for step, (inputs, labels) in zip(steps, taken, strict=True):
        expected, expected_labels = plain.batch(step, views)
        assert np.array_equal(labels, expected_labels)
        assert all(np.array_equal(inputs[view], expected[view]) for view in views)


def test_no_more_than_a_few_minibatches_wait(tmp_path):
    loaded = []
    taken = ahead(lambda step: loaded.append(step) or step, range(1000))
    assert [next(taken), next(taken)] == [0, 1]
    taken.close()
    assert len(loaded) <= 2 + AHEAD


def test_an_error_while_reading_ahead_reaches_the_training():
    def load(step):
        raise InputError("gone")

    with pytest.raises(InputError, match="gone"):
        next(ahead(load, range(3)))


def test_the_shuffle_is_uniform_over_all_sequences(tmp_path):
    """The first minibatch, over many seeds, has each sequence of any recording equally often."""
    parts = [make_part(tmp_path, f"night{n}", epochs=10, seed=n) for n in range(3)]
    drawn = Counter()
    for seed in range(2000):
        order = TrainingSequences(parts, 5, 6, None, seed=seed)._order(0)
        drawn.update(map(tuple, order[:6].tolist()))
    assert len(drawn) == 18
    expected = 2000 * 6 / 18
    # Each count is binomial; 5 deviations leave one false alarm in 10^5 runs of 18.
    assert max(abs(count - expected) for count in drawn.values()) < 5 * np.sqrt(expected * 2 / 3)


def test_an_amplitude_is_exact_however_the_values_lie_in_memory():
    raw = np.random.default_rng(0).normal(3, 25, (300, 3000, 2)).astype(np.float32)
    expected = 20 / raw.astype(float).std((0, 1))
    for values in (raw, np.moveaxis(np.moveaxis(raw, -1, 0).copy(), 0, -1)):
        assert amplitude_scale(values, 20, "night") == pytest.approx(expected, rel=1e-9)


def test_a_dead_channel_keeps_its_amplitude():
    """One that stays at 5 microvolts but for rounding in single precision."""
    raw = np.random.default_rng(0).normal(0, 25, (30, 3000, 3)).astype(np.float32)
    raw[..., 1] = 0
    raw[..., 2] = np.where(raw[..., 0] > 0, np.float32(5), np.nextafter(np.float32(5), 6))
    assert amplitude_scale(raw, 20, "night")[1:].tolist() == [1, 1]
