"""EDF and BDF files as people have them: read as other programs read them, and what is doubtful
is told; what has no meaning, or two, is one line."""

import os

import numpy as np
import pytest

from tests.databases.raw_edf import annotations, microvolts, signal, write
from xsleep.core.errors import InputError, InputWarning
from xsleep.databases.formats import edf
from xsleep.databases.formats.channels import Channels

C4 = signal("C4")
M1 = signal("M1", seed=1)
STAGES = b"".join(b"+%d\x1530\x14Sleep stage 2\x14\0" % (30 * i) for i in range(20))
QUANTUM = 1000 / 65535  # microvolts of a digital step of the default scale


def read(path, *labels, units=None):
    channels = Channels({"EEG": labels or ("C4",)}, units or {})
    return edf.read_channels(edf.open_edf(path), channels, ["EEG"])["EEG"]


def same(found, expected):
    """Within the rounding of single precision."""
    return np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def refused(expected, call, *arguments):
    with pytest.raises(InputError, match=expected) as error:
        call(*arguments)
    assert "\n" not in str(error.value)


UNITS = {
    "micro sign in UTF-8": ("µV".encode(), 1),
    "Greek mu in UTF-8": ("μV".encode(), 1),
    "micro sign in Latin-1": (b"\xb5V", 1),
    "micro sign of code page 437": (b"\xe6V", 1),
    "small": ("uv", 1),
    "capital": ("UV", 1),
    "with a blank": ("u V", 1),
    "microV": ("microV", 1),
    "uVolt": ("uVolt", 1),
    "padded with NUL": (b"uV\0\0\0\0\0\0", 1),
    "nanovolts": ("nV", 1e-3),
    "millivolts": ("mV", 1e3),
    "volts": ("V", 1e6),
}


@pytest.mark.parametrize("name", UNITS)
def test_units_of_voltage_in_every_spelling(tmp_path, name):
    unit, factor = UNITS[name]
    given = signal("C4", unit=unit, low=f"{-500 / factor:g}", high=f"{500 / factor:g}")
    found = read(write(tmp_path / "a.edf", given))
    assert same(found.values, microvolts(given))


@pytest.mark.parametrize("unit", ["", "%", "DegC", "?V"])
def test_a_unit_that_is_none_is_one_line_and_can_be_stated(tmp_path, unit):
    given = signal("C4", unit=unit)
    path = write(tmp_path / "a.edf", given)
    refused(
        r"a.edf: channel 'C4' (has no unit|is in .* no voltage).*units: \{EEG: uV\}", read, path
    )
    assert same(read(path, units={"EEG": "uV"}).values, microvolts(given))
    assert same(read(path, units={"EEG": "mV"}).values, 1e3 * microvolts(given))


@pytest.mark.parametrize("bits", [16, 24])
def test_bdf_has_samples_of_24_bits_whatever_its_name(tmp_path, bits):
    most = 2 ** (bits - 1)
    given = signal("C4", first=-most, last=most - 1, values=C4["values"] * 2 ** (bits - 16))
    path = write(tmp_path / "a.edf", given, signal("M1", rate=64), bits=bits)
    assert same(read(path).values, microvolts(given, bits))


def test_two_signals_of_one_label_are_refused_and_can_be_told_apart(tmp_path):
    constant = signal("C4", values=np.full(30, 7), rate=1)
    path = write(tmp_path / "a.edf", C4, constant, M1)
    expected = r"2 signals are called 'C4' \(#1: signal 1 of the file, 128 Hz; #2: .* 1 Hz\); name"
    refused(expected, read, path)
    refused(expected, read, path, "C4 - M1")
    assert same(read(path, "C4#1").values, microvolts(C4))
    assert same(read(path, "C4#1 - M1").values, microvolts(C4) - microvolts(M1))
    refused("'C4#2' is sampled at 1 Hz", read, path, "C4#2")


@pytest.mark.parametrize("pad", [b"\0", b" "])
def test_fields_may_be_padded_with_nul(tmp_path, pad):
    padded = {"label": b"C4", "low": b"-500", "high": b"500", "first": b"-32768"}
    fields = {name: value.ljust({"label": 16}.get(name, 8), pad) for name, value in padded.items()}
    path = write(tmp_path / "a.edf", C4 | fields, promised=b"30".ljust(8, pad))
    assert same(read(path).values, microvolts(C4))


