"""Cost of a configuration."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from snakemake.utils import update_config

from tests.helpers.recordings import ROOT
from xsleep import networks
from xsleep.config.databases import DatabaseSettings
from xsleep.config.names import SYSTEMS
from xsleep.config.presets import Preset
from xsleep.config.training import TrainingSettings
from xsleep.config.workflow import load
from xsleep.core.durations import duration
from xsleep.core.errors import InputError
from xsleep.results import published
from xsleep.store.recordings import RecordingInfo, Stored, write_index
from xsleep.study import costs, plan
from xsleep.study.costs import Trainings
from xsleep.study.sizes import Size, Sizes

NOWHERE, UNLISTED = Path("nowhere.h5"), (0, 0)
SMALL = {"filters": [4, 4], "kernel": 5, "gru_units": 6, "frame_units": 4, "sequence_units": 4}


@pytest.fixture(scope="module")
def paper():
    """The configuration of the whole paper, as Snakemake puts it together."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "config/paper.yaml").read_text()))
    return load(config, ROOT / "config")


@pytest.fixture(scope="module")
def small(paper):
    """The same with small networks, whose operations are counted quickly."""
    released = paper.presets["released"].model_dump()
    released["network"] |= SMALL
    presets = paper.presets | {"released": Preset.model_validate(released)}
    return paper.model_copy(update={"presets": presets})


def sized(paper, name, window, listed=UNLISTED, index=NOWHERE):
    return Sizes(paper, {name: listed}, {name: index}).of(name, window)


def planned(workflow, runs, finished=()):
    indexes = dict.fromkeys(workflow.sources, NOWHERE)
    return plan.plan(Sizes(workflow, {}, indexes), runs, finished)


def train(system="XSleepNet2", channels="EEG", database="SleepEDF-20", window="in-bed", count=20):
    return Trainings("train", database, window, channels, system, count)


def test_table2_paper_preset_has_all_databases_systems_windows_and_channels(paper):
    windows = [(name, window) for name, d in paper.databases.items() for window in d.windows]
    wrapped = [(n, "in-bed+30min-as-published") for n in ("SleepEDF-20", "SleepEDF-78")]
    assert sorted(windows) == sorted([*published.database_windows(), *wrapped])
    assert paper.systems == (*SYSTEMS, "XSleepNet (equal weights)")
    assert paper.finetuned == ("FT-XSleepNet",)
    for name, window in windows:
        printed = published.row(name, window, "XSleepNet2").values
        assert set(paper.databases[name].channels) == set(printed)
    assert (paper.source, paper.target) == (("MASS",), ("SleepEDF-20",))


def test_published_sizes_serve_where_there_is_no_data(paper):
    found = sized(paper, "SleepEDF-20", "in-bed")
    assert (found.subjects, found.recordings, found.epochs) == (20, 39, 38155)
    assert found.source == "published recordings, published epochs"


def test_eight_hours_are_assumed_and_said_where_no_epochs_are_published(paper):
    found = sized(paper, "SHHS", "whole-night")
    assert found.epochs == found.stored == 5791 * 960
    assert found.source == "published recordings, 8 h assumed"


def test_listed_recordings_come_before_published_ones(paper):
    found = sized(paper, "MASS", "whole-night", (30, 29))
    assert (found.recordings, found.subjects) == (30, 29)


def test_prepared_recordings_come_before_all_others(paper, tmp_path):
    def recording(name, epochs, skipped=""):
        places = np.arange(epochs)
        return RecordingInfo(name, name[0], places, 30.0 * places, 0 * places, skipped=skipped)

    infos = [recording("a1", 50), recording("a2", 30), recording("b1", 0, "no hypnogram")]
    write_index(tmp_path / "all.h5", [Stored(info, "", "", {}) for info in infos])
    found = sized(paper, "MASS", "whole-night", (3, 2), tmp_path / "all.h5")
    assert found == Size(1, 2, 80, 80, "prepared")
    write_index(tmp_path / "none.h5", [Stored(infos[2], "", "", {})])
    with pytest.raises(InputError, match=r"^MASS: none of its recordings can be used; results/"):
        sized(paper, "MASS", "whole-night", (1, 1), tmp_path / "none.h5")


def test_database_of_which_nothing_is_known_is_one_line(paper):
    content = yaml.safe_load((ROOT / "config/databases/own.yaml").read_text())
    own = DatabaseSettings.model_validate(content)
    with pytest.raises(InputError, match=r"^own: neither [^\n]* leave it out of databases$"):
        sized(paper.model_copy(update={"sources": {"own": own}}), "own", own.windows[0])


