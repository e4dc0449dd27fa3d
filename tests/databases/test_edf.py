"""EDF and EDF+: derivations of signals, and what can be wrong with a file, each in one line."""

import os
import re

import edfio
import numpy as np
import pytest

from tests.helpers.recordings import edf_signal, noise
from xsleep.core.errors import InputError
from xsleep.databases.base import files
from xsleep.databases.formats import edf
from xsleep.databases.formats.channels import Channels

SECONDS = 20
VALUES = {label: noise(SECONDS, 100, seed) for seed, label in enumerate(["L", "R", "A - B"])}


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "night.edf", [edf_signal(k, SECONDS, values=VALUES[k]) for k in VALUES])


def write(path, signals=(), annotations=()):
    edfio.Edf(list(signals), annotations=[edfio.EdfAnnotation(*a) for a in annotations]).write(path)
    return path


def patched(path, *changes):
    """The file with bytes replaced, of the same length each or not."""
    content = path.read_bytes()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new, 1)
    path.write_bytes(content)
    return path


def header(path, start, field):
    content = path.read_bytes()
    path.write_bytes(content[:start] + field + content[start + len(field) :])
    return path


def read(path, *labels):
    return edf.read_channels(edf.open_edf(path), Channels({"EOG": labels}), ["EOG"])["EOG"].values


@pytest.mark.parametrize(
    ("derivation", "expected"),
    [
        ("L - R", VALUES["L"] - VALUES["R"]),
        ("R - L", VALUES["R"] - VALUES["L"]),
        ("L + R", VALUES["L"] + VALUES["R"]),
        ("L + R - L", VALUES["R"]),
        ("A - B", VALUES["A - B"]),
    ],
)
def test_a_derivation_adds_and_subtracts_signals(path, derivation, expected):
    assert np.abs(read(path, derivation) - expected).max() < 0.02


def test_derivations_and_labels_are_tried_in_turn(path):
    assert np.abs(read(path, "L - C", "R") - VALUES["R"]).max() < 0.01


def test_terms_of_a_derivation_may_have_different_units(tmp_path):
    signals = [
        edf_signal("L", SECONDS, values=VALUES["L"]),
        edf_signal("R", SECONDS, dimension="mV", values=VALUES["R"] / 1e3),
    ]
    values = read(write(tmp_path / "a.edf", signals), "L - R")
    assert np.abs(values - (VALUES["L"] - VALUES["R"])).max() < 0.02


def refused(expected, call, *arguments):
    with pytest.raises(InputError, match=expected) as error:
        call(*arguments)
    assert "\n" not in str(error.value)


def test_derivation_of_different_rates_is_named(tmp_path):
    signals = [edf_signal("L", SECONDS, rate=256), edf_signal("R", SECONDS, rate=128)]
    path = write(tmp_path / "a.edf", signals)
    refused(r"a.edf: 'L' is sampled at 256 Hz and 'R' at 128 Hz; they cannot", read, path, "L - R")


def test_missing_term_of_a_derivation_is_named(path):
    refused("no EOG channel 'L - M'; it has 'L', 'R', 'A - B'", read, path, "L - M")


@pytest.mark.parametrize("duration", [b"-5", b"3,", b"x1"])
def test_edf_plus_2_2_2_duration_that_is_no_plain_number_is_named(tmp_path, duration):
    path = write(tmp_path / "a.edf", [], [(0, 30, "Sleep stage W"), (30, 42, "Sleep stage 1")])
    patched(path, (b"\x1542\x14", b"\x15" + duration + b"\x14"))
    expected = rf"a.edf: 'Sleep stage 1' at \+30 s lasts {duration.decode()!r} s; .*correct it"
    refused(expected, edf.read_annotations, path)


def test_non_ascii_header_is_read(path):
    patched(path, (b"A - B           ", "Äuge µ          ".encode("latin-1")))
    assert np.abs(read(path, "Äuge µ") - VALUES["A - B"]).max() < 0.01


def test_non_ascii_header_in_a_number_is_named(path):
    refused("night.edf: .*b'1\\\\xe9", edf.open_edf, header(path, 236, b"1\xe9      "))


@pytest.mark.parametrize("count", [b"2   ", b"9   ", b"x   "])
def test_wrong_number_of_signals_is_named(path, count):
    expected = (
        rf"night.edf: .*its header gives .*{count.decode().strip()}.*; .*copy or export it again"
    )
    refused(expected, edf.open_edf, header(path, 252, count))


def test_wrong_number_of_signals_with_a_fitting_header_length_is_one_line(path):
    header(header(path, 252, b"2   "), 184, b"768     ")
    refused("night.edf: .*copy or export it again", edf.open_edf, path)


def test_edf_plus_d_with_a_gap_is_refused_and_without_is_read(tmp_path):
    signals = [edf_signal("L", SECONDS, values=VALUES["L"])]
    path = write(tmp_path / "a.edf", signals, [(1, None, "x")])
    header(path, 192, b"EDF+D")
    assert len(read(path, "L")) == SECONDS * 100
    patched(path, (b"+5\x14\x14", b"+9\x14\x14"))
    refused("a.edf: discontinuous .EDF.D, .*export it as a continuous", edf.open_edf, path)


def test_zero_length_file_is_named(tmp_path):
    (tmp_path / "a.edf").touch()
    refused(
        "a.edf: not readable as EDF .*copy or export it again", edf.open_edf, tmp_path / "a.edf"
    )


def test_missing_file_is_named(tmp_path):
    refused("a.edf: no such file; put it there", edf.open_edf, tmp_path / "a.edf")


def test_symlink_loop_is_named(tmp_path):
    path = tmp_path / "a.edf"
    path.symlink_to(path)
    refused("a.edf: cannot be opened .*symbolic links.; correct the link", edf.open_edf, path)


@pytest.fixture
def nobody():
    """Root may read everything, so that it must be somebody else for a while."""
    user = os.geteuid()
    if not user:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.fixture
def unreadable(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    write(folder / "a.edf", [edf_signal("L", SECONDS)])
    for parent in tmp_path.parents[:-2]:
        if parent.owner() == tmp_path.owner() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    folder.chmod(0)
    yield folder
    folder.chmod(0o755)


def test_folder_without_read_permission_is_named(unreadable, nobody):
    refused("locked: cannot be listed .Permission denied.; correct", files, unreadable, "*.edf")
    refused("a.edf: cannot be opened .Permission denied.", edf.open_edf, unreadable / "a.edf")


def test_subfolder_without_read_permission_is_left_out(unreadable, nobody):
    assert files(unreadable.parent, "*.edf", 2) == []


def test_links_in_circles_between_folders_end(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.edf").touch()
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    found = [re.sub(f"^{tmp_path}/", "", str(path)) for path in files(tmp_path, "*.edf", 2)]
    assert found == ["sub/a.edf"]


def test_folder_that_does_not_exist_has_no_files(tmp_path):
    assert files(tmp_path / "none", "*") == []
