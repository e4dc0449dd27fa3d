"""A page to explore recordings in a browser: stages by the scorer and by systems, and signals.

It needs no server. A page that is opened as a file may not fetch others, but it may run them: what
is shown of a recording is a script that hands over its values, read when the recording is chosen.
Its signals are in scripts of some epochs each, read when one of these epochs is chosen.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError
from xsleep.core.files import whole
from xsleep.core.recording import EPOCH_SECONDS, KINDS, kind
from xsleep.core.stages import STAGES
from xsleep.preparation.windows import in_window
from xsleep.results.figures import STAGE_COLOURS
from xsleep.results.formatting import NOT_SLEEP, entitled
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

PIECE = 100
"""Places of epochs whose signals are in one script."""

STEPS = 127
"""Steps from zero to the largest value of an epoch, in which its signals are stored."""

MOST_TRACES = 2 * 10**9
"""Bytes of signals that the page has at most."""

LOUD = 75
"""Percentile of the largest absolute values of the epochs to which traces are scaled at first."""


def write(
    runs: Sequence[RunPredictions],
    recordings: Mapping[str, Path],
    indexes: Mapping[str, Path],
    *,
    page: Path,
    simulated: Collection[str],
    report: Callable[[str], None],
) -> None:
    """Write the page and, in the folder ``data`` beside it, files for each recording.

    What is left out of Table 2 is left out here, and the page says why. A recording whose signals
    are not in the store is shown without. Of large studies, the recordings with the lowest accuracy
    have signals, up to ``MOST_TRACES``.

    Args:
        recordings, indexes: Per database its ``recordings.csv`` and the index of its store.
        simulated: The databases whose recordings are simulated.
        report: Takes a line on whatever is left out.
    """
    stored = cache(read_index)
    cases: dict[tuple[str, ...], list[SystemResults]] = defaultdict(list)
    for result in gather(runs, recordings):
        cases[result.case].append(result)
        for gap in result.gaps:
            report(f"left out: {gap}")
    room = MOST_TRACES / max(len({case[:2] for case in cases}), 1)
    traced: dict[tuple[str, ...], set[str]] = {}
    for case, results in cases.items():
        folder = page.parent.joinpath("data", *case)
        used = {(r.system, s, f) for r in results for s, f, *_ in r.counts.index}
        used |= {(system, seed, 0) for system, seed, _ in used}  # one file for all folds
        shown = _recordings(
            run for run in runs if run.case == case and (run.system, run.seed, run.fold) in used
        )
        systems = {r.system: {"seeds": _metrics(r), "gaps": r.gaps} for r in results}
        traces = folder.parent / "traces"
        is_first = case[:2] not in traced  # the channel sets of a window share the signals
        with_signals, written, missing = traced.setdefault(case[:2], set()), 0, []
        for name in _worst_first(shown, systems):
            content, places = shown[name], shown[name]["places"]
            content |= _seen(partial(stored, indexes[case[0]]), case, name, places)
            if "missing" in content:
                missing.append(f"{name}: {content['missing']}")
            elif is_first and written < room:
                written += _write_traces(traces, case, stored(indexes[case[0]])[name], places)
                with_signals.add(name)
            content["traced"] = name in with_signals
            # places without a gap between them, as the first and how many
            stretches = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
            content["places"] = [[int(stretch[0]), len(stretch)] for stretch in stretches]
            _script(folder / f"{name}.js", (*case, name), content)
        listed = {
            "recordings": [[name, content["subject"]] for name, content in shown.items()],
            "systems": systems,
            "traced": len(with_signals & {*shown}),
        }
        # Not with_suffix: a name may have a dot.
        _script(folder.with_name(f"{folder.name}.js"), case, listed)
        if missing:
            report(
                f"{', '.join(case)}: {len(missing)} of {len(shown)} recordings without signals; "
                f"{missing[0]}"
            )
    listed_cases = [dict(zip(CASE, case, strict=True)) for case in cases]
    databases = dict.fromkeys(case[0] for case in cases)
    text = render(
        "explorer.html",
        title=entitled("Recordings", databases, simulated),
        not_sleep=NOT_SLEEP,
        simulated=[name for name in databases if name in simulated],
        cases=listed_cases,
        stages=STAGES,
        colours=STAGE_COLOURS,
        piece=PIECE,
    )
    with whole(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _worst_first(shown: Mapping[str, Any], systems: Mapping[str, Any]) -> list[str]:
    """Return recordings by the accuracy of the first system, those without one last."""
    accuracy: dict[str, float] = {}
    for name in shown:
        values = [of.get(name, [None])[0] for s in systems.values() for of in s["seeds"].values()]
        accuracy[name] = next((value for value in values if value is not None), math.inf)
    return sorted(shown, key=lambda name: (accuracy[name], name))


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
    """Return the clock time, and the spectrograms and signals by channel or why there are none."""
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
    return seen | {"hertz": HERTZ, "spectrograms": images, "filter": info.raw_filter}


def _write_traces(folder: Path, case: Sequence[str], stored: Stored, places: Integers) -> int:
    """Write the signals of these epochs, all channels that are stored; return the bytes written."""
    info, written = stored.info, 0
    groups = (dataset.partition("/") for dataset in stored.offsets)
    channels = sorted(
        (channel for group, _, channel in groups if group == "signals"),
        key=lambda channel: (KINDS.index(kind(channel)), channel),
    )
    chosen = np.flatnonzero(np.isin(info.places, places))
    data = RecordingData(stored, tuple(channels), np.arange(chosen[0], chosen[-1] + 1))
    signals = data.raw(0, len(data))[chosen - chosen[0]]
    largest = np.abs(signals).max(axis=1)
    heights = np.percentile(largest, LOUD, axis=0)
    for piece in np.unique(places // PIECE):
        inside = places // PIECE == piece
        content = {
            "places": places[inside].tolist(),
            "channels": {
                channel: _trace(signals[inside, :, number], largest[inside, number])
                | {"height": round(float(heights[number]), 1)}
                for number, channel in enumerate(channels)
            },
        }
        path = folder / info.recording / f"{piece}.js"
        _script(path, (*case[:2], "traces", info.recording, f"{piece}"), content)
        written += path.stat().st_size
    return written


def _trace(signals: Floats, largest: Floats) -> dict[str, Any]:
    """Return microvolts (n, 3000) in steps of their own for each epoch."""
    steps = np.maximum(largest, 1e-3) / STEPS
    values = np.rint(signals / steps[:, None]).astype("i1").tobytes()
    return {"steps": [float(f"{x:.4g}") for x in steps], "values": b64encode(values).decode()}


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
