"""A page to explore recordings in a browser, with true and predicted stages.

It needs no server. A page that is opened as a file may not fetch others, but it may run them: what
is shown of a night is a script that hands over its values, read when the night is chosen.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from xsleep.core.errors import InputError
from xsleep.core.files import whole
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.core.stages import STAGES
from xsleep.preparation.windows import in_window
from xsleep.results.measurements import CASE, RunPredictions, SystemResults, gather
from xsleep.results.metrics import of_confusion, probabilities
from xsleep.store.predictions import Prediction, read_predictions
from xsleep.store.recordings import RecordingData, Stored, read_index

BINS = slice(1, 81)
"""Frequency bins that are shown: what is above 31 Hz tells no stages apart."""

BINS_PER_ROW = 2
HERTZ = (0.195, 31.445)
"""Lower edge of the lowest of ``BINS`` and upper edge of the highest."""

CONTRAST = (1, 99)
"""Percentiles of a night's levels that are the ends of the colours."""


def write(
    runs: Iterable[RunPredictions],
    recordings: Mapping[str, Path],
    indexes: Mapping[str, Path],
    page: Path,
    report: Callable[[str], None],
) -> None:
    """Write the page and, in the folder ``data`` beside it, a file for each night.

    What is left out of Table 2 is left out here, and the page says why. A night whose spectrograms
    are not in the store is shown without.

    Args:
        recordings, indexes: per database its ``recordings.csv`` and the index of its store.
        report: takes a line on whatever is left out.
    """
    runs = list(runs)
    stores = {database: _store(path) for database, path in indexes.items()}
    cases: dict[tuple[str, ...], list[SystemResults]] = defaultdict(list)
    for result in gather(runs, recordings):
        cases[result.case].append(result)
    for case, results in cases.items():
        folder = page.parent.joinpath("data", *case)
        of_case = [run for run in runs if (run.database, run.window, run.channels) == case]
        nights = _nights(of_case, results)
        for result in results:
            for gap in result.gaps:
                report(f"left out: {gap}")
        # Not with_suffix: a name may have a dot.
        _script(folder.with_name(f"{folder.name}.js"), case, _listed(nights, results))
        missing = []
        for name, night in nights.items():
            seen = _seen(stores[case[0]], case, name, night["places"])
            if "missing" in seen:
                missing.append(f"{name}: {seen['missing']}")
            night["places"] = _stretches(night["places"])
            _script(folder / f"{name}.js", (*case, name), night | seen)
        if missing:
            report(
                f"{', '.join(case)}: {len(missing)} of {len(nights)} nights without spectrogram; "
                f"{missing[0]}"
            )
    with whole(page) as temporary:
        temporary.write_text(_page(cases), encoding="utf-8")


def _page(cases: Iterable[Sequence[str]]) -> str:
    """Return the page, which loads the scripts of these cases."""
    parts = files(__package__)
    text = parts.joinpath("page.html").read_text(encoding="utf-8")
    for name in ("page.css", "page.js"):
        text = text.replace(f"/* {name} */", parts.joinpath(name).read_text(encoding="utf-8"))
    return text.replace("/* cases */", _json([dict(zip(CASE, c, strict=True)) for c in cases]))


def _store(path: Path) -> Mapping[str, Stored] | str:
    """Return the recordings in the store, or why it cannot be read."""
    try:
        return read_index(path)
    except InputError as error:
        return str(error)


def _nights(
    runs: Sequence[RunPredictions], results: Sequence[SystemResults]
) -> dict[str, dict[str, Any]]:
    """The nights of a case by name: epochs, true stages, and what each run that is used says."""
    used = {
        (result.system, seed, fold) for result in results for seed, fold, *_ in result.counts.index
    }
    nights: dict[str, dict[str, Any]] = {}
    for run in runs:
        if (run.system, run.seed, run.fold) not in used:
            continue
        for prediction in read_predictions(run.predictions):
            night = nights.setdefault(
                prediction.recording,
                {
                    "subject": prediction.subject,
                    "places": prediction.places,
                    "true": _digits(prediction.stages),
                    "runs": defaultdict(dict),
                },
            )
            night["runs"][run.system][run.seed] = _predicted(prediction)
    return dict(sorted(nights.items()))


