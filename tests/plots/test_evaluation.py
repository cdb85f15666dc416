"""Plots of recorded runs' answers: what is drawn are the scores, labelled, within the picture."""

import dataclasses
import subprocess
import sys

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest

from emotion_detection import plots
from emotion_detection.emotions import COLORS, EMOTIONS
from emotion_detection.evaluation import calibration, metrics
from emotion_detection.plots import saving
from emotion_detection.plots.style import NAMES
from emotion_detection.runs.run import Predictions, Run
from figure_texts import assert_well_drawn

SUPPORT = [491, 55, 528, 879, 594, 416, 626]


def predictions(split: str, seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(7, dtype=np.int8), SUPPORT)
    logits = rng.normal(size=(len(label), 7)) + 1.5 * np.eye(7)[label]
    return Predictions(split, np.arange(len(label), dtype=np.int32), label, logits.astype(np.float32))


def run_of(name: str, seed: int) -> Run:
    info = {"recipe": {"display_name": name}, "seed": 0, "data": {"name": "FER2013"}, "temperature": 1.4}
    found = {split: predictions(split, seed) for split in ("PublicTest", "PrivateTest")}
    return Run(f"{name}-s0", info, pd.DataFrame(), found)


RUNS = [run_of(name, seed) for seed, name in enumerate(("TL top", "TL 100", "TL whole"))]
FACES = np.random.default_rng(0).integers(0, 256, (8, 48, 48), dtype=np.uint8)
SHARES = pd.DataFrame({"recall": np.linspace(0.2, 0.9, 7), "recall_low": 0.1, "recall_high": 1.0})
RECALLS = SHARES.assign(n=SUPPORT).set_axis(EMOTIONS)
GROUPS = SHARES.assign(by=["everyone", "gender", "gender", *["age"] * 4], group=list("abcdefg"), n=SUPPORT)
PLOTS = {
    "recall_by_emotion": lambda: plots.recall_by_emotion({"shipped (float16)": RECALLS, "mini_XCEPTION": RECALLS}),
    "shares_by_group": lambda: plots.shares_by_group(GROUPS, "recall", title="Smiles called Happy"),
    "f1_by_emotion": lambda: plots.f1_by_emotion(RUNS, split="PrivateTest"),
    "confusion_matrix": lambda: plots.confusion_matrix(RUNS[0], split="PrivateTest"),
    "reliability": lambda: plots.reliability(RUNS[0], split="PrivateTest"),
    "accuracy_by_coverage": lambda: plots.accuracy_by_coverage(RUNS, split="PrivateTest"),
    "captioned_faces": lambda: plots.captioned_faces(FACES, ["Disgust 90 %"] * 8, title="Surprise called Disgust"),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_the_same_each_time_and_no_text_is_cut_or_overlaps(name):
    assert_well_drawn(PLOTS[name], texts=8, may_overlap=NAMES if name == "confusion_matrix" else ())  # slanted ones


def test_bars_of_f1_have_the_scores_as_heights_and_their_intervals():
    figure = PLOTS["f1_by_emotion"]()
    tables = [metrics.f1_with_intervals(run.predictions["PrivateTest"]) for run in RUNS]
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(np.concatenate([each["f1"] for each in tables]))
    (lines,) = axes.collections[0].get_segments()[:1]
    assert lines[:, 1] == pytest.approx(tables[0].loc["angry", ["f1_low", "f1_high"]].to_numpy(float))
    assert saving.plain(figure.values)["f1"]["TL top"]["support"]["disgust"] == 55


def test_bars_of_a_single_run_have_the_emotions_colours():
    (axes,) = plots.f1_by_emotion(RUNS[:1], split="PrivateTest").axes
    colors = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colors == [COLORS[emotion].lower() for emotion in EMOTIONS]


def test_a_confusion_matrix_shows_counts_and_percent_of_each_row():
    figure = PLOTS["confusion_matrix"]()
    counts = metrics.confusion(RUNS[0].predictions["PrivateTest"])
    left, right = figure.axes
    np.testing.assert_array_equal(left.images[0].get_array(), counts)
    np.testing.assert_allclose(right.images[0].get_array().sum(axis=1), 1.0)
    assert [text.get_text() for text in left.texts] == [f"{count:,}" for count in counts.ravel()]
    np.testing.assert_array_equal(figure.values["counts"], counts)


def test_a_confusion_matrix_takes_a_class_without_faces():
    whole = RUNS[0].predictions["PrivateTest"]
    few = dataclasses.replace(RUNS[0], predictions={"PublicTest": whole.select(whole.label != 1)})
    assert plots.confusion_matrix(few, split="PublicTest").values["row_normalised"][1].tolist() == [0.0] * 7


def test_reliability_gives_the_calibration_error_and_counts_every_bin():
    figure = PLOTS["reliability"]()
    for column, (name, temperature) in enumerate({"As trained": 1.0, "Temperature 1.40": 1.4}.items()):
        table = calibration.reliability(RUNS[0].predictions["PrivateTest"], temperature=temperature)
        above, below = figure.axes[column], figure.axes[2 + column]
        assert figure.values["ece"][name] == calibration.expected_calibration_error(table)
        assert [bar.get_height() for bar in below.patches] == table["n"].tolist()
        assert [bar.get_height() for bar in above.patches] == table.loc[table["n"] > 0, "accuracy"].tolist()


def test_coverage_marks_the_threshold_that_public_test_chooses():
    values = PLOTS["accuracy_by_coverage"]().values
    last = RUNS[-1]
    chosen = calibration.choose_threshold(last.predictions["PublicTest"], temperature=1.4)
    assert values["chosen"]["network"] == "TL whole"
    assert values["chosen"]["threshold"] == pytest.approx(chosen)
    assert values["TL whole"]["accuracy"][0] == pytest.approx(metrics.accuracy(last.predictions["PrivateTest"]))


def test_plots_leave_pyplot_without_figures():
    import matplotlib.pyplot as plt

    PLOTS["f1_by_emotion"]()
    assert plt.get_fignums() == []


def test_plots_and_figures_need_no_tensorflow():
    code = "import sys; import emotion_detection.plots.saving; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
