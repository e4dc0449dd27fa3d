"""Checks before any job: packages, folders that are written to, the clock, and room."""

from __future__ import annotations

import json
import re
import shutil
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from xsleep.core.errors import InputError
from xsleep.core.files import check_writable, read_csv, sha256, write_csv
from xsleep.databases import source_of
from xsleep.preparation import folds
from xsleep.preparation.jobs import make_folds
from xsleep.staging.ensemble import check_name
from xsleep.store.hdf5 import is_whole
from xsleep.store.recordings import read_index
from xsleep.study import paths
from xsleep.study.settings import store_of
from xsleep.study.study import Study
from xsleep.training.origin import check_packages

FOLDERS = (".", "data", "results", "logs")
"""Folders that are written to; those below the first may be on other disks."""

NOT_AS_WRITTEN = "{}: not as it was written; delete it, run snakemake for {}, then again"


def check() -> None:
    """Raise an `InputError` if a package is not installed, or a folder cannot be written to."""
    check_packages()
    for folder in map(Path, FOLDERS):
        if folder.exists():
            check_writable(folder.resolve())


def check_clock(scripts: Path) -> None:
    """Raise an `InputError` if a script of the workflow is from the future.

    Snakemake would take it for changed after all that it made, and make that again at every call.
    """
    for path in sorted(scripts.glob("*.py")):
        if (written := path.stat().st_mtime) > time.time():
            raise InputError(
                f"{path}: from the future, {time.ctime(written)}; set the clock, or touch the file "
                "(what it made is then made again)"
            )


def check_dependencies(project: Path) -> None:
    """Raise an `InputError` if a package is not installed that a ``pyproject.toml`` names."""
    if project.exists():
        needed = tomllib.loads(project.read_text())["project"]["dependencies"]
        check_packages(re.split(r"[^\w.-]", one)[0] for one in needed)


def check_sources(study: Study) -> None:
    """Raise an `InputError` if a file is damaged that trainings depend on.

    Snakemake would begin all of them anew because it has changed, and delete what they made before
    they can say so.
    """
    databases = study.workflow.sources
    made = [Path(paths.RECORDINGS.format(database=name)) for name in databases]
    made += [*Path("results/pretraining").glob("*/split.csv")]
    made += [*Path("results/networks").glob("*/*/split.csv")]
    for table in filter(Path.exists, made):
        read_csv(table)
    for table in (Path(paths.FOLDS.format(database=name)) for name in databases):
        if table.exists():
            folds.read(table)
    for store, name in product(study.settings.filterings, databases):
        index = Path(paths.INDEX.format(store=store, database=name))
        for path in filter(Path.exists, (index, *index.parent.glob("batches/*.h5"))):
            if not is_whole(path):
                raise InputError(NOT_AS_WRITTEN.format(path, index))
    for name in databases:
        _check_unchanged(study, name)


def _check_unchanged(study: Study, name: str) -> None:
    """Raise an `InputError` if recordings or folds of a database were changed by anyone else.

    Only files that Snakemake may take for new are made again, to compare: recordings that are newer
    than the folds, and folds that a training did not have.
    """
    recordings, table = (Path(p.format(database=name)) for p in (paths.RECORDINGS, paths.FOLDS))
    index = Path(study.settings.index(name))
    if not (recordings.exists() and table.exists() and index.exists()):
        return
    settings = study.workflow.sources[name]
    with TemporaryDirectory() as folder:
        made = Path(folder) / "made.csv"
        if recordings.stat().st_mtime > table.stat().st_mtime:
            from xsleep.results import inventory

            infos = [stored.info for stored in read_index(index).values()]
            source = source_of(**study.settings.source(name))
            with suppress(LookupError):  # recordings that are not there any more
                write_csv(made, inventory.recordings(name, source, settings.windows, infos))
            if made.exists() and made.read_bytes() != recordings.read_bytes():
                raise InputError(NOT_AS_WRITTEN.format(recordings, recordings))
        if _folds_of_a_training(name) not in (None, sha256(table)):
            make_folds(name, settings.folds, recordings, made)
            if made.read_bytes() != table.read_bytes():
                raise InputError(NOT_AS_WRITTEN.format(table, table))


def _folds_of_a_training(name: str) -> str | None:
    """Return the SHA-256 of the folds that a training of a database had, if there is one."""
    for path in Path("results", name).glob("*/*/*/seed-*/fold-*/run.json"):
        with suppress(OSError, ValueError, LookupError, TypeError):  # or damaged
            return str(json.loads(path.read_text())["inputs"]["folds.csv"])
    return None


def check_variants(study: Study) -> None:
    """Raise an `InputError` if the network of a variant in the ablation cannot be built."""
    from xsleep.networks import build

    system, channels = study.ablation.system.name, study.ablation.chosen.channels.split("-")
    for name, preset in study.ablation.presets.items():
        try:
            build(system, len(channels), preset.network_of(system), seed=0)
        except InputError as error:
            raise InputError(f"ablation: {system}, variant {name!r}: {error}") from error


def gaps(study: Study) -> Iterator[str]:
    """Yield a line for each row of Table 2 whose predictions or network are not there."""
    for one in study.external.all:
        given, stager = one.settings.get("file"), one.settings.get("stager", "yasa")
        try:
            if given and not Path(given).exists():
                raise InputError(f"{given}: no such file or folder")
            if stager != "yasa":
                check_name(stager)
        except InputError as error:
            yield f"{one.kind}: {one.database}: {one.name}: will be a gap: {error}"


def room(study: Study) -> str:
    """Return a line if what is still to be stored of the recordings does not fit on the disk."""
    from xsleep.study.plan import preparation_line
    from xsleep.study.planning import sizes_of

    sizes, need = sizes_of(study), 0.0
    for name in study.databases.names:
        if sizes.indexes[name].exists():
            continue
        try:
            line = preparation_line(sizes, name)
        except InputError:  # the number of its recordings is not known yet
            continue
        store = store_of(study.settings.preset(name).network)
        folders = (
            Path(pattern.format(store=store, database=name))
            for pattern in (paths.EPOCHS, paths.SPECTROGRAMS)
        )
        stored = sum(path.stat().st_size for folder in folders for path in folder.glob("*.h5"))
        need += max(line["disk GB"] - stored / 1e9, 0)
    folder = next(path for path in (Path("data"), Path()) if path.exists())
    free = shutil.disk_usage(folder).free / 1e9
    if need <= free:
        return ""
    return (
        f"{folder.resolve()}: about {need:.3g} GB of epochs and spectrograms are to come, and "
        f"{free:.3g} GB are free; make room (df -h), or link data to a larger disk"
    )
