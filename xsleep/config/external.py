"""Settings of systems of Table 2 that are not trained here: predictions, stagers and controls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from xsleep.config.names import Window
from xsleep.core.recording import ChannelSet
from xsleep.core.settings import Settings
from xsleep.core.stages import STAGES

Control = Literal[
    "majority", "by hour", "Markov chain", "shuffled stages", "logistic regression", "second scorer"
]
"""Controls, as `xsleep.external.controls` and `xsleep.external.logistic` define them."""


class Imported(Settings):
    """Predictions of a system on one channel set and window of a database.

    Attributes:
        file: CSV, npz or MATLAB file, or a folder of them by fold.
        channels, window: channel set and window of the row.
        classes: order of the stages in an npz or MATLAB file.
    """

    file: Path
    channels: ChannelSet
    window: Window
    classes: tuple[str, ...] = STAGES

    @model_validator(mode="after")
    def _classes_are_the_stages(self) -> Imported:
        if sorted(self.classes) != sorted(STAGES):
            raise ValueError(f"classes: give {', '.join(STAGES)} in another order")
        return self


class Stager(Settings):
    """A stager that was trained on other data.

    Attributes:
        stager: ``yasa``, a name of ``xsleep models``, or the path of a network.
        channels, window: channel set and window of the row; by default the first of the database.
    """

    stager: str
    channels: ChannelSet | None = None
    window: Window | None = None


Item = TypeVar("Item")
Several = Annotated[
    tuple[Item, ...],
    BeforeValidator(lambda value: [value] if isinstance(value, Mapping) else value),
    Field(min_length=1),
]
"""One group of settings, or a list of them."""

Predictions = dict[str, dict[str, Several[Imported]]]
"""Database to system to its predictions."""
Stagers = dict[str, dict[str, Several[Stager]]]
"""Database to system to its stagers."""


class Given(Settings):
    """Networks that were trained elsewhere, in place of the trainings of a system.

    Attributes:
        folder: folder of all networks.
        pattern: path of a run's network below it, with ``{fold}``, and where there are several
            ``{channels}``, ``{window}`` and ``{seed}``.
    """

    folder: Path
    pattern: str

    @model_validator(mode="after")
    def _names_a_fold(self) -> Given:
        if "{fold}" not in self.pattern:
            raise ValueError(f"pattern = {self.pattern!r}: it needs {{fold}}, the number of a fold")
        wildcards = ("fold", "seed", "channels", "window")
        try:
            self.path(dict.fromkeys(wildcards, ""))
        except (KeyError, IndexError, ValueError):
            names = ", ".join(f"{{{name}}}" for name in wildcards)
            raise ValueError(f"pattern = {self.pattern!r}: it may have {names} alone") from None
        return self

    def path(self, run: Mapping[str, Any]) -> Path:
        """Return the checkpoint of a run."""
        return self.folder / self.pattern.format_map(dict(run))
