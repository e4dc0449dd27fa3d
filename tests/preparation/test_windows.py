"""Epochs of a recording in each window (Section 4.1, released data preparation)."""

import numpy as np
import pytest

from xsleep.core.errors import InputError
from xsleep.preparation.windows import in_window
from xsleep.store.recordings import RecordingInfo


def recording(epochs, lights=None, start=None, stages=0):
    places = np.arange(epochs)
    return RecordingInfo(
        "a", "0", places, 30.0 * places, np.full(epochs, stages), lights, start=start
    )


def recording_scored_in_20_s(epochs, lights=None):
    """Epochs begin at 0, 20, 40 s, ...; each stands for 30 s, from 5 s before."""
    places = np.arange(epochs)
    return RecordingInfo("a", "0", places, 20.0 * places - 5, np.zeros(epochs, int), lights)


def ends(recording, window):
    """First and last epoch of the window."""
    inside = in_window(recording, window).nonzero()[0]
    return inside[0], inside[-1]


def test_in_bed_is_lights_off_to_lights_on():
    assert in_window(recording(10, (60, 150)), "in-bed").nonzero()[0].tolist() == [2, 3, 4]


def test_in_bed_30min_has_30_minutes_on_either_side():
    assert ends(recording(300, (3000, 6000)), "in-bed+30min") == (40, 259)


@pytest.mark.parametrize(
    ("lights_off", "first"),
    [("23:59:30", 179), ("00:00:00", 0), ("00:29:30", 0), ("00:30:00", 240)],
)
def test_in_bed_30min_as_published_starts_the_recording_where_the_clock_wraps(lights_off, first):
    start = 22 * 3600  # 22:00
    hours, minutes, seconds = map(int, lights_off.split(":"))
    off = (hours * 3600 + minutes * 60 + seconds - start) % 86400
    whole = recording(600, (off, 12_000), start)
    assert ends(whole, "in-bed+30min-as-published") == (first, 459)


def test_sleep_30min_is_30_minutes_around_the_first_and_last_sleep_epoch():
    whole = recording(300)
    whole.stages[[100, 150]] = 1, 4  # N1, REM
    assert ends(whole, "sleep+30min") == (40, 210)


def test_sleep_30min_has_90_epochs_of_20_s_on_either_side():
    whole = recording_scored_in_20_s(400)
    whole.stages[[150, 200]] = 1, 4
    # 30 minutes are 90 epochs: from 3,000 s to 1,800 s before, from 4,020 s to 1,800 s after.
    assert ends(whole, "sleep+30min") == (60, 290)


def test_a_20_s_epoch_is_in_bed_from_where_its_scoring_began():
    whole = recording_scored_in_20_s(400, (2000, 4000))
    # Those that begin at 2,000 and 3,980 s; at 200 and 5,780 s with 30 minutes on either side.
    assert ends(whole, "in-bed") == (100, 199)
    assert ends(whole, "in-bed+30min") == (10, 289)


def test_dropped_epochs_do_not_change_where_the_others_begin():
    whole = recording_scored_in_20_s(400, (2000, 4000))
    kept = np.r_[0:100:7, 100, 103, 104, 199, 200]
    some = RecordingInfo(
        "a", "0", *(x[kept] for x in (whole.places, whole.onsets, whole.stages)), (2000, 4000)
    )
    assert kept[in_window(some, "in-bed")].tolist() == [100, 103, 104, 199]


def test_rounding_of_onsets_moves_no_epoch_over_the_edge():
    # Sums of seconds over a recording are rounded to 1e-11 s; a sample lasts 1e-2 s.
    whole = recording(300, (60.1, 150.1))
    shifted = RecordingInfo("a", "0", whole.places, whole.onsets + 0.1, whole.stages, whole.lights)
    noise = np.where(shifted.places % 2, 1e-9, -1e-9)
    noisy = RecordingInfo(
        "a", "0", whole.places, shifted.onsets + noise, whole.stages, whole.lights
    )
    for one in (shifted, noisy):
        assert in_window(one, "in-bed").nonzero()[0].tolist() == [2, 3, 4]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("epochs", [0, 1])
def test_a_recording_without_neighbours_has_windows_as_one_of_30_s_epochs(epochs):
    assert in_window(recording(epochs, (0, 60)), "in-bed").tolist() == [True] * epochs


def test_whole_night_needs_no_lights():
    assert in_window(recording(3), "whole-night").all()


@pytest.mark.parametrize(
    ("given", "window", "message"),
    [
        ({}, "in-bed", "no lights times, which the window in-bed needs; choose whole-night"),
        ({"lights": (0, 60)}, "in-bed+30min-as-published", "no clock time of the start"),
        ({}, "sleep+30min", "no epoch of sleep, which the window sleep\\+30min needs"),
    ],
)
def test_a_window_that_the_recording_cannot_have_is_refused(given, window, message):
    with pytest.raises(InputError, match=message):
        in_window(recording(3, **given), window)
