"""Measured beside published values, and the audit as a page, as JSON and on a console."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.helpers.studies import Study
from tests.results.audit import finished
from xsleep.results.audit import finding, intervals, page
from xsleep.results.audit.evidence import Evidence
from xsleep.results.formatting import write_csv
from xsleep.results.metrics import METRICS
from xsleep.results.table2 import read_csv

FAULTS = [f"run {number} <has> a fault" for number in range(page.SHOWN + 1)]
VERDICTS = [
    finding.Verdict("a", "All is well.", finding.PASSED, "3 files"),
    finding.Verdict("b", "Nothing is wrong.", finding.FAILED, f"{FAULTS[0]} (and more)", FAULTS),
    finding.Verdict("c", "It is published.", finding.NOT_APPLICABLE, "nothing is published"),
]


@pytest.fixture
def table2(tmp_path):
    study = Study(tmp_path)
    study.run("a1", "a2", "b1", "d1", fold=1, skill=0.35)
    study.run("e1", "f1", "g1", "h1", fold=2, skill=0.35)
    study.run("a1", "a2", "b1", system="Mine")
    write_csv(tmp_path / "table2.csv", study.table())
    return tmp_path / "table2.csv"


def content(table2, simulated=()):
    return page.content(VERDICTS, Evidence(runs=[], recordings={}, table2=table2), simulated)


def test_each_measured_cell_has_its_interval_and_says_how_far_the_published_value_is_outside(
    table2,
):
    table = read_csv(table2)
    table = table[(table["database"] == "SleepEDF-20") & (table["window"] == "in-bed")]
    table = table.set_index(["system", "source"])
    cells = intervals.cells(table2)
    assert [(c["system"], c["metric"]) for c in cells] == [
        (system, metric) for system in ("XSleepNet2", "Mine") for metric in METRICS
    ]
    for cell in cells[:5]:
        ends = {"from": "95 % from", "to": "95 % to", "difference": "difference"}
        for name, source in (ends | {"measured": "measured", "published": "published"}).items():
            assert cell[name] == table.loc["XSleepNet2", source][f"EEG {cell['metric']}"]
        inside = cell["from"] <= cell["published"] <= cell["to"]
        assert cell["verdict"] == ("inside" if inside else "outside")
        end = cell["to"] if cell["published"] > cell["to"] else cell["from"]
        assert cell["by"] == pytest.approx(0 if inside else cell["published"] - end)
    assert {cell["verdict"] for cell in cells[:5]} == {"inside", "outside"}
    assert {(c["verdict"], c["published"]) for c in cells[5:]} == {("not published", None)}


def test_a_metric_without_a_value_is_an_empty_cell(table2):
    found = content(table2)
    found["cells"] = [cell for cell in found["cells"] if cell["metric"] != "specificity"]
    assert "</td><td></td></tr>" in page.html(found)


class Links(HTMLParser):
    """Addresses that a page would load."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]
        assert tag not in ("script", "link")


def test_the_page_needs_nothing_else_and_says_what_failed(table2):
    text = page.html(content(table2))
    links = Links()
    links.feed(text)
    assert not links.found and "url(" not in text
    assert "1 of 3 checks failed, 1 had nothing to check" in text
    assert "✗ failed" in text and "run 0 &lt;has&gt; a fault (and more)" in text
    assert f"all {len(FAULTS)}" in text and "1 more in audit.json" in text
    assert "95 % interval" in text and "published is" in text


def test_simulated_recordings_are_named_in_the_titles(table2):
    text = page.html(content(table2, simulated=["SleepEDF-20"]))
    assert text.count("Audit of Table 2 (simulated nights: not sleep)") == 2
    assert "<h3>SleepEDF-20, in-bed (simulated nights: not sleep)</h3>" in text
    assert "not sleep" not in page.html(content(table2))


def test_the_json_says_the_same_and_all_faults(table2):
    audit = json.loads(page.as_json(content(table2)))
    assert audit["failed"] == ["b"]
    assert audit["checks"][1]["faults"] == FAULTS
    assert len(audit["cells"]) == 10


def test_the_console_says_how_many_checks_failed_and_why(table2, tmp_path):
    path = tmp_path / "audit.json"
    path.write_text(page.as_json(content(table2)))
    assert list(page.console_lines(path)) == [
        "AUDIT: 1 of 3 checks failed, 1 had nothing to check",
        f"AUDIT: b: {FAULTS[0]} (and more)",
    ]


def test_a_page_is_made_where_there_is_no_table(tmp_path):
    evidence = replace(finished.evidence(), table2=tmp_path / "none.csv")
    audit = page.content([], evidence, ())
    assert "Nothing was measured" in page.html(audit)
    assert audit["retrained"]["seconds"] == {}
