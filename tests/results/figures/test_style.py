"""Colours are told apart in grey and by the colour-blind; files are fit for a paper."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from xsleep.results.figures import FORMATS, STAGE_COLOURS, style

PAGE = Path(__file__).parents[3] / "docs/reference/figures.md"

VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""What is seen of linear RGB (Machado, Oliveira and Fernandes, 2009, severity 1)."""
XYZ = [
    [0.412456, 0.357576, 0.180438],
    [0.212673, 0.715152, 0.072175],
    [0.019334, 0.119192, 0.950304],
]
"""Linear sRGB to XYZ (IEC 61966-2-1), white point D65."""


def lab(colour, vision="normal"):
    """Return the CIELAB coordinates of a colour, as seen."""
    coded = np.array(to_rgb(colour))
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    ratio = (XYZ @ seen) / np.sum(XYZ, axis=1)
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(one, other):
    """Return the difference of two CIELAB colours (Sharma, Wu and Dalal, 2005)."""

    def balance(chroma):
        return np.sqrt(chroma**7 / (chroma**7 + 25**7))

    (l1, a1, b1), (l2, a2, b2) = one, other
    stretch = 1.5 - 0.5 * balance((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2)
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    hue, light, chroma = (h1 + turn / 2) % 360, (l1 + l2) / 2, (c1 + c2) / 2
    cosines = ((1, -30, -0.17), (2, 0, 0.24), (3, 6, 0.32), (4, -63, -0.2))
    t = 1 + sum(share * np.cos(np.radians(n * hue + more)) for n, more, share in cosines)
    far = (light - 50) ** 2
    dl = (l2 - l1) / (1 + 0.015 * far / np.sqrt(20 + far))
    dc = (c2 - c1) / (1 + 0.045 * chroma)
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * t)
    rotation = np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    return np.sqrt(dl**2 + dc**2 + dh**2 - 2 * balance(chroma) * rotation * dc * dh)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ],
)
def test_differences_of_colours_are_those_of_the_published_examples(one, other, expected):
    assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("vision", VISION)
def test_any_two_stages_are_told_apart(vision):
    apart = {
        pair: ciede2000(*(lab(STAGE_COLOURS[stage], vision) for stage in pair))
        for pair in combinations(STAGE_COLOURS, 2)
    }
    assert len(apart) == 10 and min(apart.values()) > 18, apart


def test_any_two_stages_are_told_apart_in_grey():
    lightness = sorted(lab(colour)[0] for colour in STAGE_COLOURS.values())
    assert min(np.diff(lightness)) > 15


def test_stages_stand_in_the_order_of_a_hypnogram():
    assert tuple(STAGE_COLOURS) == ("W", "REM", "N1", "N2", "N3")


def test_the_colours_are_documented():
    lines = PAGE.read_text().splitlines()
    colours, lightness = (
        next(line for line in lines if line.startswith(f"| {name}")).split(" | ")[1:]
        for name in ("colour", "lightness")
    )
    assert [c.strip(" |`") for c in colours] == list(STAGE_COLOURS.values())
    found = [int(value.strip(" |")) for value in lightness]
    assert found == [round(lab(colour)[0]) for colour in STAGE_COLOURS.values()]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a title", ["a title"]),
        ("four words make two lines", ["four words", "make two lines"]),
        ("a break\nstays", ["a break", "stays"]),
    ],
)
def test_lines_of_a_wrapped_text_are_about_equally_long(text, lines):
    assert style.wrapped(text, 20 * style.CHARACTER) == "\n".join(lines)


@pytest.fixture
def written(tmp_path):
    """A figure of a page's width that is written to files."""
    with style.new_figure(tmp_path / "figure", width=style.PAGE, height=2) as figure:
        style.heading(figure, "a title of many words " * 9)
        panel = figure.subplots()
        panel.set_xlabel("hours")
        style.key_below(figure, panel.plot([0, 1], label="a line"))
    return figure, tmp_path


def test_a_figure_is_written_as_svg_pdf_and_png_of_300_dpi_and_its_exact_size(written):
    _, folder = written
    assert {path.name for path in folder.iterdir()} == {f"figure.{end}" for end in FORMATS}
    assert {*FORMATS} == {"svg", "pdf", "png"}
    with Image.open(folder / "figure.png") as picture:
        assert picture.size == (round(style.PAGE * 300), 600)
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_no_text_is_smaller_than_seven_points_or_wider_than_the_figure(written):
    figure, _ = written
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert len(sizes) > 5 and min(sizes) == style.SMALL == 7
    figure.draw_without_rendering()
    title = figure.findobj(lambda artist: getattr(artist, "get_text", str)().startswith("a title"))
    assert title[0].get_window_extent().width < figure.bbox.width
