"""SHHS, first visit: EDF with EOG at 50 Hz, R&K stages in XML of NSRR or of Profusion."""

import datetime
import re
import resource
from pathlib import Path

import edfio
import numpy as np
import pytest
import yaml

from tests.helpers.recordings import edf_signal
from xsleep.config.network import Filtering
from xsleep.config.workflow import load
from xsleep.core.errors import DamagedError, InputError, InputWarning
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.databases import open_database, source_of
from xsleep.databases.formats.nsrr_xml import read_hypnogram, recording_start
from xsleep.preparation.preprocessing import cut

LABELS = {"EEG": ("EEG",), "EOG": ("EOG(R) - EOG(L)",), "EMG": ("EMG",)}
CONFIG = Path(__file__).parents[2] / "config"
SECONDS = 600


def shhs(folder, lowest_rate=50):
    settings = {"reader": "nsrr", "dataset": "shhs", "labels": LABELS, "lowest_rate": lowest_rate}
    settings |= {"recordings": ["edfs/shhs1/shhs1-{subject}.edf"], "scored_to_the_end": True}
    return open_database(source_of(**settings, folder=folder))


CONCEPTS = (
    *("Wake|0", "Stage 1 sleep|1", "Stage 2 sleep|2", "Stage 3 sleep|3", "Stage 4 sleep|4"),
    *("REM sleep|5", "Movement|6", "Unscored|9"),
)
NAMES = ["W", "N1", "N2", "N3", "N3", "REM", "", ""]
"""Events of SHHS, and the stages that they are."""


