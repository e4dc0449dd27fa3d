import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from rich.console import Console

from tests.helpers.studies import Study
from xsleep.results.typeset import basis, bold, html, latex, summary


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


OWN = ("EEG-EEG2", "EEGfrontal-EEGoccipital-EMG")


@pytest.fixture
def table(study):
    for seed in (1, 2):
        for channels in ("EEG", "EEG-EOG"):
            study.run("a1", "b1", channels=channels, seed=seed)
    for channels in ("EEG", "EEG-EOG", "EEG-EOG-EMG"):
        study.run("a1", "b1", channels=channels, database="Physio2018", window="whole-night")
    study.run("a1", database="my_nights & more", window="whole-night")
    for channels in ("EEG", "EEG-EOG", "EEG-EOG-EMG", *OWN):
        study.run("a1", "b1", channels=channels, database="others", window="whole-night")
    study.run("a1", "b1", system="FT-XSleepNet")
    return study.table(MASS="no data in data/recordings/mass_%")


class Page(HTMLParser):
    """The rows of a page's tables as texts, the tags that it opens and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.links, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta",):
            self.open.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_the_page_is_whole_and_refers_to_nothing_else(table):
    text = html(table, ())
    page = Page(text)
    assert not page.open and not page.links
    assert "<script" not in text and "url(" not in text and "@import" not in text


def test_a_system_has_measured_interval_deviation_published_and_difference(table):
    rows = Page(html(table, ())).rows
    (at,) = [n for n, row in enumerate(rows) if row[:2] == ["XSleepNet2", "measured"] and row[3]][
        :1
    ]
    first = table.iloc[0]
    assert rows[at][2] == f"{first['EEG accuracy']:.1f}"
    assert rows[at][-1].startswith(basis(first))
    span, deviation, published, difference = rows[at + 1 : at + 5]
    low, high = table.iloc[1]["EEG accuracy"], table.iloc[2]["EEG accuracy"]
    assert span[:2] == ["95 % interval", f"{low:.1f}–{high:.1f}"]
    assert deviation[0] == "deviation over seeds" and published[:2] == ["published", "83.9"]
    apart = f"{table.iloc[5]['EEG accuracy']:+.1f}".replace("-", "−")
    assert difference[:2] == ["difference", apart]


def test_earlier_work_is_marked_as_quoted_and_what_was_not_run_says_why(table):
    rows = Page(html(table, ())).rows
    (row,) = [row for row in rows if row[0] == "VGG-FE [51]"]
    assert row[1:3] == ["quoted", "76.3"]
    missing = [row for row in rows if row[1:2] == ["not run"]]
    assert all(row[-1] for row in missing)
    assert any(row[-1] == "no data in data/recordings/mass_%" for row in missing)


def test_transfer_learning_is_marked_measured_and_quoted_alike(table):
    names = {row[0] for row in Page(html(table, ())).rows}
    assert {"FT-XSleepNet †", "VGG-FT [51] †", "Personalized CNN [25] †", "XSleepNet2"} <= names
    assert r"FT-XSleepNet \textdagger{}" in latex(table, ())


def bold_of(rows, tag):
    """The bold cells of a block's rows, by system and source."""
    found, system = {}, ""
    for name, source, cells in rows:
        system = name or system
        found[system, source] = [cell for cell in cells if cell.startswith(tag)]
    return found


def test_table2_bold_is_the_xsleepnets_where_published_and_the_best_where_measured(table):
    text = html(table, ())
    (block,) = re.findall(r"<h2>SleepEDF-20, in-bed</h2>(.*?)</table>", text, re.DOTALL)
    rows = []
    for line in re.findall(r"<tr class.*?</tr>", block):
        name = re.findall(r"<th[^>]*>(.*?)</th>", line)
        source, *cells = re.findall(r"<td[^>]*>(.*?)</td>", line)
        rows.append((name[0] if name else "", source, cells))
    bold = bold_of(rows, "<b>")
    # EEG and EEG-EOG: all ten of XSleepNet2; XSleepNet1 ties or beats ARNN+RNN, Multitask CNN, ...
    # in EEG accuracy (82.2), kappa, MF1, sensitivity and specificity, and of EEG-EOG in accuracy,
    # MF1, sensitivity and specificity: the Multitask CNN has 82.3, 0.750 and 74.7.
    assert len(bold["XSleepNet2", "published"]) == 10
    assert bold["XSleepNet1", "published"] == [
        f"<b>{value}</b>"
        for value in ("82.2", "0.750", "76.4", "76.8", "95.2", "82.3", "76.1", "75.2", "94.9")
    ]
    assert not any(bold[system, "published"] for system in ("Naive Fusion", "FT-XSleepNet †"))
    # Measured: of XSleepNet2 and FT-XSleepNet, which is not comparable.
    assert len(bold["XSleepNet2", "measured"]) == 10 and not bold["FT-XSleepNet †", "measured"]
    assert not any(bold["XSleepNet2", source] for source in ("95 % interval", "difference"))
    assert r"published & \textbf{83.9} & \textbf{0.771}" in latex(table, ())


