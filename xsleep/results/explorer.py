"""A page to explore recordings in a browser, with true and predicted stages.

It needs no server. A page that is opened as a file may not fetch others, but it may run them: what
is shown of a recording is a script that hands over its values, read when the recording is chosen.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError
from xsleep.core.files import whole
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.core.stages import STAGES
from xsleep.preparation.windows import in_window
from xsleep.results.measurements import CASE, RunPredictions, SystemResults, gather
from xsleep.results.metrics import decided, of_confusion, probabilities
from xsleep.results.templates import render
from xsleep.store.predictions import Prediction, read_predictions
from xsleep.store.recordings import RecordingData, Stored, read_index

BINS = slice(1, 81)
"""Frequency bins that are shown: what is above 31 Hz tells no stages apart."""

BINS_PER_ROW = 2
HERTZ = (0.195, 31.445)
"""Lower edge of the lowest of ``BINS`` and upper edge of the highest."""

NONE = 9
"""Digit of an epoch for which a system has no prediction."""

CONTRAST = (1, 99)
"""Percentiles of a recording's levels that are the ends of the colours."""


def write(
    runs: Sequence[RunPredictions],
    recordings: Mapping[str, Path],
    indexes: Mapping[str, Path],
    *,
    page: Path,
    report: Callable[[str], None],
) -> None:
    """Write the page and, in the folder ``data`` beside it, a file for each recording.

    What is left out of Table 2 is left out here, and the page says why. A recording whose
    spectrograms are not in the store is shown without.

    Args:
        recordings, indexes: Per database its ``recordings.csv`` and the index of its store.
        report: Takes a line on whatever is left out.
    """
    stored = cache(read_index)
    cases: dict[tuple[str, ...], list[SystemResults]] = defaultdict(list)
    for result in gather(runs, recordings):
        cases[result.case].append(result)
        for gap in result.gaps:
            report(f"left out: {gap}")
    for case, results in cases.items():
        folder = page.parent.joinpath("data", *case)
        used = {(r.system, s, f) for r in results for s, f, *_ in r.counts.index}
        used |= {(system, seed, 0) for system, seed, _ in used}  # one file for all folds
        shown = _recordings(
            run for run in runs if run.case == case and (run.system, run.seed, run.fold) in used
        )
        listed = {
            "recordings": [[name, content["subject"]] for name, content in shown.items()],
            "systems": {r.system: {"seeds": _metrics(r), "gaps": r.gaps} for r in results},
        }
        # Not with_suffix: a name may have a dot.
        _script(folder.with_name(f"{folder.name}.js"), case, listed)
        missing = []
        for name, content in shown.items():
            places = content["places"]
            content |= _seen(partial(stored, indexes[case[0]]), case, name, places)
            if "missing" in content:
                missing.append(f"{name}: {content['missing']}")
            # places without a gap between them, as the first and how many
            stretches = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
            content["places"] = [[int(stretch[0]), len(stretch)] for stretch in stretches]
            _script(folder / f"{name}.js", (*case, name), content)
        if missing:
            report(
                f"{', '.join(case)}: {len(missing)} of {len(shown)} recordings without "
                f"spectrogram; {missing[0]}"
            )
    listed_cases = [dict(zip(CASE, case, strict=True)) for case in cases]
    with whole(page) as temporary:
        temporary.write_text(render("explorer.html", cases=listed_cases), encoding="utf-8")


def _recordings(runs: Iterable[RunPredictions]) -> dict[str, dict[str, Any]]:
    """Return the epochs, the true stages and the predictions of each recording, by its name."""
    tested: dict[str, list[tuple[RunPredictions, Prediction]]] = defaultdict(list)
    for run in runs:
        for one in read_predictions(run.predictions):
            tested[one.recording].append((run, one))
    found: dict[str, dict[str, Any]] = {}
    for name, of_runs in sorted(tested.items()):
        every = [one.places for _, one in of_runs], [one.stages for _, one in of_runs]
        places, first = np.unique(np.concatenate(every[0]), return_index=True)
        true = np.concatenate(every[1])[first]
        content = {"subject": of_runs[0][1].subject, "places": places, "true": _digits(true)}
        shown: dict[str, dict[int, dict[str, str]]] = defaultdict(dict)
        for run, one in of_runs:
            there = np.isin(places, one.places)
            stages, chances = np.full(len(places), NONE), np.zeros((len(places), len(STAGES)))
            stages[there] = decided(one)
            if known := one.predicted is None:
                chances[there] = probabilities(one)
            shown[run.system][run.seed] = {
                "predicted": _digits(stages),
                "probabilities": _bytes(chances) if known else "",
            }
        found[name] = content | {"runs": shown}
    return found


def _metrics(result: SystemResults) -> dict[int, dict[str, list[float | None]]]:
    """Return accuracy and kappa by seed and recording."""
    matrices = result.counts.to_numpy().reshape(-1, len(STAGES), len(STAGES))
    metrics = of_confusion(matrices)
    found: dict[int, dict[str, list[float | None]]] = defaultdict(dict)
    lines = zip(result.counts.index, metrics["accuracy"], metrics["kappa"], strict=True)
    for (seed, _, _, name), *values in lines:
        found[seed][name] = [None if math.isnan(x) else round(float(x), 4) for x in values]
    return found


def _seen(
    read: Callable[[], Mapping[str, Stored]], case: Sequence[str], name: str, places: Integers
) -> dict[str, Any]:
    """Return the clock time, and the spectrograms by channel or why there are none."""
    _, window, channels = case
    seen: dict[str, Any] = {"clock": None, "step": EPOCH_SECONDS}
    try:
        if name not in (store := read()):
            raise InputError("not in the store; run snakemake again")
        info = store[name].info
        chosen = np.flatnonzero(in_window(info, window))
        scored = np.isin(info.places[chosen], places)
        if np.count_nonzero(scored) < len(places):
            raise InputError(f"{store[name].epochs}: not the epochs that were scored; score again")
        seen["step"] = info.step
        if info.start is not None:
            seen["clock"] = float(info.start + info.onsets[chosen][scored][0])
        names = tuple(channels.split("-"))
        levels = RecordingData(store[name], names, chosen).levels()[scored, BINS]
    except InputError as error:
        return seen | {"missing": str(error)}
    levels = levels.reshape(len(levels), -1, BINS_PER_ROW, len(names)).mean(axis=2)
    images = {channel: _image(levels[..., place]) for place, channel in enumerate(names)}
    return seen | {"hertz": HERTZ, "spectrograms": images}


def _image(levels: Floats) -> dict[str, Any]:
    """Return decibels (n, rows) in 256 steps between two levels, epoch by epoch."""
    low, high = np.percentile(levels, CONTRAST)
    steps = np.clip((levels - low) / max(high - low, 1e-9), 0, 1)
    ends = {"low": round(float(low), 1), "high": round(float(high), 1)}
    return ends | {"rows": levels.shape[1], "values": _bytes(steps)}


def _digits(stages: Integers) -> str:
    return "".join(map(str, stages.tolist()))


def _bytes(shares: Floats) -> str:
    """Return values from 0 to 1 in steps of 1/255, as the base64 of bytes."""
    return b64encode(np.rint(255 * shares).astype("u1").tobytes()).decode()


def _script(path: Path, name: Sequence[str], content: Mapping[str, Any]) -> None:
    values = json.dumps(content, separators=(",", ":"))
    with whole(path) as temporary:
        temporary.write_text(f"loaded({json.dumps('/'.join(name))}, {values});\n")
