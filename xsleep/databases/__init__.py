"""The databases: settings of a source in, recordings with their hypnograms out.

Every module here that defines a `Database` is found; there is no list of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from xsleep.databases.base import NAMED, READERS, Database, Entry, Published, Size, Source

__all__ = ["AnySource", "Database", "Entry", "Published", "Size", "Source"]
__all__ += ["discover", "named", "open_database", "source_of"]


def discover() -> None:
    """Import every module of this package, so that the databases in them are registered."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


discover()


def open_database(source: Source) -> Database:
    """Return the database that a source describes."""
    return READERS[source.reader](source)


def named(name: str) -> type[Database] | None:
    """Return the database whose folds or sizes are published under a name, if there is one."""
    return NAMED.get(name)


def source_of(**settings: Any) -> Source:
    """Return settings of a source, checked by the model of its reader.

    Raises:
        ValueError: the reader is not known, or a setting is wrong.
    """
    if (reader := settings["reader"]) not in [*READERS]:
        raise ValueError(f"reader {reader!r} is not known; choose from {', '.join(READERS)}")
    return READERS[reader].settings.model_validate(settings)


def _by_reader(given: Any) -> Any:
    """Validate settings by the model of the reader, where they name one."""
    told = isinstance(given, Mapping) and "reader" in given
    told = told and all(isinstance(key, str) for key in given)
    return source_of(**given) if told else given


AnySource = Annotated[SerializeAsAny[Source], BeforeValidator(_by_reader)]
"""Type of the settings of any database's source."""
