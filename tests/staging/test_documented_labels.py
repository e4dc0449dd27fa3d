"""The tables of docs/reference/scoring.md: each label is taken for what they say."""

import re

import pytest

from tests.helpers.recordings import ROOT
from xsleep.staging.montage import Described, describe, electrodes, find, kind_of

TEXT = (ROOT / "docs/reference/scoring.md").read_text()


def rows(heading):
    """The cells of the rows of the table with this first heading."""
    _, _, table = TEXT.partition(f"| {heading} |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named(cell):
    return re.findall("`([^`]+)`", cell)


def described(labels):
    return describe(Described(label, 200.0) for label in labels)


LABELS = [(label, *told) for cell, *told in rows("label") for label in named(cell)]


@pytest.mark.parametrize(("label", "channel", "expected"), LABELS)
def test_a_label_is_taken_for_what_the_table_says(label, channel, expected):
    (signal,) = described([label])
    assert kind_of(signal) == channel.replace("none", "")
    assert " ".join(electrodes(label)).upper() == expected


@pytest.mark.parametrize(("name", "signals", "eeg", "eog", "emg"), rows("recording"))
def test_channels_of_a_recording_are_found_as_the_table_says(name, signals, eeg, eog, emg):
    kinds = ("EEG", "EOG", "EMG")
    found = find(name, kinds, described(named(signals)), {}, {})
    assert [found[kind][0].label for kind in kinds] == named(eeg + eog + emg)