def _predicted(prediction: Prediction) -> dict[str, str]:
    """Predicted stages and, in steps of 1/255, the probabilities of all."""
    values = probabilities(prediction)
    rounded = np.rint(255 * values).astype("u1")
    return {"predicted": _digits(values.argmax(axis=1)), "probabilities": _base64(rounded)}


def _listed(
    nights: Mapping[str, Mapping[str, Any]], results: Sequence[SystemResults]
) -> dict[str, Any]:
    """The nights of a case with the accuracy and kappa of each system and seed."""
    systems = {}
    for result in results:
        matrices = result.counts.to_numpy().reshape(-1, len(STAGES), len(STAGES))
        metrics = of_confusion(matrices)
        seeds: dict[int, dict[str, list[float | None]]] = defaultdict(dict)
        for (seed, _, _, name), *values in zip(
            result.counts.index, metrics["accuracy"], metrics["kappa"], strict=True
        ):
            seeds[seed][name] = [None if math.isnan(x) else round(float(x), 4) for x in values]
        systems[result.system] = {"seeds": seeds, "gaps": result.gaps}
    return {
        "nights": [[name, night["subject"]] for name, night in nights.items()],
        "systems": systems,
    }


def _seen(
    store: Mapping[str, Stored] | str, case: Sequence[str], name: str, places: np.ndarray
) -> dict[str, Any]:
    """Clock time, and the spectrograms by channel or why there are none."""
    _, window, channels = case
    seen: dict[str, Any] = {"clock": None, "step": EPOCH_SECONDS}
    try:
        if isinstance(store, str):
            raise InputError(store)
        if name not in store:
            raise InputError("not in the store; run snakemake again")
        night = store[name].info
        chosen = np.flatnonzero(in_window(night, window))
        if not np.array_equal(night.places[chosen], places):
            raise InputError(f"{store[name].epochs}: not the epochs that were scored; score again")
        onsets = night.onsets[chosen]
        seen["step"] = night.step
        if night.start is not None:
            seen["clock"] = float(night.start + onsets[0])
        names = tuple(channels.split("-"))
        levels = RecordingData(store[name], names, chosen).levels()[:, BINS]
    except InputError as error:
        return seen | {"missing": str(error)}
    levels = levels.reshape(len(levels), -1, BINS_PER_ROW, len(names)).mean(axis=2)
    images = {channel: _image(levels[..., place]) for place, channel in enumerate(names)}
    return seen | {"hertz": HERTZ, "spectrograms": images}


def _image(levels: np.ndarray) -> dict[str, Any]:
    """Decibels (n, rows) in 256 steps between two levels, epoch by epoch."""
    low, high = np.percentile(levels, CONTRAST)
    steps = np.clip((levels - low) / max(high - low, 1e-9), 0, 1)
    return {
        "low": round(float(low), 1),
        "high": round(float(high), 1),
        "rows": levels.shape[1],
        "values": _base64(np.rint(255 * steps).astype("u1")),
    }


def _stretches(places: np.ndarray) -> list[list[int]]:
    """Places without a gap between them, as the first and how many."""
    stretches = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    return [[int(stretch[0]), len(stretch)] for stretch in stretches]


def _digits(stages: np.ndarray) -> str:
    return "".join(map(str, stages.tolist()))


def _base64(values: np.ndarray) -> str:
    return b64encode(values.tobytes()).decode()


def _script(path: Path, name: Sequence[str], content: Mapping[str, Any]) -> None:
    with whole(path) as temporary:
        temporary.write_text(f"loaded({_json('/'.join(name))}, {_json(content)});\n")


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))
