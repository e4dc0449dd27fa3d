"""The workflow as a person runs it: `snakemake` in a folder, on a tiny simulated cohort."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import yaml
from torch.backends.cpu import get_cpu_capability

import xsleep
from tests.databases import test_families, test_own, test_shhs
from tests.helpers.crates import faults
from tests.helpers.recordings import NETWORK, ROOT, SHARED, write_excerpts
from tests.helpers.validators import told_by
from xsleep.config.presets import DIFFERENCES
from xsleep.core.stages import STAGES
from xsleep.networks import build
from xsleep.networks.released import variables
from xsleep.results.bundle import read_bundle
from xsleep.results.formatting import NOT_SLEEP
from xsleep.staging import ensemble
from xsleep.store.predictions import read_predictions, write_predictions
from xsleep.store.recordings import read_info, read_signals
from xsleep.training.jobs import ROLES
from xsleep.training.origin import PACKAGES

SYSTEMS = ["XSleepNet2", "Naive Fusion"]
TINY = {
    "systems": SYSTEMS,
    "preset_settings": {
        "embedded": {
            "network": {
                "filters": [4, 4],
                "kernel": 5,
                "gru_units": 6,
                "frame_units": 4,
                "attention": 4,
                "sequence_units": 4,
            },
            "training": {"steps": 4, "evaluate_every": 2, "blending_window": 2},
        }
    },
    "database_settings": {
        "simulated": {
            "source": {"cohort": {"subjects": 5, "nights": 1, "hours": 3, "seed": 1}},
            "channels": ["EEG"],
            "windows": ["in-bed"],
            "folds": {"folds": 2, "validation": 1, "training_subset": 1},
        }
    },
}


def fetched_from(url, **settings):
    """Settings with SleepEDF-20 fetched from there."""
    source = {"fetch": url and {"url": url}} | settings
    return TINY["database_settings"] | {"SleepEDF-20": {"source": source}}


STORES = ("data", "data/unfiltered")
RUN = "results/simulated/in-bed/EEG/{}/seed-1/fold-{}"
FROM_SCORES = dict.fromkeys(
    (
        *("table2", "comparisons", "appendix", "all"),
        *("fig1", "fig4", "fig5", "fig6", "reliability", "hypnograms"),
    ),
    1,
)
"""Jobs that the scores of all runs are followed by."""
DAMAGED = "data/recordings/simulated/SC4021E0-PSG.edf"


def command(folder, *arguments, config=TINY, project=ROOT):
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(config))
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", project / "Snakefile"),
        *("--directory", folder, "--cores", "2", *arguments, "--configfile", path),
    ]


def snakemake(folder, *arguments, config=TINY, project=ROOT):
    """Exit status and everything printed."""
    done = subprocess.run(
        command(folder, *arguments, config=config, project=project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=project,
        env=environment() | {"PYTHONPATH": str(project)},
    )
    return done.returncode, done.stdout


def environment():
    """Return the environment of a recipe of make; jobs are run by the `python` that comes first."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    inactive = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return inactive | {"PATH": path, "MAKELEVEL": "1"}


def planned(folder, *arguments, **settings):
    """Job counts of a dry run, by rule."""
    status, text = snakemake(folder, *arguments, "--dry-run", "--quiet", "rules", **settings)
    assert status == 0, text
    return {name: int(n) for name, n in re.findall(r"^ (\w+) +(\d+) *$", text, re.MULTILINE)}


