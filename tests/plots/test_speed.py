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
    "cost_growth": lambda: plots.cost_growth(BENCHMARK.growths),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_is_the_same_each_time_and_no_text_is_cut_or_overlaps(name):
    assert_well_drawn(DRAWN[name])


def test_bars_of_ratios_begin_at_one_and_carry_their_value_and_target():
    figure, table = DRAWN["speed_ratios"](), BENCHMARK.comparisons
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(speed.GROUPS)
    bars = [bar for axes in figure.axes for bar in axes.patches]
    assert [bar.get_x() + bar.get_width() for bar in bars] == pytest.approx(table["ratio"].tolist())
    assert [bar.get_x() for bar in bars] == [1] * len(table)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == [formatting.ratio(each) for each in table["ratio"]]
    ticks = [path.vertices[0, 0] for axes in figure.axes for path in axes.collections[-1].get_paths()]
    assert [each for each in ticks if np.isfinite(each)] == table["wanted_ratio"].dropna().tolist()
    assert figure.values["low"] == table["ratio_least"].tolist()


def test_growth_shows_times_over_work_and_work_of_zero_as_a_level():
    figure = DRAWN["cost_growth"]()
    for axes, (name, table) in zip(figure.axes, BENCHMARK.growths.items(), strict=False):
        known, nothing = table[table["x"] > 0], table[table["x"] == 0]
        line, proportional, *levels = axes.lines
        assert line.get_xdata().tolist() == known["x"].tolist()
        assert line.get_ydata().tolist() == known["seconds"].tolist()
        assert proportional.get_ydata()[-1] == pytest.approx(known["seconds"].iloc[-1])
        assert [level.get_ydata()[0] for level in levels] == nothing["seconds"].tolist()
        assert figure.values[name]["peak_mb"] == table["peak_mb"].tolist()
