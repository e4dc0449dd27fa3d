"""Test what a run says of the signals that it was trained on."""

import json
from dataclasses import replace

import pytest

from tests.helpers.recordings import make_part
from xsleep.training import origin


def labelled(folder, number, label, reader):
    """A part of a recording with this label of the EEG, of a database with this reader."""
    part = make_part(folder, f"n{number}", epochs=8)
    recipe = json.dumps({"source": {"reader": reader}}) if reader else ""
    return replace(part, info=replace(part.info, labels={"EEG": label}, recipe=recipe))


@pytest.mark.parametrize(
    ("readers", "simulated"),
    [
        (("simulated", "simulated", "simulated"), True),
        (("simulated", "own", "own"), False),
        (("", "", ""), False),
    ],
)
def test_labels_are_told_the_most_frequent_first_and_whether_it_is_all_simulated(
    tmp_path, readers, simulated
):
    labels = ("C3-M2", "C4-M1", "C4-M1")
    parts = [labelled(tmp_path, n, *of) for n, of in enumerate(zip(labels, readers, strict=True))]
    expected = {"simulated": simulated, "labels": {"EEG": ["C4-M1", "C3-M2"], "EOG": []}}
    assert origin.signals(parts, ("EEG", "EOG")) == expected
