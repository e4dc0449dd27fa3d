import pytest

from xsleep.figures import calibration, fig1b, fig6, hypnogram, subjects


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, instead of files."""
    figures = []
    for module in (calibration, fig1b, fig6, hypnogram, subjects):
        monkeypatch.setattr(module, "save", lambda figure, stem: figures.append(figure))
    return figures
