"""Table 2: its runs, trained here and elsewhere, and the files that it stands on."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from xsleep import systems
from xsleep.study import paths
from xsleep.study.databases import Databases
from xsleep.study.external import ExternalSystems
from xsleep.study.runs import Run, ScratchRuns, folder, has
from xsleep.study.transfer import Finetuning, Transfer


class Table2:
    """Runs of Table 2: from scratch, finetuned, of given networks, and external systems.

    Attributes:
        external: the external systems of Table 2.
    """

    def __init__(
        self,
        databases: Databases,
        scratch: ScratchRuns,
        transfer: Transfer,
        external: ExternalSystems,
    ) -> None:
        self.databases, self.transfer = databases, transfer
        self.scratch, self.given, self.external = scratch.scratch, scratch.given, external.all
        self._seed, self._names = scratch.workflow.seeds[0], external.names

    @cached_property
    def finetuned(self) -> list[Finetuning]:
        """Runs that finetune a pretrained network."""
        absent = any(self.databases.files[name].fault for name in self.transfer.windows)
        return [] if absent else self.transfer.finetuned(self.databases.trained_on)

    @cached_property
    def trained(self) -> list[Run]:
        """Addresses of the runs that are trained here, with the names of their rows."""
        return self.scratch + [
            run["address"] | {"system": f"FT-{run['network']}"} for run in self.finetuned
        ]

    @cached_property
    def trained_folders(self) -> list[str]:
        """Folder of each run that is trained here."""
        return [*map(folder, self.scratch), *(run["folder"] for run in self.finetuned)]

    @cached_property
    def imported(self) -> list[Run]:
        """Addresses of the runs that are not trained here."""
        return self.given + [system.run(self._seed) for system in self.external]

    @cached_property
    def imported_folders(self) -> list[str]:
        """Folder of each run that is not trained here."""
        given = [folder(run, paths.GIVEN) for run in self.given]
        return given + [system.folder for system in self.external]

    @cached_property
    def runs(self) -> list[Run]:
        """Addresses of all runs, with the names of their rows."""
        return self.trained + self.imported

    @cached_property
    def folders(self) -> list[str]:
        """Folder of each run."""
        return self.trained_folders + self.imported_folders

    @property
    def systems(self) -> dict[str, str]:
        """Names of the rows, by what they are in an address."""
        scratch = {slug: system.name for slug, system in systems.by_slug().items()}
        finetuned = {name: name for name in self.databases.workflow.finetuned}
        return scratch | finetuned | self._names

    @cached_property
    def pretrained(self) -> list[str | None]:
        """The network that each trained run starts from; None for a run from scratch."""
        models = [self.transfer.pretrained(run | run["address"]) for run in self.finetuned]
        return [None] * len(self.scratch) + models

    @property
    def indexes(self) -> list[str]:
        """The index that each trained run reads."""
        own = [self.transfer.settings.index(run["database"]) for run in self.scratch]
        return own + [self.transfer.index(run["address"]["database"]) for run in self.finetuned]

    def predictions(self, **names: str) -> list[str]:
        """Return the predictions of all runs, or of those with these names."""
        runs = zip(self.runs, self.folders, strict=True)
        return [f"{path}/predictions.h5" for run, path in runs if has(run, names)]

    def not_run(self) -> dict[str, str]:
        """Return why each database, or system, has nothing measured."""
        reasons = {
            system: f"no recordings to pretrain on: {fault}"
            for system in self.databases.workflow.finetuned
            for name in self.transfer.windows
            if (fault := self.databases.files[name].fault)
        }
        return reasons | self.databases.not_run()

    @property
    def pretrained_networks(self) -> list[str]:
        """The pretrained networks that runs start from, each once."""
        return sorted({model for model in self.pretrained if model})

    @property
    def run_folders(self) -> list[str]:
        """Folders of all trainings, those of the pretraining among them."""
        models = [] if self.transfer.of_authors else self.pretrained_networks
        return [*self.trained_folders, *(str(Path(model).parent) for model in models)]

    @property
    def read_indexes(self) -> dict[str, str]:
        """The index of each database that runs, or their pretraining, read."""
        own = {name: self.transfer.settings.index(name) for name in self.databases.names}
        return (self.transfer.indexes if self.finetuned else {}) | own
