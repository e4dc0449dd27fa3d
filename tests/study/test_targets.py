"""Test what is suggested for a mistyped target."""

from types import SimpleNamespace

import pytest

from tests.helpers.recordings import ROOT
from xsleep.study.planning import configuration
from xsleep.study.study import Study
from xsleep.study.targets import suggestion

SAID = "MissingRuleException:\nNo rule to produce {} (if you use input functions make sure that"


@pytest.fixture(scope="module")
def study():
    return Study(configuration([ROOT / "config/config.yaml"], []), ROOT / "config")


RUN = "results/simulated/in-bed+30min/EEG-EOG/"


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("results/tabel2.csv", "results/table2.csv"),
        ("figurs", "figures"),
        ("results/simulatd/folds.csv", "results/simulated/folds.csv"),
        (f"{RUN}XSlepNet2/seed-1/fold-1/run.json", f"{RUN}XSleepNet2/seed-1/fold-1/run.json"),
        ("results/figures/fig4.pgn", "results/figures/fig4.png"),
    ],
)
def test_what_is_near_is_suggested(study, mistyped, meant):
    rules = [SimpleNamespace(name="table2", output=["results/table2.csv", "{root}/a"])]
    rules.append(SimpleNamespace(name="figures", output=[]))
    told = suggestion(SAID.format(mistyped), study, rules)
    assert told.startswith(f"{mistyped}: nothing makes this; did you mean {meant}")
    assert told.endswith("? docs/reference/targets.md lists all targets")


def test_what_is_near_to_nothing_and_other_errors_have_no_suggestion(study):
    assert suggestion(SAID.format("zzz"), study, []) == (
        "zzz: nothing makes this; docs/reference/targets.md lists all targets"
    )
    assert suggestion("MissingInputException: x", study, []) == ""
