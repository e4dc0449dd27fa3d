"""Runs: folders of trainings in, their records and the gaps in them out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xsleep.core.files import sha256


@dataclass(frozen=True)
class Run:
    """A training.

    Attributes:
        folder: where its files are.
        facts: content of ``run.json``; empty if it cannot be read.
        gaps: what is missing or wrong in its folder, a line each.
    """

    folder: Path
    facts: Mapping[str, Any]
    gaps: Sequence[str] = ()

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Return the training in a folder, its files compared with their recorded hashes."""
        path = folder / "run.json"
        try:
            facts = json.loads(path.read_text())
            outputs = facts["outputs"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return cls(folder, {}, [f"{path}: cannot be read; delete it to make the run again"])
        gaps = []
        for file, digest in ((folder / name, digest) for name, digest in outputs.items()):
            if not file.is_file():
                gaps.append(f"{file}: is missing; delete {path} to make it again")
            elif sha256(file) != digest:
                gaps.append(f"{file}: is not the file that {path} recorded")
        return cls(folder, facts, gaps)
