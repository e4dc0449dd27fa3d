"""Systems that are not trained here, from files and names in the configuration to Table 2."""

import copy
import json
import re
import shutil

import numpy as np
import pytest

from tests.config.test_settings import BASE
from tests.helpers.recordings import ROOT, SHARED, existing
from tests.tensorflow import networks
from tests.workflow.test_own_channels import write_night
from tests.workflow.test_workflow import TINY, log, rows, snakemake
from xsleep.config.names import IMPORTED
from xsleep.core.errors import InputError
from xsleep.study.study import Study

STAGES = ("W", "N1", "N2", "N3", "REM")
SUBJECTS = "abcd"
EPOCHS = 30
CASE = "whole-night/EEG"
CONTROLS = ["majority", "by hour", "Markov chain", "shuffled stages", "logistic regression"]
PERTURBATIONS = [  # of which one reaches systems; the others are tested in tests/external
    {"change": "noise", "channel": "EOG"},
    {"change": "derivation", "channel": "EEG", "labels": {"own": ["O2-M1"]}},
]


def stages(subject):
    """Hypnogram of a recording, in which each stage has six epochs."""
    return np.random.default_rng(ord(subject)).permutation(np.repeat(np.arange(5), 6))


def write_predictions(path, shift=0, last=EPOCHS, sums=1.0):
    """Predictions of all recordings, right but for an epoch in ten, and moved by epochs."""
    lines = ["recording,epoch," + ",".join(STAGES)]
    for subject in SUBJECTS:
        true = stages(subject)
        for epoch in range(max(shift, 0), last):
            stage = true[epoch - shift] if epoch % 10 else (true[epoch - shift] + 1) % 5
            chances = 0.1 * sums + 0.5 * sums * (np.arange(5) == stage)
            lines.append(f"{subject}_1,{epoch}," + ",".join(f"{chance:.4f}" for chance in chances))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of four subjects, two folds, in which one cheap system is trained."""
    folder = tmp_path_factory.mktemp("external")
    for seed, subject in enumerate(SUBJECTS):
        write_night(folder / "nights", f"{subject}_1", seed)
        text = "".join(f"{30 * n},30,{STAGES[one]}\n" for n, one in enumerate(stages(subject)))
        (folder / f"nights/{subject}_1.csv").write_text("onset,duration,stage\n" + text)
    config = copy.deepcopy(TINY) | {"databases": ["own"], "systems": ["ARNN+RNN", "XSleepNet2"]}
    config["preset_settings"]["embedded"]["network"] = {
        "filters": networks.FILTERS,
        "kernel": networks.KERNEL,
        "gru_units": networks.GRU_UNITS,
        "filterbank": networks.FILTERBANK,
        "frame_units": networks.FRAME_UNITS,
        "attention": networks.ATTENTION,
        "sequence_units": networks.SEQUENCE_UNITS,
        "sequence_length": networks.LENGTH,
    }
    for fold in (1, 2):
        shutil.copytree(networks.FOLDER / "xsleepnet_1chan", folder / f"given/n{fold}")
    config["database_settings"] = {
        "own": {
            "source": {"folder": str(folder / "nights"), "labels": {"EEG": ["C4-M1"]}},
            "channels": ["EEG"],
            "folds": {"folds": 2, "validation": 1, "training_subset": 1},
            "systems": {"ARNN+RNN": {"steps": 2}},
            "trained": {
                "XSleepNet2": {
                    "folder": str(folder / "given"),
                    "pattern": "n{fold}/checkpoint/best_model",
                }
            },
        }
    }
    where = {"channels": "EEG", "window": "whole-night"}
    config["predictions"] = {
        "own": {
            "Other": {"file": write_predictions(folder / "other.csv", last=EPOCHS - 2), **where},
            "Shifted": {"file": write_predictions(folder / "shifted.csv", shift=1), **where},
            "Unsound": {"file": write_predictions(folder / "unsound.csv", sums=1.5), **where},
            "Absent": {"file": str(folder / "absent.csv"), **where},
        }
    }
    config["stagers"] = {"own": {"YASA": {"stager": "yasa"}, "Nothing": {"stager": "nothing"}}}
    config["controls"] = [*CONTROLS, "second scorer"]
    config["robustness"] = {"seed": 1, "perturbations": PERTURBATIONS}
    targets = ("results/table2.csv", "audit", "comparisons", "results/robustness.csv")
    status, text = snakemake(folder, *targets, config=config)
    assert status == 0, text
    return folder, text, config


def measured(folder):
    """Rows of Table 2 with values, by system."""
    table = rows(folder / "results/table2.csv")
    return {row["system"]: row for row in table if row["epochs"] and row["database"] == "own"}


def test_every_kind_has_rows_that_say_where_the_values_come_from(finished):
    found = measured(finished[0])
    assert {name: row["source"] for name, row in found.items() if row["EEG accuracy"]} == {
        "ARNN+RNN": "measured",
        "XSleepNet2": "measured with given networks",
        "Other": "measured from predictions",
        "Shifted": "measured from predictions",
        "YASA": "measured by another stager",
        **dict.fromkeys(CONTROLS, "control"),
    }
    assert found["Other"]["EEG accuracy"] == "89.3"  # 25 of 28 epochs of each recording
    assert float(found["YASA"]["EEG accuracy"]) < 60  # of noise
    assert found["majority"]["EEG kappa"] == "0.000"


def test_epochs_without_predictions_are_counted_and_named(finished):
    folder, text, _ = finished
    row = measured(folder)["Other"]
    assert (row["epochs"], measured(folder)["ARNN+RNN"]["epochs"]) == ("112", "120")
    assert "8 of 120 epochs are missing: a_1 (2 from 28 to 29)" in row["note"]
    assert "8 of 120 epochs are missing" in text


def test_what_cannot_be_used_is_one_line_and_the_others_go_on(finished):
    folder, text, _ = finished
    table = {row["system"]: row for row in reversed(rows(folder / "results/table2.csv"))}
    assert {table[name]["source"] for name in ("Absent", "Unsound", "Nothing")} == {"not run"}
    assert "absent.csv: no such file or folder" in table["Absent"]["note"]
    assert "unsound.csv" in table["Unsound"]["note"] and "1.5" in table["Unsound"]["note"]
    assert "has no second scorer" in table["second scorer"]["note"]
    assert "nothing" in table["Nothing"]["note"] and "yasa" in table["Nothing"]["note"]
    for name in ("Absent", "Unsound", "second scorer", "Nothing"):
        assert table[name]["EEG accuracy"] == "" and table[name]["note"] in text
    assert "Traceback" not in text


def test_a_shifted_hypnogram_is_told_and_not_mended(finished):
    row = measured(finished[0])["Shifted"]
    assert float(row["EEG accuracy"]) < 30 and "offset" in row["note"]


def test_what_scores_signals_is_perturbed_and_what_does_not_says_so(finished):
    folder, text, _ = finished
    table = rows(folder / "results/robustness.csv")
    scored = {row["system"] for row in table if row["accuracy"]}
    assert scored == {"ARNN+RNN", "XSleepNet2", "YASA", "logistic regression"}
    for system in scored:
        own = {row["perturbation"]: row for row in table if row["system"] == system}
        assert [*own] == ["none", "other EEG derivation"]
        none, other = own.values()
        assert none["accuracy"] == measured(folder)[system]["EEG accuracy"]
        assert none["loss of accuracy"] == "" and none["refused"] == other["refused"] == "0"
        assert {(row["recordings"], row["epochs"]) for row in own.values()} == {("4", "120")}
        low, loss, high = (
            float(other[f"{part}loss of accuracy"]) for part in ("95 % from ", "", "95 % to ")
        )
        assert low <= loss <= high
    notes = {row["system"]: row["note"] for row in table if not row["accuracy"]}
    assert "another program" in notes["Other"] and "no signals" in notes["majority"]
    assert "Figure:     results/figures/robustness.png" in text
    assert "Table:      results/robustness.csv" in text
    assert "ARNN+RNN" in (folder / "results/figures/robustness.svg").read_text()


def test_the_audit_examines_imports_and_finds_a_changed_file(finished):
    folder = finished[0]
    audit = json.loads((folder / "results/audit/audit.json").read_text())
    verdicts = {one["check"]: one for one in audit["checks"]}
    for name in ("imports", "metrics", "true stages"):
        assert verdicts[name]["status"] == "passed", verdicts[name]
    assert verdicts["imported epochs"]["line"] == (
        "results/given/own/whole-night/EEG/XSleepNet2/seed-1/fold-2: the network of "
        "results/given/own/whole-night/EEG/XSleepNet2/seed-1/fold-1, whose fold has other test "
        "subjects"
    )
    record = json.loads((folder / f"results/predictions/own/{CASE}/Other/import.json").read_text())
    assert str(folder / "other.csv") in record["inputs"] and record["epochs"] == 112


def test_a_corrected_file_is_imported_again_and_nothing_else(finished):
    folder, _, config = finished
    write_predictions(folder / "unsound.csv")
    status, text = snakemake(folder, "results/table2.csv", config=config)
    assert status == 0, text
    assert measured(folder)["Unsound"]["EEG accuracy"] == "90.0"
    assert len(re.findall(r"^Job \d+:", log(folder), re.MULTILINE)) == 2, text


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["ARNN+RNN"], "'ARNN+RNN': is trained here too; give it another name"),
        (["Net", "net"], "'net': twice for in-bed+30min, EEG; give one another name"),
        ([".."], "'..': a name needs a letter; give it another"),
    ],
)
def test_names_that_have_no_place_of_their_own_are_refused_in_one_line(names, fault):
    other = [{"file": "a.csv", "channels": "EEG", "window": "in-bed+30min"}]
    config = BASE | {"predictions": {"simulated": dict.fromkeys(names, other)}}
    with pytest.raises(InputError, match=re.escape(f"predictions: simulated: {fault}")):
        Study(config, ROOT / "config")


def test_any_other_name_has_a_folder_below_the_results():
    names = ["../x", "a/b", "{x}", "<y>", "$(touch x)", "Näz", "-x", "a, b"]
    other = [{"file": "a.csv", "channels": "EEG", "window": "in-bed+30min"}]
    config = BASE | {"predictions": {"simulated": dict.fromkeys(names, other)}}
    found = Study(config, ROOT / "config").external.by_folder
    chosen = {one.name: folder for folder, one in found.items() if one.kind == "predictions"}
    assert {*chosen} == {*names}
    for folder in chosen.values():
        assert re.fullmatch(
            r"results/predictions/simulated/in-bed\+30min/EEG/[\w.+-]*\w[\w.+-]*", folder
        )


def test_the_released_outputs_give_what_the_paper_quotes(tmp_path):
    """MultitaskSleepNet, Table 2 in bed; the values were computed independently."""
    outputs = existing(SHARED / "data" / "released_outputs")
    where = {"window": "in-bed"}
    of = {name: str(outputs / f"SleepEDF-20_{name}.csv.gz") for name in ("1-max-CNN_EEG",)}
    of |= {c: str(outputs / f"SleepEDF-20_Multitask-CNN_{c}.csv.gz") for c in ("EEG", "EEG-EOG")}
    config = {
        "released_outputs": {
            "SleepEDF-20": {
                "1-max CNN": {"file": of["1-max-CNN_EEG"], "channels": "EEG", **where},
                "Multitask CNN": [
                    {"file": of[channels], "channels": channels, **where}
                    for channels in ("EEG", "EEG-EOG")
                ],
            }
        },
        "database_settings": {
            "SleepEDF-20": {
                "source": {"hypnograms": str(SHARED / "reference/sleep_edf_hypnograms.json")}
            }
        },
    }
    status, text = snakemake(tmp_path, "results/released_outputs.csv", config=config)
    assert status == 0, text
    found = {(r["system"], r["source"]): r for r in rows(tmp_path / "results/released_outputs.csv")}

    def values(system, source, channels):
        row = found[system, source]
        return [float(row[f"{channels} {metric}"]) for metric in ("accuracy", "kappa", "MF1")]

    measured = {
        ("1-max CNN [16]", "EEG"): (79.75, 0.715, 71.97),
        ("Multitask CNN [19]", "EEG"): (81.87, 0.743, 73.84),
        ("Multitask CNN [19]", "EEG-EOG"): (82.25, 0.748, 74.72),
    }
    for (system, channels), expected in measured.items():
        differences = np.abs(np.subtract(values(system, IMPORTED, channels), expected))
        assert (differences <= (0.0501, 0.0005, 0.0501)).all(), (system, channels)
        quoted = values(system, "quoted", channels)
        assert np.abs(np.subtract(quoted, expected)).max() < 0.1
        assert "SC4001E0 (5 from 1767 to 1771)" in found[system, IMPORTED]["note"]
