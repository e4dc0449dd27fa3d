import json
import re
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.browser import Browser, executable
from tests.helpers.recordings import make_part
from tests.helpers.rounding import SINGLE, of_sum
from tests.helpers.studies import HEADER
from xsleep.results import explorer
from xsleep.results.measurements import RunPredictions
from xsleep.results.metrics import measure
from xsleep.store.predictions import Prediction, read_predictions, write_predictions
from xsleep.store.recordings import read_index, read_stored, write_index

EPOCHS = 60
DROPPED = range(20, 25)
PLACES = 2 + np.delete(np.arange(EPOCHS + len(DROPPED)), DROPPED)
START = 23 * 3600 - 60
"""The first epoch that is scored, the third of the recording, begins at 23:00."""

CASES = {"Night & day": ("EEG",), "SleepEDF-20": ("EEG", "EOG")}
SYSTEMS = ("XSleepNet2", "ARNN+RNN")
NAMES = {"n1": "s1", "n2": "s2", "n3": "s3"}


class Cohort:
    """Two databases of three recordings, each scored by two systems in two folds; n3 tests last."""

    def __init__(self, folder):
        self.folder, self.runs, self.parts, self.lines = folder, [], {}, []
        self.recordings, self.indexes = {}, {}
        for place, (database, channels) in enumerate(CASES.items()):
            stored = []
            for seed, (name, subject) in enumerate(NAMES.items()):
                where = folder / f"store-{place}"
                made_of = where, name, EPOCHS, channels, PLACES
                part = make_part(*made_of, seed=10 * place + seed, subject=subject)
                one = read_stored(where / f"{name}.h5", where / f"{name}-tf.h5")
                start = START if channels == ("EEG", "EOG") else None
                stored.append(replace(one, info=replace(one.info, start=start)))
                self.parts[database, name] = part
            self.indexes[database] = folder / f"{place}.h5"
            write_index(self.indexes[database], stored)
            lines = [f"{name},{subject},{EPOCHS},,,,,," for name, subject in NAMES.items()]
            self.recordings[database] = folder / f"{place}.csv"
            self.recordings[database].write_text("\n".join([HEADER, *lines, ""]))
            for system in SYSTEMS:
                for fold, names in ((1, ("n1", "n2")), (2, ("n3",))):
                    self.predict(database, channels, system, fold, names)

    def predict(self, database, channels, system, fold, names):
        path = self.folder / f"run-{len(self.runs)}.h5"
        random = np.random.default_rng(len(self.runs))
        recordings = []
        for name in names:
            recording = self.parts[database, name].info
            scores = random.dirichlet(np.ones(5), EPOCHS) / 2 + np.eye(5)[recording.stages] / 2
            scores[::7] = np.roll(scores[::7], len(self.runs) % 4 + 1, axis=1)
            recordings.append(
                Prediction(name, recording.subject, PLACES, recording.stages, {"joint": scores})
            )
        write_predictions(path, recordings)
        self.runs.append(
            RunPredictions(database, "whole-night", "-".join(channels), system, 1, fold, path)
        )

    def run(self, database, system, fold):
        return next(
            c for c in self.runs if (c.database, c.system, c.fold) == (database, system, fold)
        )

    def prediction(self, database, system, name):
        fold = 2 if name == "n3" else 1
        recordings = read_predictions(self.run(database, system, fold).predictions)
        return next(recording for recording in recordings if recording.recording == name)

    def page(self, simulated=()):
        page = self.folder / "explorer" / "index.html"
        self.lines.clear()
        report = self.lines.append
        given = self.runs, self.recordings, self.indexes
        explorer.write(*given, page=page, simulated=simulated, report=report)
        return page

    def handed_over(self, database, *recording):
        """The data in the script of a case, or of one of its recordings."""
        path = self.folder / "explorer/data" / database / "whole-night"
        path = path.joinpath("-".join(CASES[database]), *recording)
        text = path.with_name(f"{path.name}.js").read_text()
        name, content = re.fullmatch(r'loaded\("(.*?)",(.*)\);\n', text).groups()
        assert name == str(path.relative_to(self.folder / "explorer/data"))
        return json.loads(content)


@pytest.fixture
def cohort(tmp_path):
    return Cohort(tmp_path)


def values(text):
    return np.frombuffer(b64decode(text), "u1")


