"""Histories of trainings."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from xsleep.core.files import check_recorded, csv_file


def read_history(path: str | Path) -> pd.DataFrame:
    """Return the ``history.csv`` of a run, a line for each evaluation.

    Raises:
        InputError: it is damaged, or not the one that ``run.json`` recorded.
    """
    check_recorded(Path(path))
    with csv_file(path) as file:
        return pd.read_csv(file)
