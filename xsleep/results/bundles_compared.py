"""Two bundles of results compared: the same rows of Table 2, and the verdicts on the claims."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from xsleep.core.errors import InputError, reason
from xsleep.core.files import read_table
from xsleep.results import inference, table2
from xsleep.results.bundle import ANEW, Bundle, read_bundle
from xsleep.results.claims.base import number
from xsleep.results.comparisons import paired
from xsleep.results.formatting import ROUNDED
from xsleep.results.measurements import CASE, SystemResults, gather
from xsleep.results.metrics import METRICS
from xsleep.store.predictions import read_predictions

NAMES = (*CASE, "system")
CLAIM = ("claim", *CASE)

BOTH, ONLY_A, ONLY_B = "both", "A alone", "B alone"
SAME = "same"

VALUES = ("A", "B", "difference", "95 % from", "95 % to")
COUNTS = ("subjects", "recordings", "recordings A", "recordings B", "seeds A", "seeds B")
COLUMNS = (
    *("in", *NAMES, "source A", "source B", "metric", *VALUES, *COUNTS),
    *("folds", "true stages"),
)

_SIDES = {"of system": "A", "of against": "B"}
"""Columns of `paired` that have other names here."""

Names = tuple[str, str, str, str]
"""The values of ``NAMES``."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of two bundles, A and B.

    Attributes:
        rows: a row per metric of each row of Table 2 that both have, or one alone, with
            ``COLUMNS``. ``difference`` is A minus B with the ends of its 95 % interval over
            subjects and, with several seeds, over seeds, on the recordings that both tested;
            ``folds`` and ``true stages`` are `SAME`, or how they differ.
        claims: claim and case to the verdicts ``A`` and ``B``, empty where there is none.
        remarks: what is to be known about the bundles, a line each.
        simulated: databases whose recordings are simulated.
    """

    rows: pd.DataFrame
    claims: pd.DataFrame
    remarks: list[str]
    simulated: list[str]

    @property
    def conclusion(self) -> str:
        """Conclusion of the comparison, in a sentence."""
        both = self.rows[self.rows["in"] == BOTH]
        if both.empty:
            return "The bundles have no row in common, so nothing is compared."
        apart = (both["95 % from"] > 0) | (both["95 % to"] < 0)
        rows, alone = _count(both), _count(self.rows) - _count(both)
        tested = _count(both[both["95 % from"].notna()])
        verdicts = self.claims[(self.claims[["A", "B"]] != "").all(axis=1)]
        changed = int((verdicts["A"] != verdicts["B"]).sum())
        same = {what: bool((both[what] == SAME).all()) for what in ("folds", "true stages")}
        parts = [
            f"Of {number(rows, 'row')} in both bundles, {_differ(_count(both[apart]))} in a metric "
            "(95 % interval of the difference without 0)",
            *([f"{rows - tested} cannot be tested"] if tested < rows else []),
            f"of {number(len(verdicts), 'verdict')} on claims {_differ(changed)}",
        ]
        basis = [f"{what} are {'' if so else 'not all '}the same" for what, so in same.items()]
        end = f"; {number(alone, 'row')} in one alone" if alone else ""
        return f"{', '.join(parts[:-1])}, and {parts[-1]}; {', '.join(basis)}{end}."


def _differ(count: int) -> str:
    return f"{count or 'none'} {'differ' if count > 1 else 'differs'}"


def _count(rows: pd.DataFrame) -> int:
    """Return the number of different systems of rows."""
    return len(rows[["in", *NAMES]].drop_duplicates())


@dataclass(frozen=True)
class _Unpacked:
    """A bundle that was unpacked into a folder, with its results by their names in Table 2."""

    bundle: Bundle
    folder: Path
    results: Mapping[Names, SystemResults]

    @classmethod
    def of(cls, path: Path, folder: Path) -> _Unpacked:
        """Unpack the bundle at a path."""
        bundle = read_bundle(path)
        bundle.extract(folder)
        databases = bundle.manifest.databases
        listed = {name: folder / name / "recordings.csv" for name in databases}
        try:
            results = gather(bundle.runs(folder), listed)
        except InputError as error:
            raise InputError(f"{path}: {str(error).replace(f'{folder}/', '')}") from error
        return cls(bundle, folder, {(*one.case, one.system): one for one in results})

    def table(self, name: str, *columns: str) -> pd.DataFrame:
        """Return a CSV table with these columns, as text; raise `InputError` where it is none."""
        try:
            table = read_table(self.folder / name)
            table[[*columns]]
        except (ValueError, KeyError) as error:
            raise InputError(
                f"{self.bundle.path}: {name}: not the table that it should be ({reason(error)}); "
                f"{ANEW}"
            ) from error
        return table

    def remarks(self) -> list[str]:
        """Return which predictions are left out, and which values of Table 2 are not theirs."""
        path, prefix = self.bundle.path, f"{self.folder}/"
        gaps = dict.fromkeys(gap for one in self.results.values() for gap in one.gaps)
        lines = [f"{path}: left out: {gap.replace(prefix, '')}" for gap in gaps]
        table = self.table("table2.csv", *table2.NAMES)
        for one in self.results.values():
            row = [one.database, one.window, one.system, one.source]
            rows = table[(table[[*table2.NAMES]] == row).all(axis=1)]
            for metric, value in inference.estimate(one.matrices()).items():
                column = f"{one.channels} {metric}"
                cells = rows[column] if column in rows else pd.Series(dtype=float)
                stated = pd.to_numeric(cells, errors="coerce").dropna()
                if len(stated) and (abs(stated - value) > ROUNDED[metric]).all():
                    lines.append(
                        f"{path}: table2.csv has {stated.iloc[0]} as {column} of {one.system} on "
                        f"{one.database}, {one.window}, but its predictions give {value:.4g}"
                    )
        return lines

    def truth(self, names: Names) -> dict[str, str]:
        """Return a hash of the places and true stages of each recording that a row tested."""
        tested = self.results[names].counts.index.unique("recording")
        found: dict[str, str] = {}
        for run in self.bundle.runs(self.folder):
            if (*run.case, run.system) == names:
                with suppress(InputError):  # it is among the gaps
                    for one in read_predictions(run.predictions):
                        arrays = one.places.tobytes() + one.stages.tobytes()
                        found.setdefault(one.recording, hashlib.sha256(arrays).hexdigest())
        return {recording: found[recording] for recording in tested}

    def verdicts(self) -> pd.Series[str]:
        """Return the verdict on each claim and case."""
        table = self.table("claims.csv", *CLAIM, "verdict").drop_duplicates([*CLAIM])
        return table.set_index([*CLAIM])["verdict"]


def compare(a: Path, b: Path) -> Comparison:
    """Compare two bundles.

    Raises:
        InputError: one of them is no bundle, not whole, or its tables cannot be read.
    """
    with TemporaryDirectory() as temporary:
        sides = [_Unpacked.of(path, Path(temporary, side)) for path, side in ((a, "A"), (b, "B"))]
        one, other = sides
        folds = _folds(one, other)
        rows: list[dict[str, Any]] = []
        for names in dict.fromkeys((*one.results, *other.results)):
            if names in one.results and names in other.results:
                rows += _both(names, one, other, folds[names[0]])
            else:
                rows += _alone(names, one, other)
        claims = pd.concat([side.verdicts() for side in sides], axis=1, keys=["A", "B"])
        return Comparison(
            rows=pd.DataFrame(rows, columns=[*COLUMNS]).astype(dict.fromkeys(COUNTS, "Int64")),
            claims=claims.fillna("").reset_index(),
            remarks=[
                *_versions(one.bundle, other.bundle),
                *one.remarks(),
                *other.remarks(),
                *_sources(rows),
                *_single_seeds(rows),
            ],
            simulated=sorted(
                {n for s in sides for n, of in s.bundle.manifest.databases.items() if of.simulated}
            ),
        )


def rounded(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with their values as text: two decimals, of kappa four; missing ones empty."""
    texts = {
        column: [
            "" if pd.isna(value) else format(value, "z.4f" if metric == "kappa" else "z.2f")
            for metric, value in zip(rows["metric"], rows[column], strict=True)
        ]
        for column in VALUES
    }
    return rows.assign(**texts)


