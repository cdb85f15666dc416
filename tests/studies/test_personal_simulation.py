"""What a personal head is worth to simulated users: cameras, halves, settings, and the record."""

import dataclasses

import numpy as np
import pytest

from emotion_detection import plots
from emotion_detection.data import synthetic
from emotion_detection.errors import DataError
from emotion_detection.personal import fitting
from emotion_detection.personal import head as personal
from emotion_detection.studies import personal_simulation


def test_a_drawn_person_is_the_same_in_all_expressions_and_another_is_not():
    draw, other = personal_simulation.drawing_of_person(1), personal_simulation.drawing_of_person(2)
    generator = np.random.default_rng(0)
    mine = [draw(emotion, generator).astype(float) for emotion in range(7)]
    theirs = [other(emotion, generator).astype(float) for emotion in range(7)]
    same = np.mean([np.corrcoef(mine[i].ravel(), mine[j].ravel())[0, 1] for i in range(7) for j in range(i)])
    differ = np.mean([np.corrcoef(mine[i].ravel(), theirs[j].ravel())[0, 1] for i in range(7) for j in range(i)])
    assert same > differ + 0.1


def test_a_camera_that_changes_nothing_leaves_a_face_nearly_as_it_is():
    face = synthetic.draw_face("happy", np.random.default_rng(0))
    still = personal_simulation.photograph(face, personal_simulation.Camera(), np.random.default_rng(0))
    moved = personal_simulation.photograph(
        face, personal_simulation.random_camera(np.random.default_rng(1)), np.random.default_rng(0)
    )
    assert np.corrcoef(face.ravel(), still.ravel())[0, 1] > 0.9
    assert np.abs(moved.astype(int) - face).mean() > np.abs(still.astype(int) - face).mean()


def test_no_face_is_both_recorded_and_tested():
    faces = synthetic.load_sample(700).training
    generator = np.random.default_rng(0)
    draw = personal_simulation.drawing_from(faces, generator)
    drawn = [draw(2, generator) for _ in range(14)]
    handed = [int((faces.pixels == face).all(axis=(1, 2)).argmax()) for face in drawn]
    assert len(set(handed)) == 14 and set(faces.emotion[handed]) == {2}


def test_settings_that_harm_what_was_not_recorded_are_not_chosen():
    same = {"bias_penalty": 0.1, "stand_in": 1.0, "reach": 1.0}
    lines = [
        same | {"penalty": 0.1, "gain": 0.1, "harm": -0.2},
        same | {"penalty": 1.0, "gain": 0.05, "harm": -0.001},
        same | {"penalty": 3.0, "gain": 0.02, "harm": 0.0},
    ]
    assert personal_simulation.chosen(lines) == fitting.Settings(1.0, 0.1, 1.0, 1.0)
    with pytest.raises(DataError, match="All 1 settings cost"):
        personal_simulation.chosen(lines[:1])


def test_near_twins_never_lie_in_both_halves(fer2013):
    halves, twins = personal_simulation.halved(fer2013.public_test)
    rows = [set(part.row.tolist()) for part in halves.values()]
    assert not rows[0] & rows[1] and len(rows[0] | rows[1]) == len(fer2013.public_test)
    pairs = personal_simulation.summaries.load_clusters()["pairs"].tolist()
    assert not any(len({one, other} & rows[0]) == len({one, other} & rows[1]) == 1 for one, other in pairs)
    assert twins["clusters"] > 0


def test_one_call_records_averages_settings_gain_and_harm(tmp_path, monkeypatch):
    changes = {"LARGEST_HARM": 1.0, "AVERAGED_FACES": 10, "PENALTIES": (0.1,), "BIAS_PENALTIES": (0.1, 0.3)}
    changes |= {"TESTED_PER_EMOTION": 3, "FRAMES_PER_CLIP": 2, "USERS": {"choosing": 2, "reporting": 3}}
    for name, value in changes.items():
        monkeypatch.setattr(personal_simulation, name, value)
    monkeypatch.setattr(personal, "prepared_path", lambda labels: tmp_path / f"averages_{labels}.npz")
    personal.prepared_for.cache_clear()
    path = personal_simulation.record(synthetic.load_sample(1400))
    record = personal_simulation.load()
    assert path == tmp_path / "simulation.json" and personal_simulation.is_of_shipped(record)
    assert set(record["reporting"]) == set(record["foretold"]) == set(personal_simulation.KINDS)
    assert (
        len(record["choosing"]) == 8 and len(record["reporting"][personal_simulation.DRAWN]["7"]["all"]["users"]) == 3
    )
    prepared = personal.prepared_for(record["network"], "fer2013")
    assert dataclasses.asdict(prepared.settings) == record["settings"]
    assert len(personal_simulation.changes_table(record)) == 12
    personal.prepared_for.cache_clear()


def test_users_who_all_change_alike_have_an_interval_of_that_change():
    summary = personal_simulation.summary_of(np.full(3, 0.25))
    assert summary["low"] == summary["mean"] == summary["high"] == 0.25 and summary["worse"] == 0


# The record


def test_the_record_is_that_of_the_shipped_network():
    record = personal_simulation.load()
    assert personal_simulation.is_of_shipped(record), f"the network was replaced: run `{record['command']}`"
    prepared = personal.prepared_for(record["network"], "fer2013")
    assert prepared is not None and dataclasses.asdict(prepared.settings) == record["settings"]


def test_the_record_holds_what_it_says():
    record = personal_simulation.load()
    assert dataclasses.asdict(personal_simulation.chosen(record["choosing"])) == record["settings"]
    for lines in record["reporting"].values():
        for count, parts in lines.items():
            assert ("others" in parts) == (count != "7")
            for part in ("recorded", "all"):
                summary = personal_simulation.summary_of(np.array(parts[part]["users"]))
                assert summary["mean"] == pytest.approx(parts[part]["mean"], abs=1e-3)
                assert summary["low"] == pytest.approx(parts[part]["low"], abs=1e-3)
                assert parts[part]["low"] < parts[part]["mean"] < parts[part]["high"]


def test_the_figure_shows_every_kind_of_user():
    record = personal_simulation.load()
    values = plots.personal_changes(record).values
    assert set(values) == set(personal_simulation.KINDS)
    kind = personal_simulation.KINDS[0]
    assert values[kind]["1"]["others"]["mean"] == record["reporting"][kind]["1"]["others"]["mean"]


def test_the_table_has_a_row_for_every_kind_of_user_and_count():
    record = personal_simulation.load()
    table = personal_simulation.changes_table(record).set_index(["users", "recorded"])
    assert len(table) == len(personal_simulation.KINDS) * len(personal_simulation.RECORDED)
    four = record["reporting"][personal_simulation.KINDS[2]]["4"]
    assert table.loc[(personal_simulation.KINDS[2], 4), "gain_others_low"] == four["others"]["low"]
    assert table["gain_others"].isna().tolist() == (table.index.get_level_values("recorded") == 7).tolist()
