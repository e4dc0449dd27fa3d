import pytest
import yaml

from xsleep import systems
from xsleep.results.figures import style


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, instead of files."""
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, stem: figures.append(figure))
    return figures


@pytest.fixture
def register(monkeypatch):
    """Function that adds systems of one's own to the registry, as of their YAML files."""

    def add(*texts):
        found = [systems.System.model_validate(yaml.safe_load(text)) for text in texts]
        known = systems.registry() | {system.name: system for system in found}
        monkeypatch.setattr(systems, "registry", lambda: known)

    return add