def nsrr(events, epoch="30"):
    """NSRR's XML with these (concept, start, duration) among events of other kinds."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>',
        f"<PSGAnnotation><SoftwareVersion>Compumedics</SoftwareVersion><EpochLength>{epoch}"
        "</EpochLength><ScoredEvents>",
        "<ScoredEvent><EventType/><EventConcept>Recording Start Time</EventConcept><Start>0</Start>"
        f"<Duration>{SECONDS}.0</Duration><ClockTime>01.01.85 21.45.00</ClockTime></ScoredEvent>",
        "<ScoredEvent><EventType>Respiratory|Respiratory</EventType><EventConcept>Hypopnea|Hypopnea"
        "</EventConcept><Start>74.3</Start><Duration>21.8</Duration></ScoredEvent>",
    ]
    for concept, start, length in events:
        lines.append(
            "<ScoredEvent>\n<EventType>Stages|Stages</EventType>\n"
            f"<EventConcept>{concept}</EventConcept>\n<Start>{start}</Start>\n"
            f"<Duration>{length}</Duration>\n</ScoredEvent>"
        )
    return "\r\n".join([*lines, "</ScoredEvents></PSGAnnotation>"])


def profusion(codes):
    stages = "".join(f"<SleepStage>{code}</SleepStage>" for code in codes)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><CMPStudyConfig><EpochLength>30</EpochLength>'
        "<StepChannels/><ScoredEventSettings/><ScoredEvents/>"
        f"<SleepStages>{stages}</SleepStages></CMPStudyConfig>"
    )


NIGHT = nsrr([("Wake|0", "0.0", "60.0"), ("Stage 2 sleep|2", "60.0", "540.0")])


def write_xml(folder, content=NIGHT, name="shhs1-200001", kind="nsrr"):
    path = folder / f"annotations-events-{kind}" / "shhs1" / f"{name}-{kind}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def write_edf(folder, name="shhs1-200001", signals=None, seconds=SECONDS):
    """Plain EDF with the labels, rates and units of SHHS."""
    path = folder / "edfs" / "shhs1" / f"{name}.edf"
    path.parent.mkdir(parents=True, exist_ok=True)
    if signals is None:
        signals = [
            edf_signal("SaO2", seconds, rate=1, dimension=""),
            edf_signal("EEG(sec)", seconds, rate=125),
            edf_signal("EMG", seconds, rate=125),
            edf_signal("EOG(L)", seconds, rate=50),
            edf_signal("EOG(R)", seconds, rate=50),
            edf_signal("EEG", seconds, rate=125),
        ]
    start = datetime.time(21, 45)  # as the XML says
    edfio.Edf(signals, data_record_duration=1, starttime=start).write(path)
    return path


def read(folder, channels=("EEG",), lowest_rate=50):
    database = shhs(folder, lowest_rate)
    return database.read(database.entries()[0], channels)


def test_a_start_in_the_xml_that_is_not_that_of_the_edf_is_told(tmp_path, recwarn):
    write_edf(tmp_path)
    path = write_xml(tmp_path)
    read(tmp_path)
    assert not recwarn.list
    path.write_text(path.read_text().replace("21.45.00", "22.45.00"))
    with pytest.warns(InputWarning, match="recording started at 22:45:00, .*.edf at 21:45:00"):
        read(tmp_path)


LAUGHS = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
ENTITIES = {
    "laughs": f'<!DOCTYPE a [<!ENTITY e0 "{"ha" * 50}">{LAUGHS}]><PSGAnnotation>&e11;',
    "quadratic": f'<!DOCTYPE a [<!ENTITY e "{"ha" * 50_000}">]><PSGAnnotation>{"&e;" * 50_000}',
    "file": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><PSGAnnotation>&e;',
    "deep": f"<PSGAnnotation>{'<a>' * 300_000}{'</a>' * 300_000}",
}


@pytest.mark.parametrize("kind", ENTITIES)
def test_entities_and_deep_xml_are_one_line_in_bounded_memory(tmp_path, kind):
    path = write_xml(tmp_path, f"{ENTITIES[kind]}</PSGAnnotation>")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as error:
        read_hypnogram(path, 600.0)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_two_scorings_that_disagree_are_told(tmp_path, recwarn):
    write_edf(tmp_path)
    write_xml(tmp_path)
    codes = [0, 0, *[2] * 18]
    write_xml(tmp_path, profusion(codes), kind="profusion")
    read(tmp_path)
    assert not recwarn.list
    write_xml(tmp_path, profusion([*codes[:-1], 5]), kind="profusion")
    with pytest.warns(InputWarning, match="-profusion.xml: has other stages than .*-nsrr.xml"):
        read(tmp_path)


def names(stages):
    return ["" if stage == UNSCORED else STAGES[stage] for stage in stages]


def test_nsrr_events_are_rk_stages_without_movement_and_unscored(tmp_path):
    events = [(concept, f"{60 * i}.0", "60.0") for i, concept in enumerate(CONCEPTS)]
    hypnogram = read_hypnogram(write_xml(tmp_path, nsrr(events)), 480)
    assert names(hypnogram.stages) == [name for name in NAMES for _ in range(2)]
    assert hypnogram.onsets.tolist() == [30 * i for i in range(16)]


def test_profusion_codes_0_to_9_are_the_same_stages(tmp_path):
    path = write_xml(tmp_path, profusion(range(10)), kind="profusion")
    assert names(read_hypnogram(path, 310).stages) == [*NAMES[:6], "", "", "", ""]


def test_blanks_around_a_text_of_the_xml_do_not_matter(tmp_path):
    padded = (
        NIGHT.replace("Stages|Stages", "Stages|Stages ")
        .replace("Wake|0", "\n Wake|0 ")
        .replace("Stage 2 sleep|2", "Stage 2 sleep| 2")
        .replace(">60.0<", "> 60.0\t<")
        .replace(">30<", "> 30 <")
    )
    hypnogram = read_hypnogram(write_xml(tmp_path, padded), 600)
    assert names(hypnogram.stages) == ["W"] * 2 + ["N2"] * 18
    path = write_xml(tmp_path, profusion([" 0", "2\n", 5]), kind="profusion")
    assert names(read_hypnogram(path, 90).stages) == ["W", "N2", "REM"]


@pytest.mark.parametrize("length", ["30.0", "30.", "3e1", "030"])
def test_an_epoch_length_is_a_number(tmp_path, length):
    path = write_xml(tmp_path, NIGHT.replace(">30<", f">{length}<"))
    assert len(read_hypnogram(path, 600).stages) == 20


CLOCK = "<ClockTime>01.01.85 21.45.00</ClockTime>"


@pytest.mark.parametrize(
    ("clock", "seconds"),
    [
        ("01.01.85 21.45.00", 78_300),
        ("00.00.00 21.51.22", 78_682),
        ("00.00.00 00.00.00", 0),
        (" 23:59:59 ", 86_399),
        ("9.05.07", 32_707),
    ],
)
def test_the_start_of_the_recording_is_a_time_of_the_day(tmp_path, clock, seconds):
    content = NIGHT.replace(CLOCK, f"<ClockTime>{clock}</ClockTime>")
    assert recording_start(write_xml(tmp_path, content)) == seconds


@pytest.mark.parametrize(
    "content", [NIGHT.replace(CLOCK, ""), profusion([0]), nsrr([]).replace("Start Time", "End")]
)
def test_a_start_that_is_not_told_is_none(tmp_path, content):
    assert recording_start(write_xml(tmp_path, content)) is None


@pytest.mark.parametrize("clock", ["", "00.00.00 24.00.00", "00.00.00 21.60.00", "21.45"])
def test_a_start_that_is_no_time_is_passed_over_with_a_line(tmp_path, clock):
    path = write_xml(tmp_path, NIGHT.replace(CLOCK, f"<ClockTime>{clock}</ClockTime>"))
    with pytest.warns(InputWarning, match=rf"{path}: its Recording Start Time is '{clock}', which"):
        assert recording_start(path) is None


def test_two_different_starts_are_named(tmp_path):
    event = re.search("<ScoredEvent><EventType/>.*?</ScoredEvent>", NIGHT)[0]
    again = event + event.replace("21.45.00", "22.45.00")
    path = write_xml(tmp_path, NIGHT.replace(event, again))
    with pytest.raises(InputError, match=r"Time is '01.01.85 21.45.00' and '01.01.85 22.45.00'; t"):
        recording_start(path)
    assert recording_start(write_xml(tmp_path, NIGHT.replace(event, event + event))) == 78_300


def test_content_that_is_not_xml_as_it_should_be_is_damaged_and_not_said_to_be_fetched(tmp_path):
    twice = NIGHT.replace("<Start>60.0</Start>", "<Start>60.0</Start><Start>90.0</Start>")
    for content in ("", NIGHT[:-40], "<PSGAnnotation/>", twice):
        with pytest.raises(DamagedError) as error:
            read_hypnogram(write_xml(tmp_path, content), 600)
        assert "fetch" not in str(error.value)
    assert error.value.fault.endswith("has 2 of Start in a ScoredEvent")


def test_what_lies_between_two_events_is_unscored(tmp_path):
    events = [("Wake|0", 0, 60), ("REM sleep|5", 120, 60)]
    assert names(read_hypnogram(write_xml(tmp_path, nsrr(events)), 180).stages) == [
        *("W", "W", "", "", "REM", "REM")
    ]


def test_nsrr_xml_is_taken_before_profusion(tmp_path):
    for name in ("shhs1-200002", "shhs1-200001", "shhs1-200003"):
        write_edf(tmp_path, name, seconds=30)
    write_xml(tmp_path, name="shhs1-200001", kind="profusion")
    write_xml(tmp_path, name="shhs1-200002", kind="profusion")
    write_xml(tmp_path, name="shhs1-200002", kind="nsrr")
    entries = shhs(tmp_path).entries()
    assert [entry.subject for entry in entries] == ["200001", "200002", "200003"]
    assert [entry.files[1].name for entry in entries] == [
        *("shhs1-200001-profusion.xml", "shhs1-200002-nsrr.xml", "shhs1-200003-nsrr.xml")
    ]


def tone(hertz, rate, amplitude=50):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(rate * SECONDS) / rate)


@pytest.mark.parametrize(("dimension", "scale"), [("uV", 1), ("mV", 1e-3), ("V", 1e-6)])
def test_c4_a1_is_the_channel_eeg_in_whatever_unit(tmp_path, dimension, scale):
    values = tone(10, 125)
    signals = [
        edf_signal("EEG(sec)", SECONDS, rate=125),
        edf_signal("EEG", SECONDS, rate=125, dimension=dimension, values=scale * values),
    ]
    write_edf(tmp_path, signals=signals)
    write_xml(tmp_path)
    eeg = read(tmp_path).signals["EEG"]
    assert (eeg.rate, eeg.seconds) == (125, SECONDS)
    np.testing.assert_allclose(eeg.values, values, atol=0.01)


def test_table1_eog_is_roc_loc_upsampled_from_50_hz(tmp_path):
    left, right = 80 + tone(3, 50), 80 - tone(7, 50, 20)
    write_edf(
        tmp_path,
        signals=[
            edf_signal("EOG(L)", SECONDS, rate=50, values=left),
            edf_signal("EOG(R)", SECONDS, rate=50, values=right),
        ],
    )
    write_xml(tmp_path)
    recording = read(tmp_path, ("EOG",))
    assert recording.signals["EOG"].rate == 50
    epochs = cut(recording, Filtering(raw_filter="none")).signals["EOG"][:]
    assert epochs.shape == (20, 3000)
    expected = -(tone(3, 100) + tone(7, 100, 20)).reshape(20, 3000)
    assert np.abs(epochs - expected)[1:-1].max() < 1
    # Nothing above the 25 Hz that 50 Hz can tell: the mirror images of 3 and 7 Hz are gone.
    spectrum = np.abs(np.fft.rfft(epochs[5]))
    assert spectrum[26 * 30 :].max() < 1e-3 * spectrum.max()


def test_channel_below_100_hz_is_refused_unless_the_settings_allow_it(tmp_path):
    write_edf(tmp_path)
    write_xml(tmp_path)
    with pytest.raises(InputError, match=r"'EOG\(R\)' is sampled at 50 Hz; at least 100 Hz is"):
        read(tmp_path, ("EEG", "EOG"), lowest_rate=100)
    with pytest.raises(InputError, match=r"'EOG\(R\)' is sampled at 50 Hz; at least 51 Hz is"):
        read(tmp_path, ("EEG", "EOG"), lowest_rate=51)


def configuration(source):
    base = yaml.safe_load((CONFIG / "config.yaml").read_text())
    return base | {"databases": ["SHHS"], "database_settings": source}


def test_configuration_opens_the_reader(tmp_path):
    write_edf(tmp_path)
    write_xml(tmp_path)
    settings = load(
        configuration({"SHHS": {"source": {"folder": str(tmp_path)}}}), CONFIG
    ).databases["SHHS"]
    # As the jobs get it.
    source = type(settings.source)(**settings.source.model_dump(mode="json"))
    database = open_database(source)
    epochs = cut(database.read(database.entries()[0], settings.stored_channels))
    assert {name: x.shape for name, x in epochs.signals.items()} == dict.fromkeys(
        ("EEG", "EOG", "EMG"), (20, 3000)
    )
    assert (settings.folds.test, settings.folds.validation) == (0.3, 100)


def test_lowest_rate_is_for_shhs_alone():
    with pytest.raises(InputError, match="lowest_rate belongs to the reader nsrr"):
        load(configuration({"DREAMS": {"source": {"lowest_rate": 50}}}), CONFIG)


def test_invalid_date_of_the_first_release_does_not_matter(tmp_path):
    path = write_edf(tmp_path)
    content = bytearray(path.read_bytes())
    content[168:176] = b"00.00.00"
    path.write_bytes(content)
    write_xml(tmp_path)
    assert read(tmp_path).signals["EEG"].seconds == SECONDS


def test_empty_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no recording of shhs there"):
        shhs(tmp_path).entries()


def test_missing_scoring_is_named(tmp_path):
    write_edf(tmp_path)
    with pytest.raises(InputError, match=r"shhs1-200001-nsrr.xml: no such file; put the scoring"):
        read(tmp_path)


def test_missing_channel_is_named_with_what_there_is(tmp_path):
    write_edf(tmp_path, signals=[edf_signal("EEG", SECONDS, rate=125)])
    write_xml(tmp_path)
    with pytest.raises(InputError, match=r"no EOG channel 'EOG\(R\) - EOG\(L\)'; it has 'EEG'"):
        read(tmp_path, ("EEG", "EOG"))


def test_empty_edf_is_one_line(tmp_path):
    write_edf(tmp_path).write_bytes(b"")
    write_xml(tmp_path)
    with pytest.raises(InputError, match=r"shhs1-200001.edf: [^\n]+$"):
        read(tmp_path)


WAKE = ("Wake|0", 0, 60)
OTHER_KIND = "<html><body>Please sign in</body></html>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"not XML \(no element found: line 1, column 0\); "),
        ("200001,W\n", r"not XML \(syntax error: line 1, column 0\)"),
        (NIGHT[:-40], r"not XML \([^\n]*line"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', r"not XML \([^\n]*\)"),
        (OTHER_KIND, "its root element is 'html'; expected PSGAnnotation"),
        ("<PSGAnnotation/>", "has no EpochLength in a PSGAnnotation; "),
        (nsrr([WAKE], epoch="20"), r"EpochLength is '20'; only epochs of 30 s"),
        (NIGHT.replace("ScoredEvents>", "Events>"), "has no ScoredEvents in a PSGAnnotation"),
        (NIGHT.replace(">30</Ep", ">29.99</Ep"), r"EpochLength is '29.99'; only epochs of 30 s"),
        (NIGHT.replace("<Start>60.0</Start>", ""), "has no Start in a ScoredEvent"),
        (NIGHT.replace("<Duration>540.0</Duration>", ""), "has no Duration in a ScoredEvent"),
        (NIGHT.replace("<EventConcept>Wake|0</EventConcept>", ""), "has no EventConcept in a"),
        (profusion([]).replace("SleepStages", "Stages"), "has no SleepStages in a CMPStudy"),
        (nsrr([]), "no epoch with a stage in it"),
        (profusion([]), "no epoch with a stage in it"),
        (profusion([0, 2, "", 2]), "unknown code '' of epoch 3; expected a code from 0 to 9"),
        (profusion([0, 10]), "unknown code '10' of epoch 2"),
        (nsrr([WAKE, ("Stage N2", 60, 540)]), "unknown stage 'Stage N2' at 60 s; expected a code"),
        (
            nsrr([WAKE, ("REM sleep|5", 60, -30)]),
            r"'REM sleep\|5' has the Duration '-30'; a number",
        ),
        (nsrr([WAKE, ("REM sleep|5", 60, "nan")]), r"'REM sleep\|5' has the Duration 'nan'"),
        (nsrr([WAKE, ("REM sleep|5", "one", 30)]), r"'REM sleep\|5' has the Start 'one'"),
        (
            nsrr([WAKE, ("REM sleep|5", 30, 570)]),
            "the stage at 30 s begins before 60 s, where the one before",
        ),
        (nsrr([("REM sleep|5", 60, 540), WAKE]), "the stage at 0 s begins before 600 s"),
        (nsrr([("Wake|0", 0, 65), ("REM sleep|5", 65, 535)]), "the stage at 0 s lasts 65 s"),
        (nsrr([("Wake|0", 0, 570)]), "ends at 0:09:30, the signal at 0:10:00; check that they"),
        (nsrr([("Wake|0", 0, 630)]), "ends at 0:10:30, the signal at 0:10:00; check that they"),
        (profusion([0] * 19), "ends at 0:09:30, the signal at 0:10:00"),
        (profusion([0] * 21), "ends at 0:10:30, the signal at 0:10:00"),
    ],
)
def test_wrong_xml_is_one_line_that_names_it(tmp_path, content, message):
    write_edf(tmp_path, signals=[edf_signal("EEG", SECONDS, rate=125)])
    write_xml(tmp_path, content)
    with pytest.raises(InputError) as error:
        read(tmp_path)
    assert re.fullmatch(rf"\S+/shhs1-200001-nsrr.xml: {message}.*", str(error.value))