def log(folder):
    """The log of Snakemake itself of the last call."""
    return max((folder / ".snakemake/log").glob("*.log")).read_text()


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, one recording damaged before it was read; and what was printed."""
    folder = tmp_path_factory.mktemp("workflow")
    recordings = [f"data/recordings/simulated/SC40{n}1E0-PSG.edf" for n in range(5)]
    status, text = snakemake(folder, *recordings)
    assert status == 0, text
    (folder / DAMAGED).write_text("<html>log in</html>")
    status, text = snakemake(folder)
    assert status == 0, text
    return folder, text


def test_table2_has_a_row_for_each_system_and_says_what_it_stands_on(finished):
    with (finished[0] / "results/table2.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "measured"]
    assert [row["system"] for row in rows] == SYSTEMS
    predictions = [
        night
        for fold in (1, 2)
        for night in read_predictions(
            finished[0] / RUN.format("XSleepNet2", fold) / "predictions.h5"
        )
    ]
    for row in rows:
        assert (row["database"], row["window"], row["source"]) == (
            "simulated",
            "in-bed",
            "measured",
        )
        assert (row["recordings"], row["subjects"], row["skipped"]) == ("4", "4", "1")
        assert int(row["epochs"]) == sum(len(night.stages) for night in predictions)
        assert 0 < float(row["EEG accuracy"]) < 100


def test_table2_is_a_page_and_a_latex_document_as_well_and_says_what_was_not_run(finished):
    results = finished[0] / "results"
    with (results / "table2.csv").open() as file:
        rows = list(csv.DictReader(file))
    accuracy = rows[0]["EEG accuracy"]
    assert accuracy in (results / "table2.html").read_text()
    of_simulated = {r["note"] for r in rows if r["database"] == "simulated"}
    assert of_simulated == {NOT_SLEEP}
    for name in ("table2.html", "table2.tex"):
        assert f"published ({NOT_SLEEP})" in (results / name).read_text()
    for title in ("Recordings", "Table 1", "simulated, in-bed"):
        assert f"{title} ({NOT_SLEEP})" in " ".join(finished[1].split())
    assert rf"& measured & {accuracy} &" in (results / "table2.tex").read_text()
    notes = {r["database"]: r["note"] for r in rows if r["source"] == "not run"}
    assert notes["SleepEDF-20"] == "not configured"
    assert re.fullmatch(
        "not configured; no data in data/recordings/mass, licence: apply for access at http.*",
        notes["MASS"],
    )


def test_systems_are_compared_and_the_appendix_tables_are_of_the_same_runs(finished):
    results = finished[0] / "results"
    tables = {}
    for name in ("table2", "comparisons", "claims", "appendix_b", "appendix_c", "appendix_d"):
        with (results / f"{name}.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
    measured = {r["system"]: r for r in tables["table2"] if r["source"] == "measured"}
    row = tables["comparisons"][0]
    assert [row["system"], row["against"], row["metric"]] == [*SYSTEMS, "accuracy"]
    assert (row["subjects"], row["folds"]) == ("4", "2")
    assert {row["verdict"] for row in tables["claims"]} <= {
        "supported",
        "contradicted",
        "undecided",
    }
    assert [row["system"] for row in tables["appendix_b"]] == SYSTEMS
    for name in ("appendix_b", "appendix_c", "appendix_d"):
        assert {row["note"] for row in tables[name]} == {NOT_SLEEP}
    of_simulated = [row["why"] for row in tables["claims"] if row["database"] == "simulated"]
    assert of_simulated and all(why.endswith(NOT_SLEEP) for why in of_simulated)
    for system, row in measured.items():
        of_system = [r for r in tables["appendix_c"] if r["system"] == system]
        assert sum(int(r["epochs"]) for r in of_system) == int(row["epochs"])
        right = sum(int(r[f"called {r['true stage']}"]) for r in of_system)
        assert f"{100 * right / int(row['epochs']):.1f}" == row["EEG accuracy"]
    decided = {r["decided by"]: r for r in tables["appendix_d"]}
    assert {r["system"] for r in decided.values()} == {"XSleepNet2"} and len(decided) == 5
    assert decided["joint"]["accuracy"] == measured["XSleepNet2"]["EEG accuracy"]


def test_a_database_of_which_nothing_is_here_is_left_out_and_the_table_says_so(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    both = TINY | {"databases": ["simulated", "MASS"]}
    assert "train" not in planned(tmp_path, config=both)
    status, text = snakemake(tmp_path, "results/table2.csv", config=both)
    assert status == 0, text
    line = next(line for line in text.splitlines() if line.startswith("left out: MASS: "))
    assert "data/recordings/mass" in line and "apply for access at" in line
    table = rows(tmp_path / "results/table2.csv")
    notes = {
        row["note"] for row in table if (row["database"], row["source"]) == ("MASS", "not run")
    }
    assert notes == {f"no data here: {line.removeprefix('left out: MASS: ')}"}
    status, text = snakemake(tmp_path, "results/table2.csv", config=both | {"databases": ["MASS"]})
    assert status != 0 and "Traceback" not in text and "apply for access at" in text


def test_scores_that_cannot_be_used_are_a_gap_that_is_printed_and_the_table_is_made(
    finished, tmp_path
):
    for folder in ("data", "results"):
        shutil.copytree(finished[0] / folder, tmp_path / folder)
    scores = RUN.format("Naive-Fusion", 1) + "/predictions.h5"
    (tmp_path / scores).write_text("junk")
    targets = ("results/table2.csv", "appendix", "comparisons")
    status, text = snakemake(tmp_path, *targets, "--rerun-triggers", "mtime")
    assert status == 0, text
    line = f"left out: {scores}: not a readable HDF5 file"
    assert len([found for found in text.splitlines() if found.startswith(line)]) == 1
    assert "Traceback" not in text
    for name in ("table2", "comparisons", "appendix"):
        assert line in (tmp_path / f"logs/{name}.log").read_text()
    with (tmp_path / "results/table2.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "measured"]
    assert [row["folds"] for row in rows] == ["2", "1"]
    assert [scores in row["note"] for row in rows] == [False, True]


def test_of_several_seeds_the_mean_and_the_deviation_are_shown_and_a_recording_says_whose_it_is(
    finished, tmp_path
):
    """A second seed that is always right, made of the first's files in place of training it.

    Every accuracy is rounded to a tenth.
    """
    for folder in ("data", "results"):
        shutil.copytree(finished[0] / folder, tmp_path / folder)
    for first in tmp_path.glob("results/**/seed-1"):
        shutil.copytree(first, first.with_name("seed-2"))
    for path in tmp_path.glob("results/**/seed-2/*/predictions.h5"):
        nights = [
            replace(
                night, probabilities=dict.fromkeys(night.probabilities, np.eye(5)[night.stages])
            )
            for night in read_predictions(path)
        ]
        write_predictions(path, nights)
    night = "results/figures/hypnograms/simulated/in-bed/EEG/XSleepNet2/best.svg"
    targets = ("results/table2.csv", night, "--rerun-triggers", "mtime")
    status, text = snakemake(tmp_path, *targets, config=TINY | {"seeds": [1, 2]})
    assert status == 0, text
    assert ": train " not in log(tmp_path) and "2 folds, 2 seeds" in text
    (kept,) = (tmp_path / "results/earlier").iterdir()
    assert f"kept in results/earlier/{kept.name} (seeds [1], now [1, 2])" in text
    for path in ("results/table2.csv", "results/figures/fig4.svg", night):
        before = (finished[0] / path).read_bytes()
        assert (kept / Path(path).relative_to("results")).read_bytes() == before
    before, after = (
        {
            (row["system"], row["source"]): row
            for row in rows(folder / "results/table2.csv")
            if row["database"] == "simulated"
        }
        for folder in (finished[0], tmp_path)
    )
    for system in SYSTEMS:
        one, both = before[system, "measured"], after[system, "measured"]
        assert (both["seeds"], both["epochs"]) == ("2", one["epochs"])
        apart = 100 - float(one["EEG accuracy"])
        deviation = float(after[system, "deviation over seeds"]["EEG accuracy"])
        assert float(both["EEG accuracy"]) == pytest.approx(
            100 - apart / 2, abs=0.05 + 0.05 / 2 + 1e-9
        )
        assert deviation == pytest.approx(apart / 2**0.5, abs=0.05 + 0.05 / 2**0.5 + 1e-9)
    assert "XSleepNet2, seed 1, best recording" in (tmp_path / night).read_text()


def test_one_bad_recording_is_listed_with_its_reason_and_the_others_go_on(finished):
    folder, printed = finished
    reasons = {row["recording"]: row["skipped"] for row in rows(folder / "results/recordings.csv")}
    reason = f"{DAMAGED}: not readable as EDF (it has 19 bytes, no header)"
    assert reasons.pop("SC4021E0").startswith(reason)
    assert set(reasons.values()) == {""}
    assert f"skipped SC4021E0: {reason}" in printed
    assert f"\nsimulated SC4021E0: skipped: {reason}" in printed  # at the end, once more


def test_recordings_and_table1_of_several_databases_need_no_folds_and_no_training(tmp_path):
    """They are for seeing what there is; of these files no folds could be made."""
    folders = {name: tmp_path / name for name in ("own", "SHHS", "DOD-H", "BOAS")}
    test_own.write_recording(folders["own"])
    test_own.write_signals(folders["own"], "s2_1")
    test_shhs.write_edf(folders["SHHS"])
    test_shhs.write_xml(folders["SHHS"])
    changed = [4, *[2] * 22]
    test_families.write_dreem(folders["DOD-H"], scorers=[changed, *[[2] * 23] * 4])
    test_families.write_bids(folders["BOAS"])
    (folders["BOAS"] / "participants.tsv").write_text("participant_id\tpid\nsub-1\tA\n")
    sources = {name: {"source": {"folder": str(folder)}} for name, folder in folders.items()}
    sources["DOD-H"]["source"]["scorers"] = str(folders["DOD-H"] / "scorers")
    config = TINY | {
        "databases": list(folders),
        "database_settings": TINY["database_settings"] | sources,
    }
    status, text = snakemake(
        *(tmp_path, "results/recordings.csv", "results/table1.csv", "results/agreement.csv"),
        config=config,
    )
    assert status == 0, text
    table = rows(tmp_path / "results/recordings.csv")
    assert [(row["database"], row["recording"], row["EEG"], row["EEG Hz"]) for row in table] == [
        ("own", "s1_1", "C4 - M1", "128"),
        ("own", "s2_1", "", ""),
        ("SHHS", "shhs1-200001", "EEG", "125"),
        ("DOD-H", "095d6e40", "C3_M2", "250"),
        ("BOAS", "1", "PSG_C4", "100"),
    ]
    reason = table[1]["skipped"]
    assert "s2_1.csv: no such file" in reason
    assert f"\nown s2_1: skipped: {reason}" in text and "Table 1:    results/table1.csv" in text
    found = {row["database"]: row for row in rows(tmp_path / "results/table1.csv")}
    assert {name: (row["recordings"], row["epochs"]) for name, row in found.items()} == {
        **{"own": ("1", "25"), "SHHS": ("1", "20"), "DOD-H": ("1", "23"), "BOAS": ("1", "21")}
    }
    assert found["SHHS"]["published subjects"] == "5791"
    agreed = rows(tmp_path / "results/agreement.csv")
    assert [(row["database"], row["scorer"], row["accuracy"]) for row in agreed] == [
        *(("DOD-H", str(n), "95.7" if n == 1 else "100.0") for n in range(1, 6)),
        ("DOD-H", "mean", "99.1"),
    ]
    assert (found["DOD-H"]["published subjects"], found["DOD-H"]["scoring"]) == ("25", "AASM")
    assert {path.name for path in (tmp_path / "results/own").iterdir()} == {"recordings.csv"}


def test_the_end_says_where_the_table_and_the_figures_are(finished):
    folder, printed = finished
    for path in re.findall(r"(?:Recordings|Table [12]|Figure): +([\w./-]+)", printed):
        assert (folder / path).is_file()
    assert "results/table2.csv" in printed
    case = "simulated/in-bed/EEG"
    for name in (
        *("fig4", f"fig1/{case}", f"fig5/{case}", f"fig6/{case}"),
        *(f"{name}/{case}" for name in ("confusion", "stages", "subjects", "calibration")),
        *(f"hypnograms/{case}/XSleepNet2/{night}" for night in ("best", "median", "worst")),
    ):
        assert f"results/figures/{name}.png" in printed
        svg = (folder / f"results/figures/{name}.svg").read_text()
        assert "XSleepNet2" in svg and "not sleep" in svg
        assert (folder / f"results/figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"results/figures/{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_explorer_is_made_from_the_scores_alone_and_has_a_file_for_each_recording(finished):
    folder, page = finished[0], "results/explorer/index.html"
    assert planned(folder, page) == {"explorer": 1}
    status, text = snakemake(folder, page)
    assert status == 0, text
    assert f"Page:       {page}" in text
    data = folder / "results/explorer/data/simulated/in-bed"
    nights = [row["recording"] for row in rows(folder / "results/simulated/recordings.csv")]
    assert {path.stem for path in (data / "EEG").iterdir()} == {*nights} - {"SC4021E0"}
    assert all(f'"{system}":' in (data / "EEG.js").read_text() for system in SYSTEMS)
    assert f"<title>Recordings ({NOT_SLEEP})</title>" in (folder / page).read_text()
    assert '"missing"' not in (data / "EEG/SC4001E0.js").read_text()


def test_a_recording_is_drawn_by_the_name_of_its_recording_on_demand(finished):
    target = "results/figures/hypnograms/simulated/in-bed/EEG/Naive-Fusion/SC4011E0.svg"
    assert planned(finished[0], target) == {"hypnogram": 1}


def test_the_gain_is_drawn_where_one_over_both_single_views_is_measured(finished):
    both = TINY | {"systems": [*SYSTEMS, "ARNN+RNN", "FCNN+RNN"]}
    assert planned(finished[0], config=both)["gain"] == 1
    assert "gain" not in planned(finished[0], config=both | {"systems": ["ARNN+RNN", "FCNN+RNN"]})


def test_a_run_says_how_it_came_to_be(finished):
    run = json.loads((finished[0] / RUN.format("XSleepNet2", 1) / "run.json").read_text())
    assert (run["database"], run["system"], run["seed"], run["fold"]) == (
        *("simulated", "XSleepNet2", 1, 1),
    )
    assert (run["steps"], run["training"]["evaluate_every"]) == (4, 2)
    assert set(run["packages"]) == set(PACKAGES)
    assert run["processor"].endswith(f" ({get_cpu_capability()})")
    assert all(re.fullmatch("[0-9a-f]{64}", sha) for sha in run["inputs"].values())
    assert run["peak_memory_mb"] > 0 and run["commit"]
    assert not list(finished[0].glob("results/**/checkpoint.pt"))


def test_the_console_has_a_line_for_what_happened_and_says_how_long_it_took_and_what_is_next(
    finished,
):
    folder, printed = finished
    for chatter in ("Select jobs", "Execute ", "Job stats", "Building DAG", "Finished jobid"):
        assert chatter not in printed and chatter in log(folder)
    assert not re.search(r"^\[\w+ \w+ +\d+ [\d:]+ \d+\]$", printed, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d  \d+ of \d+ jobs done, .* so far", printed, re.MULTILINE)
    end = printed[printed.index("Done in ") :].splitlines()
    assert re.fullmatch(r"Done in \d+ (s|min)\.", end[0])
    assert end[1:] == [
        "Next (with the same --config and --configfile):",
        f"  source {Path(sys.prefix).name}/bin/activate",
        "  open results/table2.html",
        "  snakemake results/explorer/index.html",
        "  snakemake audit",
    ]


def test_a_mistyped_target_is_one_line_with_what_was_meant(finished):
    status, text = snakemake(finished[0], "results/tabel2.csv")
    told = "error: results/tabel2.csv: nothing makes this; did you mean results/table2.csv"
    assert status == 1 and text.splitlines()[-1].startswith(told)


def test_a_dry_run_is_a_list_of_rules_with_times_and_reasons(finished):
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["preset_settings"]["embedded"]["training"]["learning_rate"] = 1e-4
    status, text = snakemake(finished[0], "results/table2.csv", "--dry-run", config=changed)
    assert status == 0
    title, *lines = text.splitlines()[1:]
    assert re.match(r"9 jobs, about \d+ (s|min)", title)
    rows = [re.split("  +", line.strip()) for line in lines[3:6]]
    assert [row[:2] for row in rows] == [["train", "4"], ["score", "4"], ["table2", "1"]]
    assert rows[0][3:] == [
        "params have changed since last execution",
        "results/simulated, in-bed, EEG: train Naive-Fusion, seed 1, fold 1",
    ]


def test_nothing_is_to_be_done_right_after_a_run(finished):
    status, text = snakemake(finished[0], "--dry-run")
    assert status == 0 and "Nothing to be done" in text


def test_a_training_parameter_reruns_training_and_what_follows_alone(finished):
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["preset_settings"]["embedded"]["training"]["learning_rate"] = 1e-4
    jobs = planned(finished[0], config=changed)
    assert jobs == {"train": 4, "score": 4, **FROM_SCORES}


def test_a_changed_recording_reruns_what_depends_on_it_alone(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    recording = tmp_path / "data/recordings/simulated/SC4001E0-PSG.edf"
    content = bytearray(recording.read_bytes())
    content[-1] ^= 1
    recording.write_bytes(content)
    assert planned(tmp_path) == {
        **{"prepare": 1, "index": 1, "recordings": 1, "folds": 1, "train": 4, "score": 4},
        **{"all_recordings": 1, "table1": 1},
        **FROM_SCORES,
    }


def test_a_stored_file_that_is_lost_is_made_again_alone_and_nothing_is_trained(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    index = tmp_path / "data/index/simulated"
    before = (index / "all.h5").read_bytes()
    lost = tmp_path / "data/epochs/simulated/SC4001E0.h5"
    kept = tmp_path / "data/epochs/simulated/SC4011E0.h5"
    written = kept.stat().st_mtime_ns
    lost.unlink()
    shutil.rmtree(index)
    status, text = snakemake(tmp_path, "data/index/simulated/all.h5")
    assert status == 0, text
    assert lost.exists() and kept.stat().st_mtime_ns == written
    assert (index / "all.h5").read_bytes() == before
    assert planned(tmp_path) == {}


def test_a_job_prepares_several_recordings_where_a_database_has_more_than_100(tmp_path):
    folder = write_excerpts(tmp_path / "dreams", 1, 1, 1)
    for number in range(4, 102):
        (folder / f"excerpt{number}.edf").touch()
    config = zero_shot(folder, "weights.npz") | {"databases": ["DREAMS"]}
    assert planned(tmp_path, config=config)["prepare"] == 51
    damaged = folder / "excerpt2.edf"
    damaged.write_bytes(b"")
    for text in ("", "stored already"):
        target = "data/index/DREAMS/batches/excerpt1.h5"
        status, printed = snakemake(tmp_path, target, "--force", config=config)
        assert status == 0, printed
        assert f"skipped excerpt2: {damaged}: not readable as EDF" in printed
        log = (tmp_path / "logs/preparation/data/DREAMS/excerpt1.log").read_text()
        assert re.search(f"1 of 2: excerpt1.*{text}\n.* 2 of 2: excerpt2\n.* skipped: ", log)
    found = {path.name for path in (tmp_path / "data/epochs/DREAMS").iterdir()}
    assert found == {"excerpt1.h5", "excerpt2.h5"}


def test_a_window_that_is_added_leaves_what_is_prepared_alone(finished):
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["database_settings"]["simulated"]["windows"] = ["in-bed", "whole-night"]
    assert not {"prepare", "simulate"} & set(planned(finished[0], config=changed))


def test_threads_and_memory_rerun_nothing(finished):
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["preset_settings"]["embedded"]["resources"] = {"threads": 2, "mem_mb": 9000}
    assert planned(finished[0], config=changed) == {}


def test_another_database_leaves_the_runs_of_the_first_alone(finished):
    if not SHARED.is_dir():
        pytest.skip("shared is not beside the project")
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["databases"] = ["simulated", "DREAMS"]
    changed["database_settings"]["DREAMS"] = {"source": {"folder": str(SHARED / "data/dreams")}}
    jobs = planned(finished[0], config=changed)
    assert jobs["train"] == 2 * 7
    assert jobs["prepare"] == 7


def test_zero_shot_imports_and_scores_without_any_training(tmp_path):
    write_excerpts(tmp_path / "dreams", 1)
    given = variables(build("ARNN+RNN", 1, NETWORK, seed=0))
    np.savez(tmp_path / "weights.npz", **{name: value.numpy() for name, value in given.items()})
    status, text = snakemake(
        tmp_path, "results/zero_shot.csv", config=zero_shot(tmp_path / "dreams", "weights.npz")
    )
    assert status == 0, text
    assert "Table:      results/zero_shot.csv" in text
    with (tmp_path / "results/zero_shot.csv").open() as file:
        rows = list(csv.DictReader(file))
    (night,) = read_predictions(tmp_path / "results/zero_shot/predictions.h5")
    assert [row["true stage"] for row in rows] == [*STAGES, "all"]
    assert (rows[-1]["system"], rows[-1]["channels"]) == ("ARNN+RNN", "EEG")
    assert int(rows[-1]["epochs"]) == len(night.stages)
    found = {path.name for path in (tmp_path / "results").iterdir()}
    assert found == {"selections.json", "zero_shot", "zero_shot.csv"}


def test_weights_and_database_of_zero_shot_are_missed_by_its_target_alone(tmp_path):
    config = zero_shot(tmp_path / "nowhere", "nowhere.npz")
    assert planned(tmp_path, config=config)["table2"] == 1
    status, text = snakemake(tmp_path, "results/zero_shot.csv", config=config)
    assert status != 0 and "Traceback" not in text
    assert "\nerror: nowhere.npz: no such file" in text


def zero_shot(folder, weights):
    """The tiny configuration, DREAMS in the folder and these weights."""
    dreams = {"DREAMS": {"source": {"folder": str(folder)}}}
    return TINY | {
        "zero_shot": {"weights": weights},
        "database_settings": TINY["database_settings"] | dreams,
    }


SWITCHED = [d for d in DIFFERENCES if d not in ("filter_rate", "evaluation_interval")]
"""Those that the preset of the simulated cohort has: the others are of some databases alone."""


def ablated(difference, fold):
    return RUN.format("XSleepNet2", fold).replace("results", f"results/ablation/{difference}")


def test_the_ablation_trains_each_difference_once_and_shares_the_rest(finished):
    jobs = planned(finished[0], "results/ablation.csv")
    runs = {"train": 2 * len(SWITCHED), "score": 2 * len(SWITCHED)}
    # the five nights are stored without a filter for raw_filter alone
    assert jobs == {"prepare": 5, "index": 1, **runs, "ablation": 1}


def test_the_ablation_does_not_train_what_is_as_in_the_paper_already(tmp_path):
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["preset_settings"]["embedded"]["systems"] = {"XSleepNet2": {"l2": 0}}
    jobs = planned(tmp_path, "results/ablation.csv", config=changed)
    assert jobs["train"] == 2 * len(["none", *SWITCHED]) - 2


def test_the_ablation_of_the_paper_itself_is_refused_in_one_line_before_anything_runs(tmp_path):
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["database_settings"]["simulated"]["preset"] = "paper"
    assert planned(tmp_path, "results/ablation.csv", config=changed) == {"ablation": 1}
    status, text = snakemake(tmp_path, "results/ablation.csv", config=changed)
    assert status != 0 and "Traceback" not in text
    assert "\nerror: simulated: the preset paper has every difference as in the paper" in text
    assert not (tmp_path / "data").exists() and not (tmp_path / "results/ablation.csv").exists()


def test_signals_without_a_filter_have_a_store_of_their_own(finished, tmp_path):
    for folder in ("data", "results"):
        shutil.copytree(finished[0] / folder, tmp_path / folder)
    before = (tmp_path / "results/simulated/folds.csv").stat().st_mtime_ns
    target = f"{ablated('raw_filter', 1)}/predictions.h5"
    status, text = snakemake(tmp_path, target, "--rerun-triggers", "mtime")
    assert status == 0, text
    assert (tmp_path / "results/simulated/folds.csv").stat().st_mtime_ns == before
    paths = [tmp_path / store / "epochs/simulated/SC4001E0.h5" for store in STORES]
    plain, unfiltered = map(read_signals, paths)
    assert np.abs(plain["EEG"] - unfiltered["EEG"]).max() > 1
    filters = [read_info(path).raw_filter for path in paths]
    assert filters == ["EEG-band-pass+EOG-band-pass+EMG-high-pass", "none"]
    run = json.loads((tmp_path / ablated("raw_filter", 1) / "run.json").read_text())
    assert set(run["network"]["raw_filter"].values()) == {"none"}
    assert (tmp_path / "data/unfiltered/spectrograms/simulated/SC4001E0.h5").exists()


def test_an_ablation_run_has_its_difference_and_nothing_else_switched(finished, tmp_path):
    for folder in ("data", "results"):
        shutil.copytree(finished[0] / folder, tmp_path / folder)
    target = f"{ablated('activation', 1)}/run.json"
    status, text = snakemake(tmp_path, target, "--rerun-triggers", "mtime")
    assert status == 0, text
    base = json.loads((tmp_path / RUN.format("XSleepNet2", 1) / "run.json").read_text())
    run = json.loads((tmp_path / target).read_text())
    assert run["network"] == base["network"] | {"activation": "prelu"}
    assert run["training"] == base["training"]
    assert run["parameters"] == base["parameters"] + 4 + 4


def test_the_ablation_table_is_made_of_the_runs(finished, tmp_path):
    for folder in ("data", "results"):
        shutil.copytree(finished[0] / folder, tmp_path / folder)
    for difference in DIFFERENCES:  # in place of training twenty networks
        for fold in (1, 2):
            plain = tmp_path / RUN.format("XSleepNet2", fold)
            shutil.copytree(plain, tmp_path / ablated(difference, fold))
    status, text = snakemake(tmp_path, "results/ablation.csv", "--rerun-triggers", "mtime")
    assert status == 0, text
    with (tmp_path / "results/ablation.csv").open() as file:
        rows = {row["difference"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["none", *DIFFERENCES]
    assert rows["units"]["setting"] == "network.gru_units, network.sequence_units"
    assert rows["gru_layers"]["value"] == "1"
    with (tmp_path / "results/table2.csv").open() as file:
        measured = next(csv.DictReader(file))
    for row in rows.values():
        assert row["accuracy"] == measured["EEG accuracy"]
        assert (row["change in accuracy"], row["change in kappa"]) == ("0.0", "0.000")
    assert "Figure:     results/figures/ablation.png" in text
    assert "gru_layers" in (tmp_path / "results/figures/ablation.svg").read_text()


def test_deepsleepnet_of_the_transfer_paper_trains_and_has_a_row_that_none_is_published_for(
    finished, tmp_path
):
    for folder in ("data", "results/simulated"):
        shutil.copytree(finished[0] / folder, tmp_path / folder)
    config = TINY | {"systems": ["XSleepNet2", "DeepSleepNet+"]}
    target = "results/table2.csv"
    status, text = snakemake(tmp_path, target, "--rerun-triggers", "mtime", config=config)
    assert status == 0, text
    with (tmp_path / target).open() as file:
        rows = [row["system"] for row in csv.DictReader(file) if row["source"] == "measured"]
    assert rows == ["XSleepNet2", "DeepSleepNet+"]
    run = json.loads((tmp_path / RUN.format("DeepSleepNet+", 1) / "run.json").read_text())
    assert run["system"] == "DeepSleepNet+"
    assert run["network"]["deepsleepnet_units"] == 32


def test_an_audit_adds_its_own_jobs_only_and_is_made_anew_and_printed_at_every_call(
    finished, tmp_path
):
    for folder in ("data", "results"):
        shutil.copytree(finished[0] / folder, tmp_path / folder)
    # As in a copy nothing is known of how the files were made.
    old = "--rerun-triggers", "mtime", "params"
    assert planned(tmp_path, "audit", *old) == {"train": 1, "score": 1, "audit": 1}
    status, text = snakemake(tmp_path, "audit", *old)
    assert status == 0, text
    audit = json.loads((tmp_path / "results/audit/audit.json").read_text())
    # A commit with changes to it fails, as it should; so it may be where tests are run.
    assert set(audit["failed"]) <= {"code"}, text
    assert f"\nAUDIT: {audit['summary']}\n" in text
    assert "results/audit/index.html" in text
    again = next(check for check in audit["checks"] if check["check"] == "retrained predictions")
    assert again["line"].endswith("bit for bit")
    assert len(audit["cells"]) == 2 * 5
    title = f"<h1>Audit of Table 2 ({NOT_SLEEP})</h1>"
    assert title in (tmp_path / "results/audit/index.html").read_text()

    assert planned(tmp_path, "audit", *old) == {"audit": 1}
    with (tmp_path / "data/epochs/simulated/SC4001E0.h5").open("ab") as file:
        file.write(b"\0")
    (tmp_path / RUN.format("Naive-Fusion", 2) / "history.csv").unlink()
    status, text = snakemake(tmp_path, "audit", *old)
    assert status == 0, text
    assert "\nAUDIT: stores: data/epochs/simulated/SC4001E0.h5: its hash is" in text
    assert f"\nAUDIT: checkpoints: {RUN.format('Naive-Fusion', 2)}/history.csv: missing" in text


def test_lint_finds_nothing(finished):
    status, text = snakemake(finished[0], "--lint")
    assert status == 0 and "good condition" in text


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"databases": ["SleepEDF"]}, "configuration: databases: 'SleepEDF' is not known"),
        ({"zero_shot": {"database": "X"}}, "configuration: zero_shot.database: 'X' is not known"),
        ({"sistems": []}, "configuration: sistems is not a known key; choose from databases"),
        (
            {"databases": ["SleepEDF-20"], "database_settings": fetched_from(None)},
            "no recording of this database there",
        ),
        (
            {
                "databases": ["SleepEDF-20"],
                "database_settings": fetched_from(None, apply="https://archive.example/apply"),
            },
            "; apply for access at https://archive.example/apply",
        ),
        (
            {"databases": ["SleepEDF-20"], "database_settings": fetched_from("ftp://a")},
            "source.fetch = {'url': 'ftp://a'}: url is 'ftp://a': it must begin with https://",
        ),
    ],
)
def test_a_wrong_configuration_is_one_line_before_anything_runs(tmp_path, change, line):
    status, text = snakemake(tmp_path, config=TINY | change)
    assert status != 0
    assert len([found for found in text.splitlines() if line in found]) == 1
    assert "Traceback" not in text
    assert not (tmp_path / "data").exists()


def test_fewer_subjects_than_folds_is_one_line(finished, tmp_path):
    shutil.copytree(finished[0] / "data", tmp_path / "data", dirs_exist_ok=True)
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["database_settings"]["simulated"]["folds"]["folds"] = 5  # of which one is damaged
    status, text = snakemake(
        *(tmp_path, "results/simulated/folds.csv", "--rerun-triggers", "mtime"), config=changed
    )
    assert status != 0
    assert "error: simulated: 4 usable subjects for 5 folds; set folds to at most 4" in text
    assert len(rows(tmp_path / "results/simulated/recordings.csv")) == 5


KILLER = """\
import os, signal, sys

