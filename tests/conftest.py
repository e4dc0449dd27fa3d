"""Folders of reference data beside the project; kernels are interpreted where no GPU is."""

import os

import pytest
import torch

from tests.helpers.recordings import SHARED, existing

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before any test imports Triton


@pytest.fixture
def reference():
    return existing(SHARED / "reference")


@pytest.fixture
def dreams_folder():
    return existing(SHARED / "data" / "dreams")


@pytest.fixture
def sleep_edf_fragment():
    return existing(SHARED / "data" / "sleep_edf_fragment")