def test_a_label_may_begin_with_a_blank(tmp_path):
    assert same(read(write(tmp_path / "a.edf", C4 | {"label": " C4"})).values, microvolts(C4))


@pytest.mark.parametrize(
    ("promised", "tail", "told"),
    [
        (-1, b"", None),
        (-1, b"x" * 100, "100 bytes after the last whole data record"),
        (25, b"", "holds 30 data records, its header gives 25; the 30 are read"),
        (35, b"", "holds 30 data records, its header gives 35; the 30 are read"),
        (30, bytes(1024), "1024 zeros after the last data record"),
        (30, bytes(100), "100 bytes after the last whole data record"),
    ],
)
def test_a_wrong_number_of_data_records_is_told_and_all_are_read(tmp_path, promised, tail, told):
    path = write(tmp_path / "a.edf", C4, promised=promised, tail=tail)
    if told:
        with pytest.warns(InputWarning, match=f"a.edf: {told}"):
            found = read(path)
    else:
        found = read(path)
    assert same(found.values, microvolts(C4))


@pytest.mark.parametrize("count", [0, -1])
def test_a_header_without_data_is_one_line(tmp_path, count):
    path = write(tmp_path / "a.edf", C4, records=0, promised=count)
    refused("a.edf: holds no data after its header; copy or export it again", edf.open_edf, path)


def test_data_records_of_0_s_are_one_line_that_names_the_field(tmp_path):
    path = write(tmp_path / "a.edf", C4, duration=0)
    refused("gives 0 as the duration of a data record, so that .*; correct it", edf.open_edf, path)


def test_a_signal_without_samples_matters_only_where_it_is_asked_for(tmp_path):
    path = write(tmp_path / "a.edf", C4, signal("Temp", rate=0, seconds=0))
    assert same(read(path).values, microvolts(C4))
    refused("channel 'Temp' holds no samples", read, path, "Temp")


@pytest.mark.parametrize(
    ("field", "value"), [("high", "nan"), ("low", "-inf"), ("low", "x"), ("last", "")]
)
def test_a_scale_that_is_no_number_is_one_line_that_names_it(tmp_path, field, value):
    refused("a.edf: .*'C4'.*", read, write(tmp_path / "a.edf", C4 | {field: value}))


@pytest.mark.parametrize("fields", [{"high": "-500"}, {"last": "-32768"}, {"high": "9e300"}])
def test_a_scale_that_is_none_is_one_line(tmp_path, fields):
    refused("which is no scale", read, write(tmp_path / "a.edf", C4 | fields))


def test_volts_over_numbers_of_microvolts_are_one_line_that_says_so(tmp_path):
    path = write(tmp_path / "a.edf", C4 | {"unit": "V"})
    refused(r"'C4' reaches 5e\+08 uV, .* not V but uV, say so with .*--unit uV", read, path)
    assert same(read(path, units={"EEG": "uV"}).values, microvolts(C4))


def test_a_broken_scale_of_another_signal_does_not_matter(tmp_path):
    path = write(tmp_path / "a.edf", C4, signal("x", high="nan", unit="?"))
    assert same(read(path).values, microvolts(C4))


@pytest.mark.parametrize("number", ["-500,0", "-5e2", "-500.00"])
def test_numbers_may_have_a_decimal_comma_or_exponent(tmp_path, number):
    assert same(read(write(tmp_path / "a.edf", C4 | {"low": number})).values, microvolts(C4))


def test_a_clock_that_is_slightly_slow_is_at_its_nominal_rate(tmp_path):
    """99.999 Hz: 100 samples in 1.00001 s."""
    path = write(tmp_path / "a.edf", signal("C4", rate=100), duration="1.00001")
    assert read(path).rate == 100 / 1.00001
    slow = write(tmp_path / "b.edf", signal("C4", rate=100), duration="1.01")
    refused("sampled at 99.0099 Hz; at least 100 Hz", read, slow)


def test_a_constant_term_of_a_derivation_is_told(tmp_path):
    flat = signal("M1", values=np.zeros(30 * 128))
    path = write(tmp_path / "a.edf", C4, flat)
    with pytest.warns(InputWarning, match="'M1' is constant and adds nothing to 'C4 - M1'"):
        assert np.abs(read(path, "C4 - M1").values - microvolts(C4)).max() < QUANTUM


