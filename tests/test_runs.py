"""Who is pretrained on, and what a run refuses to go on from."""

import csv

import numpy as np
import pytest

from tests.conftest import NETWORK
from xsleep import checkpoints, runs, store
from xsleep.errors import InputError
from xsleep.models import build
from xsleep.settings import TrainingSettings


@pytest.mark.parametrize(
    ("pretrained", "channels", "line"),
    [
        ("FCNN+RNN", ("EEG",), "the network of an FCNN\\+RNN, which SeqSleepNet\\+ cannot go on"),
        ("XSleepNet2", ("EEG",), "the network of an XSleepNet2, which SeqSleepNet\\+ cannot go on"),
        ("ARNN+RNN", ("EEG", "EOG"), "a network of the channels EEG, EOG, for the target's EEG"),
    ],
)
def test_weights_of_another_system_or_of_more_channels_are_refused(
    tmp_path, pretrained, channels, line
):
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, build(pretrained, len(channels), NETWORK, 1), pretrained, channels)
    address = {"system": "SeqSleepNet+", "channels": "EEG", "seed": 1}
    nowhere = tmp_path / "nowhere"
    with pytest.raises(InputError, match=line) as error:
        runs.finetune_run(
            *(address, "all", None, TrainingSettings(steps=1), path, nowhere, nowhere, tmp_path),
            *(1, print),
        )
    assert str(error.value).startswith(f"{path}: ")


def test_a_night_that_the_window_has_too_little_of_is_not_pretrained_on(tmp_path):
    """Nor one of which the window is not known; the others are."""
    onsets = 30.0 * np.arange(40)
    lights = {"0": (0, 1200), "1": None, "2": (0, 1200), "3": (0, 570)}  # 19 epochs
    nights = [
        store.Night(f"night{name}", name, np.arange(40), onsets, np.zeros(40, "i1"), off_on)
        for name, off_on in lights.items()
    ]
    store.write_index(tmp_path / "all.h5", [store.Stored(night, "", "", {}) for night in nights])
    out = tmp_path / "split.csv"
    runs.make_source_split({"X": (tmp_path / "all.h5", "in-bed")}, 1, 1, out)
    with out.open() as file:
        assert {row["recording"] for row in csv.DictReader(file)} == {"night0", "night2"}
