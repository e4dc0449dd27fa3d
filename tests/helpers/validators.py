"""Validators of metadata in an environment of their own, which `make test-crate` makes."""

import shutil
import subprocess
from pathlib import Path

import pytest


def validator_of(module):
    """The Python of the validators' environment; without the module the test is skipped."""
    found = shutil.which("rocrate-validator")
    python = found and Path(found).parent / "python"
    if (
        not found
        or subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode
    ):
        pytest.skip(f"no {module}; `make test-crate` installs it")
    return python


def told_by(module, program, *arguments):
    """Return the output of a program that runs in the validators' environment."""
    done = subprocess.run(
        [validator_of(module), "-c", program, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
