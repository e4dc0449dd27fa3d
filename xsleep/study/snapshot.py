"""Copy of the configuration of a call of Snakemake, which its jobs read.

Each job reads the configuration anew. If it was changed meanwhile, the job would run with other
settings than those that Snakemake records of it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from xsleep.core.errors import InputError, reason
from xsleep.core.files import whole

VARIABLE = "XSLEEP_CONFIGURATION"
"""Environment variable that tells the jobs of a call where the copy is."""

COPIES = Path(".snakemake/xsleep/configurations")
"""Folder of the copies, each named after its content."""

CONFIG = "config.yaml"


def take(config: Mapping[str, Any], folder: Path) -> None:
    """Copy the content of ``config.yaml`` and the YAML files below its folder, for the jobs.

    Raises:
        InputError: one of the files cannot be read.
    """
    content = {CONFIG: yaml.safe_dump(dict(config), sort_keys=False).encode()}
    for path in sorted(folder.glob("*/*.yaml")):
        try:
            content[path.relative_to(folder).as_posix()] = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({reason(error)}); correct it") from error
    copy = COPIES / hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    for name, text in content.items():
        if not (copy / name).exists():
            with whole(copy / name) as temporary:
                temporary.write_bytes(text)
    os.environ[VARIABLE] = str(copy)


def folder() -> Path:
    """Return the folder of the copy that was taken by the call of Snakemake that this is of."""
    return Path(os.environ[VARIABLE])


def config() -> dict[str, Any]:
    """Return the content of its ``config.yaml``, with what was given on the command line."""
    return dict(yaml.safe_load((folder() / CONFIG).read_text()))
