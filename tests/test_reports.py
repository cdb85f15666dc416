"""Documents and figures say what the records say."""

import json

import pytest

from emotion_detection import cards, evaluation, figures, model_card, paths, protocols, recipes, reports, runs
from emotion_detection.datasets import summaries
from emotion_detection.errors import DataError


def figure_values(name: str) -> dict:
    return json.loads((paths.project_root() / "figures" / f"{name}.json").read_text(encoding="utf-8"))


def document(name: str) -> str:
    """A document as one line, so that sentences are found whatever their line breaks."""
    return " ".join((paths.project_root() / name).read_text(encoding="utf-8").split())


def test_readme_and_model_card_hold_the_recorded_figures():
    for path, text in reports.rendered().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run `make notebooks`"


def test_the_shipped_network_is_the_recorded_one():
    assert cards.is_shipped(runs.load_run("tl_whole"))


def test_a_card_is_not_written_for_a_network_that_is_not_shipped(monkeypatch):
    monkeypatch.setattr(cards, "read_card", lambda: {"run": "tl_whole-s0", "finished": "earlier"})
    with pytest.raises(DataError, match="ship tl_whole-s0"):
        model_card.page()


def test_a_readme_without_markers_is_an_error_that_says_what_to_do():
    with pytest.raises(DataError, match="results:begin"):
        reports.update_readme("# Title\n")


def test_prose_on_the_data_set_holds_the_recorded_counts():
    quality, ferplus = summaries.load_quality(), summaries.load_agreement()
    leaks = {(line["split"], line["twin"]): line["share"] for line in quality["leaks"]}
    private, public = (leaks[split, "identical"] for split in ("PrivateTest", "PublicTest"))
    assert f"({100 * private:.1f} % of PrivateTest)" in document("README.md")
    text = document("data/README.md")
    assert f"{100 * private:.1f} % of PrivateTest and {100 * public:.1f} % of PublicTest" in text
    assert f"{quality['groups_with_conflicting_labels']['groups']} groups of identical pictures" in text
    groups = quality["groups_with_conflicting_labels"]
    assert f"{groups['groups']} groups of identical pictures ({groups['rows']} faces)" in text
    assert f"{quality['constant_pictures']} pictures are constant" in text
    rest = quality["without_unverified_rows"]
    shares, groups = rest["share_with_identical_twin"], rest["groups_with_conflicting_labels"]
    percents = f"{100 * shares['PrivateTest']:.1f} %, {100 * shares['PublicTest']:.1f} %"
    assert f"{percents}, {groups['groups']} groups ({groups['rows']} faces)" in text
    assert rest["constant_pictures"] == 0 and "no constant picture" in text
    majority = ferplus["PrivateTest"]
    assert (
        f"{majority['n_strict']:,} faces of PrivateTest have a strict majority and {majority['n_plurality']:,}" in text
    )


def test_figures_show_the_recorded_scores():
    found = [runs.load_run(name) for name in recipes.REGIMES]
    f1, curves = figure_values("05_f1_by_emotion")["f1"], figure_values("03_learning_curves")
    for run in found:
        name = evaluation.display_name(run)
        table = evaluation.f1_with_intervals(run.predictions["PrivateTest"])
        assert f1[name]["f1"] == figures.plain(table["f1"])
        assert f1[name]["f1_low"] == figures.plain(table["f1_low"])
        assert curves[name]["val_accuracy"] == figures.plain(run.history["val_accuracy"])
    counts = evaluation.confusion(found[-1].predictions["PrivateTest"])
    assert figure_values("05_confusion_matrix")["counts"] == counts.tolist()


def test_recorded_scores_are_those_of_the_recorded_predictions():
    for name in runs.recorded():
        run = runs.load_run(name)
        for split, predictions in run.predictions.items():
            assert run.info["metrics"][split]["accuracy"] == pytest.approx(evaluation.accuracy(predictions), abs=1e-9)
        accuracy = evaluation.accuracy(run.predictions[protocols.validated_on(run.info["recipe"])])
        within = 1e-3 if run.info["recipe"].get("folds") else 1e-4  # a mean over folds, which differ a little in size
        assert run.history["val_accuracy"].iloc[-1] == pytest.approx(accuracy, abs=within)