def test_table2_dagger_of_a_different_subset_is_explained_in_its_note(table):
    rows = {row[0]: row for row in Page(html(table, ())).rows}
    assert rows["IITNet [26] †"][-1] == "measured on a different subset of the database"


def test_only_channel_sets_that_have_something_have_columns(table):
    for title, block in re.findall(r"<h2>(.*?)</h2>(.*?)</table>", html(table, ()), re.DOTALL):
        sets = re.findall(r'scope="colgroup">(.*?)<', block)
        expected = 3 if re.match("MASS|Phys|SHHS", title) else 1 if "my_nights" in title else 2
        assert len(sets) == (5 if "others" in title else expected), title
        assert "others" not in title or sets[3:] == [*OWN]
    assert "my_nights &amp; more" in html(table, ())


def test_titles_name_what_is_simulated_and_no_other(table):
    measured = table.loc[table["source"] == "measured", "database"].unique()
    marked = [measured[0]]
    for text in (html(table, marked), latex(table, marked)):
        assert f"published (database {marked[0]}: simulated nights: not sleep)" in text
        headings = re.findall(r"<h2>(.*?)</h2>|subsection\*\{(.*?)\}", text)
        simulated = [*filter(lambda found: "not sleep" in "".join(found), headings)]
        assert simulated and all("".join(h).startswith(marked[0]) for h in simulated)
    assert "measured and published (simulated nights: not sleep)" in html(table, measured)
    assert "not sleep" not in html(table, ()) + latex(table, ())


def test_latex_is_booktabs_with_as_many_cells_in_each_row_as_columns(table):
    text = latex(table, ())
    assert r"my\_nights \& more" in text and r"mass\_\%" in text
    assert text.count(r"\begin{") == text.count(r"\end{")
    for columns, block in re.findall(
        r"\\begin\{longtable\}\{ll(.*?)\}\n(.*?)\\end\{longtable\}", text, re.DOTALL
    ):
        cells = 1 + columns.count("r")
        for line in block.splitlines():
            if line.endswith(r"\\") and "multicolumn" not in line:
                assert len(re.findall(r"(?<!\\)&", line)) == cells
        for rule in ("toprule", "midrule", "bottomrule"):
            assert block.count(f"\\{rule}") == 1


def test_latex_has_three_channel_sets_side_by_side_and_others_beneath(table):
    blocks = re.findall(
        r"\\subsection\*\{others, whole-night\}(.*?)\\end\{", latex(table, ()), re.DOTALL
    )
    sets = [re.findall(r"multicolumn\{5\}\{c\}\{(.*?)\}", block) for block in blocks]
    assert sets == [["EEG", "EEG-EOG", "EEG-EOG-EMG"], [*OWN]]
    assert all("XSleepNet2" in block for block in blocks)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(table, tmp_path):
    (tmp_path / "table2.tex").write_text(latex(table, ()), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table2.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_table2_bold_counts_values_as_they_are_shown_and_measured_ones_apart(study):
    study.run("a1", "b1", system="XSleepNet1", skill=0.1)
    study.run("a1", "b1", system="ARNN+RNN", skill=5)
    study.run("a1", "b1", system="FT-XSleepNet", skill=5)
    table = study.table()
    where = table["window"].eq("in-bed") & table["database"].eq("SleepEDF-20")
    of = table["system"].where(where) + " " + table["source"]
    accuracy = bold(table)["EEG accuracy"]
    assert set(of[accuracy & where]) == {
        *("ARNN+RNN measured", "XSleepNet2 published", "XSleepNet1 published")
    }


def test_summary_fits_80_columns_and_says_what_each_figure_is_based_on(study):
    study.run("a1", "b1", channels="EEG")
    study.run("a1", channels="EEG-EOG-EMG", system="Naive Fusion")
    printed = io.StringIO()
    summary(study.table(), Console(file=printed, width=80), ())
    text = " ".join(printed.getvalue().split())
    assert text.startswith("SleepEDF-20, in-bed percent; kappa a fraction system channels")
    assert "XSleepNet2 EEG published 83.9 0.771 78.7 78.6 95.5" in text
    assert "XSleepNet2 EEG: 2 subjects, 2 recordings (1 skipped), 40 epochs, 1 fold" in text
    assert "Naive Fusion EEG-EOG-EMG: 1 subject, 1 recording (1 skipped), 20 epochs" in text
    assert "…" not in text


def test_summary_has_channel_sets_of_ones_own_whole(study):
    for channels in OWN:
        study.run("a1", "b1", channels=channels, system="XSleepNet (equal weights)")
    printed = io.StringIO()
    table = study.table()
    summary(table, Console(file=printed, width=80), ())
    text = printed.getvalue()
    (row,) = table[(table["source"] == "measured")].to_dict("records")
    assert "…" not in text
    for channels in OWN:
        assert f"{row[f'{channels} accuracy']:.1f}" in text
    assert re.search(r"\(equal +EEG-EEG2 +measured", text)
