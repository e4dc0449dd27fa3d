"""The command ``xsleep score``: a recording of one's own."""

import re

import edfio
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.helpers.recordings import edf_signal, noise, prepare, write_recording
from tests.scoring.test_probabilities import network as make_network
from xsleep.cli import main
from xsleep.core.stages import STAGES
from xsleep.databases import source_of
from xsleep.networks import checkpoints
from xsleep.scoring.probabilities import score
from xsleep.store.recordings import read_index
from xsleep.training.parts import load_part

LABELS = ("EEG Fpz-Cz", "EOG horizontal")
SOURCE = {"EEG": LABELS[:1], "EOG": LABELS[1:]}


@pytest.fixture
def psg(tmp_path):
    write_recording(tmp_path / "nights")
    return tmp_path / "nights" / "SC4001E0-PSG.edf"


def write_model(path, channels, raw_deviation=None):
    network = make_network("XSleepNet2", len(channels))
    network.settings = network.settings.model_copy(update={"raw_deviation": raw_deviation})
    network.set_normalisation(
        torch.linspace(-5, 5, 129)[:, None].expand(-1, len(channels)),
        torch.full((129, len(channels)), 8.0),
    )
    checkpoints.save(path, network, "XSleepNet2", channels)
    return network


def run(model, psg, out, *labels):
    return main(["score", *map(str, (model, psg, out)), *(f"--label={one}" for one in labels)])


@pytest.mark.parametrize("raw_deviation", (None, 20.0))
def test_a_recording_gets_the_stages_that_the_pipeline_gives_it(tmp_path, psg, raw_deviation):
    channels = ("EEG", "EOG")
    network = write_model(tmp_path / "model.safetensors", channels, raw_deviation)
    assert run(tmp_path / "model.safetensors", psg, tmp_path / "hypnogram.csv", *LABELS) == 0

    source = source_of(reader="sleep-edf-20", folder=psg.parent, labels=SOURCE)
    index, _ = prepare(tmp_path, source, channels, "SC4001E0")
    (stored,) = read_index(index).values()
    part = load_part(stored, "whole-night", channels, network.settings)
    (expected,) = score(network, [part], None)

    hypnogram = pd.read_csv(tmp_path / "hypnogram.csv")
    probabilities = expected.probabilities["joint"]
    np.testing.assert_allclose(hypnogram[list(STAGES)], probabilities, atol=1e-4)
    assert hypnogram["stage"].tolist() == [STAGES[i] for i in probabilities.argmax(1)]
    assert hypnogram["epoch"].tolist() == list(range(1, 41))
    assert hypnogram["onset"].tolist() == [30 * i for i in range(40)]


def test_released_weights_are_normalised_over_the_recording(tmp_path, psg, capsys):
    network = make_network("ARNN+RNN")
    checkpoints.save(tmp_path / "model.safetensors", network, "ARNN+RNN", ("EEG",))
    out = tmp_path / "hypnogram.csv"
    assert run(tmp_path / "model.safetensors", psg, out, LABELS[0]) == 0
    assert "normalised over this file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:1], "reads EEG-EOG, and --label is given 1 times; give it once for each"),
        ((LABELS[0], "EOG"), "no EOG channel 'EOG'; it has 'EEG Fpz-Cz', 'EOG horizontal'"),
        ((LABELS[0], "EMG submental"), "'EMG submental' is sampled at 1 Hz"),
    ],
)
def test_labels_that_do_not_fit_are_one_line(tmp_path, psg, capsys, labels, message):
    write_model(tmp_path / "model.safetensors", ("EEG", "EOG"))
    out = tmp_path / "hypnogram.csv"
    assert run(tmp_path / "model.safetensors", psg, out, *labels) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not out.exists()


def test_files_that_cannot_be_used_are_one_line(tmp_path, psg, capsys):
    model, out = tmp_path / "model.safetensors", tmp_path / "hypnogram.csv"
    write_model(model, ("EEG",))
    edfio.Edf([edf_signal(LABELS[0], 20)]).write(tmp_path / "short.edf")
    scoring = tmp_path / "scoring.edf"
    edfio.Edf([], annotations=[edfio.EdfAnnotation(0, 30, "W")]).write(scoring)
    for model_given, recording, message in (
        (model, tmp_path / "none.edf", "no such file"),
        (model, tmp_path / "short.edf", "shorter than an epoch"),
        (model, model, "not readable as EDF"),
        (psg, psg, "not a checkpoint"),
        (tmp_path / "none.safetensors", psg, "no such file; name the model.safetensors"),
        (model, scoring, "scoring.edf: holds no signals"),
    ):
        assert run(model_given, recording, out, LABELS[0]) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert not out.exists()


def mixed(tmp_path, *signals):
    """A recording of these signals, each given by label, unit and factor on its microvolts."""
    content = [
        edf_signal(label, 600, dimension=unit, values=factor * noise(600, 100, seed))
        for seed, (label, unit, factor) in enumerate(signals)
    ]
    path = tmp_path / "mixed.edf"
    edfio.Edf(content).write(path)
    return path


