"""Workflow Run RO-Crate of finished runs: what was computed, from what, and by which code.

The root of the crate is the folder of the results, whose files stay in place; the code and the
configuration are copied into it. Recordings are only described, by name and hash.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from xsleep.core.files import sha256, whole
from xsleep.databases import Source, open_database
from xsleep.results.formatting import entitled
from xsleep.results.provenance.runs import Run
from xsleep.store.recordings import read_index
from xsleep.workflow import FOLDER, PACKAGE, commit

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}

CODE = (
    *("Snakefile", "rules", "workflow_scripts", "config", "profiles", "captions"),
    *("environment.yml", "pyproject.toml", "README.md"),
    *("requirements.lock", "requirements-cpu.lock", "requirements-cuda.lock"),
)
"""Files and folders of the workflow beside the library; a wheel has those up to environment.yml."""

CONFIGURATION = "configuration.yaml"

FORMATS = MimeTypes()
FORMATS.add_type("application/xml", ".xml")
FORMATS.add_type("application/yaml", ".yaml")


def copy_code(config: Mapping[str, Any], folder: Path) -> None:
    """Copy the running workflow into a folder, with the configuration that it was called with."""

    def ignored(of: str, names: list[str]) -> set[str]:
        """Return what is not copied: in a wheel the workflow is in the library's folder."""
        return {"__pycache__", *(CODE if Path(of) == FOLDER else ())} & {*names}

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in (PACKAGE, *(FOLDER / name for name in CODE)):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=ignored)
        elif path.exists():
            shutil.copy(path, folder)
    (folder / CONFIGURATION).write_text(yaml.safe_dump(dict(config), sort_keys=False))


def write_crate(
    path: Path,
    *,
    code: Path,
    sources: Mapping[str, tuple[Source, Path]],
    outputs: Sequence[Path],
    runs: Sequence[Run],
    times: tuple[float, float] | None,
    snakemake: str,
) -> None:
    """Write the metadata of a crate, ``ro-crate-metadata.json``, whose folder is its root.

    Args:
        code: folder in the crate that `copy_code` wrote.
        sources: database to its source and the index of its stored recordings.
        outputs: files in the crate; missing ones are left out.
        times: when the first and the last file were written, in seconds since 1970, if known.
        snakemake: its version.
    """
    # The profiles 0.5, the newest that the validator has, are of RO-Crate 1.1, which does not have
    # schema.org's sha256.
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "https://schema.org/sha256"
    root = path.parent
    simulated = [name for name, (source, _) in sources.items() if open_database(source).simulated]
    title = "Sleep staging with XSleepNet: a run of the workflow xsleep"
    crate.name = entitled(title, sources, simulated)
    crate.description = " ".join(
        [
            f"Tables, figures, checklists, {len(runs)} trained networks and their predictions, "
            "with the workflow and the configuration that made them. Recordings are described, not "
            "included.",
            *(f"Gap: {gap}." for run in runs for gap in run.gaps),
        ]
    )
    crate.license = _add(
        crate,
        "#licence",
        "CreativeWork",
        name="No licence has been chosen for these results",
        description="Recordings, and what is derived from them, are under the terms of their "
        "databases.",
    )
    workflow = _workflow(crate, code.relative_to(root), runs, snakemake)
    for address, name in PROFILES.items():
        version = address.rpartition("/")[2]
        profile = _add(crate, address, "CreativeWork", name=name, version=version)
        crate.root_dataset.append_to("conformsTo", profile)
    configuration = _file(crate, root, code / CONFIGURATION, name="The configuration of the run")
    recordings = [_recordings(crate, name, *source) for name, source in sources.items()]
    for name, kind, examples in (
        ("configuration", "File", [configuration]),
        ("recordings", "Collection", recordings),
    ):
        parameter = crate.add_formal_parameter(name, kind, f"#parameter-{name}", valueRequired=True)
        workflow.append_to("input", parameter)
        for example in examples:
            parameter.append_to("workExample", example)
            example.append_to("exampleOfWork", parameter)
    facts = {run.folder: run.facts for run in runs}
    results = [
        _file(crate, root, path, **_described(path, root, code / "captions", facts))
        for path in outputs
        if path.is_file()
    ]
    inputs = [configuration, *recordings]
    action = crate.add_action(workflow, "#run", inputs, results, _action(runs, times))
    crate.root_dataset["mentions"] = [action, *recordings]
    content = crate.metadata.generate()
    content["@graph"] = [_compact(entity) for entity in content["@graph"]]
    with whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))


