"""What a run refuses to go on from."""

import pytest

from tests.test_scoring import SETTINGS
from xsleep import checkpoints, runs
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
    checkpoints.save(path, build(pretrained, len(channels), SETTINGS, 1), pretrained, channels)
    address = {"system": "SeqSleepNet+", "channels": "EEG", "seed": 1}
    nowhere = tmp_path / "nowhere"
    with pytest.raises(InputError, match=line) as error:
        runs.finetune_run(
            *(address, "all", None, TrainingSettings(steps=1), path, nowhere, nowhere, tmp_path),
            *(1, print),
        )
    assert str(error.value).startswith(f"{path}: ")