def test_a_recording_has_its_places_stages_clock_and_what_each_system_says(cohort):
    cohort.page()
    recording = cohort.handed_over("SleepEDF-20", "n3")
    assert recording["subject"] == "s3"
    assert recording["places"] == [[2, 20], [27, 40]]
    assert (recording["clock"], recording["step"]) == (23 * 3600, 30)
    assert list(recording["runs"]) == list(SYSTEMS)
    for system in SYSTEMS:
        given = cohort.prediction("SleepEDF-20", system, "n3")
        run = recording["runs"][system]["1"]
        assert recording["true"] == "".join(map(str, given.stages))
        scores = given.probabilities["joint"]
        assert run["predicted"] == "".join(map(str, scores.argmax(axis=1)))
        found = values(run["probabilities"]).reshape(scores.shape) / 255
        np.testing.assert_allclose(found, scores, rtol=0, atol=0.5 / 255 + SINGLE)
    assert cohort.handed_over("Night & day", "n3")["clock"] is None
    assert cohort.lines == []


def test_a_system_without_probabilities_has_stages_alone(cohort):
    path = cohort.run("SleepEDF-20", "XSleepNet2", 2).predictions
    given = cohort.prediction("SleepEDF-20", "XSleepNet2", "n3")
    stages = given.stages[::-1]
    write_predictions(path, [replace(given, probabilities={}, predicted=stages)])
    cohort.page()
    run = cohort.handed_over("SleepEDF-20", "n3")["runs"]["XSleepNet2"]["1"]
    assert run == {"predicted": "".join(map(str, stages)), "probabilities": ""}


def test_recordings_are_listed_with_the_metrics_of_each_system(cohort):
    cohort.page()
    listed = cohort.handed_over("SleepEDF-20")
    assert listed["recordings"] == [list(pair) for pair in NAMES.items()]
    for system in SYSTEMS:
        given = cohort.prediction("SleepEDF-20", system, "n2")
        expected = measure(given.stages, given.probabilities["joint"].argmax(axis=1))
        found = listed["systems"][system]["seeds"]["1"]["n2"]
        assert found == [round(expected[name], 4) for name in ("accuracy", "kappa")]


def test_the_spectrogram_is_the_mean_of_each_epoch_in_rows_of_two_bins_up_to_31_hz(cohort):
    cohort.page()
    recording = cohort.handed_over("SleepEDF-20", "n1")
    assert list(recording["spectrograms"]) == ["EEG", "EOG"]
    images = cohort.parts["SleepEDF-20", "n1"].data.time_frequency(0, EPOCHS)
    expected = images[..., 1].mean(axis=1)[:, 1:81].reshape(EPOCHS, 40, 2).mean(axis=2)
    image = recording["spectrograms"]["EOG"]
    low, high = image["low"], image["high"]
    bound = of_sum(29 + 2, np.abs(images).max())
    np.testing.assert_allclose([low, high], np.percentile(expected, (1, 99)), 0, 0.05 + bound)
    found = low + (high - low) / 255 * values(image["values"]).reshape(EPOCHS, image["rows"])
    half_a_step = (high - low + 0.1) / 255 / 2
    # The limits that are shown are rounded to tenths, those of the steps are not.
    np.testing.assert_allclose(found, expected.clip(low, high), 0, half_a_step + 0.05 + bound)
    bin_width = 100 / 256
    np.testing.assert_allclose(recording["hertz"], (0.5 * bin_width, 80.5 * bin_width), 0, 5e-4)


def test_predictions_that_cannot_be_used_are_left_out_and_the_others_go_on(cohort):
    broken = cohort.run("SleepEDF-20", "XSleepNet2", 1).predictions
    broken.write_text("junk")
    cohort.page()
    listed = cohort.handed_over("SleepEDF-20")
    (gap,) = listed["systems"]["XSleepNet2"]["gaps"]
    assert gap.startswith(f"{broken}: not a readable HDF5 file")
    assert cohort.lines == [f"left out: {gap}"]
    assert list(listed["systems"]["XSleepNet2"]["seeds"]["1"]) == ["n3"]
    assert list(listed["systems"]["ARNN+RNN"]["seeds"]["1"]) == list(NAMES)
    assert list(cohort.handed_over("SleepEDF-20", "n1")["runs"]) == ["ARNN+RNN"]


def test_a_recording_whose_spectrogram_is_not_stored_says_so(cohort):
    lost = cohort.folder / "store-1" / "n1-tf.h5"
    lost.unlink()
    cohort.page()
    recording = cohort.handed_over("SleepEDF-20", "n1")
    assert str(lost) in recording["missing"] and "spectrograms" not in recording
    assert (recording["clock"], len(recording["true"])) == (23 * 3600, EPOCHS)
    assert "spectrograms" in cohort.handed_over("SleepEDF-20", "n2")
    (line,) = cohort.lines
    assert line.startswith("SleepEDF-20, whole-night, EEG-EOG: 1 of 3 recordings without ")
    assert [cohort.handed_over("SleepEDF-20", name)["traced"] for name in NAMES] == [0, 1, 1]


