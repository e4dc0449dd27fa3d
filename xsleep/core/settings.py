"""Validated settings models, with one line for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from xsleep.core.errors import LONGEST_REASON, InputError, reason


class Settings(BaseModel):
    """Base of all settings: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


MOST, DEEPEST = 10**6, 50
"""Values and characters of settings, and levels of groups in groups, above which they are refused:
YAML of a few lines that refers to its own parts can stand for any number."""

WITH_SECRET = re.compile(r"://([^/\s]*|[^/\s]*:(?!\d+/)\S*)@")
"""An address with a user name or a password."""

WORD, GROUP = "(word)", "(settings)"
"""Tags of a union of a word and a group of settings, left out of the keys in errors."""


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with changes applied, group by group."""
    groups = {
        key: merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
    }
    return {**base, **changes, **groups}


def with_nulls(content: Any) -> Any:
    """Return settings with ``None`` for the text ``null``, which no setting has as a value.

    Snakemake leaves nested values of ``--config`` as text; types convert numbers and truth values.
    """
    if isinstance(content, Mapping):
        return {key: with_nulls(value) for key, value in content.items()}
    return None if content in ("null", "~") else content


def checked(model: type[Settings], content: Any, where: str) -> Any:
    """Return validated settings.

    Raises:
        InputError: the first of the errors in one line, which begins with ``where``.
    """
    _check_secrets(content, where)
    try:
        return model.model_validate(with_nulls(content))
    except ValidationError as errors:
        raise InputError(f"{where}: {first_of(errors, model)}") from errors


def _values(content: Any, where: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the keys and the value of each setting, or raise `InputError` if they do not end."""
    count = 0
    values: list[tuple[tuple[Any, ...], Any]] = [((), content)]
    while values:
        keys, value = values.pop()
        count += 1 + (len(value) if isinstance(value, str) else 0)
        if count > MOST or len(keys) > DEEPEST:
            raise InputError(f"{where}: nested too deeply, or refers to itself; write it out")
        if isinstance(value, Mapping):
            values += (((*keys, key), one) for key, one in value.items())
        elif isinstance(value, list | tuple):
            values += (((*keys, ""), one) for one in value)
        yield keys, value


def _check_secrets(content: Any, where: str) -> None:
    """Raise `InputError` for settings with secrets, which would be recorded."""
    for keys, value in _values(content, where):
        if isinstance(value, str) and WITH_SECRET.search(value):
            name = ".".join(str(key) for key in keys if key)
            raise InputError(
                f"{where}: {name} has an address with a user name or password, which would be "
                "recorded; leave them out, and put them into ~/.netrc"
            )


def first_of(errors: ValidationError, model: type[Settings]) -> str:
    """Return the first of the errors of settings, in one line that begins with the key.

    A missing key comes last, as it may be the one that is misspelt.
    """
    error = min(errors.errors(), key=lambda error: error["type"] == "missing")
    keys = ".".join(str(key) for key in error["loc"] if key not in (WORD, GROUP, "[key]"))
    if error["type"] == "extra_forbidden":
        return unknown(keys, _group(model, error["loc"][:-1]))
    given = "" if error["type"] == "missing" else f" = {shown(repr(error['input']))}"
    what = f"{keys}{given}: " if keys else ""
    if error["type"] == "tuple_type":
        return f"{what}give a list, as in [{shown(str(error['input']))}]"
    return f"{what}{error['msg'].removeprefix('Value error, ')}"


def shown(text: str) -> str:
    """Return a text as messages quote it, of bounded length."""
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def unknown(key: str, model: type[Settings]) -> str:
    """Return the fault of a key that a group of settings does not have."""
    return f"{key} is not a known key; choose from {', '.join(model.model_fields)}"


def _group(model: type[Settings], keys: Sequence[str | int]) -> type[Settings]:
    """Return the model of the group that a path of keys leads to.

    Of a union of groups that one of their values tells apart, that value is a key of the path.
    """
    among: list[type[Settings]] = []
    for key in keys:
        fields = [m.model_fields.get(str(key)) for m in (model, *model.__subclasses__())]
        field = next(filter(None, fields), None)
        if field:
            among = [*_models(field.annotation)]
            model = next(iter(among), model)
        else:
            model = next((one for one in among if key in _words(one)), model)
    return model


def _words(model: type[Settings]) -> set[Any]:
    """Return the words that values of a group may be."""
    kinds = [field.annotation for field in model.model_fields.values()]
    return {word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)}


def _models(annotation: Any) -> Iterator[type[Settings]]:
    """Yield the settings models in a type annotation, however deeply nested."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def read_named(
    model: type[Settings], folder: Path, name: str, changes: Mapping[str, Mapping[str, Any]]
) -> Any:
    """Return the settings in ``folder/name.yaml``, with the changes to those of that name.

    Raises:
        InputError: the file does not exist, is not YAML or has invalid settings.
    """
    path = existing(folder, name, f"configuration: {folder.name}")
    try:
        content = parsed(path.read_text(encoding="utf-8"), str(path)) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); correct it") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: has no keys with values; write it as the other files there are")
    return checked(model, merged(content, changes.get(name, {})), f"{folder.name}/{path.name}")


def parsed(text: str, where: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        InputError: it is not YAML; the message begins with ``where``.
    """
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # the latter of dates that do not exist
        raise InputError(f"{where}: not YAML ({reason(error)}); correct it") from error
    except RecursionError:
        raise InputError(f"{where}: nested too deeply; correct it") from None
    for _ in _values(content, where):  # has an end
        pass
    return content


def existing(folder: Path, name: str, where: str) -> Path:
    """Return the path of a YAML file in a folder.

    Raises:
        InputError: it does not exist; the message begins with ``where`` and lists those that do.
    """
    known = {path.stem: path for path in folder.glob("*.yaml")}
    if name not in known:
        raise InputError(f"{where}: {name!r} is not known; choose from {', '.join(sorted(known))}")
    return known[name]
