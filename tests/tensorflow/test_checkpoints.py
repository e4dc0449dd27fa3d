"""Checkpoints saved by TensorFlow: imported, they compute TensorFlow's own logits."""

import filecmp
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.helpers.recordings import ROOT
from tests.helpers.rounding import of_sum
from tests.tensorflow import networks as saved
from xsleep import cli
from xsleep.networks import checkpoints
from xsleep.networks.tensorflow import read_checkpoint

PYTHON = ROOT / ".venv-tensorflow" / "bin" / "python"

TERMS = 1500
"""Terms of all sums between an input and a logit; no network here has more.

Time-frequency: 129 bins, 29 steps of 8 + 2, 29 weights, 5 steps of 4 + 3. Raw: nine convolutions of
at most 16, 5 steps of 12 + 3 and of 3 + 3. DeepSleepNet+: 400 samples, six convolutions of at most
17, 48 features, 5 steps of 48 + 2 and of 2 + 2. The functions between them have slopes of at
most 1, so an error is passed on as in one sum.
"""


def assert_are_logits(found, network):
    """Compare the logits of a network with those that TensorFlow saved beside its checkpoint."""
    with np.load(saved.FOLDER / network / "logits.npz") as expected:
        assert found.keys() == set(expected.files)
        for branch, values in found.items():
            bound = of_sum(TERMS, np.abs(expected[branch]).max())
            assert np.abs(values - expected[branch]).max() < bound
            # The inputs decide: no branch is constant within the bound.
            assert np.ptp(expected[branch], axis=(0, 1)).min() > 100 * bound


@pytest.mark.parametrize("name", saved.NETWORKS)
def test_an_imported_checkpoint_computes_the_logits_of_tensorflow(tmp_path, name):
    system, count, *_ = saved.NETWORKS[name]
    out = tmp_path / "a.safetensors"
    assert cli.main(["import-weights", str(saved.FOLDER / name), str(out)]) == 0
    network, found, channels = checkpoints.load(out)
    assert (found, channels) == (system, ("EEG", "EOG", "EMG")[:count])
    inputs = map(torch.from_numpy, saved.inputs(count))
    with torch.inference_mode():
        logits = network(*inputs)
    assert_are_logits({branch: values.numpy() for branch, values in logits.items()}, name)


@pytest.mark.parametrize("name", saved.NETWORKS)
def test_variables_are_read_as_they_were_saved(name):
    found = read_checkpoint(saved.FOLDER / name / "checkpoint" / saved.NETWORKS[name].prefix)
    for variable, values in found.items():
        np.testing.assert_array_equal(values, saved.weights(variable, values.shape), strict=True)


def test_the_fixture_is_small():
    files = [path for path in saved.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 200_000


@pytest.mark.skipif(not PYTHON.exists(), reason="make test-tensorflow installs TensorFlow")
def test_tensorflow_makes_the_same_files(tmp_path):
    command = [PYTHON, "-W", "ignore", "-m", "tests.tensorflow.make_checkpoints", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, stderr=sys.stderr)
    for name in saved.NETWORKS:
        folders = saved.FOLDER / name / "checkpoint", tmp_path / name / "checkpoint"
        files = [path.name for path in folders[0].iterdir()]
        assert filecmp.cmpfiles(*folders, files, shallow=False) == (files, [], [])
        with np.load(tmp_path / name / "logits.npz") as logits:
            assert_are_logits(dict(logits), name)
