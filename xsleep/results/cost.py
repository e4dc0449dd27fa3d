"""Cost of the networks beside their accuracy, from the records of finished runs and Table 2."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from xsleep import systems
from xsleep.config.names import MEASURED
from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.networks import build
from xsleep.results.footprint import NIGHT, night_operations
from xsleep.results.published import row_name
from xsleep.results.table2 import NAMES

CASE = ("database", "window", "channels")
TIMES = {"training": "training seconds", "scoring": "seconds a night"}
"""Column of the time of each kind of record: to train a fold, and to score a night."""

RESULTS = ("accuracy", "kappa", "MF1")
OF_RUNS = ("system", "runs", "parameters", "GFLOP a night")
OF_TIMES = ("training device", TIMES["training"], "scoring device", TIMES["scoring"])
COLUMNS = [*CASE, *OF_RUNS, *OF_TIMES, *RESULTS, "note"]

Record = Mapping[str, Any]
"""Content of a ``run.json`` or ``scoring.json``."""


def cost(folders: Sequence[Path], table2: pd.DataFrame) -> pd.DataFrame:
    """Return what each system costs on each case, beside its accuracy.

    Args:
        folders: of finished runs, with ``run.json`` and ``scoring.json``.
        table2: Table 2 of these runs.

    Returns:
        A row for each database, window, channel set and system, in the order of the folders:
        ``parameters``; operations that score a night of eight hours in 10^9; median seconds of the
        folds and seeds to train a fold, evaluations included, and to score a night, without the
        start of the program; the devices with their threads, of which a row has one each; the
        measured metrics of Table 2. Times that no record has are missing, which the note says.

    Raises:
        InputError: a record is damaged.
    """
    cases: dict[tuple[str, ...], list[tuple[Record, Record]]] = defaultdict(list)
    for folder in folders:
        run, scoring = (_read(folder / name) for name in ("run.json", "scoring.json"))
        devices = _device(run), _device(scoring)
        cases[(*(str(run[name]) for name in (*CASE, "system")), *devices)].append((run, scoring))
    rows = [_row(case, records, table2) for case, records in cases.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    case: tuple[str, ...], records: Sequence[tuple[Record, Record]], table2: pd.DataFrame
) -> dict[str, Any]:
    """Return the row of runs of one system on one case and device."""
    *names, system, trained_on, scored_on = case
    database, window, channels = names
    run, _ = records[0]
    settings = NetworkSettings(**run["network"])
    count = channels.count("-") + 1
    operations = night_operations(build(system, count, settings, seed=0), count)
    scored = [NIGHT * s["seconds"] / s["epochs"] for _, s in records if "seconds" in s]
    wanted = database, window, row_name(database, window, system), MEASURED
    found = table2[(table2[[*NAMES]] == [*wanted]).all(axis=1)]
    values = {metric: found[f"{channels} {metric}"].dropna() for metric in RESULTS}
    return {
        **dict(zip(CASE, names, strict=True)),
        "system": system,
        "runs": len(records),
        "parameters": run["parameters"],
        "GFLOP a night": round(operations / 1e9, 2),
        "training device": trained_on,
        TIMES["training"]: round(median(run["seconds"] for run, _ in records), 1),
        "scoring device": scored_on,
        TIMES["scoring"]: round(median(scored), 2) if scored else None,
        **{metric: one.iloc[0] if len(one) else None for metric, one in values.items()},
        "note": "" if scored else "time of scoring not recorded",
    }


def _read(path: Path) -> Any:
    """Return the content of a record."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: unusable ({error}); delete it and run again") from error


def _device(record: Record) -> str:
    """Return a device and, of a processor, the number of its threads."""
    threads = record["threads"]
    on_cpu = f"{threads} CPU thread{'s' * (threads > 1)}"
    return on_cpu if record["device"] == "cpu" else str(record["device"])


def places(table: pd.DataFrame) -> dict[str, int]:
    """Return the place of each system of the table in the order of all, for its look."""
    known = [name for name in systems.registry() if name in {*table["system"]}]
    return {name: place for place, name in enumerate(known)}