def traces(cohort, database, name):
    """Content of the scripts of the signals of a recording, by piece."""
    folder = cohort.folder / "explorer/data" / database / "whole-night/traces" / name
    found = {}
    for path in folder.iterdir():
        name, content = re.fullmatch(r'loaded\("(.*?)",(.*)\);\n', path.read_text()).groups()
        assert name == str(path.relative_to(cohort.folder / "explorer/data").with_suffix(""))
        found[int(path.stem)] = json.loads(content)
    return found


def test_signals_are_stored_by_place_in_steps_of_each_epoch(cohort, monkeypatch):
    monkeypatch.setattr(explorer, "PIECE", 40)
    cohort.page()
    pieces = traces(cohort, "SleepEDF-20", "n1")
    assert {key: len(one["places"]) for key, one in pieces.items()} == {0: 33, 1: 27}
    assert [*pieces[0]["places"], *pieces[1]["places"]] == PLACES.tolist()
    raw = cohort.parts["SleepEDF-20", "n1"].data.raw(0, EPOCHS)
    for number, channel in enumerate(("EEG", "EOG")):
        of = [pieces[key]["channels"][channel] for key in (0, 1)]
        steps = np.concatenate([one["steps"] for one in of])[:, None]
        found = np.concatenate([np.frombuffer(b64decode(one["values"]), "i1") for one in of])
        apart = np.abs(found.reshape(EPOCHS, -1) * steps - raw[..., number])
        assert (apart <= steps * (0.5 + 127 * 5e-4) + SINGLE).all()


def test_of_large_studies_the_recordings_with_the_lowest_accuracy_have_signals(cohort, monkeypatch):
    monkeypatch.setattr(explorer, "MOST_TRACES", 2)  # a byte of each database: one recording
    cohort.page()
    listed = cohort.handed_over("SleepEDF-20")
    accuracy = {name: of[0] for name, of in listed["systems"]["XSleepNet2"]["seeds"]["1"].items()}
    traced = [n for n in NAMES if cohort.handed_over("SleepEDF-20", n)["traced"]]
    assert traced == [min(accuracy, key=accuracy.get)] and listed["traced"] == 1


def test_without_the_store_or_with_another_the_predictions_are_shown(cohort):
    cohort.indexes["SleepEDF-20"].write_text("junk")
    one, *_ = read_index(cohort.indexes["Night & day"]).values()
    moved = replace(one.info, recording="n2", places=one.info.places + 1)
    write_index(cohort.indexes["Night & day"], [one, replace(one, info=moved)])
    cohort.page()
    assert "not a readable HDF5 file" in cohort.handed_over("SleepEDF-20", "n1")["missing"]
    found = [cohort.handed_over("Night & day", name).get("missing") for name in NAMES]
    assert found[0] is None
    assert "not the epochs that were scored" in found[1]
    assert "not in the store" in found[2]


def test_the_page_needs_no_server(cohort):
    assert not re.search("https?:|fetch|XMLHttpRequest", cohort.page().read_text())


@pytest.fixture
def browser():
    if not executable():
        pytest.skip("no Chromium here (on Debian: apt-get install chromium)")
    with Browser() as browser:
        yield browser


def shown(browser, recording):
    """Wait until a recording is shown; then what the page says of it."""
    browser.wait(f"document.querySelector('#recording').innerText === {json.dumps(recording)}")
    return browser.text("#summary")


def pixels(browser):
    return browser.value("document.querySelector('#panels').toDataURL()")


def choose(browser, what, value):
    """Click on a list, and on with the keys to the next of its choices, which is this one."""
    browser.click(f"#{what}")
    browser.wait(f"document.querySelector('#{what}:open')")
    browser.key("ArrowDown")
    browser.key("Enter")
    browser.wait(f"document.querySelector('#{what}').value === {json.dumps(value)}")


