"""Test what is known before any job."""

import shutil
from types import SimpleNamespace

import pytest

from tests.helpers.recordings import ROOT
from xsleep.core.errors import InputError, OutputError
from xsleep.study import beforehand
from xsleep.study.planning import configuration
from xsleep.study.study import Study
from xsleep.training import origin


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def study(folder):
    return Study(configuration([ROOT / "config/config.yaml"], []), ROOT / "config")


def test_a_package_without_metadata_is_one_line_before_any_job(folder, monkeypatch):
    def version(package):
        raise origin.PackageNotFoundError(package)

    monkeypatch.setattr(origin, "version", version)
    with pytest.raises(InputError, match=r"^torch: not installed for .*; install requirements"):
        beforehand.check()


@pytest.mark.parametrize("name", ("results", "data", "logs"))
def test_a_folder_that_is_none_is_one_line_before_any_job(folder, name):
    beforehand.check()
    assert not any(folder.iterdir())
    (folder / name).touch()
    with pytest.raises(OutputError, match=rf"^{folder / name}: cannot be written \("):
        beforehand.check()


def test_stores_that_do_not_fit_are_one_line(study, folder, monkeypatch):
    """There are 24 simulated recordings of 6 h, 720 epochs of 2 channels of 6741 values each."""
    free = SimpleNamespace(free=9e8)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    assert beforehand.room(study) == (
        f"{folder}: about 0.932 GB of epochs and spectrograms are to come, and 0.9 GB are free; "
        "make room (df -h), or link data to a larger disk"
    )
    (folder / "data/epochs/simulated").mkdir(parents=True)
    with (folder / "data/epochs/simulated/SC4001E0.h5").open("wb") as stored:
        stored.truncate(10**8)  # what is stored already takes no more room
    assert not beforehand.room(study)
