"""docs/how-to/extending.md does what it says, down to Table 2; a wrong file is one line."""

import csv
import json
import re
import shutil

import pytest

from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import TINY, snakemake

BLOCK = re.compile(r"`([\w/.+-]+\.(?:py|yaml))`:\n\n```\w+\n(.*?)^```$", re.M | re.S)

SCALED = ("network.sequence_length, training.batch_size", "5, 16")
"""Settings of half of the context: twice as many sequences."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the files of the document."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("xsleep", "rules", "config", "profiles", "workflow_scripts", "captions"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder)
    for name, content in BLOCK.findall((ROOT / "docs/how-to/extending.md").read_text()):
        assert not (folder / name).exists()
        (folder / name).write_text(content)
    return folder


def test_a_system_is_one_file_and_one_yaml_with_its_rows_in_table_2_and_ablation(project, tmp_path):
    chosen = {"system": "Band Means", "variants": ["context of 5"]}
    config = TINY | {"systems": ["ARNN+RNN", "Band Means"], "ablation": chosen}
    targets = ("results/table2.csv", "results/ablation.csv")
    status, text = snakemake(tmp_path, *targets, config=config, project=project)
    assert status == 0, text
    with (tmp_path / "results/ablation.csv").open() as file:
        ablated = {row["difference"]: row for row in csv.DictReader(file)}
    assert [*ablated] == ["none", "context of 5"]
    changes = dict(zip(("setting", "value"), SCALED, strict=True))
    assert ablated["context of 5"] == ablated["context of 5"] | changes
    assert ablated["context of 5"]["change in kappa: p Wilcoxon"]
    place = "results/ablation/context-of-5/simulated/in-bed/EEG/Band-Means/seed-1/fold-1/run.json"
    run = json.loads((tmp_path / place).read_text())
    assert (run["network"]["sequence_length"], run["training"]["batch_size"]) == (5, 16)
    assert run["network"]["own"] == {"Band Means": {"sequence_length": 5}}
    with (tmp_path / "results/table2.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["database"] == "simulated"]
    measured = [row for row in rows if row["source"] == "measured"]
    assert [row["system"] for row in measured] == ["ARNN+RNN", "Band Means"]
    assert all(0 <= float(row["EEG accuracy"]) <= 100 for row in measured)


def test_a_wrong_system_is_one_line_before_anything_runs(project, tmp_path):
    wrong = project / "xsleep/systems/Wrong.yaml"
    wrong.write_text("naame: Wrong\nplace: 10\n")
    status, text = snakemake(tmp_path, "--dry-run", project=project)
    wrong.unlink()
    line = "xsleep/systems/Wrong.yaml: naame is not a known key; choose from name, place, "
    assert status and line in text and "Traceback" not in text and "pydantic" not in text