def test_database_system_and_recording_are_chosen_by_clicks_and_keys(cohort, browser):
    browser.open(cohort.page())
    said = {}
    said["first"] = shown(browser, "n1"), pixels(browser)
    assert "23:00:00 to 23:32:30 · " in said["first"][0]
    assert "60 epochs, 5 not scored" in said["first"][0]
    browser.click("tr[data-name=n3] button")
    said["recording"] = shown(browser, "n3"), pixels(browser)
    assert browser.text("tr[aria-current]").startswith("n3")
    choose(browser, "system", "ARNN+RNN")
    said["system"] = shown(browser, "n3"), pixels(browser)
    choose(browser, "database", "Night & day")
    browser.wait("document.querySelector('#summary').innerText.includes('of the recording')")
    said["database"] = shown(browser, "n3"), pixels(browser)
    assert "00:01:00 to 00:33:30 of the recording" in said["database"][0]
    assert browser.value("document.querySelector('#channels').value") == "EEG"
    assert len({picture for _, picture in said.values()}) == len(said)
    metrics = measure(*true_and_predicted(cohort, "Night & day", "ARNN+RNN", "n3"))
    assert f"accuracy {metrics['accuracy']:.1f} %" in said["database"][0]
    browser.click("[data-key=ArrowUp]")
    shown(browser, "n2")
    assert browser.errors == []


def true_and_predicted(cohort, *which):
    recording = cohort.prediction(*which)
    return recording.stages, recording.probabilities["joint"].argmax(axis=1)


def test_keys_change_recording_epoch_and_zoom(cohort, browser):
    browser.open(cohort.page())
    shown(browser, "n1")
    browser.key("ArrowDown")
    shown(browser, "n2")
    browser.key("ArrowUp")
    shown(browser, "n1")
    browser.key("ArrowRight")
    assert browser.text("#epoch").startswith("23:00:00 · epoch 3 · scorer ")
    browser.key("ArrowRight")
    assert browser.text("#epoch").startswith("23:00:30 · epoch 4 · ")
    true, predicted = true_and_predicted(cohort, "SleepEDF-20", "XSleepNet2", "n1")
    wrong = PLACES[true != predicted]
    for place in wrong[wrong > 3][:3]:
        browser.key("n")
        assert f"epoch {place + 1} · " in browser.text("#epoch")
        assert "(differs)" in browser.text("#epoch")
    before = pixels(browser)
    browser.key("+")
    assert pixels(browser) != before
    browser.key("0")
    assert pixels(browser) == before
    assert browser.errors == []


def test_the_mouse_tells_the_epoch_under_it_and_the_wheel_zooms(cohort, browser):
    browser.open(cohort.page())
    shown(browser, "n1")
    left, width, y = browser.value(
        "(() => { const box = document.querySelector('#cross').getBoundingClientRect();"
        "return [box.x + LEFT, box.width - LEFT - RIGHT, box.y + 100]; })()"
    )
    whole = len(PLACES) + len(DROPPED)

    def over(place):
        browser.mouse("mouseMoved", left + (place + 0.5) / whole * width, y)
        return browser.text("#epoch")

    given = cohort.prediction("SleepEDF-20", "XSleepNet2", "n1")
    percent = 100 * given.probabilities["joint"][10][0]
    words = over(10).split(" · ")
    assert words[:3] == [*("23:05:00", "epoch 13", f"scorer {explorer.STAGES[given.stages[10]]}")]
    assert abs(int(re.match(r"W (\d+) %", words[-1])[1]) - percent) <= 0.5 + 50 / 255
    assert over(DROPPED[2]) == "23:11:00 · epoch 25 · not scored"
    before = pixels(browser)
    browser.mouse("mouseWheel", left + width / 2, y, deltaX=0, deltaY=-200)
    browser.wait(f"document.querySelector('#panels').toDataURL() !== {json.dumps(before)}")
    assert browser.errors == []


def test_recordings_are_sorted_by_a_click_on_a_heading(cohort, browser):
    browser.open(cohort.page())
    shown(browser, "n1")
    accuracy = {
        name: measure(*true_and_predicted(cohort, "SleepEDF-20", "XSleepNet2", name))["accuracy"]
        for name in NAMES
    }
    order = "[...document.querySelectorAll('#recordings tr')].map((row) => row.dataset.name)"
    for descending in (False, True):
        browser.click("[data-sort=accuracy]")
        found = [accuracy[name] for name in browser.value(order)]
        assert found == sorted(accuracy.values(), reverse=descending)
    assert browser.value("document.querySelector('[aria-sort]').ariaSort") == "descending"
    assert browser.errors == []