def test_steps_are_those_of_ten_passes_over_the_training_sequences(small):
    """28,145 training sequences are the mean of the published folds, counted from the hypnograms
    (benchmarks/fold.py); a recording's share in them is rounded here."""
    *_, line = planned(small, [train()])
    assert line["steps"] == pytest.approx(10 * (28_145 // 32 - 1), rel=0.01)
    assert (line["runs"], line["jobs"]) == (20, 40)


@pytest.mark.parametrize(("database", "stops"), [("SHHS", True), ("MASS", False)])
def test_sec4_2_early_stopping_may_end_a_training_after_200_evaluations(small, database, stops):
    *_, line = planned(small, [train(database=database, window="whole-night", count=1)])
    # The first evaluation gains, and none of the 200 after it.
    assert line["fewest steps"] == (201 * 100 if stops else line["steps"])
    for unit in ("cpu", "gpu"):
        assert (line[f"fewest {unit} hours"] < line[f"{unit} hours"] / 10) == stops


def test_early_stopping_never_makes_more_steps_than_there_are_nor_fewer_than_it_must(small):
    training = TrainingSettings(steps=1, patience=3, earliest_stop=1000)
    assert plan.fewest_steps(training, 5000) == 1000
    assert plan.fewest_steps(training, 500) == 500


def test_the_plan_says_which_hours_early_stopping_may_spare(small):
    shhs = train(database="SHHS", window="whole-night", count=1)
    lines = planned(small, [train(), shhs])
    cpu, gpu = (duration(3600 * plan.total(lines)[f"fewest {u} hours"]) for u in ("cpu", "gpu"))
    assert (
        "Early stopping: training on SHHS may end before all steps; times and PFLOP above are the "
        f"most, {cpu} CPU time or {gpu} GPU time in all the fewest." in summed_up(lines)
    )
    assert "Early stopping" not in summed_up(planned(small, [train()]))


def test_the_hyper_parameters_of_a_plan_are_those_of_each_database(small):
    """Evaluating every 200 steps, XSleepNet1 spends fewer hours on it on SleepEDF-20."""
    hours = {
        (system, database): line["cpu hours"]
        for system in ("XSleepNet1", "XSleepNet2")
        for database, window in (("SleepEDF-20", "in-bed"), ("MASS", "whole-night"))
        for line in planned(small, [train(system, database=database, window=window)])[1:]
    }
    assert hours["XSleepNet1", "SleepEDF-20"] < hours["XSleepNet2", "SleepEDF-20"]
    assert hours["XSleepNet1", "MASS"] == hours["XSleepNet2", "MASS"]


def summed_up(lines):
    console = Console(width=80, record=True, file=io.StringIO())
    plan.summary(lines, console)
    return " ".join(console.export_text().split())


def test_operations_of_the_released_network_are_those_counted_by_hand(paper):
    """53.3 + 14.0 + 6.8 GFLOP a step, and 6.6 because the spectra of the filters, which a step
    needs once, count for every two sequences (benchmarks/gpu.md)."""
    network = paper.presets["released"].network
    flop, branches, parameters = costs.step_cost("XSleepNet2", "EEG", network)
    assert 32 * flop == pytest.approx(80.7e9, rel=0.01)
    assert (branches, parameters) == (3, 5_736_831)


def test_networks_that_are_the_same_are_counted_once_and_in_one_thread(small, monkeypatch):
    """Several threads that others keep from running made a plan of the paper take minutes."""
    threads, built, build = torch.get_num_threads(), [], networks.build

    def building(system, channels, settings, seed):
        built.append((system, channels, torch.get_num_threads()))
        return build(system, channels, settings, seed)

    monkeypatch.setattr(networks, "build", building)
    costs._counted.cache_clear()
    systems, wide = ("XSleepNet2", "XSleepNet1", "XSleepNet (equal weights)"), "EEG-EOG"
    planned(small, [train(system, channels) for system in systems for channels in ("EEG", wide)])
    planned(small, [train(database="MASS", window="whole-night")])  # with filters of its own
    planned(small, [train("FCNN+RNN")])
    assert built == [("XSleepNet2", 1, 1), ("XSleepNet2", 2, 1), ("FCNN+RNN", 1, 1)]
    assert torch.get_num_threads() == threads


def test_measured_networks_have_the_operations_that_pytorch_counts(paper):
    for row in costs._measured():
        if row["GFLOP"]:
            network = paper.presets[row["preset"]].network
            flop, *_ = costs.step_cost(row["system"], row["channels"], network)
            assert float(row["GFLOP"]) == pytest.approx(flop / 1e9, rel=1e-3)


def test_a_small_network_is_scaled_from_the_measured_small_one(paper, small):
    *_, line = planned(small, [train()])
    measured = "step of XSleepNet2, EEG-EOG, embedded: 0.19 s on two cores of an AMD EPYC (AVX-512)"
    assert line["cpu time from"].startswith(measured)


def test_a_small_network_is_no_faster_on_a_gpu_than_the_measured_one(small):
    """Its step waits for as many kernels."""
    *_, line = planned(small, [train()])
    assert line["gpu hours in steps"] == pytest.approx(20 * 0.0109 * line["steps"] / 3600, abs=1e-3)
    assert f"(two streams){costs.SCALED}1; evaluated" in line["gpu time from"]


def test_time_on_this_machine_is_that_of_all_its_cores(small, monkeypatch):
    monkeypatch.setattr(plan, "available_cpu_count", lambda: 8)
    lines = [
        {"stage": "prepare", "runs": 0, "jobs": 0, "cpu hours": 2.0},
        {"stage": "train", "runs": 4, "jobs": 4, "cpu hours": 7.0},
    ]
    assert plan.on_this_machine(lines, 2) == "In all about 2 h on this machine (8 cores)."


def test_time_without_finished_runs_is_in_proportion_to_operations(paper):
    *_, line = planned(paper, [train()])
    evaluations = 1 + line["steps"] // 100
    evaluated = (evaluations * 0.4 + 0.05) * 38155
    hours = 20 * (1.42 * line["steps"] + 0.00128 * evaluated) / 3600
    assert line["cpu hours"] == pytest.approx(hours, rel=1e-3)
    measured = "step of XSleepNet2, EEG, released: 1.42 s on two cores of an AMD EPYC (Zen 3, AVX2)"
    assert line["cpu time from"].split("; ")[0] == measured


def test_gpu_time_is_that_of_steps_evaluations_and_starts_measured_on_an_h200(paper):
    *_, line = planned(paper, [train()])
    steps = 20 * 0.0109 * line["steps"] / 3600
    evaluated = 20 * 0.00016 * ((1 + line["steps"] // 100) * 0.4 + 0.05) * 38155 / 3600
    assert line["gpu hours in steps"] == pytest.approx(steps, rel=1e-3)
    assert line["gpu hours in evaluations"] == pytest.approx(evaluated, rel=1e-3)
    assert line["gpu hours"] == pytest.approx(steps + evaluated + 20 * 4 / 3600, rel=1e-3)
    told = line["gpu time from"].split("; ")
    assert told[0] == "step of XSleepNet2, EEG, released: 0.0109 s on an NVIDIA H200 (two streams)"
    assert [one.partition(" of ")[0] for one in told] == ["step", "evaluated epoch", "start"]
    assert costs.SCALED not in line["gpu time from"]


def test_a_larger_network_is_scaled_by_operations_on_a_gpu_and_said_to_be(paper):
    lines = planned(paper, [train(), train(channels="EEG-EOG")])
    (cost, *_), (wider, *_) = (
        costs.step_cost("XSleepNet2", channels, paper.presets["released"].network)
        for channels in ("EEG", "EEG-EOG")
    )
    hours = [line["gpu hours in steps"] for line in lines[1:]]
    assert hours[1] / hours[0] == pytest.approx(wider / cost, rel=1e-3)
    assert f"{costs.SCALED}{wider / cost:.3g}" in lines[2]["gpu time from"]
    scaled = "Times of other networks, channels and minibatches are scaled by operations, on a GPU"
    assert scaled in summed_up(lines) and scaled not in summed_up(lines[:2])


def test_several_trainings_at_once_take_as_long_as_was_measured(paper):
    """Two get a step each in 31.5 ms, four in 63.1; one alone, as they are, in 14.8."""
    number, factor, source = costs.at_once()
    assert (number, factor) == (2, pytest.approx(31.5 / 2 / 14.8))
    assert source.startswith("step on one stream of XSleepNet2, EEG, released: 0.0315 s on an")
    *_, line = planned(paper, [train()])
    longer = (31.5 / 2 / 14.8 - 1) * line["gpu hours in steps"]
    assert line["gpu hours at once"] == pytest.approx(line["gpu hours"] + longer, abs=2e-3)


def test_the_plan_says_what_a_gpu_takes_with_and_without_the_longest_database(small):
    runs = [train(), train(database="SHHS", window="whole-night", count=1)]
    lines = planned(small, runs)
    whole, others = plan.on_a_gpu(lines)
    hours = plan.total(lines)

    def shown(column):
        return duration(3600 * hours[column]) if hours[column] < 100 else f"{hours[column]:,.0f} h"

    assert whole == (
        f"Trainings on one GPU: {shown('gpu hours')} ({shown('gpu hours in steps')} in steps, "
        f"{shown('gpu hours in evaluations')} in evaluations); 2 at once "
        f"{shown('gpu hours at once')}."
    )
    (alone,) = plan.on_a_gpu(planned(small, runs[:1]))
    assert others.partition(": ")[::2] == ("The same without SHHS", alone.partition(": ")[2])


def finished(workflow, device="cpu", **changes):
    preset = workflow.presets["released"]
    return {
        "system": "XSleepNet2",
        "channels": "EEG",
        "network": preset.network.model_dump(mode="json"),
        "training": preset.training_of("XSleepNet2").model_dump(mode="json"),
        "steps": 1000,
        "seconds": 500.0,
        "device": device,
        "threads": 4,
        "processes": 1,
    } | changes


def test_time_is_that_of_finished_runs_of_the_same_network(small):
    runs = [finished(small, seconds=s) for s in (400.0, 500.0, 900.0)]
    runs.append(finished(small, channels="EEG-EOG", seconds=1.0))
    runs.append(finished(small, strategy="all", seconds=1.0))
    runs.append(finished(small, network={**runs[0]["network"], "kernel": 7}, seconds=1.0))
    *_, line = planned(small, [train()], runs)
    assert line["cpu hours"] == pytest.approx(20 * 0.5 * line["steps"] / 3600, abs=1e-3)
    assert line["cpu time from"] == "3 finished runs on 4 CPU threads, evaluations included"
    assert "H200" in line["gpu time from"]


def test_gpu_hours_are_those_of_runs_on_a_gpu(small):
    runs = [finished(small), finished(small, "NVIDIA A100", seconds=2.5, processes=2)]
    *_, line = planned(small, [train()], runs)
    assert line["gpu hours"] == pytest.approx(20 * 0.005 * line["steps"] / 3600, abs=1e-3)
    assert line["gpu time from"] == "1 finished runs on NVIDIA A100, evaluations included"
    assert line["cpu hours"] == pytest.approx(20 * 0.5 * line["steps"] / 3600, abs=1e-3)


def test_pretraining_takes_all_subjects_of_the_source_but_those_who_validate(small):
    runs = [Trainings("pretrain", "MASS", "", "EEG", "XSleepNet2", 1)]
    preparation, line = planned(small, runs)
    assert preparation["database"] == "MASS"
    sequences = 190 * (960 - 19)
    assert line["steps"] == 10 * (sequences // 32 - 1)
    assert line["jobs"] == 1


def test_disk_of_a_store_is_that_of_its_values(small):
    preparation, _ = planned(small, [train(database="MASS", window="whole-night")])
    values = 200 * 960 * 3 * (3000 + 29 * 129)
    assert preparation["disk GB"] == pytest.approx(4 * values / 1e9, rel=1e-3)
    assert preparation["jobs"] == 100 + 3


def test_the_total_is_the_sum_of_all_lines(small):
    lines = planned(small, [train(), train("ARNN+RNN")])
    found = plan.total(lines)
    assert found["jobs"] == 39 + 3 + 40 + 40
    for column in plan.HOURS:
        assert found[column] == pytest.approx(sum(line[column] for line in lines))


def test_summary_fits_into_80_columns(small):
    lines = planned(small, [train(), train(database="SHHS", window="whole-night", count=1)])
    console = Console(width=80, record=True, file=io.StringIO())
    plan.summary(lines, console)
    text = console.export_text()
    assert "disk GB" in text and "CPU time, step of XSleepNet2, EEG-EOG, embedded: 0.19" in text
    assert "GPU time, start of XSleepNet2, EEG, released: 4 s on an NVIDIA H200" in text
    assert "SHHS: published recordings, 8 h assumed" in text


def test_finished_runs_leave_out_what_is_damaged_or_took_no_step(tmp_path):
    whole = dict.fromkeys(costs.TOLD, 1)
    contents = [whole, whole | {"steps": 0}, {"steps": 3}, [], None]
    for number, content in enumerate(map(json.dumps, contents)):
        folder = tmp_path / f"simulated/in-bed/EEG/XSleepNet2/seed-1/fold-{number}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(content[: -1 if content == "[]" else None])
    (tmp_path / "simulated/in-bed/EEG/XSleepNet2/seed-1/fold-6/run.json").mkdir(parents=True)
    assert costs.finished_runs(tmp_path) == [whole]
