"""Histories of trainings: those that ``run.json`` recorded."""

import json

import pytest

from xsleep.core.errors import InputError
from xsleep.core.files import sha256
from xsleep.results.histories import read_history


def test_a_history_of_which_one_digit_changed_is_one_line(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,joint validation loss\n2,1.5\n")
    (tmp_path / "run.json").write_text(json.dumps({"outputs": {path.name: sha256(path)}}))
    assert read_history(path)["joint validation loss"].tolist() == [1.5]
    path.write_text("step,joint validation loss\n2,1.4\n")
    with pytest.raises(InputError, match=rf"^{path}: not as it was written \(another SHA-256"):
        read_history(path)