def _both(names: Names, one: _Unpacked, other: _Unpacked, folds: str) -> list[dict[str, Any]]:
    """Return the rows of a system that both have, on the recordings of which both know the same."""
    ours, theirs = (side.results[names] for side in (one, other))
    subjects = _subjects(theirs)
    common = [name for name, subject in _subjects(ours).items() if subjects.get(name) == subject]
    truth = [side.truth(names) for side in (one, other)]
    unlike = sum(truth[0][name] != truth[1][name] for name in common)
    pair = ours.of("recording", common), theirs.of("recording", common)
    values: dict[str, dict[str, float]] = {metric: {} for metric in METRICS}
    if common:
        values = paired(*pair, METRICS)
    return [
        _row(BOTH, names, ours, theirs)
        | {"metric": metric}
        | {_SIDES.get(name, name): value for name, value in of.items()}
        | {"subjects": pair[0].number("subject"), "recordings": len(common), "folds": folds}
        | {"true stages": f"different in {unlike} of {len(common)}" if unlike else SAME}
        for metric, of in values.items()
    ]


def _alone(names: Names, one: _Unpacked, other: _Unpacked) -> list[dict[str, Any]]:
    """Return the rows of a system that one bundle alone has."""
    ours, theirs = (side.results.get(names) for side in (one, other))
    side, result = ("A", ours) if ours else ("B", theirs)
    assert result
    return [
        _row(ONLY_A if ours else ONLY_B, names, ours, theirs)
        | {"metric": metric, side: value, **result.numbers("subjects", "recordings")}
        for metric, value in inference.estimate(result.matrices()).items()
    ]


