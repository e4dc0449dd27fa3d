"""A finished run as a Workflow Run RO-Crate: what was computed by what from what.

The crate's root is the folder of the results, where all that is described stays in place; the code
and the configuration are copied beside it. Recordings are described by name and hash alone.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from xsleep.core.files import sha256, whole
from xsleep.databases import Source, open_database
from xsleep.store.recordings import read_index
from xsleep.training.origin import commit

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}

CODE = (
    *("Snakefile", "rules", "workflow_scripts", "xsleep", "config", "profiles", "captions"),
    *("environment.yml", "pyproject.toml", "requirements.lock", "README.md"),
)
"""What the workflow consists of, in the project's folder."""

CONFIGURATION = "configuration.yaml"

FORMATS = {
    ".csv": "text/csv",
    ".h5": "application/x-hdf5",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tex": "application/x-tex",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
}
BYTES = "application/octet-stream"
"""Of all other files."""


@dataclass(frozen=True)
class Run:
    """A training by its folder, and what its ``run.json`` says; nothing where it says nothing."""

    folder: Path
    facts: Mapping[str, Any]


def read_runs(folders: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """The trainings in these folders; and a line for each gap in what is known of them."""
    runs, gaps = [], []
    for folder in folders:
        path = folder / "run.json"
        try:
            facts = json.loads(path.read_text())
            outputs = facts["outputs"]
        except (OSError, ValueError, KeyError, TypeError):
            gaps.append(f"{path}: cannot be read; delete it to have the run made anew")
            runs.append(Run(folder, {}))
            continue
        runs.append(Run(folder, facts))
        for name, digest in outputs.items():
            if not (folder / name).is_file():
                gaps.append(f"{folder / name}: is missing; delete {path} to have it made anew")
            elif sha256(folder / name) != digest:
                gaps.append(f"{folder / name}: is not the file that {path} tells of")
    return runs, gaps


def copy_code(project: Path, config: Mapping[str, Any], folder: Path) -> None:
    """Copy the workflow into a folder, with the configuration that it was called with."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in CODE:
        if (project / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(project / name, folder / name, ignore=unwanted)
        else:
            shutil.copy(project / name, folder / name)
    (folder / CONFIGURATION).write_text(yaml.safe_dump(dict(config), sort_keys=False))


def write_crate(
    path: Path,
    code: Path,
    sources: Mapping[str, tuple[Source, Path]],
    outputs: Sequence[Path],
    runs: Sequence[Run],
    gaps: Sequence[str],
    times: tuple[float, float] | None,
    snakemake: str,
) -> None:
    """Write the crate's metadata; its folder is the crate.

    Args:
        path: of the metadata, ``ro-crate-metadata.json``.
        code: where `copy_code` wrote, in the crate's folder.
        sources: of each database its source, and the index of its stored recordings.
        outputs: files in the crate's folder; those that are missing are left out.
        runs, gaps: as from `read_runs`.
        times: seconds since 1970 at which the first and the last of its files were written;
            ``None`` where they are not known.
        snakemake: its version.
    """
    # The profiles 0.5, the newest that the validator has, are of RO-Crate 1.1, which does not have
    # schema.org's sha256.
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "https://schema.org/sha256"
    root = path.parent
    crate.name = "Sleep staging with XSleepNet: a run of the workflow xsleep"
    crate.description = " ".join(
        [
            f"Tables, figures, checklists, {len(runs)} trained networks and their predictions, "
            "with the workflow and the configuration that made them. Recordings are described, not "
            "included.",
            *(f"Gap: {line}." for line in gaps),
        ]
    )
    crate.license = _add(
        crate,
        "#licence",
        {
            "@type": "CreativeWork",
            "name": "No licence has been chosen",
            "description": "Recordings, and what is derived from them, are under the terms of "
            "their databases.",
        },
    )
    workflow = _workflow(crate, code.relative_to(root), runs, snakemake)
    for address, name in PROFILES.items():
        profile = {"@type": "CreativeWork", "name": name, "version": address.rpartition("/")[2]}
        crate.root_dataset.append_to("conformsTo", _add(crate, address, profile))
    configuration = _file(crate, root, code / CONFIGURATION, "The configuration of the run")
    inputs = {
        "configuration": ("File", [configuration]),
        "recordings": (
            "Collection",
            [_recordings(crate, name, *source) for name, source in sources.items()],
        ),
    }
    for name, (kind, examples) in inputs.items():
        parameter = crate.add_formal_parameter(name, kind, f"#parameter-{name}", valueRequired=True)
        workflow.append_to("input", parameter)
        for example in examples:
            parameter.append_to("workExample", example)
            example.append_to("exampleOfWork", parameter)
    action = crate.add_action(
        workflow,
        "#run",
        [entity for _, examples in inputs.values() for entity in examples],
        _outputs(crate, root, code / "captions", outputs, runs),
        _action(runs, times),
    )
    crate.root_dataset["mentions"] = [action, *inputs["recordings"][1]]
    content = crate.metadata.generate()
    content["@graph"] = [_compact(entity) for entity in content["@graph"]]
    with whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))


def _compact(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Without lists of one, as RO-Crate would have it."""
    return {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value
        for name, value in entity.items()
    }


def _add(crate: ROCrate, identifier: str, properties: Mapping[str, Any]) -> ContextEntity:
    """An entity with what is known of it."""
    known = {name: value for name, value in properties.items() if value}
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
    software = {(name, v) for run in runs for name, v in run.facts.get("packages", {}).items()}
    software |= {("python", run.facts["python"]) for run in runs if "python" in run.facts}
    for name, version in sorted(software):
        if name == "python":
            url = f"https://www.python.org/downloads/release/python-{version.replace('.', '')}/"
        else:
            url = f"https://pypi.org/project/{name}/{version.partition('+')[0]}/"
        known = {"name": name, "softwareVersion": version, "url": url}
        if name != "xsleep":  # which is the workflow itself
            application = _add(crate, url, {"@type": "SoftwareApplication"} | known)
            workflow.append_to("softwareRequirements", application)
    return workflow


def _recordings(crate: ROCrate, name: str, source: Source, index: Path) -> ContextEntity:
    """A database and the files that were read of it."""
    facts = open_database(source).origin
    known = {
        "@type": "Collection",
        "name": f"{name}: {facts.title}",
        "description": "Recordings and hypnograms by name and SHA-256; they are not included.",
        "url": facts.address,
        "conditionsOfAccess": facts.access,
        "license": facts.licence or "not stated here",
    }
    collection = _add(crate, f"#recordings-{name}", known)
    for address, text in facts.cited.items():
        article = _add(crate, address, {"@type": "ScholarlyArticle", "name": text})
        collection.append_to("citation", article)
    for stored in read_index(index).values():
        for file, digest in sorted(stored.info.hashes.items()):
            # Named by what is in them (RFC 6920), as they are not here and may be anywhere.
            base = base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
            properties = {
                "name": file,
                "encodingFormat": FORMATS.get(Path(file).suffix, BYTES),
                "sha256": digest,
            }
            recording = crate.add_file(f"ni:///sha-256;{base}", properties=properties)
            collection.append_to("hasPart", recording)
    return collection


def _outputs(
    crate: ROCrate, root: Path, captions: Path, outputs: Sequence[Path], runs: Sequence[Run]
) -> list[ContextEntity]:
    by_folder = {run.folder: run.facts for run in runs}
    results = []
    for path in outputs:
        if not path.is_file():
            continue
        name, description = path.relative_to(root).as_posix(), ""
        if facts := by_folder.get(path.parent):
            name = f"{path.name} of {facts['system']}, {_address(facts)}"
        else:
            # That of table2.csv is its name's; that of figures/fig5/.../EEG.svg a folder's.
            named = [captions / f"{Path(part).stem}.rst" for part in path.relative_to(root).parts]
            for caption in filter(Path.is_file, named):
                description = " ".join(caption.read_text().replace("``", "").split())
        results.append(_file(crate, root, path, name, description))
    return results


def _address(run: Mapping[str, Any]) -> str:
    """Return the address of a run; a pretraining has a source and no fold."""
    named = [run[key] for key in ("source", "database", "window", "channels") if key in run]
    if "strategy" in run:
        named.append(f"finetuned: {run['strategy']}")
    return ", ".join([*named, *(f"{key} {run[key]}" for key in ("seed", "fold") if key in run)])


def _file(
    crate: ROCrate, root: Path, path: Path, name: str, description: str = ""
) -> ContextEntity:
    properties = {
        "name": name,
        "contentSize": str(path.stat().st_size),
        "encodingFormat": FORMATS.get(path.suffix, BYTES),
        "sha256": sha256(path),
        "description": description,
    }
    known = {key: value for key, value in properties.items() if value}
    return crate.add_file(dest_path=path.relative_to(root).as_posix(), properties=known)


def _action(runs: Sequence[Run], times: tuple[float, float] | None) -> dict[str, Any]:
    commits = sorted({run.facts["commit"] for run in runs if "commit" in run.facts})
    devices = sorted({run.facts["device"] for run in runs if "device" in run.facts})
    description = (
        f"{len(runs)} trainings, by the code of the commits {', '.join(commits) or 'unknown'} (+: "
        f"with changes), on {', '.join(devices) or 'an unknown device'}."
    )
    action = {
        "name": "The run of the workflow",
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    if times is None:
        return action | {"description": f"{description} When is not recorded."}
    begin, end = (datetime.fromtimestamp(t, UTC).isoformat(timespec="seconds") for t in times)
    description += (
        " From the beginning of its first job to the end of its last, as Snakemake recorded them; "
        "it may have stood still between them."
    )
    return action | {"description": description, "startTime": begin, "endTime": end}
