"""Origin of a run: recordings and files in; code, machine, packages and hashes out."""

from __future__ import annotations

import json
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xsleep import __version__
from xsleep.core.errors import InputError
from xsleep.core.files import sha256
from xsleep.databases.base import READERS
from xsleep.training.sequences import Part
from xsleep.workflow import commit

PACKAGES = ("xsleep", "torch", "numpy", "scipy", "h5py", "edfio", "wfdb", "snakemake")
"""Packages whose versions are recorded."""


def check_packages(names: Iterable[str] = PACKAGES) -> None:
    """Raise an `InputError` if the version of a package is not known."""
    for name in names:
        _version(name)


def origin(parts: Mapping[str, Sequence[Part]], inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Return code, machine and data that something was made with.

    ``parts`` are role to recordings, ``inputs`` name to other files that were read.
    """
    used = [part for role in parts.values() for part in role]
    return {
        "processor": _processor(),
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "recordings": {role: [part.info.recording for part in of] for role, of in parts.items()},
        "inputs": {
            **{name: sha256(path) for name, path in inputs.items()},
            **{name: sha for part in used for name, sha in sorted(part.info.hashes.items())},
        },
        "stores": {path: sha for part in used for path, sha in part.data.hashes.items()},
    }


def signals(parts: Sequence[Part], channels: Sequence[str]) -> dict[str, Any]:
    """Return whether all recordings are simulated, and the labels of the signals of each channel.

    Labels are as they were read, those of the most recordings first.
    """
    readers = {
        json.loads(part.info.recipe or "{}").get("source", {}).get("reader") for part in parts
    }
    labels = {
        channel: Counter(p.info.labels[channel] for p in parts if channel in p.info.labels)
        for channel in channels
    }
    return {
        "simulated": all(name in READERS and READERS[name].simulated for name in readers),
        "labels": {c: [label for label, _ in found.most_common()] for c, found in labels.items()},
    }


def _version(package: str) -> str:
    """Return the version of an installed package, or raise `InputError`."""
    if package == "xsleep":  # which may run from a clone that is not installed
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        raise InputError(
            f"{package}: not installed for {sys.executable}; install the locked packages there"
        ) from None


def _processor() -> str:
    """Return the processor's model, where known, and the instruction set that PyTorch uses.

    Virtual machines give processors with different instruction sets the same name.
    """
    from torch.backends.cpu import get_cpu_capability

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(named, platform.processor())} ({get_cpu_capability()})"