def _compact(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity without lists of one, as RO-Crate recommends."""
    return {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value
        for name, value in entity.items()
    }


def _add(crate: ROCrate, identifier: str, kind: str, **properties: str) -> ContextEntity:
    """Return the entity of an identifier, added to the crate if it is new."""
    known = {"@type": kind} | {name: value for name, value in properties.items() if value}
    return crate.dereference(identifier) or crate.add(ContextEntity(crate, identifier, known))


def _workflow(crate: ROCrate, folder: Path, runs: Sequence[Run], snakemake: str) -> ContextEntity:
    crate.add_dataset(
        dest_path=f"{folder}/",
        properties={
            "name": "Code",
            "description": "The workflow, its library and configuration when the crate was made",
        },
    )
    workflow = crate.add_workflow(
        dest_path=f"{folder}/Snakefile",
        main=True,
        lang="snakemake",
        lang_version=snakemake,
        properties={
            "name": "xsleep",
            "encodingFormat": "text/plain",
            "description": "From sleep recordings to Table 2 of the XSleepNet paper",
            "version": commit(),
            "conformsTo": {
                "@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
            },
        },
    )
    software = {item for run in runs for item in run.facts.get("packages", {}).items()}
    software |= {("python", version) for version in _values(runs, "python")}
    for name, version in sorted(software):
        if name == "xsleep":  # which is the workflow itself
            continue
        url = f"https://pypi.org/project/{name}/{version.partition('+')[0]}/"
        if name == "python":
            url = f"https://www.python.org/downloads/release/python-{version.replace('.', '')}/"
        known = {"name": name, "softwareVersion": version, "url": url}
        application = _add(crate, url, "SoftwareApplication", **known)
        workflow.append_to("softwareRequirements", application)
    return workflow


def _values(runs: Sequence[Run], key: str) -> list[str]:
    """Return the different values of a key in the records."""
    return sorted({run.facts[key] for run in runs if key in run.facts})


def _recordings(crate: ROCrate, name: str, source: Source, index: Path) -> ContextEntity:
    """Return the entity of a database, with the files that were read from it."""
    facts = open_database(source).origin
    collection = _add(
        crate,
        f"#recordings-{name}",
        "Collection",
        name=f"{name}: {facts.title}",
        description="Recordings and hypnograms by name and SHA-256; they are not included.",
        url=facts.address,
        conditionsOfAccess=facts.access,
        license=facts.licence or "not stated here",
    )
    for address, text in facts.cited.items():
        collection.append_to("citation", _add(crate, address, "ScholarlyArticle", name=text))
    infos = (stored.info for stored in read_index(index).values())
    read = (item for info in infos for item in sorted(info.hashes.items()))
    for file, digest in dict.fromkeys(read):  # hypnograms as text are one file
        # Identified by content (RFC 6920), as they are not in the crate.
        base = base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
        properties = {"name": file, "encodingFormat": _format(file), "sha256": digest}
        recording = crate.add_file(f"ni:///sha-256;{base}", properties=properties)
        collection.append_to("hasPart", recording)
    return collection


def _format(file: str) -> str:
    return FORMATS.guess_type(file)[0] or "application/octet-stream"


def _described(
    path: Path, root: Path, captions: Path, facts: Mapping[Path, Mapping[str, Any]]
) -> dict[str, str]:
    """Return the name of a file of a run, or the name and the caption of a result."""
    if run := facts.get(path.parent):  # a pretraining has a source and no fold
        named = [run[key] for key in ("source", "database", "window", "channels") if key in run]
        if "strategy" in run:
            named.append(f"finetuned: {run['strategy']}")
        named += [f"{key} {run[key]}" for key in ("seed", "fold") if key in run]
        return {"name": f"{path.name} of {run['system']}, {', '.join(named)}"}
    found = {"name": path.relative_to(root).as_posix()}
    # The caption of table2.csv has its name, that of figures/fig5/.../EEG.svg a folder's.
    for part in path.relative_to(root).parts:
        if (caption := captions / f"{Path(part).stem}.rst").is_file():
            found["description"] = " ".join(caption.read_text().replace("``", "").split())
    return found


def _file(crate: ROCrate, root: Path, path: Path, **described: str) -> ContextEntity:
    properties = described | {
        "contentSize": str(path.stat().st_size),
        "encodingFormat": _format(path.name),
        "sha256": sha256(path),
    }
    return crate.add_file(dest_path=path.relative_to(root).as_posix(), properties=properties)


def _action(runs: Sequence[Run], times: tuple[float, float] | None) -> dict[str, str]:
    commits, devices = (", ".join(_values(runs, key)) for key in ("commit", "device"))
    action = {
        "name": "The run of the workflow",
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "description": f"{len(runs)} trainings, by the code of the commits {commits or 'unknown'} "
        f"(+: with changes), on {devices or 'an unknown device'}.",
    }
    if times is None:
        action["description"] += " When is not recorded."
        return action
    action["description"] += " The times are those at which its first and last files were written."
    begin, end = (datetime.fromtimestamp(t, UTC).isoformat(timespec="seconds") for t in times)
    return action | {"startTime": begin, "endTime": end}
