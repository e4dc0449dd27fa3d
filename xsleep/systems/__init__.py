"""Registry of the systems: one YAML file each in, their facts out.

A system is a file ``NAME.yaml`` in this package. Its streams are modules of `xsleep.networks`, each
with a function ``stream`` that builds one (`xsleep.networks.network.StreamBuilder`);
``MODULE.NAME`` is another function of a module.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from xsleep.core.errors import InputError
from xsleep.core.settings import Settings, checked, first_of, parsed

View = Literal["raw", "time-frequency"]
"""Inputs of the networks: samples of the signals, and their spectrograms."""

Branch = Literal["raw", "time-frequency", "joint"]
"""Outputs of the networks that have a loss."""


class Transfer(Settings):
    """Finetuning of a network as this system, with the strategy of its row ``FT-`` in Table 2.

    Attributes:
        network: name of the finetuned network; its row is ``FT-`` and this name.
        pretrained: system as which it is pretrained; it has the same streams.
        strategy: finetuning strategy of the row in Table 2.
    """

    network: str
    pretrained: str
    strategy: str


class Inputs(Settings):
    """Settings of the inputs of a network, where they are not those of the preset.

    Attributes:
        sequence_length: number of epochs of a sequence.
        raw_deviation: standard deviation (microvolts) that raw channels are scaled to.
    """

    sequence_length: int | None = Field(default=None, gt=0)
    raw_deviation: float | None = Field(default=None, gt=0)


class Recipe(Settings):
    """Training recipe of a system's authors, where it differs from the presets.

    Attributes:
        inputs: what differs in the inputs of the network.
        training: what differs in the settings of the training.
        penalised: patterns of the names of the parameters under the L2 penalty, with ``*`` and
            ``?``; by default all are but the filterbanks.
    """

    inputs: Inputs = Inputs()
    training: dict[str, Any] = Field(default_factory=dict)
    penalised: tuple[str, ...] = ()


def _value(given: Any) -> Any:
    """Return the number or truth value that a text stands for; others as they are.

    Snakemake's command line gives every value within braces as text.
    """
    if given in ("true", "false"):
        return given == "true"
    for kind in (int, float):
        if isinstance(given, str):
            with suppress(ValueError):
                return kind(given)
    return given


Own = dict[str, Annotated[bool | int | float | str, BeforeValidator(_value)]]
"""Hyper-parameters of a network that its own module reads."""


class Variant(Settings):
    """Variant of a system, which the ablation compares with it; it wins over preset and recipe.

    Attributes:
        network: hyper-parameters of the network, and `Inputs`, as in ``network.own`` of a preset.
            The ``batch_size`` is scaled with ``sequence_length``, unless ``training`` gives it.
        training: settings of the training, as in ``systems`` of a preset.
    """

    network: Own = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)

    @field_validator("network")
    @classmethod
    def _inputs_are_checked(cls, network: Own) -> Own:
        given = {name: network[name] for name in Inputs.model_fields if name in network}
        try:
            return network | Inputs.model_validate(given).model_dump(exclude_unset=True)
        except ValidationError as errors:
            raise ValueError(first_of(errors, Inputs)) from errors


class System(Settings):
    """One system: its network, how its losses are blended, and where it is reported.

    Attributes:
        name: name in Table 2.
        place: place in tables and figures, in ascending order.
        paper: paper that the system is from; ``none`` for a control or a system of your own.
        streams: modules of `xsleep.networks` that build the streams, by view.
        fusion: function ``MODULE.NAME`` that builds what joins two streams for the joint branch; by
            default their states stand side by side.
        branches: outputs with a loss; the last one decides the stage.
        blending: how the losses are weighted (`xsleep.training.blending`).
        cost: duration of a training step relative to ARNN+RNN (``benchmarks/training_step.py``).
        timed_as: system whose measured times `xsleep plan` takes; by default its own.
        figures: further figures that show it: ``learning`` (Figs. 1, 5 and 6), ``gain``.
        parameters: numbers of trainable parameters that the paper prints, by channel set.
        transfer: how it is finetuned, if it is.
        citation: publication of the system, if it is neither of the papers nor one's own.
        recipe: how its authors trained it. It wins over what a preset has for all systems; what a
            preset has for this system wins over it.
        variants: rows of ``results/ablation.csv`` for this system, by name.
    """

    name: str
    place: int
    paper: Literal["XSleepNet", "transfer", "none"] = "none"
    streams: dict[View, str] = Field(min_length=1)
    fusion: str | None = None
    branches: tuple[Branch, ...] = Field(min_length=1)
    blending: Literal["equal", "losses", "tangents"] = "equal"
    cost: float = Field(gt=0)
    timed_as: str | None = None
    figures: tuple[Literal["learning", "gain"], ...] = ()
    parameters: dict[str, str] = Field(default_factory=dict)
    transfer: Transfer | None = None
    citation: str | None = None
    recipe: Recipe = Recipe()
    variants: dict[str, Variant] = Field(default_factory=dict)

    @field_validator("variants")
    @classmethod
    def _variants_have_paths(cls, variants: dict[str, Variant]) -> dict[str, Variant]:
        names: dict[str, str] = {}  # by path
        for name in variants:
            if not IN_PATH.fullmatch(path := slug(name)) or path == "none":
                raise ValueError(f"{name!r}: give a name of letters, digits and spaces, not none")
            if (other := names.setdefault(path, name)) != name:
                raise ValueError(f"{other!r} and {name!r} have the same path; rename one")
        return variants

    @model_validator(mode="after")
    def _branches_have_their_streams(self) -> System:
        for branch in self.branches:
            if branch not in self.streams and (branch != "joint" or len(self.streams) < 2):
                needed = "two streams" if branch == "joint" else f"a stream {branch}"
                raise ValueError(f"branches: {branch} needs {needed}; add to streams")
        return self

    @property
    def slug(self) -> str:
        """Its name in a path: hyphens for spaces, and no brackets."""
        return slug(self.name)

    @property
    def functions(self) -> tuple[str, ...]:
        """Functions that build its streams, and the one that joins them, if there is one."""
        return (*self.streams.values(), *([self.fusion] if self.fusion else []))

    @property
    def views(self) -> tuple[View, ...]:
        """The views that its network reads."""
        return tuple(self.streams)

    @property
    def is_blended(self) -> bool:
        """True if the loss weights adapt to how well each branch generalises."""
        return self.blending != "equal"


IN_PATH = re.compile(r"\w[\w.+-]*")
"""Name of a variant in a path."""


def slug(name: str) -> str:
    """Return the name of a system or a variant as it stands in a path."""
    return re.sub(r"[ ()]+", "-", name).strip("-")


@cache
def registry() -> dict[str, System]:
    """Return all systems by name, in the order of the tables.

    Raises:
        InputError: in one line, what is wrong with which file.
    """
    found: dict[str, System] = {}  # by file
    for path in files("xsleep.systems").iterdir():
        if path.name.endswith(".yaml"):
            file = f"xsleep/systems/{path.name}"
            found[file] = checked(System, parsed(path.read_text(encoding="utf-8"), file), file)
    for file, system in found.items():
        names = [other.name for other in found.values()]
        for function in system.functions:
            module = function.partition(".")[0]
            if not (files("xsleep") / "networks" / f"{module}.py").is_file():
                raise InputError(f"{file}: streams: there is no xsleep/networks/{module}.py")
        if system.timed_as not in (None, *names):
            known = ", ".join(sorted(names))
            raise InputError(f"{file}: timed_as = {system.timed_as!r}: choose from {known}")
        for key in ("name", "place"):
            same = [f for f, s in found.items() if getattr(s, key) == getattr(system, key)]
            if len(same) > 1:
                raise InputError(f"{' and '.join(sorted(same))}: have the same {key}; change one")
    return {system.name: system for system in sorted(found.values(), key=lambda s: s.place)}


@cache
def by_slug() -> dict[str, System]:
    """Return all systems by what they are called in a path, in the order of the tables."""
    return {system.slug: system for system in registry().values()}


def of_paper(paper: str) -> tuple[str, ...]:
    """Return the names of the systems of a paper (``XSleepNet`` or ``transfer``)."""
    return tuple(name for name, system in registry().items() if system.paper == paper)


class Transferred(NamedTuple):
    """System that a pretrained network is finetuned as, and what `Transfer` says of it."""

    system: System
    pretrained: str
    strategy: str


def transferred() -> dict[str, Transferred]:
    """Return how each network is transferred, by the network's name."""
    known = ((system, system.transfer) for system in registry().values())
    return {t.network: Transferred(s, t.pretrained, t.strategy) for s, t in known if t}


def finetuned() -> tuple[str, ...]:
    """Return the names of the rows of finetuned networks in Table 2, as in ``FT-XSleepNet``."""
    return tuple(f"FT-{network}" for network in transferred())


def same_network(one: str, other: str) -> bool:
    """Return whether two systems have the same parts and branches, so that weights fit both."""
    first, second = registry()[one], registry()[other]
    return (first.functions, first.branches) == (second.functions, second.branches)
