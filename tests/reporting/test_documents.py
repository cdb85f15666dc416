"""Documents and figures say what the records say."""

import json
import re

import jinja2
import pytest

from emotion_detection import paths
from emotion_detection.data import summaries
from emotion_detection.errors import DataError
from emotion_detection.evaluation import calibration, metrics
from emotion_detection.export import ship
from emotion_detection.plots import saving
from emotion_detection.reporting import documents, model_card, readme
from emotion_detection.runs import registry, store
from emotion_detection.training import catalog


def figure_values(name: str) -> dict:
    return json.loads((paths.project_root() / "figures" / f"{name}.json").read_text(encoding="utf-8"))


def document(name: str) -> str:
    """A document as one line, so that sentences are found whatever their line breaks."""
    return " ".join((paths.project_root() / name).read_text(encoding="utf-8").split())


def test_readme_and_model_card_hold_the_recorded_figures():
    for path, text in documents.rendered().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run `make notebooks`"


def test_a_card_is_not_written_for_a_network_that_is_not_shipped(monkeypatch):
    monkeypatch.setattr(registry, "read_card", lambda: {"run": "tl_whole-s0", "finished": "earlier"})
    with pytest.raises(DataError, match="ship tl_whole-s0"):
        model_card.values()


def test_the_shipped_seed_is_the_one_that_its_rule_chooses():
    card = registry.read_card()
    of_seeds = card["seeds"]["scores"]
    assert sorted(of_seeds) == [run.name for run in store.final_seeds(card["recipe"])]
    ship.check_best(card["run"], of_seeds)
    for name, scores in of_seeds.items():
        assert scores["labels"] == pytest.approx(store.load_info(name)["metrics"]["PublicTest"]["accuracy"], abs=1e-4)
    assert of_seeds[card["run"]]["votes_private_test"] == pytest.approx(
        card["votes"]["PrivateTest"]["accuracy"], abs=1e-4
    )
    best = next(name for name in of_seeds if name != card["run"])
    with pytest.raises(DataError, match=f"ship {best} --photographs"):
        ship.check_best(card["run"], of_seeds | {best: dict.fromkeys(ship.CHOOSING, 1.0)})
    assert model_card.chosen_values({}) is None


def test_a_readme_without_markers_is_an_error_that_says_what_to_do(isolated):
    (isolated / "README.md").write_text("# Title\n")
    with pytest.raises(DataError, match="results:begin"):
        readme.with_results("A table.")


def test_the_results_say_in_what_time_the_shipped_network_is_trained_again():
    runs = [store.load_run(name) for name in ("tl_whole", "late_base", "best")]
    found = readme.times_by_hardware(runs, epoch_minutes=3.0)
    assert found["cores"] == 2
    assert found["hours_without_accelerator"] == pytest.approx(found["core_hours"] + 28 * 3.0 / 60)
    assert found["core_hours"] == pytest.approx((runs[0].minutes + runs[1].minutes / 2) / 60)
    accelerator = [run for run in runs if run.accelerator is not None]
    assert found["accelerator_minutes"] == {run.accelerator: pytest.approx(run.minutes) for run in accelerator}


def test_the_results_show_each_run_once_and_count_the_faces():
    table = readme.results_table()
    assert list(table["Network"])[:3] == ["TL top", "TL 100", "TL whole"]
    assert table["Network"].iloc[-1].endswith("(shipped)")
    shipped = store.load_run("shipped").predictions["PrivateTest"]
    assert table["Accuracy (n = 3,589)"].iloc[-1].startswith(f"{100 * metrics.accuracy(shipped):.1f} %")


def test_a_template_with_a_name_that_has_no_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        documents.render("results.md.j2", table="")


def test_readme_is_short():
    assert len(readme.path().read_bytes()) <= 10_000


@pytest.mark.parametrize("folder", [".", "notebooks", "data"])
def test_links_in_pages_lead_somewhere(folder):
    for page in (paths.project_root() / folder).glob("*.md"):
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_prose_on_the_data_set_holds_the_recorded_counts():
    quality, ferplus = summaries.load_quality(), summaries.load_agreement()
    leaks = {(line["split"], line["twin"]): line["share"] for line in quality["leaks"]}
    private, public = (leaks[split, "identical"] for split in ("PrivateTest", "PublicTest"))
    text = document("data/README.md")
    assert f"{100 * private:.1f} % of PrivateTest and {100 * public:.1f} % of PublicTest" in text
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
    found = [store.load_run(name) for name in (*catalog.REGIMES, "shipped")]
    f1, curves = figure_values("05_f1_by_emotion")["f1"], figure_values("03_learning_curves")
    for run in found:
        name = run.display_name
        table = metrics.f1_with_intervals(run.predictions["PrivateTest"])
        assert f1[name]["f1"] == saving.plain(table["f1"])
        assert f1[name]["f1_low"] == saving.plain(table["f1_low"])
        if store.split_name(run.name)[0] in catalog.REGIMES:
            assert curves[name]["val_accuracy"] == saving.plain(run.history["val_accuracy"])
    counts = metrics.confusion(found[-1].predictions["PrivateTest"])
    assert figure_values("05_confusion_matrix")["counts"] == counts.tolist()


def test_the_coverage_figure_marks_the_chosen_threshold():
    best = store.load_run("shipped")
    temperature = best.info["temperature"]
    threshold = calibration.choose_threshold(best.predictions["PublicTest"], temperature=temperature)
    answers = best.predictions["PrivateTest"]
    table = calibration.coverage(answers, temperature=temperature, thresholds=[threshold])
    chosen = figure_values("05_coverage")["chosen"]
    assert chosen["accuracy"] == pytest.approx(table["accuracy"].iloc[0], abs=1e-5)
    assert chosen["coverage"] == pytest.approx(table["coverage"].iloc[0], abs=1e-5)


def test_the_model_card_holds_both_labels_all_formats_and_what_it_must_not_be_used_for():
    card, shipped = document("data/models/emotion_mobilenetv2.md"), registry.read_card()
    for form, suffix in registry.SUFFIXES.items():
        assert f"`{registry.SHIPPED}{suffix}`" in card
        accuracy = shipped["formats"][form]["PrivateTest"]["accuracy"]
        assert f"| {form} | PrivateTest | 3,589 | {100 * accuracy:.2f} % |" in card
    run = store.load_run(shipped["run"])
    for counts in (run.info["ferplus"]["PrivateTest"], run.info["ferplus"]["PrivateTest"]["deduplicated"]):
        assert f"{100 * counts['accuracy']:.1f} % (" in card and f"{counts['n']:,}" in card
    assert "at work or in schools is banned" in card and "An expression is not a feeling" in card
