"""Hypnograms as CSV and text in the ways that people and programs write them."""

import re
import tracemalloc
import warnings

import pytest

from tests.databases.test_own import read, source, write_signals
from xsleep.core.errors import InputError, InputWarning
from xsleep.databases.formats.scorings import LARGEST, read_csv, read_lines

TEXTS = ["W", "N1", "N2", "N3", "REM"] * 6
SECONDS = 900
ROWS = [(30 * i, 30, text) for i, text in enumerate(TEXTS)]
STAGES_ONLY = [(text,) for text in TEXTS]
SCORED = [(30.0 * i, 30.0, text) for i, text in enumerate(TEXTS)]


def table(rows=ROWS, columns="onset,duration,stage", separator=",", end="\n"):
    lines = [columns.replace(",", separator), *(separator.join(map(str, row)) for row in rows)]
    return "".join(line + end for line in lines)


def clock(seconds):
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def result(path, content, reader=read_csv, epoch=30, seconds=SECONDS, **changes):
    """Return the times of the stretches, their stages, and the warnings about the file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stretches = reader(path, epoch, seconds, **changes)
    assert all(issubclass(warning.category, InputWarning) for warning in caught)
    said = [str(warning.message) for warning in caught]
    assert all(line.startswith(f"{path}: ") and line.isprintable() for line in said)
    places = [int(re.fullmatch(r"line (\d+)", stretch[0])[1]) for stretch in stretches]
    return (
        places,
        [stretch[1:] for stretch in stretches],
        [line[len(str(path)) + 2 :] for line in said],
    )


def refused(path, content, expected, reader=read_csv, **changes):
    """Assert that reading a file fails with one line: its name, then the expected text."""
    with pytest.raises(InputError) as error:
        result(path, content, reader, **changes)
    line = str(error.value)
    assert line.isprintable() and len(line) < len(str(path)) + 400
    assert re.match(f"{re.escape(str(path))}: {expected}", line), line


# Separators, quotation marks, ends of lines, encodings, headers: read without a word.

PLAIN = {
    "plain": table(),
    "semicolons": table(separator=";"),
    "tabs": table(separator="\t"),
    "blanks after commas": table(separator=", "),
    "blanks around": table(separator=" , "),
    "blanks after semicolons": table(separator="; "),
    "tabs and blanks": table(separator=" \t "),
    "byte order mark": "\ufeff" + table(),
    "CR LF": table(end="\r\n"),
    "CR": table(end="\r"),
    "UTF-16, little end first": table().encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + table().encode("utf-16-be"),
    "UTF-32": table().encode("utf-32"),
    "text as Excel exports it": table(separator="\t", end="\r\n").encode("utf-16"),
    "sep=,": "sep=,\r\n" + table(end="\r\n"),
    "sep=;": "sep=;\n" + table(separator=";"),
    "SEP=;": "SEP=;\n" + table(separator=";"),
    "sep= in quotation marks": '\ufeff"sep=;"\n' + table(separator=";"),
    "sep= and a blank line": "sep=;\n\n" + table(separator=";"),
    "tab as sep=": "sep=\t\n" + table(separator="\t"),
    "capitals": table(columns="Onset,DURATION,Stage"),
    "blanks in the header": table(columns=" onset ,duration,stage "),
    "quotation marks": table(
        [[f'"{value}"' for value in row] for row in ROWS], '"onset","duration","stage"'
    ),
    "semicolons and quotation marks": table(
        [[f'"{value}"' for value in row] for row in ROWS], '"onset","duration","stage"', ";"
    ),
    "blanks before quotation marks": table(
        [(a, b, f'"{text}"') for a, b, text in ROWS], separator=", "
    ),
    "decimal commas, semicolons": table(
        [(f"{a},0", f"{b},0", text) for a, b, text in ROWS], separator=";"
    ),
    "decimal commas, tabs": table(
        [(f"{a},00", f"{b},0", text) for a, b, text in ROWS], separator="\t"
    ),
    "decimal points": table([(f"{a}.000", f"{b}.", text) for a, b, text in ROWS]),
    "exponents": table([(f"{a:.3e}", f"{b:.1E}", text) for a, b, text in ROWS]),
    "signs": table([(f"+{a}", f"+{b}", text) for a, b, text in ROWS]),
    "rounding": table([(a + 1e-7, b - 1e-7, text) for a, b, text in ROWS]),
    "single precision": table([(a * 1.0000001, b * 0.9999999, text) for a, b, text in ROWS]),
    "blanks around labels": table([(a, b, f" {text}\t") for a, b, text in ROWS]),
    "no-break spaces": table([(f"{a}\xa0", b, f"\xa0{text}") for a, b, text in ROWS]),
    "no last end of line": table().rstrip(),
    "empty lines at the end": table() + "\n\n  \n",
    "separators only": table() + ",,\n, ,\n" + '"","",""\n',
    "separators at the ends of lines": table([(*row, "", "") for row in ROWS]),
    "separators at the end of the header": table(columns="onset,duration,stage,,"),
    "two byte order marks": "\ufeffsep=,\n\ufeff" + table(),
    "a comment at the end": table() + "# scored by AB\n",
    "comments": "# scored by AB, with commas\n#\n"
    + table().replace("\n90,", '\n # a "pause"\n90,'),
    "columns in another order": table(
        [(text, b, a) for a, b, text in ROWS], "stage,duration,onset"
    ),
    "other columns": table(
        [(i, text, a, b, "x") for i, (a, b, text) in enumerate(ROWS)], ",Stage,Onset,Duration,"
    ),
    "other columns twice": table([(*row, 1, 2) for row in ROWS], "onset,duration,stage,note,note"),
    "without values of other columns": table(columns="onset,duration,stage,note"),
    "a remark in UTF-8": table([(*row, "Arousal, gelöst") for row in ROWS], separator="\t").replace(
        "stage\n", "stage\tremark, if any\n"
    ),
    "a remark in quotation marks": table(
        [(*row, '"leg, ""left"""') for row in ROWS], "onset,duration,stage,note"
    ),
    "without durations": table([(a, text) for a, _, text in ROWS], "onset,stage"),
    "as xsleep score writes it": table(
        [(i + 1, a, text, 0.2, 0.8) for i, (a, _, text) in enumerate(ROWS)],
        "epoch,onset,stage,W,N1",
    ),
    "durations as hh:mm:ss": table([(a, "0:00:30", text) for a, _, text in ROWS]),
}