GOOD = (("EEG Fpz-Cz", "uV", 1), ("EOG horizontal", "uV", 3))
UNUSABLE = {
    "a dead EOG": (
        (GOOD[0], ("EOG horizontal", "uV", 0)),
        LABELS,
        "EOG channel 'EOG horizontal' is constant",
    ),
    "volts called microvolts": (
        (("EEG Fpz-Cz", "uV", 1e-6), GOOD[1]),
        LABELS,
        "its numbers look like V, not uV",
    ),
    "swapped channels": (GOOD, LABELS[::-1], "'EOG horizontal' is taken for EEG"),
    "one signal for both": (
        (("x", "uV", 1), GOOD[1]),
        ("x", "x"),
        r"EEG and EOG are the same signal \('x', 'x'\)",
    ),
    "two signals of one label": (
        (("EEG", "uV", 1), ("EEG", "uV", 2), GOOD[1]),
        ("EEG", LABELS[1]),
        "2 signals are called 'EEG'",
    ),
    "no unit": ((("EEG Fpz-Cz", "", 1), GOOD[1]), LABELS, "has no unit; .*--unit uV"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_signals_that_cannot_be_scored_are_one_line(tmp_path, capsys, name):
    signals, labels, message = UNUSABLE[name]
    write_model(tmp_path / "model.safetensors", ("EEG", "EOG"))
    out = tmp_path / "hypnogram.csv"
    assert run(tmp_path / "model.safetensors", mixed(tmp_path, *signals), out, *labels) == 1
    *warnings, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ") and re.search(message, error)
    assert all(line.startswith("warning: ") for line in warnings)
    assert not out.exists()


def test_numbers_of_a_signal_of_one_label_and_a_stated_unit(tmp_path):
    """The second ``EEG`` is in volts and says nothing of it."""
    write_model(tmp_path / "model.safetensors", ("EEG",))
    volts = mixed(tmp_path, ("EEG", "uV", 0), ("EEG", "uV", 1e-6))
    arguments = ["--label", "EEG#2", "--unit", "V"]
    out = tmp_path / "hypnogram.csv"
    given = ["score", *map(str, (tmp_path / "model.safetensors", volts, out)), *arguments]
    assert main(given) == 0
    assert main([*given, "--unit", "V", "--unit", "V"]) == 1


def test_what_is_doubtful_is_told_and_scored(tmp_path, capsys):
    write_model(tmp_path / "model.safetensors", ("EEG",))
    path = mixed(tmp_path, GOOD[0])
    path.write_bytes(path.read_bytes() + b"surplus")
    out = tmp_path / "hypnogram.csv"
    assert run(tmp_path / "model.safetensors", path, out, LABELS[0]) == 0
    said = capsys.readouterr()
    assert (
        said.err == f"warning: {path}: 7 bytes after the last whole data record are passed over\n"
    )
    assert said.out.startswith(f"{out}: 20 epochs of {path} scored by XSleepNet2")


def rewritten(path, facts=None, change=lambda tensors: tensors):
    """A checkpoint with other metadata or tensors."""
    with safe_open(path, "pt") as file:
        known = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(change(tensors), path, known if facts is None else {"xsleep": facts})


@pytest.mark.parametrize(
    ("facts", "change"),
    [
        ("{", lambda tensors: tensors),
        ("[]", lambda tensors: tensors),
        ('{"system": "U-Net", "channels": ["EEG"], "network": {}}', lambda tensors: tensors),
        (None, lambda tensors: dict(list(tensors.items())[1:])),
        (None, lambda tensors: {name: value * float("nan") for name, value in tensors.items()}),
    ],
)
def test_a_damaged_checkpoint_is_one_line_that_names_it(tmp_path, psg, capsys, facts, change):
    model = tmp_path / "model.safetensors"
    write_model(model, ("EEG",))
    rewritten(model, facts, change)
    assert run(model, psg, tmp_path / "hypnogram.csv", LABELS[0]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {model}: ") and error.count("\n") == 1


@pytest.mark.parametrize("name", ("nights/SC4001E0-PSG.edf", "model.safetensors", "by_hand.csv"))
def test_no_file_of_a_persons_is_overwritten(tmp_path, psg, capsys, name):
    write_model(tmp_path / "model.safetensors", ("EEG",))
    (tmp_path / "by_hand.csv").write_text("onset,stage\n0,W\n")
    out = tmp_path / name
    before = out.read_bytes()
    assert run(tmp_path / "model.safetensors", psg, out, LABELS[0]) == 1
    error = capsys.readouterr().err
    assert f"{out}: exists" in error and error.count("\n") == 1
    assert out.read_bytes() == before


def test_a_recording_can_be_scored_again_into_the_same_file(tmp_path, psg):
    write_model(tmp_path / "model.safetensors", ("EEG",))
    for _ in range(2):
        assert run(tmp_path / "model.safetensors", psg, tmp_path / "scored.csv", LABELS[0]) == 0


def test_checkpoint_is_readable_by_those_who_can_read_other_files(tmp_path):
    write_model(tmp_path / "model.safetensors", ("EEG",))
    (tmp_path / "other").touch()
    modes = [(tmp_path / name).stat().st_mode for name in ("model.safetensors", "other")]
    assert modes[0] == modes[1]
