"""Whole configuration: ``config.yaml`` and the files that it names in, checked settings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, ValidationError

from xsleep import systems
from xsleep.config.databases import DatabaseSettings
from xsleep.config.external import Control, Predictions, Stagers
from xsleep.config.names import AUTHORS, SYSTEMS, Finetuned, Selected, System
from xsleep.config.presets import Preset
from xsleep.config.robustness import RobustnessSettings
from xsleep.config.transfer import AblationSettings, TransferSettings, ZeroShotSettings
from xsleep.core.errors import InputError
from xsleep.core.settings import Settings, checked, existing, first_of, read_named


def _names(value: Any) -> Any:
    """Return a single name as a list."""
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]


def _as_word(value: Any) -> Any:
    """Return the word for what YAML takes it for: ``yes`` is true, and no word is false."""
    return {True: "yes", False: None}[value] if isinstance(value, bool) else value


Fetch = Annotated[Literal["hypnograms", "yes"] | None, BeforeValidator(_as_word)]

EXTERNAL = ("predictions", "released_outputs", "stagers")
"""Keys that have systems by database which are not trained here."""


class Selection(Settings):
    """The keys of ``config.yaml``.

    Attributes:
        databases: databases of Table 2, each a file in ``config/databases``.
        systems: systems that are trained, once per database, window, channel set, seed and fold.
        seeds: seeds of the trainings; metrics are means over them.
        zero_shot: settings of the target ``results/zero_shot.csv``.
        source: databases that networks are pretrained on, pooled; or ``authors``, the networks
            that the authors released.
        target: databases that networks are finetuned on, each in the first of its windows.
        transfer: settings of the target ``results/transfer.csv``.
        predictions: by database and system, predictions of other programs.
        released_outputs: the same, for the target ``results/released_outputs.csv``.
        stagers: by database and system, stagers that were trained on other data.
        controls: controls that any system must beat.
        fetch: ``hypnograms``: these alone are fetched where files are missing; ``yes``: files may
            be fetched into a folder that was set by hand and does not exist.
        database_settings: by database, settings that override its file.
        preset_settings: by preset, settings that override its file.
        ablation: settings of the target ``results/ablation.csv``.
        robustness: settings of the target ``results/robustness.csv``.
    """

    databases: tuple[str, ...] = Field(min_length=1)
    systems: tuple[Selected, ...]
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    zero_shot: ZeroShotSettings
    source: Names
    target: Names
    transfer: TransferSettings
    predictions: Predictions = Field(default_factory=dict)
    released_outputs: Predictions = Field(default_factory=dict)
    stagers: Stagers = Field(default_factory=dict)
    controls: tuple[Control, ...] = ()
    fetch: Fetch = None
    database_settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    preset_settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    ablation: dict[str, Any] = Field(default_factory=dict)
    robustness: RobustnessSettings


class Workflow(Settings):
    """Whole configuration: ``config.yaml`` and the files that it names.

    Attributes:
        source: the databases that networks are pretrained on, pooled; or `AUTHORS` alone.
        target: the databases that they are finetuned on, each in the first of its windows.
        databases: the databases of Table 2, in order: the selected ones, then further ones that
            ``predictions`` and ``stagers`` name.
        trained_on: the selected ones, on which networks are trained.
        sources: the databases of Table 2, of ``zero_shot``, of ``released_outputs`` and of the
            transfer.
        fetch: ``hypnograms`` if these alone are fetched of databases whose files are missing;
            ``yes`` if files may be fetched into folders that were set by hand and do not exist.
        systems, finetuned: the rows of Table 2, from scratch and transferred.
        presets: those that the sources name; ``paper``, which the ablation takes from; and
            ``released``, with which the authors' networks were trained.
    """

    databases: dict[str, DatabaseSettings]
    trained_on: tuple[str, ...]
    sources: dict[str, DatabaseSettings]
    seeds: tuple[NonNegativeInt, ...]
    zero_shot: ZeroShotSettings
    source: tuple[str, ...]
    target: tuple[str, ...]
    transfer: TransferSettings
    predictions: Predictions
    released_outputs: Predictions
    stagers: Stagers
    controls: tuple[Control, ...]
    fetch: Fetch
    systems: tuple[System, ...]
    finetuned: tuple[Finetuned, ...]
    presets: dict[str, Preset]
    ablation: AblationSettings
    robustness: RobustnessSettings

    def preset(self, database: str) -> Preset:
        """Return the hyper-parameters of a database."""
        source = self.sources[database]
        return Preset.model_validate(self.presets[source.preset].of(database, source))

    @property
    def source_preset(self) -> Preset:
        """Hyper-parameters of the pretraining: those of the first of the pooled databases.

        What the released networks were trained with is in their files, but for the filter.
        """
        first = self.source[0]
        return self.presets["released"] if first == AUTHORS else self.preset(first)


def load(config: Mapping[str, Any], folder: Path) -> Workflow:
    """Return the checked configuration.

    Args:
        config: the content of ``config.yaml``, ``--config`` included.
        folder: where ``databases/NAME.yaml`` and ``presets/NAME.yaml`` are.

    Raises:
        InputError: a key or value is wrong; the message names it in one line.
    """
    selection: Selection = checked(Selection, config, "configuration")
    if not (selection.systems or selection.predictions or selection.stagers or selection.controls):
        raise InputError("configuration: systems: name one, or predictions, stagers or controls")
    scored = selection.zero_shot.database
    existing(folder / "databases", scored, "configuration: zero_shot.database")
    transferred = [*(n for n in selection.source if n != AUTHORS), *selection.target]
    external = {key: getattr(selection, key) for key in EXTERNAL}
    for key, of_databases in external.items():
        for name in of_databases:
            existing(folder / "databases", name, f"configuration: {key}")
    for one in selection.robustness.perturbations:
        for name in one.labels if one.change == "derivation" else ():
            existing(folder / "databases", name, "configuration: robustness.perturbations")
    tabled = [*selection.databases, *selection.predictions, *selection.stagers]
    changes = selection.database_settings
    sources: dict[str, DatabaseSettings] = {
        name: read_named(DatabaseSettings, folder / "databases", name, changes)
        for name in dict.fromkeys([*tabled, scored, *transferred, *selection.released_outputs])
    }
    finetuned = tuple(name for name in selection.systems if name in systems.finetuned())
    _check_transfer(selection, sources, finetuned)
    # In a fixed order, as jobs run again if a parameter changes.
    used = dict.fromkeys(["paper", "released", *(source.preset for source in sources.values())])
    presets = {
        name: read_named(Preset, folder / "presets", name, selection.preset_settings)
        for name in used
    }
    for name, source in sources.items():
        checked(Preset, presets[source.preset].of(name, source), f"databases/{name}.yaml")
    for name, preset in presets.items():
        for known in preset.databases:
            existing(folder / "databases", known, f"presets/{name}.yaml: databases")
    for kind in ("database", "preset"):
        for name in getattr(selection, f"{kind}_settings"):
            existing(folder / f"{kind}s", name, f"configuration: {kind}_settings")
    scratch = tuple(name for name in selection.systems if name in systems.registry())
    databases = {name: sources[name] for name in selection.databases}
    as_given = "seeds", "zero_shot", "source", "target", "transfer", "controls", "fetch", *EXTERNAL
    found = Workflow(
        **{name: getattr(selection, name) for name in (*as_given, "robustness")},
        databases={name: sources[name] for name in tabled},
        trained_on=selection.databases,
        sources=sources,
        systems=scratch,
        finetuned=finetuned,
        presets=presets,
        ablation=_ablation(selection.ablation, databases, scratch or SYSTEMS),
    )
    _check_variants(found.ablation, found.preset(found.ablation.database))
    return found


def _check_transfer(
    selection: Selection, sources: Mapping[str, DatabaseSettings], finetuned: Sequence[str]
) -> None:
    """Raise `InputError` if source or target lack something that is transferred between them."""
    transfer = selection.transfer
    if finetuned and not {*selection.target} & {*selection.databases}:
        raise InputError(
            f"configuration: systems has {finetuned[0]}, but none of the databases is a target; "
            "name in target those that it is finetuned on"
        )
    used = {role: {getattr(c, role) for c in transfer.channels} for role in ("source", "target")}
    if AUTHORS in selection.source:
        where = "configuration: source = authors: "
        if len(selection.source) > 1:
            raise InputError(f"{where}its networks are trained already; name it alone")
        networks = {*transfer.networks, *(name.removeprefix("FT-") for name in finetuned)}
        if surplus := sorted(networks - {"SeqSleepNet+"}):
            raise InputError(
                f"{where}there are no weights of {surplus[0]}; take SeqSleepNet+ alone, or "
                "pretrain on a database"
            )
        if missing := sorted(used.pop("source") - transfer.weights.keys()):
            raise InputError(
                f"{where}transfer.weights has no file for {missing[0]}; name it there, or choose "
                f"transfer.channels from {', '.join(transfer.weights)}"
            )
    for role, channel_sets in used.items():
        for name, wanted in product(getattr(selection, role), sorted(channel_sets)):
            stored = sources[name].stored_channels
            if absent := [c for c in wanted.split("-") if c not in stored]:
                raise InputError(
                    f"configuration: transfer.channels has {wanted} of the {role} {name}, of which "
                    f"no {absent[0]} is stored; add it to the database's channels and labels, or "
                    f"choose from {', '.join(stored)}"
                )
    presets = {sources[name].preset for name in selection.source if name != AUTHORS}
    if len(presets) > 1:
        raise InputError(
            f"configuration: source = {', '.join(selection.source)}: their presets differ "
            f"({', '.join(sorted(presets))}); give all the same in database_settings"
        )


def _ablation(
    given: Mapping[str, Any], databases: Mapping[str, DatabaseSettings], known: Sequence[str]
) -> AblationSettings:
    """Return the settings of the ablation; the default of a key is the first selected."""
    settings = databases.get(str(given.get("database")), next(iter(databases.values())))
    choices: dict[str, Sequence[str]] = {
        "database": tuple(databases),
        "window": settings.windows,
        "channels": settings.channels,
        "system": known,
    }
    found = {key: given.get(key, there[0]) for key, there in choices.items()}
    for key, value in found.items():
        if value not in choices[key]:
            fault = f"configuration: ablation.{key} = {value!r}: not selected"
            raise InputError(f"{fault}; choose from {', '.join(choices[key])}")
    where = "configuration: ablation"
    ablation: AblationSettings = checked(AblationSettings, {**given, **found}, where)
    return ablation


def _check_variants(ablation: AblationSettings, preset: Preset) -> None:
    """Raise `InputError` if a variant is not known, or does not fit the preset."""
    variants, where = systems.registry()[ablation.system].variants, "configuration: ablation"
    for name in ablation.variants:
        if name not in variants:
            known = f"choose from {', '.join(variants)}" if variants else "it has none"
            what = f"{where}.variants = {name!r}: not a variant of {ablation.system}"
            raise InputError(f"{what}; {known}")
    for name in ablation.variants or variants:
        try:
            preset.varied(ablation.system, variants[name])
        except ValidationError as errors:
            what = f"{where}: {ablation.system}, variant {name!r}"
            raise InputError(f"{what}: {first_of(errors, Preset)}") from errors