checkpoints = 0

def hook(event, arguments):
    global checkpoints
    if event == "os.rename" and str(arguments[1]).endswith("checkpoint.pt"):
        checkpoints += 1
        if checkpoints == 3:  # not the first, before training, and the second is there
            os.killpg(0, signal.Signals[os.environ["ENDED_BY"]])

sys.addaudithook(hook)
"""
"""Imported by every Python that starts: ends the run, with all its jobs, while it trains."""


@pytest.mark.parametrize("signal", ("SIGTERM", "SIGINT"))
def test_a_training_that_was_ended_goes_on_from_its_last_evaluation(finished, tmp_path, signal):
    shutil.copytree(finished[0] / "data", tmp_path / "data")
    shutil.copytree(finished[0] / "results", tmp_path / "results")
    run = tmp_path / RUN.format("XSleepNet2", 1)
    shutil.rmtree(run)
    changed = yaml.safe_load(yaml.safe_dump(TINY))
    changed["preset_settings"]["embedded"]["training"]["steps"] = 60
    target = str((run / "model.safetensors").relative_to(tmp_path))
    arguments = (tmp_path, target, "--rerun-triggers", "mtime")
    (tmp_path / "killer").mkdir()
    (tmp_path / "killer/sitecustomize.py").write_text(KILLER)
    ended = subprocess.run(
        command(*arguments, config=changed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment() | {"PYTHONPATH": f"{tmp_path / 'killer'}:{ROOT}", "ENDED_BY": signal},
        start_new_session=True,
    )
    assert "interrupted; what is finished stays, give the same" in ended.stdout, ended.stdout
    shown = ended.stdout[ended.stdout.index("interrupted; what is finished stays, give the same") :]
    assert f"will go on from step 2 of 60: {run.relative_to(tmp_path)}\n" in shown
    if signal == "SIGINT":  # Ctrl-C, which each job heeds
        assert "Error" not in ended.stdout and "Traceback" not in ended.stdout
    assert (run / "checkpoint.pt").exists() and not (run / "model.safetensors").exists()
    status, text = snakemake(*arguments, config=changed)
    assert status == 0, text
    log = (tmp_path / f"logs/training/{RUN.format('XSleepNet2', 1)}.log").read_text()
    assert "XSleepNet2: resumes from step 2\n" in log
    assert json.loads((run / "run.json").read_text())["steps"] == 60


def test_a_network_is_trained_on_all_recordings_gets_a_card_and_scores(finished, tmp_path):
    """Its card tells of the cross-validation, as it has been run with the same settings."""
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    folder = "results/networks/simulated/in-bed/EEG/Naive-Fusion/seed-1"
    jobs = {"network_split": 1, "train_network": 1, "model_card": 1}
    assert planned(tmp_path, f"{folder}/README.md") == jobs
    status, text = snakemake(tmp_path, f"{folder}/README.md")
    assert status == 0, text
    assert f"Network:    {folder}/README.md" in text
    split = rows((tmp_path / folder).parents[2] / "split.csv")
    who = {role: {row["recording"] for row in split if row["role"] == role} for role in ROLES}
    assert {role: len(names) for role, names in who.items()} == {
        **{"training": 3, "training subset": 1, "validation": 1}
    }
    run = json.loads((tmp_path / folder / "run.json").read_text())
    assert [run[name] for name in ("database", "window", "channels", "system", "seed")] == [
        *("simulated", "in-bed", "EEG", "Naive Fusion", 1)
    ]
    assert (run["simulated"], run["labels"]) == (True, {"EEG": ["EEG Fpz-Cz"]})
    assert "fold" not in run and run["training_subjects"] == 3
    card = (tmp_path / folder / "README.md").read_text()
    (row,) = (
        row
        for row in rows(tmp_path / "results/table2.csv")
        if (row["system"], row["source"]) == ("Naive Fusion", "measured")
    )
    assert f"| accuracy | {row['EEG accuracy']} | " in card and "never seen sleep" in card
    assert planned(tmp_path, f"{folder}/README.md") == {}
    night = tmp_path / "data/recordings/simulated/SC4001E0-PSG.edf"
    scored = xsleep.score(night, model=tmp_path / folder)
    assert scored.channels["EEG"].why == "as the network was trained"
    assert ensemble.NOT_SLEEP in scored.doubts and scored.normalisation == "training"


def test_a_card_asks_for_no_cross_validation(tmp_path):
    target = "results/networks/simulated/in-bed/EEG/XSleepNet2/seed-1/README.md"
    jobs = planned(tmp_path, target)
    assert jobs == {
        **{"simulate": 5, "prepare": 5, "index": 1},
        **{"network_split": 1, "train_network": 1, "model_card": 1},
    }


@pytest.fixture(scope="module")
def told(finished, tmp_path_factory):
    """A copy of the finished run with its crate and checklists, and the crate by identifier."""
    folder = tmp_path_factory.mktemp("told") / "run"
    shutil.copytree(finished[0], folder)
    status, text = snakemake(folder, "provenance")
    assert status == 0, text
    assert "Provenance: results/ro-crate-metadata.json" in text
    metadata = json.loads((folder / "results/ro-crate-metadata.json").read_text())
    return folder, {entity["@id"]: entity for entity in metadata["@graph"]}


def test_crate_of_a_finished_run_is_valid_by_its_validator(told, tmp_path):
    assert faults(told[0] / "results", tmp_path) == []


def test_crate_describes_all_that_was_made(told):
    folder, crate = told
    results = {part["@id"] for part in crate["#run"]["result"]}
    made = {path.relative_to(folder / "results") for path in (folder / "results").rglob("*.*")}
    undescribed = {
        str(path)
        for path in made
        # The explorer is made on demand.
        if path.parts[0] not in ("workflow", "explorer") and (folder / "results" / path).is_file()
    } - results
    # itself, and the record that every call changes
    assert undescribed == {"ro-crate-metadata.json", "selections.json"}


def test_bundle_holds_what_was_made_without_signals_networks_or_paths_and_compares(told, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(told[0], folder)
    status, text = snakemake(folder, "results/bundle.zip", "--rerun-triggers", "mtime")
    assert status == 0, text
    assert "Bundle:     results/bundle.zip" in text
    path = folder / "results/bundle.zip"
    names = {*read_bundle(path).manifest.files}
    assert names >= {
        *("table1.csv", "table2.csv", "table2.html", "table2.tex", "claims.csv", "recordings.csv"),
        *("audit/audit.json", "audit/index.html", "ro-crate-metadata.json", "croissant.json"),
        *("card.md", "figures/fig4.svg", "simulated/folds.csv", "simulated/recordings.csv"),
        *(
            f"{RUN.format('Naive-Fusion', n).removeprefix('results/')}/predictions.h5"
            for n in (1, 2)
        ),
    }
    assert not [n for n in names if n.endswith((".safetensors", ".edf")) or "workflow" in n]
    with ZipFile(path) as archive:
        for name in archive.namelist():
            for hidden in (str(tmp_path), str(ROOT), str(Path.home())):
                assert f"{hidden}/".encode() not in archive.read(name), name
        crate = json.loads(archive.read("ro-crate-metadata.json"))
    hashes = {e["@id"]: e["sha256"] for e in crate["@graph"] if {"sha256"} <= e.keys()}
    hashes = {name: digest for name, digest in hashes.items() if name in names}
    assert "table2.csv" in hashes and all(
        hashes[n] == read_bundle(path).manifest.files[n].sha256 for n in hashes
    )
    done = subprocess.run(
        [sys.executable, "-m", "xsleep", "compare", path, path], capture_output=True, text=True
    )
    assert "Of 2 rows in both bundles, none differs" in done.stdout, done.stderr


def test_croissant_of_a_run_is_valid_by_its_validator(told, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(told[0], folder)
    status, text = snakemake(folder, "results/croissant.json", "--rerun-triggers", "mtime")
    assert status == 0, text
    read = "import sys, mlcroissant; print(len(mlcroissant.Dataset(sys.argv[1]).metadata.nodes()))"
    assert told_by("mlcroissant", read, folder / "results/croissant.json")


def test_crate_says_when_its_first_and_last_files_were_written(told):
    folder, crate = told
    begin, end = (
        datetime.fromisoformat(crate["#run"][name]).timestamp() for name in ("startTime", "endTime")
    )
    first = min(path.stat().st_mtime for path in folder.glob("data/index/*/all.h5"))
    last, told_at = (
        (folder / "results" / name).stat().st_mtime
        for name in ("checklists/reforms.md", "ro-crate-metadata.json")
    )
    # They are in whole seconds, of which the rest is left out.
    assert begin <= first and last - 1 < end <= told_at


def test_checklists_tell_of_the_skipped_recording(told):
    text = (told[0] / "results/checklists/reforms.md").read_text()
    assert "1 of 5 recordings are not used.\n- simulated SC4021E0: " in text


def test_report_names_tables_and_figures(told):
    folder, _ = told
    status, text = snakemake(folder, "provenance", "--report", folder / "report.html")
    assert status == 0, text
    page = (folder / "report.html").read_text()
    for label in (
        "Table 1",
        "Table 2",
        "Table B",
        "Claims of the paper",
        "Fig. 4",
        "Fig. 5",
        "Fig. 6",
    ):
        assert f'"{label}"' in page, label
    for category in ("Tables", "Figures", "Comparisons", "Appendix", "Checklists"):
        assert f'"{category} (simulated nights: not sleep)"' in page, category
    every = json.loads(re.search(r"var results = ({.*?});?$", page, re.MULTILINE)[1])
    assert all(one["caption"] and one["labels"] for one in every.values())
    told_apart = {tuple(one["labels"].items()) for one in every.values()}
    assert len(told_apart) == len(every)


def test_unreadable_run_json_is_a_gap_in_the_crate(told, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(told[0], folder)
    path = folder / RUN.format("XSleepNet2", 1) / "run.json"
    written = path.stat().st_mtime_ns
    path.write_text("{")
    os.utime(path, ns=(written, written))
    (folder / "results/ro-crate-metadata.json").unlink()
    status, text = snakemake(folder, "provenance")
    assert status == 0, text
    run = RUN.format("XSleepNet2", 1)
    gap = f"{run}/run.json: cannot be read; delete it to make the run again"
    assert f"left out: {gap}" in text
    assert gap in (folder / "results/ro-crate-metadata.json").read_text()
