import numpy as np
import pytest

from tests.helpers.studies import Study
from xsleep.core.errors import InputError
from xsleep.results.figures import subjects
from xsleep.results.inference import each

NAMES = ("a1", "b1", "d1", "e1", "f1")


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def points(panel):
    return [line for line in panel.lines if line.get_linestyle() == "None"]


def joined(panel):
    """Return the accuracies of each subject, from row to row, that a line joins."""
    return np.array([path.vertices[:, 0] for path in panel.collections[0].get_paths()])


def test_every_subject_is_a_point_of_its_system(study, drawn):
    for system, skill in (("XSleepNet2", 0.9), ("FCNN+RNN", 0.2)):
        study.run("a1", "a2", *NAMES[1:], system=system, skill=skill)
    results = study.results()
    subjects.draw(results, "unused", "here")
    panel = drawn[0].axes[0]
    labels = [label.get_text() for label in panel.get_yticklabels()]
    assert labels == ["XSleepNet2\nn = 5", "FCNN+RNN\nn = 5"]
    for line, result in zip(points(panel), results, strict=True):
        accuracy = each(result.matrices("subject"))["accuracy"]
        assert np.array_equal(line.get_xdata(), accuracy)
    one, other = points(panel)
    assert one.get_marker() != other.get_marker()
    values = [each(result.matrices("subject"))["accuracy"] for result in results]
    assert np.array_equal(joined(panel), np.transpose(values))


def test_a_subject_is_joined_in_adjacent_rows_only_and_where_it_was_tested(study, drawn):
    study.run(*NAMES, system="XSleepNet2")
    study.run(*NAMES[:3], system="Naive Fusion")
    study.run(*NAMES, system="FCNN+RNN")
    subjects.draw(study.results(), "unused", "here")
    missing = np.isnan(joined(drawn[0].axes[0]))
    assert missing.tolist() == 3 * [[False] * 3] + 2 * [[False, True, False]]


def test_the_subject_with_the_lowest_accuracy_is_named(study, drawn):
    study.run(*NAMES[:4], skill=9)
    study.run(NAMES[4], skill=-9, fold=2)
    subjects.draw(study.results(), "unused", "here")
    (named,) = drawn[0].axes[0].texts
    assert named.get_text() == "f" and named.xy[0] == 0


def test_there_is_no_box_of_few_subjects(study, drawn):
    study.run("a1", "b1")
    subjects.draw(study.results(), "unused", "here")
    (panel,) = drawn[0].axes
    assert len(points(panel)) == 1 and not panel.patches


def test_without_a_tested_subject_it_says_what_to_do(study):
    study.run("a1")
    study.runs[0].predictions.write_text("not HDF5")
    with pytest.raises(InputError, match="here: accuracy of no subject; train and score"):
        subjects.draw(study.results(), "unused", "here")
