"""Hook of the build: single files of the workflow, and the commit that a wheel or sdist is of."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = ("Snakefile", "environment.yml", "dvc.yaml", ".dvcignore")
"""Files that lie beside the package in a clone, and in `xsleep/workflow` in a wheel."""


class WorkflowHook(BuildHookInterface):
    """Adds what `pyproject.toml` cannot name: it moves folders only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # which is as the clone is at any time
            return
        if self.target_name == "wheel":
            build_data["force_include"] |= {name: f"xsleep/workflow/{name}" for name in FILES}
        sys.path.insert(0, self.root)
        from xsleep.workflow import COMMIT, commit

        if not COMMIT.exists():  # in an sdist it does
            self._folder = TemporaryDirectory()
            file = Path(self._folder.name, COMMIT.name)
            file.write_text(f"{commit()}\n")
            build_data["force_include"][str(file)] = f"xsleep/{COMMIT.name}"
