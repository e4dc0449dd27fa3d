"""``xsleep info``: what a recording, hypnogram, store, network or run is."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Sized
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsleep.cli.command import command
from xsleep.core.errors import InputError, reason
from xsleep.core.stages import STAGES, UNSCORED

if TYPE_CHECKING:
    from xsleep.core.arrays import Integers
    from xsleep.staging.montage import Choice, Described
    from xsleep.store.predictions import Prediction

NETWORKS = (".safetensors", ".npz", ".index")
KINDS = ("EEG", "EOG", "EMG")
PLACE = ("database", "window", "source", "strategy", "seed", "fold")
"""Keys of ``run.json`` that say which run it is."""
MOST_NAMED = 6
"""Signals that are named."""


def add(commands: Any) -> None:
    """Add the command."""
    aim = "tell what a recording, hypnogram, store, network or run is"
    more = "It reads no more of the file than it needs."
    argument = command(commands, "info", _run, aim, more)
    what = (
        "file that MNE reads, hypnogram, HDF5 file of the workflow, checkpoint (.safetensors, or "
        "of TensorFlow), or folder of a run or of folds"
    )
    argument("file", type=Path, metavar="FILE", help=what)
    what = "list the signals of a recording, and what each would be taken for"
    argument("--channels", action="store_true", help=what)


def _run(given: argparse.Namespace) -> None:
    path = Path(re.sub(r"\.data-\d+-of-\d+$", "", str(given.file)))  # of a TensorFlow checkpoint
    if not path.exists() and not path.with_name(f"{path.name}.index").exists():
        raise InputError(f"{path}: no such file; name a file, or the folder of a run")
    if given.channels:
        _list_channels(path)
        return
    try:
        lines = [*_told(path)]
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: damaged, or of another version of xsleep ({reason(error)}); make it again"
        ) from error
    print("\n".join(lines))


def _told(path: Path) -> Iterator[str]:
    from xsleep.staging.sources import SUFFIXES

    if not path.is_file() or path.suffix in NETWORKS:
        return _network(path)
    if path.name.lower().endswith(SUFFIXES):
        return _recording(path)
    import h5py

    return _store(path) if h5py.is_hdf5(path) else _hypnogram(path)


def _choices(signals: Sequence[Described]) -> dict[str, list[Choice]]:
    """Return what fits each channel, best first, as for the known networks."""
    from xsleep.staging.known import known
    from xsleep.staging.montage import choices

    trained = {c: labels for one in known().values() for c, labels in one.montage.items()}
    return {kind: choices(kind, signals, trained.get(kind, ())) for kind in KINDS}


def _recording(path: Path) -> Iterator[str]:
    from xsleep.databases.formats.channels import as_clock
    from xsleep.staging.sources import open_source

    source = open_source(path)
    if not source.signals:
        yield from _hypnogram(path)
        return
    rates = ", ".join(f"{rate:g}" for rate in sorted({signal.rate for signal in source.signals}))
    begins = f" from {source.start}" if source.start else ""
    signals = _count(source.signals, "signal")
    yield f"{path}: recording of {as_clock(source.seconds)}{begins}, {signals} at {rates} Hz"
    for kind, found in _choices(source.signals).items():
        others = [choice.label for choice in found[1:]]
        more = f"; fit as well: {_listed(others)}" if others else ""
        yield f"  {kind}: " + (f"{found[0].label} ({found[0].why}){more}" if found else "none")


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:MOST_NAMED], *(["..."] if len(names) > MOST_NAMED else [])])


def _list_channels(path: Path) -> None:
    """Print the signals of a recording; those that are chosen without an option are marked."""
    from rich.console import Console
    from rich.markup import escape

    from xsleep.core.console_table import console_table
    from xsleep.databases.formats.edf import open_edf
    from xsleep.staging.montage import LOWEST_RATE, kind_of
    from xsleep.staging.sources import EDF_SUFFIXES, open_source

    source = open_source(path)
    chosen = {
        term: f"{kind}: {found[0].label}"
        for kind, found in _choices(source.signals).items()
        for term in (found[0].terms if found else ())
    }
    units: dict[str, str] = {}
    if path.name.lower().endswith(EDF_SUFFIXES):
        units = {name: signal.unit for name, signal in open_edf(path).named.items()}
    table = console_table(path.name, ("signal", "unit", "taken for", "chosen"), ("Hz",))
    for signal in source.signals:
        unit = units.get(signal.label, "V" if signal.voltage else "")
        kind = kind_of(signal)
        slow = ", too slow" if kind and signal.rate < LOWEST_RATE[kind] * 0.999 else ""
        row = (signal.label, unit, kind + slow, chosen.get(signal.label, ""))
        table.add_row(*map(escape, row), f"{signal.rate:g}")
    Console(highlight=False).print(table)


def _hypnogram(path: Path) -> Iterator[str]:
    from xsleep.databases.formats.channels import as_clock
    from xsleep.databases.formats.edf import UNKNOWN_DATE
    from xsleep.staging.hypnograms import read_scoring

    scoring = read_scoring(path)
    staged = scoring.stages != UNSCORED
    begin = scoring.onsets[staged].min()
    seconds = (scoring.onsets + scoring.durations)[staged].max() - begin
    at = f"{as_clock(begin)} after the start"
    if start := scoring.start:
        start += timedelta(seconds=float(begin))
        at = str(start.time() if start.date() == UNKNOWN_DATE else start)
    yield f"{path}: hypnogram of {as_clock(seconds)} from {at}"
    minutes = (f"{stage} {value / 60:g}" for stage, value in scoring.seconds.items())
    yield f"  minutes: {', '.join(minutes)}"
    try:
        facts = json.loads(path.with_suffix(".json").read_text())["xsleep"]
        signals = ", ".join(f"{c} {taken['label']}" for c, taken in facts["channels"].items())
        yield f"  scored by {facts['network']['name']} from {signals}, xsleep {facts['xsleep']}"
        yield from (f"  doubtful: {doubt}" for doubt in facts["doubts"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return  # not of xsleep score


def _store(path: Path) -> Iterator[str]:
    import numpy as np

    from xsleep.store import recordings
    from xsleep.store.hdf5 import open_file
    from xsleep.store.predictions import read_predictions

    with open_file(path) as file:
        names = {*file}
        sizes = {name: len(values) for name, values in file.get("spectrograms", {}).items()}
    if "recordings" in names:
        stored = [one.info for one in recordings.read_index(path).values()]
        subjects, skipped = {one.subject for one in stored}, [o for o in stored if o.skipped]
        yield (
            f"{path}: index of {_count(stored, 'recording')} of {_count(subjects, 'subject')}, "
            f"{len(skipped)} skipped"
        )
        yield _epochs(np.concatenate([one.stages for one in stored]))
    elif "signals" in names:
        info = recordings.read_info(path)
        yield f"{path}: epochs of recording {info.recording} of subject {info.subject}"
        for channel, label in info.labels.items():
            yield f"  {channel}: {label}, {info.rates[channel]:g} Hz, filtered {info.raw_filter}"
        yield f"  skipped: {info.skipped}" if info.skipped else _epochs(info.stages)
        yield from (f"  doubtful: {remark}" for remark in info.remarks)
    elif sizes:
        told = ", ".join(f"{size} epochs of {channel}" for channel, size in sizes.items())
        yield f"{path}: spectrograms, {told}"
    else:
        yield f"{path}: predictions of {_agreement(read_predictions(path))}"


def _epochs(stages: Integers) -> str:
    counts = (f"{name} {(stages == number).sum()}" for number, name in enumerate(STAGES))
    return f"  {len(stages)} epochs: {', '.join(counts)}"


def _agreement(predictions: Sequence[Prediction]) -> str:
    """Return how many recordings were tested, and accuracy and kappa."""
    import numpy as np

    from xsleep.results.metrics import decided, measure

    true = np.concatenate([one.stages for one in predictions])
    found = measure(true, np.concatenate([decided(one) for one in predictions]))
    return (
        f"{_count(predictions, 'test recording')}, {len(true)} epochs: accuracy "
        f"{found['accuracy']:.1f}, kappa {found['kappa']:.3f}"
    )


def _network(path: Path) -> Iterator[str]:
    from xsleep.staging.ensemble import open_model

    model = open_model(str(path))
    network, facts, count = model.networks[0], model.facts, len(model.networks)
    what = (
        f"{count} networks, each {facts['system']}" if count > 1 else f"network {facts['system']}"
    )
    parameters = sum(parameter.numel() for parameter in network.parameters())
    yield (
        f"{path}: {what} of {'-'.join(model.channels)}, {parameters:,} parameters, sequences of "
        f"{network.settings.sequence_length} epochs"
    )
    yield f"  trained on {facts['trained_on']}"
    by = "the training set, which it has" if model.has_statistics else "each recording"
    yield f"  spectrograms are normalised by the statistics of {by}"
    yield from (f"  doubtful: {doubt}" for doubt in model.doubts)
    folder = path if path.is_dir() else path.parent
    for run in sorted(
        [*folder.glob("run.json"), *(path.glob("*/run.json") if path.is_dir() else ())]
    ):
        try:
            content = json.loads(run.read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{run}: not JSON ({reason(error)}); delete it") from error
        yield from _trained(run.parent, content)


def _trained(folder: Path, run: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is known of a run: where it stands, how long it was trained, how it tests."""
    from xsleep.databases.formats.channels import as_clock
    from xsleep.store.predictions import read_predictions

    where = ", ".join(f"{name} {run[name]}" for name in PLACE if name in run)
    yield f"  {folder.name}: {where}"
    yield (
        f"    {run['training_subjects']} training subjects, {run['steps']:,} steps in "
        f"{as_clock(run['seconds'])} on {run['device']}, the best {run['best_step']:,}"
    )
    if (predictions := folder / "predictions.h5").exists():
        yield f"    {_agreement(read_predictions(predictions))}"
