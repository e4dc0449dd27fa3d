"""Croissant metadata of the recordings, folds and predictions of a Table 2.

Croissant 1.0 (MLCommons) describes data sets in JSON-LD: files with hashes, and record sets with
typed fields. Recordings are not included.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from xsleep import __version__
from xsleep.config.names import Window
from xsleep.core.files import sha256
from xsleep.core.stages import STAGES
from xsleep.databases import Database, Source, open_database
from xsleep.results.formatting import entitled

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty"),
            *("fileObject", "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key"),
            *("md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
            *("replace", "samplingRate", "separator", "source", "subField", "transform"),
        )
    },
}
"""The JSON-LD context of Croissant 1.0."""

TEXT, INTEGER, FLOAT = "sc:Text", "sc:Integer", "sc:Float"

FILES, PREDICTIONS, LABELS = "prediction-files", "predictions", "stages"
_PREDICTED = {
    "recording": (TEXT, "Name of a group of the file; as in the recordings"),
    "subject": (TEXT, "Attribute `subject` of the group"),
    "place": (INTEGER, "Dataset `places`: 30-s epochs since the start of the scoring"),
    "stage": (INTEGER, "Dataset `stages`: the true stage, an index into the stages"),
    "probabilities": (FLOAT, "Dataset `probabilities/BRANCH`: of the five stages, in their order"),
}
"""Type and place of each field in the HDF5 files of predictions."""


def croissant(
    root: Path, sources: Mapping[str, Source], predictions: Sequence[Path]
) -> dict[str, Any]:
    """Return the metadata of the recordings, folds and predictions below a folder.

    Args:
        root: folder with ``DATABASE/recordings.csv`` and ``DATABASE/folds.csv``.
        sources: where the recordings of each database are.
        predictions: files of predictions below ``root``.
    """
    databases = {name: open_database(source) for name, source in sources.items()}
    origins = {name: database.origin for name, database in databases.items()}
    tables = [root / name / f"{kind}.csv" for name in databases for kind in ("recordings", "folds")]
    cited = dict.fromkeys(c for origin in origins.values() for c in origin.cited.items())
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "xsleep-results",
        "description": " ".join(
            [
                "Recordings by name, folds, and predicted sleep stages of a run of xsleep. Signals "
                "are not included.",
                *(_described(name, database) for name, database in databases.items()),
            ]
        ),
        "license": [f"{name}: {o.licence or 'unknown'}" for name, o in origins.items()],
        "version": __version__,
        "citeAs": "; ".join(f"{text}, {address}" for address, text in cited)
        or "Phan et al., XSleepNet, IEEE TPAMI 44 (2022)",
        "distribution": [
            *(_file(root, path, "text/csv") for path in tables),
            *(_file(root, path, "application/x-hdf5") for path in predictions),
            {
                "@type": "cr:FileSet",
                "@id": FILES,
                "name": FILES,
                "encodingFormat": "application/x-hdf5",
                "includes": "**/predictions.h5",
            },
        ],
        "recordSet": [_labels(), *(_table(root, path) for path in tables), _predictions()],
    }


def _described(name: str, database: Database) -> str:
    origin = database.origin
    told = f"{entitled(name, [name], [name] if database.simulated else [])}: {origin.title}"
    address = f", {origin.address}" if origin.address else ""
    return f"{told}{address}. Access: {origin.access or 'unknown.'}"


def _file(root: Path, path: Path, form: str) -> dict[str, str]:
    name = path.relative_to(root).as_posix()
    return {
        "@type": "cr:FileObject",
        "@id": _id(name),
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": form,
        "sha256": sha256(path),
    }


def _field(record_set: str, name: str, kind: str, **further: Any) -> dict[str, Any]:
    identifier = _id(f"{record_set}/{name}")
    return {"@type": "cr:Field", "@id": identifier, "name": name, "dataType": kind, **further}


def _id(name: str) -> str:
    """Return an identifier, which mlcroissant wants without spaces."""
    return name.replace(" ", "_")


def _table(root: Path, path: Path) -> dict[str, Any]:
    """Return the record set of a CSV file, a field for each column."""
    name, record_set = (
        path.relative_to(root).as_posix(),
        str(path.relative_to(root).with_suffix("")),
    )
    with path.open(encoding="utf-8") as file:
        columns = next(csv.reader(file))
    source = {"fileObject": {"@id": _id(name)}}
    return {
        "@type": "cr:RecordSet",
        "@id": _id(record_set),
        "name": record_set,
        "field": [
            _field(
                record_set, column, _kind(column), source=source | {"extract": {"column": column}}
            )
            for column in columns
        ],
    }


def _kind(column: str) -> str:
    """Return the type of a column of the recordings or folds."""
    if column in ("epochs", "fold", *STAGES, *get_args(Window)):
        return INTEGER
    return FLOAT if column == "hours" or column.endswith(" Hz") else TEXT


def _predictions() -> dict[str, Any]:
    """Return the record set of all predictions, an epoch a record."""
    fields = []
    for name, (kind, place) in _PREDICTED.items():
        source = {"fileSet": {"@id": FILES}, "extract": {"column": name}}
        field = _field(PREDICTIONS, name, kind, description=place, source=source)
        if name == "stage":
            field["references"] = {"field": {"@id": f"{LABELS}/index"}}
        fields.append(field)
    return {
        "@type": "cr:RecordSet",
        "@id": PREDICTIONS,
        "name": PREDICTIONS,
        "description": "Epochs of the test recordings, in HDF5: read them with h5py or xsleep.",
        "field": fields,
    }


def _labels() -> dict[str, Any]:
    """Return the record set of the names of the stages."""
    names = ("index", "stage")
    return {
        "@type": "cr:RecordSet",
        "@id": LABELS,
        "name": LABELS,
        "key": {"@id": f"{LABELS}/index"},
        "field": [
            _field(LABELS, name, kind) for name, kind in zip(names, (INTEGER, TEXT), strict=True)
        ],
        "data": [
            {f"{LABELS}/index": i, f"{LABELS}/stage": stage} for i, stage in enumerate(STAGES)
        ],
    }