def test_what_is_left_out_or_not_stored_is_said_on_the_page(cohort, browser):
    broken = cohort.run("SleepEDF-20", "XSleepNet2", 1).predictions
    broken.write_text("junk")
    (cohort.folder / "store-1" / "n1-tf.h5").unlink()
    page = cohort.page()
    (page.parent / "data/SleepEDF-20/whole-night/EEG-EOG/n2.js").unlink()
    browser.open(page)
    assert "accuracy" not in shown(browser, "n1")
    browser.click("#gaps summary")
    assert f"{broken}: not a readable HDF5 file" in browser.text("#gaps")
    note = browser.text("#note")
    assert "XSleepNet2: the predictions of this recording are left out." in note
    assert "No signals: " in note and "n1-tf.h5" in note
    assert browser.errors == []
    browser.key("ArrowDown")
    browser.wait("document.querySelector('#note').innerText.includes('n2.js cannot be read')")
    browser.key("ArrowDown")
    assert "accuracy" in shown(browser, "n3")


def test_a_click_on_an_epoch_shows_its_signals_and_the_address_leads_back(cohort, browser):
    browser.open(page := cohort.page(simulated=["SleepEDF-20"]))
    shown(browser, "n1")
    assert browser.text("#not-sleep") == "simulated nights: not sleep"
    left, width, y = browser.value(
        "(() => { const box = document.querySelector('#cross').getBoundingClientRect();"
        "return [box.x + LEFT, box.width - LEFT - RIGHT, box.y + 100]; })()"
    )
    x = left + 10.5 / (EPOCHS + len(DROPPED)) * width
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        browser.mouse(kind, x, y, button="left", clickCount=1)
    browser.wait("document.querySelector('#traces').getAttribute('aria-label')")
    assert browser.text("#heading") == "23:05:00 · epoch 13"
    part = cohort.parts["SleepEDF-20", "n1"].data
    drawn = (
        "(() => { const {channels, places} = [...pieces.values()][0], one = channels.EOG;"
        "const at = places.indexOf(12), part = one.values.subarray(3000 * at, 3000 * (at + 1));"
        "return decibels(Float32Array.from(part, (value) => value * one.steps[at])); })()"
    )
    expected = part.time_frequency(10, 11)[0, :, 1:81, 1]
    # An error of half a step in each of the 200 samples, at random: far below the noise.
    np.testing.assert_allclose(np.median(browser.value(drawn) - expected), 0, atol=0.05)
    first = browser.value("document.querySelector('#traces').toDataURL()")
    browser.key("ArrowRight")
    browser.wait(f"document.querySelector('#traces').toDataURL() !== {json.dumps(first)}")
    browser.key("ArrowLeft")
    browser.wait(f"document.querySelector('#traces').toDataURL() === {json.dumps(first)}")
    browser.key("a")
    browser.wait(f"document.querySelector('#traces').toDataURL() !== {json.dumps(first)}")
    address = browser.value("location.hash")
    assert "epoch=13" in address
    browser.open(cohort.folder / "0.csv")  # anything else
    browser.open(page, address)
    shown(browser, "n1")
    browser.wait("document.querySelector('#heading').innerText === '23:05:00 · epoch 13'")
    browser.key("Escape")
    browser.wait("document.querySelector('#closeup').hidden")
    browser.open(page, "#database=Night+%26+day&recording=n3&epoch=999")
    assert "of the recording" in shown(browser, "n3")
    assert browser.value("document.querySelector('#closeup').hidden")
    assert browser.value("document.querySelector('#not-sleep').hidden")
    assert browser.errors == []


def test_two_systems_are_shown_beside_each_other(cohort, browser):
    browser.open(cohort.page(), "#other=ARNN%2BRNN&epoch=3")
    said = shown(browser, "n1")
    predicted = [true_and_predicted(cohort, "SleepEDF-20", system, "n1")[1] for system in SYSTEMS]
    apart = PLACES[predicted[0] != predicted[1]]
    assert f"XSleepNet2 ≠ ARNN+RNN: {len(apart)}" in said
    rows = browser.value(
        "[...document.querySelectorAll('#chances tbody tr')].map((row) => row.cells[0].innerText)"
    )
    assert rows == ["scorer", *SYSTEMS]
    browser.value("document.querySelector('#pair').selectedIndex = 2")
    browser.key("n")
    assert f"epoch {apart[apart > 2][0] + 1} · " in browser.text("#epoch")
    given = cohort.prediction("SleepEDF-20", "ARNN+RNN", "n1").probabilities["joint"]
    share = given[list(PLACES).index(apart[apart > 2][0])][0]
    told = browser.text("#chances tbody tr:last-child td:nth-child(3)")
    assert abs(int(told.removesuffix(" %")) - 100 * share) <= 0.5 + 50 / 255
    alone = pixels(browser)
    browser.resize(390, 800)
    browser.wait(f"document.querySelector('#panels').toDataURL() !== {json.dumps(alone)}")
    assert browser.value("document.documentElement.scrollWidth") <= 390
    assert browser.errors == []