def _row(
    where: str, names: Names, ours: SystemResults | None, theirs: SystemResults | None
) -> dict[str, Any]:
    """Return what all metrics of a system have."""
    row: dict[str, Any] = {"in": where} | dict(zip(NAMES, names, strict=True))
    for side, result in (("A", ours), ("B", theirs)):
        if result:
            row |= {f"source {side}": result.source, f"seeds {side}": result.number("seed")}
            row |= {f"recordings {side}": result.number("recording")}
    return row


def _subjects(result: SystemResults) -> dict[str, str]:
    """Return the subject of each recording."""
    values = (result.counts.index.get_level_values(name) for name in ("recording", "subject"))
    return dict(zip(*values, strict=True))


def _folds(one: _Unpacked, other: _Unpacked) -> dict[str, str]:
    """Return whether the folds of each database that both have are the same."""
    common = one.bundle.manifest.databases.keys() & other.bundle.manifest.databases.keys()
    found = {}
    for name in common:
        ours, theirs = (
            set(side.table(f"{name}/folds.csv").itertuples(index=False, name=None))
            for side in (one, other)
        )
        found[name] = SAME if ours == theirs else "different"
    return found


def _versions(one: Bundle, other: Bundle) -> list[str]:
    """Return a line where two bundles were made by different code."""
    made = [(of.manifest.xsleep, of.manifest.commit) for of in (one, other)]
    if made[0] == made[1]:
        return []
    told = (
        f"{of.path} by xsleep {v}, commit {c}"
        for of, (v, c) in zip((one, other), made, strict=True)
    )
    return [f"made by different code: {', '.join(told)}"]


def _sources(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each system whose values come from elsewhere in the other bundle."""
    lines = [
        f"{', '.join(row[name] for name in NAMES)}: {row['source A']} in A, {row['source B']} in B"
        for row in rows
        if row["in"] == BOTH and row["source A"] != row["source B"]
    ]
    return [*dict.fromkeys(lines)]


def _single_seeds(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line where intervals do not tell of other trainings."""
    single = any(1 in (row.get("seeds A"), row.get("seeds B")) for row in rows if row["in"] == BOTH)
    line = "a side has one seed: the intervals are of other subjects, not of other trainings"
    return [line] if single else []
