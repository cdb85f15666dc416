"""Plots of the speed benchmark: what is drawn is what was recorded, and all of it can be read."""

import numpy as np
import pytest

from emotion_detection import plots
from emotion_detection.evaluation import formatting
from emotion_detection.studies import speed
from figure_texts import assert_well_drawn

BENCHMARK = speed.load_benchmark()
DRAWN = {
    "speed_ratios": lambda: plots.speed_ratios(BENCHMARK.comparisons),
    "speed_limits": lambda: plots.speed_limits(speed.limits_table(BENCHMARK.comparisons)),
    "cost_growth": lambda: plots.cost_growth(BENCHMARK.growths),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_is_the_same_each_time_and_no_text_is_cut_or_overlaps(name):
    assert_well_drawn(DRAWN[name])


def test_bars_of_ratios_begin_at_one_and_carry_their_value_and_target():
    figure, table = DRAWN["speed_ratios"](), BENCHMARK.comparisons
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert [bar.get_x() + bar.get_width() for bar in axes.patches] == pytest.approx(table["ratio"].tolist())
    assert [bar.get_x() for bar in axes.patches] == [1] * len(table)
    assert [text.get_text() for text in axes.texts] == [formatting.ratio(each) for each in table["ratio"]]
    ticks = [path.vertices[0, 0] for path in axes.collections[-1].get_paths()]
    assert [each for each in ticks if np.isfinite(each)] == table["wanted_ratio"].dropna().tolist()
    assert figure.values["low"] == table["ratio_least"].tolist()
    bold = [label.get_text() for label in axes.get_yticklabels() if label.get_weight() == "bold"]
    assert bold == list(speed.GROUPS)


def test_bars_of_limits_are_shares_with_their_times():
    figure = DRAWN["speed_limits"]()
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert sorted(widths) == pytest.approx(sorted(figure.values["limit_share"]))
    texts = [text.get_text() for text in figure.axes[0].texts]
    for text, ours_s in zip(texts, figure.values["ours_s"], strict=True):
        assert formatting.duration(ours_s) in text


def test_growth_shows_times_over_work_and_marks_where_it_is_linear():
    figure = DRAWN["cost_growth"]()
    for axes, (name, table) in zip(figure.axes[: len(BENCHMARK.growths)], BENCHMARK.growths.items(), strict=True):
        known = table[table["x"] > 0]
        _, line, linear, other = axes.lines[:4]
        assert line.get_xdata().tolist() == known["x"].tolist()
        assert line.get_ydata().tolist() == known["seconds"].tolist()
        assert linear.get_xdata().tolist() == known.loc[known["is_linear"], "x"].tolist()
        assert other.get_xdata().tolist() == known.loc[~known["is_linear"], "x"].tolist()
        assert figure.values[name]["peak_mb"] == table["peak_mb"].tolist()


def test_growth_shows_work_of_zero_as_a_level():
    faces = list(BENCHMARK.growths).index("faces in a frame")
    level = DRAWN["cost_growth"]().axes[faces].lines[-1]
    assert level.get_ydata() == [BENCHMARK.growths["faces in a frame"]["seconds"].iloc[0]] * 2
