from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.studies import Study
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference
from xsleep.results.figures import confusion
from xsleep.results.metrics import class_wise


@pytest.fixture
def study(tmp_path):
    study = Study(tmp_path)
    for number, system in enumerate(("XSleepNet2", "FCNN+RNN", "YASA", "a", "b", "c", "d")):
        study.run("a1", "b1", "d1", system=system, skill=0.5 - 0.1 * number)
    return study


def test_every_system_has_its_matrix_in_the_order_of_a_hypnogram(study, drawn):
    results = study.results()
    confusion.matrices(results, "unused", "here")
    panels = [panel for panel in drawn[0].axes if panel.get_title()]
    assert [panel.get_title() for panel in panels] == [result.system for result in results]
    order = [STAGES.index(stage) for stage in ("W", "REM", "N1", "N2", "N3")]
    for panel, result in zip(panels, results, strict=True):
        counts = result.matrices()[0][order][:, order]
        shares = 100 * counts / counts.sum(axis=1, keepdims=True)
        texts = [text.get_text() for text in panel.texts]
        assert texts[::2] == [f"{share:.0f}" for share in shares.ravel()]
        assert texts[1::2] == [str(count) for count in counts.ravel()]
        assert [label.get_text() for label in panel.get_yticklabels()] == list(confusion.SHOWN)


def test_panels_that_are_left_over_are_not_drawn(study, drawn):
    confusion.matrices(study.results(), "unused", "here")
    left = [panel for panel in drawn[0].axes if not panel.get_title()]
    assert len(drawn[0].axes) == 9 and not any(panel.axison for panel in left)


def test_a_stage_without_epochs_has_an_empty_row_and_no_panel_of_its_f1(study, drawn):
    (result,) = (r for r in study.results() if r.system == "XSleepNet2")
    others = np.arange(5) != STAGES.index("N3")
    absent = replace(result, counts=result.counts * np.outer(others, others).ravel())
    confusion.matrices([absent], "unused", "here")
    assert len(drawn[0].axes[0].texts) == 2 * 20
    confusion.stages([absent], "unused", "here")
    titles = [panel.get_title() for panel in drawn[1].axes]
    assert titles == ["W", "REM", "N1", "N2"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((0, "0"), (7, "7"), (9999, "9,999"), (9999.7, "10.0k"), (12_345, "12.3k")),
        *((999_400, "999k"), (999_960, "1.00M"), (2_012_345, "2.01M"), (123_456_789, "123M")),
    ],
)
def test_numbers_of_epochs_are_short(number, text):
    assert confusion.short(number) == text


def test_f1_of_each_stage_stands_in_its_interval_with_its_value_beside(study, drawn):
    results = study.results()
    confusion.stages(results, "unused", "here")
    panels = dict(zip(confusion.SHOWN, drawn[0].axes, strict=True))
    names = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    assert names == [result.system for result in results]
    for place, result in enumerate(results):
        values = class_wise(result.matrices()[0])["F1"]
        spans = inference.intervals(result.matrices("subject"), measures=confusion.by_stage)
        for number, stage in enumerate(STAGES):
            span, mark = panels[stage].lines[2 * place : 2 * place + 2]
            assert mark.get_xdata() == [values[number]] and mark.get_ydata() == [place]
            assert tuple(span.get_xdata()) == spans[stage]
            assert panels[stage].texts[place].get_text() == f"{values[number]:.1f}"


def test_one_subject_has_no_interval(tmp_path, drawn):
    study = Study(tmp_path)
    study.run("a1")
    confusion.stages(study.results(), "unused", "here")
    assert np.isnan(drawn[0].axes[0].lines[0].get_xdata()).all()


@pytest.mark.parametrize("draw", [confusion.matrices, confusion.stages])
def test_without_a_tested_system_it_says_what_to_do(draw):
    with pytest.raises(InputError, match="here: epochs of no system; train and score"):
        draw([], "unused", "here")
