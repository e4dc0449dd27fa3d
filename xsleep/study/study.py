"""The study: a configuration in, and what the rules ask for out: runs, folders and targets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, get_args

from xsleep import systems
from xsleep.config.names import AUTHORS, STRATEGIES
from xsleep.config.network import Filtering, NetworkSettings
from xsleep.config.presets import DIFFERENCES, Preset
from xsleep.config.training import ResourceSettings, TrainingSettings
from xsleep.config.workflow import Workflow, load
from xsleep.config.workflow import database as read_database
from xsleep.core.errors import InputError
from xsleep.core.recording import ChannelSet
from xsleep.preparation import folds as fold_tables
from xsleep.study import paths
from xsleep.study.files import DatabaseFiles

Run = dict[str, Any]
"""Address of a run: database, window, channels, system (as in a path), seed and fold."""

Finetuning = dict[str, Any]
"""A finetuned run: network, source_channels, strategy, subjects, address (`Run`) and folder."""

CURVE_STRATEGIES = ("scratch", "direct", "all")
"""Strategies of the learning curves."""

PICKS = ("best", "median", "worst")
"""Recordings whose hypnograms are drawn, by their accuracy."""


class Study:
    """Runs, folders and targets of a configuration.

    Nothing is read but names of files, and nothing is changed.

    Attributes:
        workflow: the configuration.
        databases: those of the selected databases that are available, in order.
        files: the files of every database that is configured.
        left_out: why each of the other selected databases is left out.
        systems: names of the systems, by what they are in a path.
        selected: the selected systems that train from scratch, as in a path.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        """Check the configuration and list the files of its databases.

        Args:
            config: content of ``config.yaml``, with what was given on the command line.
            folder: where ``databases`` and ``presets`` are.

        Raises:
            InputError: the configuration cannot be used.
        """
        self.config, self.folder = config, folder
        self.workflow: Workflow = load(config, folder)
        self.files = {n: DatabaseFiles(n, s) for n, s in self.workflow.sources.items()}
        self.left_out = {n: f for n in self.workflow.databases if (f := self.files[n].fault)}
        self.databases = [n for n in self.workflow.databases if n not in self.left_out]
        self.systems = {system.slug: name for name, system in systems.registry().items()}
        self.selected = [
            slug for slug, name in self.systems.items() if name in self.workflow.systems
        ]
        self._presets: dict[tuple[str, str], Preset] = {}

    @property
    def available(self) -> Workflow:
        """The configuration with the databases that are available alone."""
        chosen = {name: self.workflow.databases[name] for name in self.databases}
        return self.workflow.model_copy(update={"databases": chosen})

    # Settings

    def preset(self, database: str, difference: str = "") -> Preset:
        """Return the hyper-parameters of a database, or these with one difference switched."""
        key = database, difference
        if key not in self._presets:
            plain = self.workflow.preset(database)
            paper = self.workflow.presets["paper"]
            self._presets[key] = plain.switched(difference, paper) if difference else plain
        return self._presets[key]

    def preset_of(self, wildcards: Mapping[str, str]) -> Preset:
        """Return the hyper-parameters of a run, or without a root those of the database."""
        difference = wildcards.get("root", "").partition("/ablation/")[2]
        return self.preset(wildcards["database"], difference)

    def training(self, wildcards: Mapping[str, str], finetuning: bool = False) -> TrainingSettings:
        """Return the training settings of a run, with what differs for its system."""
        system = self.systems[wildcards["system"]]
        return self.preset_of(wildcards).training_of(system, finetuning)

    def resources(self) -> list[ResourceSettings]:
        """Return what a training of each selected database asks for."""
        return [self.preset(database).resources for database in self.databases]

    @cached_property
    def filterings(self) -> dict[str, dict[str, Any]]:
        """Filter settings of each store: as released, or as a preset has them."""
        differences = ("", "raw_filter", "filter_rate")
        networks = [self.workflow.presets["released"].network] + [
            self.preset(database, difference).network
            for database, difference in product(self.workflow.sources, differences)
        ]
        fields = {*Filtering.model_fields}
        return {store_of(n): n.model_dump(mode="json", include=fields) for n in networks}

    @cached_property
    def constraints(self) -> dict[str, str]:
        """Regular expressions of the wildcards."""
        ablated = (paths.ABLATION.format(difference=difference) for difference in DIFFERENCES)
        roots = ["results", *ablated, paths.RETRAINED]
        channels = "|".join(get_args(ChannelSet))
        return {
            "store": _any_of(self.filterings),
            "root": "|".join([*roots, "results/transfer/.+"]),
            "database": _any_of(self.workflow.sources),
            "batch": "[^/]+",
            "window": "[^/]+",
            "channels": channels,
            "system": _any_of(self.systems),
            "seed": r"\d+",
            "fold": r"\d+",
            "source": re.escape(self.source),
            "source_channels": channels,
            "strategy": _any_of(STRATEGIES),
            "subjects": r"(-subjects-\d+)?",
            "attempt": r"\d+",
        }

    def source_settings(self, database: str, fetched: bool = False) -> dict[str, Any]:
        """Return where recordings are; how they got there (``fetched``) changes no result."""
        exclude = set() if fetched else {"fetch", "apply"}
        return self.workflow.sources[database].source.model_dump(mode="json", exclude=exclude)

    # Stores

    def index(self, database: str, network: NetworkSettings | None = None) -> str:
        """Return the index of the store that a network reads; by default the database's own."""
        store = store_of(network or self.preset(database).network)
        return paths.INDEX.format(store=store, database=database)

    def index_of(self, wildcards: Mapping[str, str]) -> str:
        """Return the index that a run reads, or without a root the database's own."""
        finetuned = wildcards.get("root", "").startswith("results/transfer/")
        preset = self.source_preset if finetuned else self.preset_of(wildcards)
        return self.index(wildcards["database"], preset.network)

    @property
    def indexes(self) -> list[str]:
        """The index of each database."""
        return [self.index(database) for database in self.databases]

    def each(self, pattern: str) -> list[str]:
        """Return the path of each database by a pattern."""
        return [pattern.format(database=database) for database in self.databases]

    @property
    def described(self) -> dict[str, dict[str, Any]]:
        """Windows, folds and scoring rules of each database, for Table 1."""
        return {
            database: settings.model_dump(mode="json", include={"windows", "folds"})
            | {"scoring": self.files[database].database.scoring}
            for database, settings in self.available.databases.items()
        }

    # Runs from scratch

    def folds(self, database: str) -> range:
        """Return the numbers of a database's folds."""
        return range(1, 1 + fold_tables.count(database, self.workflow.sources[database].folds))

    def runs(self, database: str, slugs: Iterable[str] | None = None) -> list[Run]:
        """Return all runs of a database, of the selected systems or of others."""
        settings = self.workflow.sources[database]
        return [
            {
                "database": database,
                "window": window,
                "channels": channels,
                "system": system,
                "seed": seed,
                "fold": fold,
            }
            for window, channels, system, seed, fold in product(
                settings.windows,
                settings.channels,
                self.selected if slugs is None else slugs,
                self.workflow.seeds,
                self.folds(database),
            )
        ]

    @cached_property
    def scratch_runs(self) -> list[Run]:
        """Runs of Table 2 that train from scratch."""
        return [run for database in self.databases for run in self.runs(database)]

    @cached_property
    def blended_runs(self) -> list[Run]:
        """Runs of Table 2 whose losses are blended adaptively."""
        return [run for database in self.databases for run in self.runs(database, self.blended)]

    @cached_property
    def blended(self) -> list[str]:
        """Selected systems of the paper with adaptive blending."""
        return [slug for slug in self.selected if self._system(slug).is_blended]

    def figure_systems(self, figure: str) -> list[str]:
        """Return the selected systems that stand in a figure, single views first."""
        chosen = [slug for slug in self.selected if figure in self._system(slug).figures]
        return sorted(chosen, key=lambda slug: len(self._system(slug).views))

    def _system(self, slug: str) -> systems.System:
        return systems.registry()[self.systems[slug]]

    @property
    def ablated(self) -> list[tuple[str, Run]]:
        """Differences to the paper and the runs with each switched; ``none`` switches none.

        Empty where the preset has every difference as in the paper already.
        """
        chosen = self.workflow.ablation
        if not self.switched:
            return []
        return [
            (difference, run)
            for difference in ("none", *DIFFERENCES)
            for run in self.runs(chosen.database, [systems.slug(chosen.system)])
            if (run["window"], run["channels"]) == (chosen.window, chosen.channels)
        ]

    @cached_property
    def switched(self) -> list[str]:
        """Differences in which the preset of the ablation is not as in the paper."""
        chosen = self.workflow.ablation
        paper = self.workflow.presets["paper"]
        return self.preset(chosen.database).differences(chosen.system, paper)

    def ablated_folder(self, difference: str, run: Run) -> str:
        """Return the folder of a run of the ablation; that of Table 2 where nothing changes."""
        if difference not in self.switched:
            return folder(run)
        return folder(run, paths.ABLATION.format(difference=difference))

    @property
    def ablated_values(self) -> dict[str, dict[str, Any]]:
        """Each difference with the settings that it switches and their values, to be shown."""
        database = self.workflow.ablation.database
        return {
            difference: {
                name: as_text(self.preset(database, difference).value(name)) for name in names
            }
            for difference, names in DIFFERENCES.items()
        }

    @property
    def trained_again(self) -> list[Run]:
        """The run that the audit trains again: the first of the cheapest selected system."""
        if not self.scratch_runs:
            return []
        cheapest = min(self.selected, key=lambda slug: self._system(slug).cost)
        return [run for run in self.scratch_runs if run["system"] == cheapest][:1]

    # Transfer learning

    @property
    def source(self) -> str:
        """The databases that networks are pretrained on, as in a path."""
        return "+".join(self.workflow.source)

    @property
    def of_authors(self) -> bool:
        """True if the pretrained networks are the released ones."""
        return self.source == AUTHORS

    @property
    def source_databases(self) -> tuple[str, ...]:
        """The databases that networks are pretrained on here."""
        return () if self.of_authors else self.workflow.source

    @property
    def source_preset(self) -> Preset:
        """Hyper-parameters of the pretraining: those of the first of the pooled databases.

        What the released networks were trained with is in their files, but for the filter.
        """
        if self.of_authors:
            return self.workflow.presets["released"]
        return self.preset(self.workflow.source[0])

    @property
    def source_windows(self) -> dict[str, str]:
        """The window of each source database."""
        return {d: self.workflow.sources[d].windows[0] for d in self.source_databases}

    @property
    def source_indexes(self) -> list[str]:
        """The index of each source database."""
        return [self.index(d, self.source_preset.network) for d in self.source_databases]

    @property
    def pretraining_folder(self) -> str:
        """Pattern of the folder of pretrained networks."""
        return paths.PRETRAINED.replace("{source}", self.source)

    def pretrained(self, source_channels: str, system: str, seed: str | int) -> str:
        """Return the pretrained network that a run of a system (as in a path) starts from."""
        place = self.pretraining_folder.format(source_channels=source_channels)
        if self.of_authors:
            return f"{place}/model.safetensors"
        transfer = self._system(system).transfer
        assert transfer is not None
        return f"{place}/{systems.slug(transfer.pretrained)}/seed-{seed}/model.safetensors"

    def pretraining(self, system: str) -> dict[str, Any]:
        """Return the settings that a system is pretrained with."""
        return {
            "system": system,
            "network": self.source_preset.network.model_dump(mode="json"),
            "training": self.source_preset.training_of(system).model_dump(mode="json"),
        }

    def transfers(
        self, network: str, strategy: str, subjects: int | None = None
    ) -> list[Finetuning]:
        """Return the runs that finetune a network by a strategy.

        Args:
            network: as in ``transfer.networks``.
            strategy: a key of `STRATEGIES`.
            subjects: how many subjects of each fold train; all where it is None.
        """
        system = systems.transferred()[network].system
        few = f"-subjects-{subjects}" if subjects else ""
        found = []
        for database, channels in product(self.workflow.target, self.workflow.transfer.channels):
            root = paths.TRANSFER.format(
                source=self.source, source_channels=channels.source, strategy=strategy, subjects=few
            )
            for seed, fold in product(self.workflow.seeds, self.folds(database)):
                address = {
                    "database": database,
                    "window": self.workflow.sources[database].windows[0],
                    "channels": channels.target,
                    "system": system.slug,
                    "seed": seed,
                    "fold": fold,
                }
                found.append(
                    {
                        "network": network,
                        "source_channels": channels.source,
                        "strategy": strategy,
                        "subjects": subjects,
                        "address": address,
                        "folder": folder(address, root),
                    }
                )
        return found

    @cached_property
    def transfer_runs(self) -> dict[str, list[Finetuning]]:
        """The runs of the table of strategies and of the learning curves."""
        transfer = self.workflow.transfer

        def runs(strategies: Sequence[str], subjects: Sequence[int | None]) -> list[Finetuning]:
            return [
                run
                for network, strategy in product(transfer.networks, strategies)
                # a strategy that trains nothing needs no subjects
                for count in ([None] if strategy == "direct" else subjects)
                for run in self.transfers(network, strategy, count)
            ]

        return {
            "transfer": runs(transfer.strategies, [None]),
            "learning_curves": runs(CURVE_STRATEGIES, [*transfer.subjects, None]),
        }

    # Table 2

    @cached_property
    def finetuned_runs(self) -> list[Finetuning]:
        """Runs of Table 2 that finetune a pretrained network."""
        if any(self.files[database].fault for database in self.source_databases):
            return []
        return self._finetuned(self.databases)

    def _finetuned(self, databases: Sequence[str]) -> list[Finetuning]:
        return [
            run
            for network in (name.removeprefix("FT-") for name in self.workflow.finetuned)
            for run in self.transfers(network, systems.transferred()[network].strategy)
            if run["address"]["database"] in databases
            if run["address"]["channels"] == run["source_channels"]
        ]

    def pretrained_of(self, run: Finetuning) -> str:
        """Return the network that a finetuned run starts from."""
        address = run["address"]
        return self.pretrained(run["source_channels"], address["system"], address["seed"])

    @cached_property
    def pretrained_models(self) -> list[str]:
        """The network that each finetuned run of Table 2 starts from."""
        return [self.pretrained_of(run) for run in self.finetuned_runs]

    @cached_property
    def table2_runs(self) -> list[Run]:
        """Addresses of all runs of Table 2, with the names of their rows."""
        return self.scratch_runs + [
            run["address"] | {"system": f"FT-{run['network']}"} for run in self.finetuned_runs
        ]

    @cached_property
    def table2_folders(self) -> list[str]:
        """Folders of all runs of Table 2."""
        return [*map(folder, self.scratch_runs), *(run["folder"] for run in self.finetuned_runs)]

    @property
    def table2_systems(self) -> dict[str, str]:
        """Names of the rows of Table 2, by what they are in an address."""
        return self.systems | {name: name for name in self.workflow.finetuned}

    def table2_predictions(self, **names: str) -> list[str]:
        """Return the predictions of the runs of Table 2, of all or of those with these names."""
        runs = zip(self.table2_runs, self.table2_folders, strict=True)
        return [f"{path}/predictions.h5" for run, path in runs if has(run, names)]

    def not_run(self) -> dict[str, str]:
        """Return why each database, or system, has nothing measured in Table 2."""
        reasons = {
            system: f"no recordings to pretrain on: {fault}"
            for system in self.workflow.finetuned
            for database in self.source_databases
            if (fault := self.files[database].fault)
        }
        for path in sorted((self.folder / "databases").glob("*.yaml")):
            if path.stem in self.left_out:
                reasons[path.stem] = f"no data here: {self.left_out[path.stem]}"
            elif path.stem not in self.databases:
                reasons[path.stem] = self._not_selected(path.stem)
        return reasons

    def _not_selected(self, database: str) -> str:
        changes = self.config.get("database_settings", {})
        try:
            source = read_database(database, changes, self.folder).source
        except InputError as error:
            return str(error)
        if source.fetch or any(source.folder.glob("*")):
            return "not configured"
        apply = f", licence: apply for access at {source.apply}" if source.apply else ""
        return f"not configured; no data in {source.folder}{apply}"

    def planned(self) -> dict[tuple[str, str, str, str, str], int]:
        """Return how many runs Table 2 has, whether or not its databases are available.

        Keys: stage (``train``, ``pretrain``, ``finetune``), database, window, channels, system.
        """
        databases = list(self.workflow.databases)
        found = [("train", run) for database in databases for run in self.runs(database)]
        pretrained = set()
        for run in self._finetuned(databases):
            model = self.pretrained_of(run)
            if not self.of_authors and model not in pretrained:
                pretrained.add(model)  # once for all folds and targets
                first = systems.transferred()[run["network"]].pretrained
                what = {"channels": run["source_channels"], "system": systems.slug(first)}
                found.append(("pretrain", {"database": self.source, "window": "", **what}))
            found.append(("finetune", run["address"]))
        return Counter(
            (stage, run["database"], run["window"], run["channels"], self.systems[run["system"]])
            for stage, run in found
        )

    # Audit

    @property
    def configured(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Current settings of the runs of each database and system."""
        return {database: self._configured(database) for database in self.databases}

    def _configured(self, database: str) -> dict[str, dict[str, Any]]:
        preset = self.preset(database)

        def training(system: str, finetuning: bool = False) -> dict[str, Any]:
            return preset.training_of(system, finetuning).model_dump(mode="json")

        scratch = {
            slug: {
                "system": self.systems[slug],
                "network": preset.network.model_dump(mode="json"),
                "training": training(self.systems[slug]),
            }
            for slug in self.selected
        }
        finetuned = {
            f"FT-{network}": {
                "source": self.source,
                "system": transfer.system.name,
                "strategy": transfer.strategy,
                # the settings of the authors' networks are in their files
                **({} if self.of_authors else {"network": self._pretrained_network()}),
                "training": training(transfer.system.name, finetuning=True),
            }
            for network, transfer in systems.transferred().items()
        }
        return scratch | finetuned

    def _pretrained_network(self) -> dict[str, Any]:
        return self.source_preset.network.model_dump(mode="json")

    @property
    def pretrainings(self) -> dict[str, dict[str, Any]]:
        """Current settings of the pretrained networks of Table 2, by their folders.

        The authors' networks come without a record of their training.
        """
        if self.of_authors:
            return {}
        found = {}
        for run in self.finetuned_runs:
            first = systems.transferred()[run["network"]].pretrained
            found[str(Path(self.pretrained_of(run)).parent)] = {
                "source": self.source,
                "channels": run["source_channels"],
                "seed": run["address"]["seed"],
                **self.pretraining(first),
            }
        return found

    @property
    def table2_indexes(self) -> list[str]:
        """The index that each run of Table 2 reads."""
        network = self.source_preset.network
        return [self.index(run["database"]) for run in self.scratch_runs] + [
            self.index(run["address"]["database"], network) for run in self.finetuned_runs
        ]

    # Figures and provenance

    @cached_property
    def figures(self) -> list[str]:
        """The figures that ``all`` draws, as SVG and PNG."""
        learning = self.figure_systems("learning")
        both = [slug for slug in learning if len(self._system(slug).views) > 1]
        single = [slug for slug in learning if slug not in both]
        cases = dict.fromkeys(paths.CASE.format(**run) for run in self.scratch_runs)
        stems = [
            *(f"fig1/{case}" for case in cases if both),
            "fig4",
            *(f"fig5/{case}" for case in cases if self.blended),
            *(f"fig6/{case}" for case in cases if learning),
            *(["gain"] if len(single) == len(get_args(systems.View)) and both else []),
            *(
                f"{figure}/{case}"
                for case in dict.fromkeys(paths.CASE.format(**run) for run in self.table2_runs)
                for figure in ("subjects", "calibration")
            ),
            # of each database's first window and channel set, by the first system
            *(
                f"hypnograms/{paths.CASE.format(**run)}/{run['system']}/{pick}"
                for database in self.databases
                for run in self.runs(database, self.selected[:1])[:1]
                for pick in PICKS
            ),
        ]
        return [f"results/figures/{s}.{suffix}" for s in stems for suffix in ("svg", "png")]

    def first_histories(self, case: Mapping[str, str]) -> list[str]:
        """Return the histories of the learning curves: first seed and fold of each system."""
        first = {"seed": self.workflow.seeds[0], "fold": 1}
        systems_of = self.figure_systems("learning")
        runs = ({**case, **first, "system": system} for system in systems_of)
        return [f"{folder(run)}/history.csv" for run in runs]

    @property
    def run_folders(self) -> list[str]:
        """Folders of all runs that Table 2 stands on, those of the pretraining among them."""
        models = [] if self.of_authors else self.pretrained_networks
        return [*self.table2_folders, *(str(Path(model).parent) for model in models)]

    @property
    def pretrained_networks(self) -> list[str]:
        """The pretrained networks that Table 2 stands on, each once."""
        return sorted(set(self.pretrained_models))

    @property
    def read_indexes(self) -> dict[str, str]:
        """The index of each database that Table 2 stands on."""
        sources = dict(zip(self.source_databases, self.source_indexes, strict=True))
        own = dict(zip(self.databases, self.indexes, strict=True))
        return (sources if self.finetuned_runs else {}) | own


def folder(run: Run, root: str = "results") -> str:
    """Return the folder of a run."""
    return paths.RUN.format(root=root, **run)


def has(run: Run, names: Mapping[str, str]) -> bool:
    """Return whether a run has these names of database, window and so on."""
    return all(run[name] == names[name] for name in run.keys() & names.keys())


def store_of(network: Filtering) -> str:
    """Return where epochs and spectrograms are stored, filtered as a network reads them."""
    named = {Filtering().filter_name: "data", "none": "data/unfiltered"}
    return named.get(network.filter_name, f"data/{network.filter_name}")


def as_text(value: Any) -> Any:
    """Return the value of a setting to be shown; of one for each channel, these."""
    if isinstance(value, Mapping):
        return ", ".join(f"{channel}: {one}" for channel, one in value.items())
    return value


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))
