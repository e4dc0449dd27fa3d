"""The notebook of docs/: it stores no outputs, and runs from a file to the comparison."""

import json
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from tests.helpers.recordings import ROOT, SHARED, existing

NOTEBOOK = ROOT / "docs" / "how-to" / "scoring.ipynb"
TOLD = """
import json
print(json.dumps([night.name, len(night.onsets), agreement.get_agreement()["accuracy"]]))
"""


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """The authors' networks, where fetched ones are looked for."""
    for folder in existing(SHARED / "data" / "released_checkpoints").glob("*/checkpoint"):
        shutil.copytree(folder, tmp_path / "cache" / folder.parent.name)
    monkeypatch.setenv("XSLEEP_CACHE", str(tmp_path / "cache"))


def run(folder):
    """The outputs of the notebook's cells when it runs in a folder; the last is `TOLD`'s."""
    notebook = nbformat.read(NOTEBOOK, 4)
    notebook.cells.append(nbformat.v4.new_code_cell(TOLD))
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, resources=where).execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def told(outputs):
    return json.loads(outputs[-1]["text"])


def test_it_has_ten_cells_and_stores_no_outputs():
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    assert len(notebook.cells) == 10
    assert not [c for c in notebook.cells if c.get("outputs") or c.get("execution_count")]


def test_it_scores_half_an_hour_of_real_eeg(networks, dreams_folder):
    outputs = run(NOTEBOOK.parent)
    name, epochs, accuracy = told(outputs)
    assert (name.rpartition("/")[2], epochs) == ("excerpt1.edf", 60)
    assert 65 < accuracy < 75
    assert [output for output in outputs if "image/png" in output.get("data", {})]


def test_it_simulates_a_recording_where_there_is_none(networks, tmp_path):
    (folder := tmp_path / "a/docs/how-to").mkdir(parents=True)
    name, epochs, accuracy = told(run(folder))
    assert (name.rpartition("/")[2], epochs) == ("SC4001E0-PSG.edf", 360)
    assert 20 < accuracy < 60  # not sleep