@pytest.mark.parametrize("text", ["Müdigkeit", "Éveil"])
def test_one_remark_in_another_encoding_costs_no_stage(tmp_path, text):
    """EDF+ 2.1.3.1 asks for UTF-8."""
    remark = b"+45.5\x14%s\x14\0" % text.encode("latin-1")
    path = write(tmp_path / "a.edf", annotations(b"+0\x14\x14\0" + remark + STAGES))
    with pytest.warns(InputWarning, match="1 annotations are not in UTF-8; .* as Latin-1"):
        found = edf.read_annotations(path)
    assert (45.5, 0.0, text) in found and len(found) == 21


# Start times.

WRITTEN = {
    "as EDF has it": {"date": "24.04.89", "time": "16.13.00"},
    "colons": {"date": "24.04.89", "time": "16:13:00"},
    "hyphens": {"date": "24-04-89", "time": "16-13-00"},
    "no date": {"date": "00.00.00", "time": "16.13.00"},
    "anonymous (EDF+ 2.1.3.4)": {"date": "01.01.85", "time": "16.13.00"},
    "padded with NUL": {"date": "24.04.89", "time": b"16.13.0\0"},
}


@pytest.mark.parametrize("name", WRITTEN)
def test_start_times_are_read_in_every_spelling(tmp_path, name):
    file = edf.open_edf(write(tmp_path / "a.edf", C4, **WRITTEN[name]))
    assert (file.start.hour, file.start.minute, file.start.second) == (16, 13, 0)
    unknown = name.startswith(("no", "anonymous"))
    assert file.day is None if unknown else (file.day.year, file.day.month) == (1989, 4)


def test_a_start_that_is_no_time_is_one_line_where_it_is_needed(tmp_path):
    file = edf.open_edf(write(tmp_path / "a.edf", C4, time="25.61.00"))
    refused("a.edf: its header gives no start time", lambda: file.start)


def shifted(tmp_path, psg, scoring, seconds=7200):
    """Onset of the first stage in a recording, given what the headers say of both starts."""
    long = signal("C4", rate=100, seconds=seconds)
    recording = edf.open_edf(write(tmp_path / "night.edf", long, **psg))
    path = write(
        tmp_path / "scoring.edf",
        annotations(b"+0\x14\x14\0" + STAGES),
        duration=0,
        reserved="EDF+C",
        **scoring,
    )
    return edf.read_annotations(path, recording)[0][0]


def at(time, date="01.01.01"):
    return {"time": time, "date": date}


def test_a_hypnogram_that_begins_with_the_recording(tmp_path, recwarn):
    assert shifted(tmp_path, at("22.00.00"), at("22.00.00")) == 0
    assert not recwarn.list


@pytest.mark.parametrize(
    ("psg", "scoring", "expected"),
    [
        (at("22.00.00"), at("22.30.00"), 1800),
        (at("23.50.00"), at("00.20.00", "02.01.01"), 1800),
        (at("23.50.00", "01.01.85"), at("00.20.00", "02.01.01"), 1800),
        (at("23.50.00", "00.00.00"), at("00.20.00", "01.01.85"), 1800),
        (at("22.30.00"), at("22.00.00"), -1800),
    ],
)
def test_a_hypnogram_that_begins_later_counts_from_its_own_start(tmp_path, psg, scoring, expected):
    with pytest.warns(InputWarning, match=r"scoring.edf: starts .* its onsets count from 0:30:00"):
        assert shifted(tmp_path, psg, scoring) == expected


@pytest.mark.parametrize(
    ("psg", "scoring"),
    [
        (at("22.00.00"), at("22.00.00", "02.01.01")),
        (at("22.00.00"), at("22.00.00", "31.12.00")),
        (at("22.00.00"), at("00.30.00")),
        (at("22.00.00"), at("00.01.00", "02.01.01")),
        (at("22.00.00", "01.01.85"), at("03.00.00", "01.01.85")),
    ],
)
def test_a_hypnogram_of_another_night_is_refused(tmp_path, psg, scoring):
    refused("scoring.edf: starts .* do not overlap", shifted, tmp_path, psg, scoring)


