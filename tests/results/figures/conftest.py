import pytest

from xsleep.results.figures import calibration, fig4, gain, hypnogram, learning, subjects


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, instead of files."""
    figures = []
    for module in (calibration, fig4, gain, hypnogram, learning, subjects):
        monkeypatch.setattr(module, "save", lambda figure, stem: figures.append(figure))
    return figures
