"""``xsleep score``: recordings and a network in, hypnograms, statistics and pictures out."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsleep.cli.command import command
from xsleep.core.errors import InputError, OutputError
from xsleep.core.files import check_writable
from xsleep.core.stages import STAGES
from xsleep.staging.ensemble import check_name
from xsleep.staging.known import DEFAULT

if TYPE_CHECKING:
    from xsleep.staging.ensemble import Ensemble

EXAMPLES = """\
examples:
  xsleep score night.edf
  xsleep score nights/ --out scored/ --jobs 2
  xsleep score night.bdf --model results/.../seed-1/fold-1 --eeg C4-M1 --eog E1-M2

Exit status 1 says that at least one recording could not be scored; the others are.
"""
ENDING = "_hypnogram"
FORMATS = ("tsv", "edf", "png", "csv", "svg", "pdf")
MOST_NAMED = 10
"""Epochs worth a look that are named."""


def add(commands: Any) -> None:
    """Add the command."""
    aim = "score the 30-s epochs of recordings with a trained network"
    more = (
        "It finds the channels, says what it took and what is doubtful, and writes "
        "NAME_hypnogram.tsv with .json (BIDS events), .edf (annotations) and .png."
    )
    argument = command(commands, "score", _run, aim, more, EXAMPLES)
    what = "file that MNE reads (EDF, BDF, BrainVision, FIF, EEGLAB, GDF), or folder of such files"
    argument("recordings", nargs="+", type=Path, metavar="RECORDING", help=what)
    what = f"a name (see xsleep models), a run's folder or file, or folds (default: {DEFAULT})"
    argument("--model", default=DEFAULT, metavar="NETWORK", help=what)
    what = "folder for what is written (default: the current one)"
    argument("--out", type=Path, default=Path(), metavar="FOLDER", help=what)
    for channel in ("eeg", "eog", "emg"):
        what = f"signal to score as {channel.upper()}, or a derivation as in C4-M1"
        argument(f"--{channel}", default="", metavar="LABEL", help=what)
    what = "signal to score as a channel of another name, as in EEG2=C3-M2"
    argument("--channel", action="append", default=[], metavar="NAME=LABEL", help=what)
    what = "unit of the signals, if the file gives none or a wrong one"
    argument("--unit", default="", choices=("nV", "uV", "mV", "V"), help=what)
    what = "normalise by the training set, or by each recording (docs/how-to/scoring.md)"
    argument("--normalise", default="training", choices=("training", "night"), help=what)
    what = f"formats to write (default: {' '.join(FORMATS[:3])})"
    argument("--format", nargs="+", default=FORMATS[:3], choices=FORMATS, help=what)
    argument("--jobs", type=int, default=1, metavar="N", help="recordings at a time (default: 1)")
    argument("--json", action="store_true", help="print a line of JSON for each recording")


def _run(given: argparse.Namespace) -> int:
    # What can be wrong is looked at before PyTorch is loaded, which takes seconds.
    check_name(given.model)
    if wrong := [named for named in given.channel if "=" not in named]:
        raise InputError(f"--channel {wrong[0]}: write NAME=LABEL, as in EEG2=C3-M2")
    paths = list(_recordings(given.recordings))
    from xsleep.staging.sources import stem

    stems = [stem(path) for path in paths]
    if doubled := sorted({name for name in stems if stems.count(name) > 1}):
        raise InputError(
            f"{doubled[0]}: several recordings have this name, and one would overwrite the "
            "other; score them apart, each into a folder of its own with --out"
        )
    if given.jobs < 1:
        raise InputError(f"--jobs {given.jobs}: at least one recording at a time")
    if given.out.exists() and not given.out.is_dir():
        raise InputError(f"{given.out}: is a file; name a folder with --out")
    check_writable(given.out)
    from rich.console import Console
    from rich.progress import Progress

    failed = 0
    several = len(paths) > 1
    with Progress(console=Console(stderr=True), transient=True, disable=not several) as progress:
        task = progress.add_task("scoring", total=len(paths))
        for path, told in _scored(given, paths):
            progress.advance(task)
            if isinstance(told, str):
                failed += 1
                print(f"error: {told}", file=sys.stderr)
            elif given.json:
                print(json.dumps(told, allow_nan=False))
            else:
                print("\n".join(_lines(path, told)))
    if several and not given.json:
        print(f"{len(paths) - failed} of {len(paths)} recordings scored")
    return int(failed > 0)


def _recordings(given: list[Path]) -> Iterator[Path]:
    """Yield the recordings, those of a folder in order; what is no recording there is left out."""
    from xsleep.staging.sources import SUFFIXES

    for path in given:
        if not path.exists():
            raise InputError(f"{path}: no such file; name a recording or a folder of them")
        if path.is_file():
            yield path
            continue
        found = [
            one
            for one in sorted(path.iterdir())
            if one.name.lower().endswith(SUFFIXES) and not one.name.startswith(".")
            if ENDING not in one.name and "-Hypnogram" not in one.name and not _is_scoring(one)
        ]
        if not found:
            raise InputError(f"{path}: no recording in it ({', '.join(SUFFIXES)}); name another")
        yield from found


def _is_scoring(path: Path) -> bool:
    """Return whether a file is EDF+ of annotations alone."""
    from xsleep.databases.formats.edf import open_edf
    from xsleep.staging.sources import EDF_SUFFIXES

    if path.suffix.lower() not in EDF_SUFFIXES:
        return False
    with warnings.catch_warnings(action="ignore"):  # what is doubtful is told when it is scored
        try:
            return not open_edf(path).signals
        except (InputError, OSError):
            return False


def _scored(
    given: argparse.Namespace, paths: list[Path]
) -> Iterator[tuple[Path, dict[str, Any] | str]]:
    """Yield each recording with what is told of it, or why it was not scored, as they finish."""
    if given.jobs == 1 or len(paths) == 1:
        yield from ((path, _answer(given, path)) for path in paths)
        return
    _ensemble(given.model)  # fetched once, before the workers ask for it
    threads = max((os.cpu_count() or 1) // given.jobs, 1)
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), _limit, (threads,)) as pool:
        tasks = {pool.submit(_answer, given, path): path for path in paths}
        try:
            yield from ((tasks[task], task.result()) for task in as_completed(tasks))
        except (KeyboardInterrupt, OutputError):
            pool.shutdown(cancel_futures=True)
            raise


def _limit(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


@cache
def _ensemble(model: str) -> Ensemble:
    from xsleep.staging.ensemble import open_model

    return open_model(model, partial(print, file=sys.stderr))


def _answer(given: argparse.Namespace, path: Path) -> dict[str, Any] | str:
    """Score a recording and write its files; return what is told of it, or why it failed.

    Raises:
        OutputError: a file cannot be written, as none of the other recordings could.
    """
    from xsleep.staging.score import score
    from xsleep.staging.sources import stem
    from xsleep.staging.writing import check_free

    out = given.out / f"{stem(path)}{ENDING}"
    try:
        for end in given.format:
            check_free(Path(f"{out}.{end}"))
        scored = score(
            path,
            _ensemble(given.model),
            eeg=given.eeg,
            eog=given.eog,
            emg=given.emg,
            channels=dict(named.split("=", 1) for named in given.channel),
            unit=given.unit,
            normalise=given.normalise,
        )
        files = [str(f) for end in given.format for f in scored.save(f"{out}.{end}")]
        return {**scored.facts(), "statistics": scored.rounded_statistics(), "files": files}
    except OutputError:
        raise
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.filename or 'a file'}: {error.strerror or error}"
    except Exception as error:  # the other recordings go on
        return f"{path}: not scored, by a fault of this program ({error!r}); please report it"


def _lines(path: Path, told: dict[str, Any]) -> Iterator[str]:
    """Yield what is printed of a scored recording."""
    network, statistics = told["network"], told["statistics"]
    licence = f", {network['licence']}" if "licence" in network else ""
    yield f"{path}: {told['epochs']} epochs scored by {network['name']}{licence}"
    for channel, taken in told["channels"].items():
        others = f"; fit as well: {', '.join(taken['others'])}" if taken["others"] else ""
        yield f"  {channel}: {taken['label']} ({taken['why']}, {taken['rate']:g} Hz{others})"
    yield "  spectrograms normalised by " + (
        "the training set" if told["normalisation"] == "training" else "this recording"
    )
    yield from (f"  doubtful: {doubt}" for doubt in told["doubts"])
    minutes = (f"{stage} {statistics['WAKE' if stage == 'W' else stage]:g}" for stage in STAGES)
    yield f"  minutes: {', '.join(minutes)}; asleep {statistics['TST']:g} of {statistics['TIB']:g}"
    (bound, low), *_ = told["epochs_below_confidence"].items()
    look = ", ".join(map(str, told["epochs_to_look_at"][:MOST_NAMED]))
    named = f"; look at {look}{', ...' if low > MOST_NAMED else ''}" if low else ""
    yield f"  {low} epochs below a confidence of {bound}{named}"
    yield f"  wrote {', '.join(told['files'])}"
