"""Every way in which a recording can be broken: one line of it, and the others go on.

For each reader the recordings of one folder, each broken in another way, and one that is whole, are
prepared at once.
"""

import os
import re
import tempfile
import warnings
from pathlib import Path

import pytest
import yaml

from tests.databases import test_dreams, test_mass, test_own, test_physio2018, test_shhs
from tests.helpers.recordings import ROOT, prepare, write_recording
from xsleep.databases import open_database, source_of
from xsleep.databases.sleep_edf import CASSETTE, published_hashes, recordings
from xsleep.store.recordings import read_index

# What happens to files of any kind.


def empty(path):
    path.write_bytes(b"")


def halved(path):
    os.truncate(path, path.stat().st_size // 2)


def of_zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def web_page(path):
    path.write_text("<html><body>Please sign in</body></html>")


def link_in_a_circle(path):
    path.unlink()
    path.symlink_to(path)


def folder(path):
    path.unlink()
    path.mkdir()


def unreadable(path):
    path.chmod(0)


ANY = {
    os.unlink: "no such file; ",
    empty: "",
    halved: "",
    of_zeros: "",
    web_page: "",
    link_in_a_circle: r"cannot be opened \(Too many levels of symbolic links\); correct",
    folder: r"cannot be opened \(Is a directory\); correct",
    unreadable: r"cannot be opened \(Permission denied\); correct",
}

# What happens to a place in a file.


def changed(old, new):
    def change(path):
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return change


def at(place, new):
    def change(path):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(new)

    return change


def longer(count):
    def change(path):
        with path.open("ab") as file:
            file.write(bytes(count))

    return change


def header_of(signal, start, width, new):
    """A field of the header of one signal of an EDF file."""

    def change(path):
        signals = int(path.read_bytes()[252:256])
        at(256 + signals * start + signal * width, new.ljust(width))(path)

    return change


SCALE = "goes from .* as its samples go from .*, which is no scale; copy or export it again"
NO_ANNOTATION = r"is no annotation of EDF\+; copy or export it again"
LINE = ".* is no line as 'tr03-0005.*'; copy or export it again"
# Of the signal that is read first.
SIGNALS = [
    (at(244, b"nan     "), r"b'nan     ' as the duration of a data record\); copy"),
    (at(244, b"1e300   "), ""),
    (at(244, b"-1      "), ""),
    (at(252, b"99  "), "its header gives 99 signals"),
]


def scales(signal):
    return [
        (header_of(signal, 104, 8, b"x"), r"gives b'x       ' as the physical minimum of .*; copy"),
        (
            header_of(signal, 104, 8, b"nan"),
            r"gives b'nan     ' as the physical minimum of .*; copy",
        ),
        (header_of(signal, 112, 8, b"9e300"), SCALE),
        (header_of(signal, 120, 8, b"32767"), SCALE),
        (header_of(signal, 128, 8, b"99999"), SCALE),
        (header_of(signal, 216, 8, b"x"), "gives b'x       ' as the samples of signal .*; copy"),
    ]


def annotations(text):
    """Faults of EDF+ annotations, given one of them."""
    first, second = text.split(b"\x15")
    return [
        (changed(b"+0\x14\x14", b"+9\x14\x14"), "its first data record begins 9 s after the file"),
        (changed(b"+0\x14\x14", b"x0\x14\x14"), NO_ANNOTATION),
        (changed(text, text.replace(b"+", b"=")), NO_ANNOTATION),
        (changed(text, text.replace(b"\x14", b" ")), NO_ANNOTATION),
        (changed(text, first + b"\x15-" + second[1:]), "a duration is a number of seconds"),
        (changed(text, text[:-2] + b"\xff\x14"), "unknown annotation 'Sleep stage "),
        (changed(b"EDF Annotations", b"EDF annotations"), ""),
    ]


# The readers: what writes a recording, names of recordings, and faults of its files in turn.


def sleep_edf(folder):
    write_recording(folder, "SC4001E0")
    return folder / "SC4001E0-PSG.edf", folder / "SC4001EC-Hypnogram.edf"


def mass(folder):
    test_mass.write_psg(folder, seconds=24 * 30)
    test_mass.write_scoring(folder, "W1234R?W" * 3, 30)
    return folder / "01-01-0001 PSG.edf", folder / "01-01-0001 Base.edf"


def physio2018(folder):
    record = test_physio2018.write_record(folder, epochs=24)
    return tuple(record / f"tr03-0005.{kind}" for kind in ("hea", "mat", "arousal"))


def shhs(folder):
    return test_shhs.write_edf(folder), test_shhs.write_xml(folder)


def dreams(folder):
    test_dreams.write_subject(folder)
    return folder / "subject1.edf", folder / "HypnogramAASM_subject1.txt"


def own(folder):
    test_own.write_recording(folder)
    return folder / "s1_1.edf", folder / "s1_1.csv"


def copied(files, old, new):
    """The files of another recording with the same in them."""
    paths = tuple(Path(str(path).replace(old, new)) for path in files)
    for path, target in zip(files, paths, strict=True):
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
    return paths


READERS = {
    "SleepEDF-78": (
        sleep_edf,
        [
            night[:7]
            for night in recordings(CASSETTE)
            if f"{night[:7]}C-Hypnogram.edf" in published_hashes()
        ],
        {0: SIGNALS + scales(0), 1: annotations(b"+150\x15150\x14Sleep stage 1\x14")},
    ),
    "MASS": (
        mass,
        [f"01-01-{n:04d}" for n in range(1, 50)],
        {0: SIGNALS + scales(0), 1: annotations(b"+30\x1530\x14Sleep stage 1\x14")},
    ),
    "Physio2018": (
        physio2018,
        [f"tr03-{n:04d}" for n in range(5, 50)],
        {
            0: [
                (changed(b" 13 200 ", b" 13 -200 "), LINE),
                (changed(b" 13 200 ", b" 13 nan "), LINE),
                (changed(b" 13 200 ", b"/2 13 200 "), "not readable"),
                (changed(b"16+24", b"16+25"), LINE),
                (changed(b"1/uV", b"x/uV"), LINE),
                (changed(b"1/uV", b"0/uV"), LINE),
            ],
            1: [(longer(2), "not readable .*; copy or export it again")],
            2: [
                (changed(b"resp_hypopnea)", b"resp)"), "not readable .*; copy or export it again"),
                (changed(b"N1", b"\xff1"), ""),
            ],
        },
    ),
    "SHHS": (
        shhs,
        [f"shhs1-{n}" for n in range(200001, 200050)],
        {0: SIGNALS + scales(5), 1: [(changed(b"<Start>60.0", b"<Start>1e12"), "ends at 2777")]},
    ),
    "DREAMS-Subjects": (
        dreams,
        [f"subject{n}" for n in range(1, 50)],
        {
            0: SIGNALS + scales(0),
            1: [
                (changed(b"[HypnogramAASM]\n", b""), "line 1: '5' is no title; put one before"),
                (changed(b"5\n5\n", b"5\n\n5\n"), "line 3: '' is no stage code"),
                (changed(b"5\n5\n", bytes(5000)), "line 2: .{,40} is no stage code"),
            ],
        },
    ),
    "own": (
        own,
        [f"s{n}_1" for n in range(1, 50)],
        {
            0: SIGNALS + scales(0),
            1: [
                (changed(b"\n450,", b"\n1e12,"), "ends at 2777.*, the signal at 0:15:00; check"),
                (
                    changed(b"60,30,N2", b'60,30,"N2'),
                    "not readable as CSV .*; copy or export it again",
                ),
                (changed(b"60,30", bytes(5000)), "line 4: onset .{,40} is not a number"),
            ],
        },
    ),
}


@pytest.fixture
def open_folder():
    """One that anybody reaches; pytest closes its own again and again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        if not all(parent.stat().st_mode & 0o001 for parent in folder.parents):
            pytest.skip(f"{folder.parent} is not open to everybody")
        yield folder


@pytest.fixture
def not_root():
    """Root may read everything, so that it is to become somebody else."""
    user = os.geteuid()
    yield lambda: None if user else os.seteuid(65534)
    os.seteuid(user)


@pytest.mark.parametrize("database", READERS)
def test_a_broken_recording_is_one_line_that_names_it_and_the_others_go_on(
    open_folder, database, not_root, capfd
):
    write, possible, own_faults = READERS[database]
    content = yaml.safe_load((ROOT / f"config/databases/{database}.yaml").read_text())
    recordings = open_folder / "recordings"
    recordings.mkdir()
    whole = write(recordings)
    source = source_of(**content["source"] | {"folder": recordings, "fetch": None})
    channels = max(content["channels"], key=len).split("-")
    names = [entry.name for entry in open_database(source).entries() if entry.files == whole]
    # As root, who may import what is not imported yet.
    assert not prepare(open_folder / "first", source, channels, *names)[1]

    broken = {}
    for number, _ in enumerate(whole):
        for change, expected in [*ANY.items(), *own_faults[number]]:
            files = copied(whole, possible[0], possible[len(broken) + 1])
            broken[files] = files[number], change, expected
    for path, change, _ in broken.values():
        change(path)
    entries = open_database(source).entries()
    names += [entry.name for entry in entries if entry.files in broken]

    not_root()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index, skipped = prepare(open_folder / "store", source, channels, *names)
    assert list(skipped) == names[1:]
    assert len(read_index(index)[names[0]].info.stages) >= 20
    for entry in entries:
        if entry.files in broken:
            path, change, expected = broken.pop(entry.files)
            line = skipped[entry.name]
            # Of half a signal it is the hypnogram that is too long.
            named = "|".join(
                re.escape(str(p)) for p in (entry.files if change is halved else [path])
            )
            assert re.match(f"({named}): .*{expected}", line), line
            assert "; " in line and line.isprintable() and len(line) < 500
    # Where a folder is searched for recordings, one that is not there is none.
    assert {change for _, change, _ in broken.values()} <= {os.unlink}
    assert not list((open_folder / "store").rglob("*.partial"))
    assert capfd.readouterr() == ("", "")
