"""Plots that set networks and trainings beside one another: what is drawn are the studies' numbers, readable."""

import json

import numpy as np
import pandas as pd
import pytest

from emotion_detection import paths, plots
from emotion_detection.data import perturbations
from emotion_detection.plots import saving
from emotion_detection.runs import store
from emotion_detection.studies import ablations, peers, published_result, robustness
from figure_texts import assert_well_drawn

ABLATIONS = pd.DataFrame(
    {
        "ablation": ["larger input", "another rate", "SGD"],
        "difference": [0.04, 0.0, -0.3],
        "difference_low": [0.03, -0.01, -0.32],
        "difference_high": [0.05, 0.01, -0.28],
        "verdict": ["better", "no difference shown", "worse"],
        "nll_difference": [-0.07, 0.0, 0.7],
        "nll_difference_low": [-0.09, -0.01, 0.68],
        "nll_difference_high": [-0.05, 0.01, 0.72],
        "nll_verdict": ["better", "no difference shown", "worse"],
    }
)
PLOTS = {
    "published_and_replay": lambda: plots.published_and_replay(
        published_result.f1_beside_published(store.load_run("published_whole"))
    ),
    "ablations": lambda: plots.ablations({"early": ABLATIONS}),
    "accuracy_against_size": lambda: plots.accuracy_against_size(peers.against_parameters(store.load_run("shipped"))),
    "robustness": lambda: plots.robustness(robustness.accuracies(robustness.load()), commonest=0.25),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_the_same_each_time_and_no_text_is_cut_or_overlaps(name):
    assert_well_drawn(PLOTS[name])


def test_every_ablation_is_drawn_at_its_place_and_what_lies_far_off_is_an_arrow():
    figure = PLOTS["ablations"]()
    accuracies, likelihoods = figure.axes
    for panel, column, scale in ((accuracies, "difference", 100), (likelihoods, "nll_difference", 1)):
        drawn = np.concatenate([line.get_xdata() for line in panel.lines if line.get_marker() == "o"])
        assert sorted(drawn) == pytest.approx(sorted(scale * ABLATIONS[column].iloc[:2]))
        arrows = [line for line in panel.lines if line.get_marker() == "<"]
        assert [line.get_ydata()[0] for line in arrows] == [0]
        assert len(panel.texts) == len(ABLATIONS), "those at the edge have their value, too"
    low, high = likelihoods.get_xlim()
    assert low > high, "what is better lies on the right in both panels"
    assert figure.values["early"]["ablation"] == ABLATIONS["ablation"].tolist()


def test_the_committed_figures_hold_what_the_records_say():
    folder = paths.project_root() / "figures"
    shown = json.loads((folder / "C_ablations.json").read_text(encoding="utf-8"))
    for part, title in ablations.ROUNDS.items():
        assert shown[title]["difference"] == saving.plain(ablations.differences(part)["difference"])
    shown = json.loads((folder / "C_robustness.json").read_text(encoding="utf-8"))
    assert shown["rows"]["accuracy"] == saving.plain(robustness.accuracies(robustness.load())["accuracy"])


def test_a_panel_of_spoiled_faces_has_a_line_per_network_and_the_commonest():
    figure = PLOTS["robustness"]()
    assert len(figure.axes) == len(perturbations.PERTURBATIONS)
    assert all(len(axes.lines) == 6 for axes in figure.axes)  # three of ours, two others, the commonest
