"""Jinja2 templates of the HTML pages, the LaTeX document and the Markdown checklists."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_LATEX_DELIMITERS = {
    "block_start_string": "<%",
    "block_end_string": "%>",
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}
_LATEX_CHARACTERS = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "–": "--",
        "†": r"\textdagger{}",
        "−": "$-$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)


def render(name: str, **context: Any) -> str:
    """Return the text of the template ``name.j2`` in this folder with these variables.

    Values are escaped in ``.html``; ``.tex`` has the delimiters ``<% %>`` and ``<< >>`` and the
    filter ``tex``. Raises ``jinja2.UndefinedError`` if the template uses any other variable.
    """
    return _environment(Path(name).suffix).get_template(f"{name}.j2").render(context)


@cache
def _environment(suffix: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=suffix == ".html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # A macro that writes a list leaves one line break, that of the line of its call.
        finalize=_without_last_newline if suffix == ".md" else None,
        **(_LATEX_DELIMITERS if suffix == ".tex" else {}),  # type: ignore[arg-type]
    )
    environment.filters |= {"tex": latex, "formatted": format}
    return environment


def latex(text: str) -> str:
    """Return text with the special characters of LaTeX escaped."""
    return text.translate(_LATEX_CHARACTERS)


def _without_last_newline(value: Any) -> Any:
    return value.rstrip("\n") if isinstance(value, str) else value
