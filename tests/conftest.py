"""Folders of reference data beside the project."""

import pytest

from tests.helpers.recordings import SHARED, existing


@pytest.fixture
def reference():
    return existing(SHARED / "reference")


@pytest.fixture
def dreams_folder():
    return existing(SHARED / "data" / "dreams")


@pytest.fixture
def sleep_edf_fragment():
    return existing(SHARED / "data" / "sleep_edf_fragment")
