import numpy as np
import pandas as pd

from xsleep.config.names import STRATEGIES
from xsleep.results.figures import transfer


def made_up(strategies, numbers):
    rows = []
    for channels in ("EEG", "EEG-EOG"):
        for strategy in strategies:
            for number in numbers:
                row = {
                    "source": "MASS",
                    "target": "X",
                    "window": "in-bed",
                    "network": "SeqSleepNet+",
                }
                row |= {"source channels": channels, "channels": channels, "strategy": strategy}
                row |= {"training subjects": number}
                for metric in transfer.LABELS:
                    value = 70 + number
                    row |= {metric: value, f"95 % from {metric}": value - 2}
                    row |= {f"95 % to {metric}": value + 3, f"published {metric}": np.nan}
                rows.append(row)
    table = pd.DataFrame(rows)
    table.loc[table["strategy"] == "all", "published accuracy"] = 80
    return table


def test_a_row_of_panels_for_each_case_and_a_marker_with_its_interval_for_each_strategy(drawn):
    transfer.strategies(made_up(STRATEGIES, [5]), "unused")
    panels = drawn[0].axes
    assert len(panels) == 2 * 3
    names = [label.get_text() for label in panels[0].get_xticklabels()]
    assert names == [transfer.NAMES[strategy] for strategy in STRATEGIES]
    (first, *_) = panels[0].containers
    segment = first.lines[2][0].get_segments()[0]
    assert [low_high[1] for low_high in segment] == [73, 78]


def test_what_is_published_is_hollow_beside_what_was_measured(drawn):
    transfer.strategies(made_up(["scratch", "all"], [5]), "unused")
    hollow = [line for line in drawn[0].axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata()[0] for line in hollow] == [80]


def test_curves_go_over_the_number_of_training_subjects(drawn):
    table = made_up(["scratch", "all"], [4, 1, 2])
    direct = made_up(["direct"], [4])
    transfer.learning_curves(pd.concat([table, direct], ignore_index=True), "unused")
    panel = drawn[0].axes[0]
    curves = {line.get_label(): line.get_xydata().tolist() for line in panel.lines}
    assert curves["from scratch"] == [[1, 71], [2, 72], [4, 74]]
    assert {y for _, y in curves["not finetuned"]} == {74}
    assert [label.get_text() for label in panel.get_xticklabels()] == ["1", "2", "4"]