def test_a_hypnogram_without_a_start_is_taken_with_a_warning(tmp_path):
    with pytest.warns(InputWarning, match="taken to begin with night.edf: .* gives no start time"):
        assert shifted(tmp_path, at("22.00.00"), at("x")) == 0


def test_annotations_of_the_recording_itself_need_no_start_time(tmp_path, recwarn):
    lists = [b"+%d\x14\x14\0" % second for second in range(30)]
    path = write(tmp_path / "a.edf", C4, annotations(*lists), reserved="EDF+C", time="x")
    edf.read_annotations(path, edf.open_edf(path))
    assert not recwarn.list


def test_edf_plus_2_2_4_a_recording_may_begin_within_a_second_of_its_start(tmp_path):
    """Signals from 22:00:00.25, a hypnogram from 22:00:30 by its header."""
    lists = [b"+%.2f\x14\x14\0" % (0.25 + i) for i in range(60)]
    psg = signal("C4", rate=100, seconds=60)
    recording = write(tmp_path / "night.edf", psg, annotations(*lists), reserved="EDF+C")
    scoring = write(
        tmp_path / "scoring.edf",
        annotations(b"+0\x14\x14\0" + STAGES),
        duration=0,
        reserved="EDF+C",
        time="22.00.30",
    )
    with pytest.warns(InputWarning, match="0:00:30 after"):
        assert edf.read_annotations(scoring, edf.open_edf(recording))[0][0] == 29.75


# Found by trying to break it.


@pytest.mark.parametrize("kind", ["EDF+C", "EDF+D"])
def test_edf_plus_2_2_4_onsets_of_data_records_tell_of_gaps(tmp_path, kind):
    """Whatever the file says of itself: all after the gap would be 10 s off."""
    lists = [b"+%d\x14\x14\0" % (second + 10 * (second >= 15)) for second in range(30)]
    path = write(tmp_path / "a.edf", C4, annotations(*lists), reserved=kind)
    refused(r"a.edf: discontinuous \(EDF\+[CD], with gaps", edf.open_edf, path)
    whole = [b"+%d\x14\x14\0" % second for second in range(30)]
    path = write(tmp_path / "b.edf", C4, annotations(*whole), reserved=kind)
    assert same(read(path).values, microvolts(C4))


def test_zeros_after_the_records_are_padding_however_many_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(edf, "BLOCK_BYTES", 1000)
    path = write(tmp_path / "a.edf", C4, tail=bytes(10_000))
    with pytest.warns(InputWarning, match="10000 zeros after the last data record"):
        assert same(read(path).values, microvolts(C4))


def test_a_recording_of_more_than_a_month_is_damage(tmp_path):
    path = write(tmp_path / "a.edf", signal("C4", rate=1, seconds=30), duration=100_000)
    refused("its 30 data records of 100000 s are 35 days, more than any", edf.open_edf, path)


def test_an_impossible_rate_is_named(tmp_path):
    path = write(tmp_path / "a.edf", C4, duration="1e-6")
    refused("'C4' is sampled at 1.28e.08 Hz by its header, 128 times in a data record", read, path)


@pytest.mark.parametrize("number", ["9_0", "٣0"])
def test_a_number_is_of_ascii_digits(tmp_path, number):
    promised = number.encode().ljust(8)
    refused(
        "as the number of data records",
        edf.open_edf,
        write(tmp_path / "a.edf", C4, promised=promised),
    )


def test_a_pipe_is_no_recording(tmp_path):
    os.mkfifo(tmp_path / "a.edf")
    refused("a.edf: is a device or a pipe, no file", edf.open_edf, tmp_path / "a.edf")


def test_a_term_of_a_derivation_that_is_flat_for_a_while_is_told(tmp_path):
    values = C4["values"].copy()
    values[: len(values) // 2] = 5
    flat = signal("C4", seconds=600, values=np.tile(values, 20))
    flat["values"][: 300 * 128] = 5
    path = write(tmp_path / "a.edf", flat, signal("M1", seconds=600, seed=1))
    with pytest.warns(InputWarning, match="'C4' of 'C4 - M1' is flat for 0:05:00 of 0:10:00"):
        read(path, "C4 - M1")