@pytest.mark.parametrize("content", PLAIN.values(), ids=PLAIN)
def test_what_has_one_meaning_is_read_without_a_word(tmp_path, content):
    _, stretches, said = result(tmp_path / "s.csv", content)
    assert stretches == SCORED
    assert not said


# Unusual, but of one meaning: read, with a line.

DOUBTFUL = {
    "one row per epoch": (
        table([(i, text, 0.9) for i, text in enumerate(TEXTS)], ",Stage,Confidence"),
        "no column onset; read as one row per epoch from the start of the recording",
    ),
    "one row per epoch, with their ends": (
        table([(i / 10, text, a + 30.0) for i, (a, _, text) in enumerate(ROWS)], "power,stage,end"),
        "no column onset; read as one row per epoch",
    ),
    "one row per epoch, with times of day": (
        table([(clock(81000 + a), text) for a, _, text in ROWS], "time,stage"),
        "no column onset; read as one row per epoch",
    ),
    "one row per epoch, and numbers that do not count": (
        table([(text, i * i % 7, i // 7, 1, "x") for i, text in enumerate(TEXTS)], "stage,a,b,c,d"),
        "no column onset; read as one row per epoch",
    ),
    "one column": (table(STAGES_ONLY, "stage"), "no column onset; read as one row per epoch"),
    "one column, a comment and empty lines": (
        table(STAGES_ONLY, "stage").replace("N3", 'N3\n# a, "b', 1) + "# end\n\n \n",
        "no column onset; read as one row per epoch",
    ),
    "hh:mm:ss from 0": (
        table([(clock(a), b, text) for a, b, text in ROWS]),
        "onsets from 00:00:00 are read as time since the start of the recording",
    ),
    "hh:mm:ss,0 from 0": (
        table([(f"{clock(a)},0", b, text) for a, b, text in ROWS], separator=";"),
        "onsets from 00:00:00,0 are read as time",
    ),
    "descending": (table(ROWS[::-1]), "onsets go down from 870 to 0 s; put in order"),
    "descending without durations": (
        table([(i + 1, a, text) for i, (a, _, text) in enumerate(ROWS[::-1])], "epoch,onset,stage"),
        "onsets go down from 870 to 0 s; put in order",
    ),
    "a remark in latin-1": (
        table()
        .replace("90,30,N3", "90,30,N3,gelöst")
        .replace("stage\n", "stage,note\n")
        .encode("latin-1"),
        "line 5 is not UTF-8; read as Windows-1252, save it as UTF-8",
    ),
    "a comment in Windows-1252": (
        (table() + "# “AB”\n").encode("cp1252"),
        "line 32 is not UTF-8; read as Windows-1252",
    ),
    "a remark in no encoding": (
        (table() + "# ").encode() + bytes(range(128, 256)),
        "line 32 is not UTF-8; read as Windows-1252",
    ),
    "a remark of two lines": (
        table(
            [(*row, '"one\ntwo"' if row[0] == 60 else "") for row in ROWS],
            "onset,duration,stage,note",
        ),
        "lines 4 to 5 are one, by a quotation mark; read as such",
    ),
}


@pytest.mark.parametrize(("content", "expected"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_is_unusual_is_read_with_one_line(tmp_path, content, expected):
    _, stretches, (said,) = result(tmp_path / "s.csv", content)
    assert stretches == SCORED
    assert said.startswith(expected)


def test_a_label_beyond_ascii_is_as_it_was_meant_in_either_encoding(tmp_path):
    rows = [(0, 30, "Éveil"), (30, 30, "Schläfrig"), (60, 30, "W")]
    content = table(rows).encode().replace("Schläfrig".encode(), "Schläfrig".encode("latin-1"))
    _, stretches, said = result(tmp_path / "s.csv", content)
    assert [text for *_, text in stretches] == ["Éveil", "Schläfrig", "W"]
    assert said == ["line 3 is not UTF-8; read as Windows-1252, save it as UTF-8"]


def test_lines_are_numbered_as_in_the_file(tmp_path):
    content = (
        "\ufeff# by AB\r\nsep=;\r\n\r\nonset;stage\r\n\r\n0;W\r\n# a\r\n30;N1\r\n;\r\n60;N2\r\n"
    )
    places, stretches, said = result(tmp_path / "s.csv", content)
    assert places == [6, 8, 10]
    assert stretches == SCORED[:3]
    assert not said


def test_rows_that_are_ignored_may_lie_anywhere(tmp_path):
    rows = [(0, "W"), (7.5, "Arousal"), ("?", "Arousal"), (30, "N1"), (3, "Arousal"), (60, "N2")]
    content = table(rows, "onset,stage")
    places, stretches, said = result(tmp_path / "s.csv", content, ignored="Arousal".__eq__)
    assert places == [2, 5, 7]
    assert stretches == SCORED[:3]
    assert not said


def test_stretches_may_lie_apart_where_their_durations_are_given(tmp_path):
    rows = [(60, 300, "N2"), (420, 30, "W"), (465.25, 60, "N1")]
    _, stretches, said = result(tmp_path / "s.csv", table(rows))
    assert stretches == rows
    assert not said


def test_times_since_the_start_may_pass_a_day(tmp_path):
    rows = [("0:00:00", "24:00:00", "W"), ("24:00:00", "00:00:30", "N1")]
    _, stretches, _ = result(tmp_path / "s.csv", table(rows), seconds=86430)
    assert stretches == [(0, 86400, "W"), (86400, 30, "N1")]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_rows_without_onsets_may_be_few(tmp_path, count):
    rows = [(i + 1, text, "x") for i, text in enumerate(TEXTS[:count])]
    content = table(rows, "epoch,stage,note")
    _, stretches, said = result(tmp_path / "s.csv", content, seconds=30 * count)
    assert stretches == SCORED[:count]
    assert len(said) == 1


# What is wrong, or may mean two things: one line, with the line and the value.

BEGIN = [(0, 30, "W"), (30, 30, "N1")]
NEEDED = "its first line without # must name the columns onset, stage and, if need be, duration"


def seconds_wrong(value, column="onset", line=4, separator=","):
    row = (value, 30, "N2") if column == "onset" else (60, value, "N2")
    return (
        table([*BEGIN, row], separator=separator),
        f"line {line}: {column} {re.escape(repr(value))} is not a number of seconds from 0; c",
    )


WRONG = {
    "empty": ("", f"empty; {NEEDED}"),
    "blank": (" \n,,\n\n", f"empty; {NEEDED}"),
    "comments only": ("# onset,stage\n", f"empty; {NEEDED}"),
    "sep= only": ("sep=;\n", f"empty; {NEEDED}"),
    "zeros": (bytes(5000), "begins with a zero byte, as UTF-16 without .*; save it as UTF-8"),
    "UTF-16 without its mark": (table().encode("utf-16-le"), "begins with a zero byte, as UTF-16"),
    "half of UTF-16": (table().encode("utf-16")[:-1], r"not whole UTF-16 \(truncated data at byte"),
    "no column stage": (
        table(columns="onset,duration,Sleep Stage"),
        f"no column stage; it has 'onset', 'duration', 'Sleep Stage'; {NEEDED}",
    ),
    "other names": (
        table(columns="No.,StartTime,Label"),
        "no column onset and stage; it has 'No.', 'StartTime', 'Label'; ",
    ),
    "no header": (
        table(ROWS[1:], "0,30,W"),
        f"no column onset and stage; it has '0', '30', 'W'; {NEEDED}, with ',', ';', tab between",
    ),
    "many columns": (
        table([], ",".join("abcdefghij")),
        "no column onset and stage; it has 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', ...; ",
    ),
    "blanks between columns": (
        table(separator=" "),
        "no column onset and stage; it has 'onset duration stage'; ",
    ),
    "a wrong sep=": (
        "sep=,\n" + table(separator=";"),
        "no column onset and stage; it has 'onset;duration;stage'; ",
    ),
    "stage twice": (
        table([(*row, "N3") for row in ROWS], "onset,duration,stage,stage"),
        r"2 columns are called stage \('stage', 'stage'\); keep the right one",
    ),
    "stage twice, and a row that is too long": (
        table([(*row, "N3", "N3") for row in ROWS], "onset,duration,stage,stage"),
        "2 columns are called stage",
    ),
    "Stage and stage": (
        table([(*row, "N3") for row in ROWS], "onset,duration,Stage, stage "),
        r"2 columns are called stage \('Stage', 'stage'\); keep the right one",
    ),
    "onset twice": (
        table(
            [(a, *row) for a, *_ in ROWS for row in [(a, 30, "W")]], "Onset,onset,duration,stage"
        ),
        r"2 columns are called onset \('Onset', 'onset'\); keep",
    ),
    "duration twice": (
        table([(*row, 30) for row in ROWS], "onset,duration,stage,DURATION"),
        "2 columns are called duration",
    ),
    "durations of another name": (
        table([(0, 15, "W"), (900, 15, "N1")], "onset,Duration (min),stage"),
        r"the column 'Duration \(min\)' is not known; call it duration, in seconds, or take it out",
    ),
    "two separators": (
        table().replace("duration,", "duration;"),
        "line 1: it is not clear what stands between the columns of 'onset,duration;stage'; use",
    ),
    "another separator in the rows": (
        table().replace(",", ";").replace("onset;duration;stage", "onset,duration,stage"),
        "line 2: onset '0;30;W' is not a number",
    ),
    "decimal commas between commas": (
        table([("0,0", "30,0", "W")]),
        "line 2: 5 values, the columns are 3; put text with ',' in it in quotation marks, and a",
    ),
    "a name for each row, none for its column": (
        table([(1, 0, 30, "W")]),
        "line 2: 4 values, the columns are 3; ",
    ),
    "a number too few": (
        table([(0, 30, "W"), (30, "N1")]),
        "line 3: duration 'N1' is not a number of seconds from 0",
    ),
    "a stray quotation mark": (
        table().replace("\n90,30,N3", '\n90,30,"N3'),
        r"line 5: not readable as CSV \(unexpected end of data\)",
    ),
    "quotation marks within tabs": (
        table(separator="\t").replace("W", '"W"x', 1),
        r"line 2: not readable as CSV \('tab' expected after '\"'\)",
    ),
    "negative": seconds_wrong("-60"),
    "infinite": seconds_wrong("inf"),
    "not a number": seconds_wrong("nan"),
    "too large": seconds_wrong("1e300"),
    "larger still": seconds_wrong("1e999"),
    "empty onset": seconds_wrong(""),
    "a blank in it": seconds_wrong("1 020"),
    "thousands": seconds_wrong("1.020,0", separator=";"),
    "a unit": seconds_wrong("60 s"),
    "underscores": seconds_wrong("6_0"),
    "minutes and seconds": seconds_wrong("1:00"),
    "many digits": seconds_wrong("9" * 20),
    "many hours": seconds_wrong("9" * 20 + ":00:00"),
    "61 seconds": seconds_wrong("00:00:61"),
    "a date": seconds_wrong("2001-01-01"),
    "negative duration": seconds_wrong("-30", "duration"),
    "empty duration": seconds_wrong("", "duration"),
    "infinite duration": seconds_wrong("Infinity", "duration"),
    "the header again": (table() + table(), "line 32: onset 'onset' is not a number"),
    "a sum at the end": (table() + "Total,900,\n", "line 32: onset 'Total' is not a number"),
    "times of day": (
        table([(clock(81000 + a), b, text) for a, b, text in ROWS]),
        "line 2: onset '22:30:00' may be a time of day; give seconds from the start of the",
    ),
    "times of day past midnight": (
        table([(clock((86370 + a) % 86400), b, text) for a, b, text in ROWS]),
        "line 2: onset '23:59:30' may be a time of day",
    ),
    "times and seconds": (
        table([(0, 30, "W"), ("00:00:30", 30, "N1")]),
        "line 3: onset '00:00:30' may be a time of day",
    ),
    "descending times of day": (
        table([(clock(81000 + a), b, text) for a, b, text in ROWS[::-1]]),
        "line 31: onset '22:30:00' may be a time of day",
    ),
    "numbers of epochs as onsets": (
        table([(i, 30, text) for i, text in enumerate(TEXTS)]),
        "line 3: onset 1 follows 0, where a stage lasts 30 s, and so on; give onsets in seconds, "
        "not in numbers of epochs, or",
    ),
    "numbers of epochs from 1, without durations": (
        table([(i + 1, text) for i, text in enumerate(TEXTS)], "onset,stage"),
        "line 3: onset 2 follows 1, where a stage lasts 30 s, .* not in numbers of epochs",
    ),
    "onsets in minutes": (
        table([(i / 2, text) for i, text in enumerate(TEXTS)], "onset,stage"),
        "line 3: onset 0.5 follows 0, where a stage lasts 30 s, and so on; give onsets in seconds",
    ),
    "epochs of 20 s": (
        table([(20 * i, text) for i, text in enumerate(TEXTS)], "onset,stage"),
        "line 3: onset 20 follows 0, where a stage lasts 30 s, .* or correct the duration or epoch",
    ),
    "changes of stage only": (
        table([(180 * i, text) for i, text in enumerate(TEXTS[:5])], "onset,stage"),
        "line 3: onset 180 follows 0, and without a column duration the stage between is not "
        "known; add the column, or a row for each epoch of 30 s",
    ),
    "one gap without durations": (
        table([(0, "W"), (30, "N1"), (90, "N2")], "onset,stage"),
        "line 4: onset 90 follows 30, and without a column duration",
    ),
    "one row per epoch, too few": (
        table(STAGES_ONLY[1:], "stage"),
        "no column onset, and 29 rows are 870 s, the signal 900 s; check that they belong together",
    ),
    "one row per epoch, too many": (
        table([*STAGES_ONLY, ("W",)], "stage"),
        "no column onset, and 31 rows are 930 s, the signal 900 s",
    ),
    "durations without onsets": (
        table([(30, text) for text in TEXTS], "duration,stage"),
        "no column onset; it has 'duration', 'stage'; ",
    ),
    "one row per epoch, but for an empty line": (
        table([*STAGES_ONLY[:5], ("",), *STAGES_ONLY[5:]], "stage"),
        "no column onset, and line 7 is empty; give onset, .* or every epoch a row",
    ),
    "one row per epoch, but for one of separators": (
        table([(text, 0.9) if i != 5 else ("", "") for i, text in enumerate(TEXTS)], "stage,p"),
        "no column onset, and line 7 is empty; give onset",
    ),
    "rows without onsets that are numbered down": (
        table([(30 - i, text) for i, text in enumerate(TEXTS)], "epoch,stage"),
        "line 2: no column onset, and '30' in the column 'epoch' does not count the epochs",
    ),
    "rows without onsets, of which one is elsewhere": (
        table([((i + 7) % 30, text) for i, text in enumerate(TEXTS)], ",stage"),
        "line 2: no column onset, and '7' in the column '' does not count",
    ),
    "rows without onsets that begin elsewhere": (
        table([(1800 + a, text) for a, _, text in ROWS], "time,stage"),
        "line 2: no column onset, and '1800' in the column 'time' does not count",
    ),
    "rows without onsets of which one stands twice": (
        table([(i + (i > 4), text) for i, text in enumerate(TEXTS)], "epoch,stage"),
        "line 7: no column onset, and '6' in the column 'epoch' does not count",
    ),
    "rows without onsets, of which one is missing and one there twice": (
        table([(i + (4 < i < 9), text) for i, text in enumerate(TEXTS)], "epoch,stage"),
        "line 7: no column onset, and '6' in the column 'epoch' does not count",
    ),
    "rows without onsets, of which one has no number": (
        table([(30 - i if i else "", text) for i, text in enumerate(TEXTS)], "epoch,stage"),
        "line 2: no column onset, and '' in the column 'epoch' does not count",
    ),
    "a web page": (
        "<html><body>Please sign in</body></html>",
        "no column onset and stage; it has '<html>",
    ),
    "a workbook": (
        b"PK\x03\x04\x14\x00\x06\x00\x08\x00\xff\xfe\n\x00\x8f",
        "no column onset and stage; ",
    ),
}


@pytest.mark.parametrize(("content", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_or_may_mean_two_things_is_one_line(tmp_path, content, expected):
    refused(tmp_path / "s.csv", content, expected)


@pytest.mark.parametrize("reader", [read_csv, read_lines])
def test_of_a_file_that_is_no_hypnogram_only_so_much_is_read(tmp_path, reader):
    path = tmp_path / "s.csv"
    with path.open("wb") as file:
        file.truncate(100 * LARGEST)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"s.csv: larger than 20 MB, which no hypnogram is; c"):
            reader(path, 30, SECONDS)
        assert tracemalloc.get_traced_memory()[1] < 3 * LARGEST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("reader", [read_csv, read_lines])
def test_a_hypnogram_that_is_missing_is_one_line(tmp_path, reader):
    with pytest.raises(InputError, match=r"s.csv: no such file; put it there or correct hypnogram"):
        reader(tmp_path / "s.csv", 30, SECONDS)


# Text: one label per line and epoch.

LINES = {
    "plain": "\n".join(TEXTS),
    "byte order mark": "\ufeff" + "\n".join(TEXTS),
    "CR LF": "\r\n".join(TEXTS),
    "CR": "\r".join(TEXTS),
    "UTF-16": "\n".join(TEXTS).encode("utf-16"),
    "blanks": " \n\t".join(TEXTS) + " ",
    "empty lines at the end": "\n".join(TEXTS) + "\n\n \n",
}


@pytest.mark.parametrize("content", LINES.values(), ids=LINES)
def test_a_text_has_a_label_per_line(tmp_path, content):
    places, stretches, said = result(tmp_path / "s.txt", content, read_lines)
    assert places == list(range(1, 31))
    assert stretches == SCORED
    assert not said


@pytest.mark.parametrize("seconds", [871, 900, 929])
def test_a_text_may_be_off_by_less_than_an_epoch(tmp_path, seconds):
    assert result(tmp_path / "s.txt", "\n".join(TEXTS), read_lines, seconds=seconds)[1] == SCORED


def test_a_text_in_another_encoding_is_read_with_one_line(tmp_path):
    content = "\n".join(["Éveil", *TEXTS[1:]]).encode("latin-1")
    _, stretches, said = result(tmp_path / "s.txt", content, read_lines)
    assert stretches == [(0, 30, "Éveil"), *SCORED[1:]]
    assert said == ["line 1 is not UTF-8; read as Windows-1252, save it as UTF-8"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Stage", *TEXTS], "line 1: 'Stage' is a title or a remark; take it out, every line is"),
        (["# by AB", *TEXTS], "line 1: '# by AB' is a title or a remark; take it out"),
        ([*TEXTS[:6], "", *TEXTS[6:]], "line 7 is empty; give every epoch a line with its label"),
        (["", *TEXTS], "line 1 is empty; "),
        (TEXTS[1:], "29 lines are 870 s, the signal 900 s; check that they belong together, one"),
        ([*TEXTS, "W"], "31 lines are 930 s, the signal 900 s; check"),
        ([" ".join(TEXTS)], "1 lines are 30 s, the signal 900 s; check"),
        ([], "0 lines are 0 s, the signal 900 s; check"),
    ],
)
def test_a_text_that_is_not_one_label_per_epoch_is_one_line(tmp_path, lines, expected):
    refused(tmp_path / "s.txt", "\n".join(lines), expected, read_lines)


# Through the reader `own`.


def test_an_onset_that_rounding_moved_past_the_grid_keeps_its_epoch(tmp_path):
    write_signals(tmp_path, "s1_1")
    rows = [*ROWS[:-1], ("870.0000001", "29.9999999", "REM")]
    (tmp_path / "s1_1.csv").write_text(table(rows))
    hypnogram = read(source(tmp_path)).hypnogram
    assert hypnogram.onsets.tolist() == [30 * i for i in range(30)]
    assert hypnogram.stages.tolist() == [0, 1, 2, 3, 4] * 6


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("rem", "line 4: 'rem' is not among 'W', 'N1', .*add it to stages or ignored"),
        ("", "line 4: '' is not among "),
    ],
)
def test_a_label_that_is_not_known_is_one_line(tmp_path, label, expected):
    write_signals(tmp_path, "s1_1")
    (tmp_path / "s1_1.csv").write_text(table([*BEGIN, (60, 30, label)]))
    with pytest.raises(InputError, match=f"s1_1.csv: {expected}"):
        read(source(tmp_path))
