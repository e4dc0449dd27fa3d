"""Pages that are made of the code: configuration, commands, targets and modules.

What stands in the page's file comes first. Text for MyST is returned, so that nothing is written to
disk, and nothing is written twice.
"""

import argparse
import ast
import json
import os
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENTRY = re.compile(r"([\w, ]+?)(?: \(([^)]*)\))?: (.*)", re.DOTALL)
"""Names, unit and text of an entry under ``Attributes:``."""


def setup(app):
    def extend(app, page, content):
        if page in PAGES:
            content[0] += "\n\n" + PAGES[page]()

    app.connect("source-read", extend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def table(header, rows):
    """Return a table of Markdown, of which no cell ends a row or a column."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def cell(text):
    return " ".join(str(text).split()).replace("|", r"\|")


def as_markdown(text):
    """Return a docstring's text with the code of reStructuredText as that of Markdown."""
    return re.sub(r"``(.+?)``", r"`\1`", text).replace("`None`", "`null`")


def attributes(model):
    """Return attribute to (unit, description), of docstrings of a class and of its bases."""
    found = {}
    for base in reversed(model.__mro__):
        section = re.search(r"\n    Attributes:\n(.*)", base.__doc__ or "", re.DOTALL)
        for entry in re.split(r"\n {8}(?=\S)", section[1].rstrip()) if section else ():
            names, unit, text = ENTRY.match(" ".join(entry.split())).groups()
            found |= {name: (unit or "", text) for name in names.split(", ")}
    return found


def kind(schema):
    """Return the type that a JSON schema describes, in words."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(map(kind, schema[key])))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "$ref" in schema or "allOf" in schema:
        return "settings"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [
        f"{sign} {schema[key]:g}" for key, sign in bounds.items() if abs(schema.get(key, 1e9)) < 1e9
    ]
    match schema.get("type"):
        case "integer" | "number" as name:
            return " ".join(["whole number" if name == "integer" else name, " and ".join(limits)])
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "`null`"
        case "array":
            return f"list of {kind(schema['items'])}" if "items" in schema else "list"
        case "object":
            within = schema.get("additionalProperties")
            return f"map to {kind(within)}" if isinstance(within, dict) and within else "settings"
        case "string":
            return "path" if schema.get("format") == "path" else "text"
    return "any"


def value(given):
    """Return a value as YAML has it."""
    if hasattr(type(given), "model_fields"):
        return "as below"
    return "`" + json.dumps(given, default=list).replace('"', "") + "`"


@cache
def places():
    """Return name to the modules of the package that read it as an attribute, or else take it."""
    read, taken = defaultdict(set), defaultdict(set)
    for path in (ROOT / "xsleep").rglob("*.py"):
        parts = path.relative_to(ROOT / "xsleep").with_suffix("").parts
        if parts[0] not in ("config", "cli", "databases", "results"):
            module = ".".join(parts).removesuffix(".__init__")
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute):
                    read[node.attr].add(module)
                elif isinstance(node, ast.arg):
                    taken[node.arg].add(module)
    return taken | read


def keys(model, group="", given=None, presets=(), where=False, without=None):
    """Return a table of the keys of a model of settings.

    Args:
        model: the class.
        group: what stands before a key.
        given: what a file of the project has for keys without a default.
        presets: names of presets, and what they have in this group.
        where: whether the modules that read a key are named.
        without: a base of the class whose keys are left out.
    """
    described = attributes(model)
    schema = model.model_json_schema()["properties"]
    rows = []
    for name, field in model.model_fields.items():
        if without and name in without.model_fields:
            continue
        unit, text = described[name]
        default = "required"
        if name in (given or {}):
            words = {"settings": "as below"}.get(kind(schema[name]), "as in the file")
            default = words if isinstance(given[name], dict) and given[name] else value(given[name])
        elif not field.is_required():
            default = value(field.get_default(call_default_factory=True))
            for preset, own in presets:
                if name in own and value(own[name]) != default.partition(";")[0]:
                    default += f"; `{preset}`: {value(own[name])}"
        if where and places().get(name):
            text += f" Acts in {', '.join(f'`{place}`' for place in sorted(places()[name]))}."
        row = [f"`{group}{name}`", kind(schema[name]), default, unit or "-", as_markdown(text)]
        rows.append(row)
    return table(["key", "type", "default", "unit", "meaning"], rows)


def groups():
    """Return every group of settings: heading, modules that use it, model, options of `keys`."""
    import yaml

    from xsleep import systems
    from xsleep.config import databases, external, network, presets, training, transfer, workflow
    from xsleep.config import robustness as suffered
    from xsleep.databases import READERS, base, own
    from xsleep.databases.simulated import cohort

    def read(path):
        return yaml.safe_load((ROOT / path).read_text())

    given = read("config/config.yaml")
    files = {
        name: read(f"config/presets/{name}.yaml") for name in ("released", "paper", "embedded")
    }

    def of_preset(group, **more):
        values = [(name, content.get(group, {})) for name, content in files.items()]
        return {"group": f"{group}.", "presets": values, **more}

    def selected(group):
        return {"group": f"{group}.", "given": given.get(group)}

    yield "## `config/config.yaml`", ["study"], workflow.Selection, {"given": given}
    acts = ["networks.importing", "scoring.jobs"]
    yield "### Zero-shot scoring", acts, transfer.ZeroShotSettings, selected("zero_shot")
    acts = ["study.transfer", "training.jobs"]
    yield "### Transfer learning", acts, transfer.TransferSettings, selected("transfer")
    first = dict.fromkeys(transfer.AblationSettings.model_fields, "the first selected")
    first["variants"] = "all"
    ablation = {"group": "ablation.", "given": first}
    yield "### Ablation", ["study.ablation"], transfer.AblationSettings, ablation
    acts = ["study.robustness", "external.robustness"]
    listed = given["robustness"] | {"perturbations": "those of config/config.yaml"}
    suffers = {"group": "robustness.", "given": listed}
    yield "### Robustness", acts, suffered.RobustnessSettings, suffers
    for name, model in (
        ("A lost channel", suffered.Lost),
        ("Another derivation", suffered.Derivation),
        ("Another gain", suffered.Gain),
        ("The mains", suffered.Mains),
        ("A low-pass filter", suffered.LowPass),
        ("Missing epochs", suffered.Missing),
    ):
        of = {"group": "robustness.perturbations.*."}
        yield f"### Perturbation: {name}", ["scoring.perturbations"], model, of
    several = {"group": "predictions.*.*."}
    yield "### Predictions of other programs", ["external.files"], external.Imported, several
    yield "### Other stagers", ["external.stagers"], external.Stager, {"group": "stagers.*.*."}
    acts = ["study.databases", "study.settings"]
    yield "## `config/databases/NAME.yaml`", acts, databases.DatabaseSettings, {}
    yield "### Source of the recordings", ["databases.base"], base.Source, {"group": "source."}
    yield "### Fetching", ["databases.fetch"], base.FetchSettings, {"group": "source.fetch."}
    readers = defaultdict(list)
    for name, database in sorted(READERS.items()):
        readers[database.settings].append((f"`{name}`", database.__module__))
    del readers[base.Source]
    for model, found in readers.items():
        names, modules = zip(*found, strict=True)
        heading = f"### Source with the reader {', '.join(names)}"
        acts = [module.removeprefix("xsleep.") for module in sorted({*modules})]
        yield heading, acts, model, {"group": "source.", "without": base.Source}
    hypnogram = {"group": "source.hypnogram."}
    yield "### Hypnograms of the reader `own`", ["databases.own"], own.HypnogramSettings, hypnogram
    acts = ["databases.simulated.cohort"]
    yield "### Simulated cohort", acts, cohort.Cohort, {"group": "source.cohort."}
    yield "### Drawn folds", ["preparation.folds"], databases.KFold, {"group": "folds."}
    yield (
        "### Networks trained elsewhere",
        ["scoring.given"],
        external.Given,
        {"group": "trained.*."},
    )
    yield "## `config/presets/NAME.yaml`", ["study.settings"], presets.Preset, {}
    yield "### Networks", [], network.NetworkSettings, of_preset("network", where=True)
    yield "### Training", [], training.TrainingSettings, of_preset("training", where=True)
    acts = ["study.settings"]
    yield "### Resources of a training", acts, training.ResourceSettings, of_preset("resources")
    yield "## `xsleep/systems/NAME.yaml`", ["systems"], systems.System, {}
    yield "### Finetuning of a system", ["study.transfer"], systems.Transfer, {"group": "transfer."}
    variant = {"group": "variants.*."}
    yield "### Variant of a system", ["study.ablation"], systems.Variant, variant


def configuration():
    """Return every key of the configuration, by file and group."""
    parts = []
    for heading, acts, model, more in groups():
        for module in acts:
            path = ROOT / "xsleep" / module.replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").exists(), module
        places = ", ".join(f"`xsleep.{module}`" for module in acts)
        parts += [heading, *[f"Acts in {places}."] * bool(acts), keys(model, **more)]
    return "\n\n".join(parts)


def commands():
    """Return the help of every command of ``xsleep``."""
    os.environ["COLUMNS"] = "88"
    from xsleep.cli import parser

    whole = parser()
    (found,) = (a for a in whole._actions if isinstance(a, argparse._SubParsersAction))
    return "\n\n".join(
        f"## `{one.prog}`\n\n```text\n{one.format_help()}```"
        for one in [whole, *found.choices.values()]
    )


def targets():
    """Return every rule of the workflow, with what it says while it runs."""
    rows = []
    for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]:
        for rule in re.split(r"^(?:rule|checkpoint) ", path.read_text(), flags=re.MULTILINE)[1:]:
            said = re.search(r'message:\s+((?:"[^"]*"\s*)+)', rule)
            text = "".join(re.findall(r'"([^"]*)"', said[1])) if said else ""
            text = re.sub(r"{(?:wildcards|params)\.(\w+)}", lambda m: m[1].upper(), text)
            rows.append([f"`{rule.partition(':')[0]}`", text, f"`{path.relative_to(ROOT)}`"])
    return table(["rule", "what it says", "file"], sorted(rows))


def modules():
    """Return the packages and modules of the library, with the first paragraph of each."""
    parts = []
    for package in sorted((ROOT / "xsleep").glob("*/__init__.py")):
        rows = [
            [f"`{module_of(path)}`", first_of(path)]
            for path in sorted(package.parent.rglob("*.py"))
            if path != package
        ]
        heading = f"## `xsleep.{package.parent.name}`\n\n{first_of(package)}"
        parts.append(f"{heading}\n\n{table(['module', 'content'], rows)}")
    return "\n\n".join(parts)


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def first_of(path):
    """Return the first paragraph of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return as_markdown(text.partition("\n\n")[0])


PAGES = {
    "reference/configuration": configuration,
    "reference/commands": commands,
    "reference/targets": targets,
    "reference/modules": modules,
}
