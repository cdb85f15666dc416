"""The benchmark's own arithmetic, and that its ways run; what they measure is no test's business."""

import json
import sys

import bench
import comparison
import growth
import harness
import pytest

from emotion_detection.studies import speed


def row(**changes) -> comparison.Row:
    values = {
        "group": "one face",
        "name": "against x",
        "ours": "ours",
        "other": "x",
        "ours_seconds": [1.0, 2.0, 4.0],
        "other_seconds": [10.0, 10.0, 10.0],
        "units": 1,
        "ours_peak_mb": 100.0,
    }
    return comparison.Row(**(values | changes))


def test_a_ratio_is_taken_round_by_round():
    assert row().ratio == {"median": 5.0, "low": 2.5, "high": 10.0}


def test_where_one_side_ran_once_it_is_compared_with_every_round():
    assert row(other_seconds=[8.0]).ratio == {"median": 4.0, "low": 2.0, "high": 8.0}


@pytest.mark.parametrize(
    ("target", "holds"),
    [
        (None, None),
        ({"ratio": 5}, True),
        ({"ratio": 5.1}, False),
        ({"seconds": 2.0, "mb": 100}, True),
        ({"seconds": 2.0, "mb": 99}, False),
        ({"share": 0.5}, True),
        ({"share": 0.6}, False),
    ],
)
def test_a_target_holds_at_the_median_or_is_missed(target, holds):
    assert row(target=target, limit={"what": "x", "seconds": 1.0}).holds is holds


def test_a_way_runs_in_a_process_of_its_own_and_tells_time_and_memory(tmp_path):
    file = tmp_path / "some.bytes"
    file.write_bytes(b"x" * 1000)
    with harness.closing(harness.Way("ways_loading.py", "bytes", {"file": str(file)})) as (way,):
        harness.alternate([way], rounds=2)
    assert [turn["bytes"] for turn in way.turns] == [1000, 1000]
    assert all(seconds > 0 for seconds in way.seconds)
    assert 10 < way.peak_mb < 500


def test_a_way_that_fails_says_why():
    way = harness.Way("ways_loading.py", "bytes", {"file": "gone"})
    with harness.closing(way), pytest.raises(RuntimeError, match="FileNotFoundError"):
        way.turn()


def recorded_row(group: str, median: float, **more) -> dict:
    return {"group": group, "name": "a", "units": 9, "ratio": {"median": median, "low": median, "high": median}} | more


def recorded(rows: list[dict], processor: str = "fast", **more) -> dict:
    return {"hardware": {"processor": processor}, "rows": rows, "growth": []} | more


def test_groups_measured_anew_replace_those_recorded_on_the_same_machine():
    loading, video = recorded_row("loading", 5.0), recorded_row("video", 4.0, earlier_ratios=[3.0])
    merged = comparison.merged(recorded([loading, video], growth=["g"]), recorded([recorded_row("video", 6.0)]))
    assert merged["rows"] == [loading, recorded_row("video", 6.0, earlier_ratios=[3.0, 4.0])]
    assert merged["growth"] == ["g"]
    assert merged["earlier_processors"] == ["fast"]


def test_of_a_record_of_another_machine_only_ratios_are_kept(capsys):
    loading, video = recorded_row("loading", 5.0), recorded_row("video", 4.0)
    before = recorded([loading, video], "slow", growth=["g"], earlier_processors=["old"])
    merged = comparison.merged(before, recorded([recorded_row("video", 6.0)]))
    assert merged["rows"] == [recorded_row("video", 6.0, earlier_ratios=[4.0])]
    assert merged["growth"] == []
    assert merged["earlier_processors"] == ["old", "slow"]
    assert merged["hardware"] == {"processor": "fast"}
    assert "measure them here too: loading, growth" in capsys.readouterr().out


def test_a_comparison_of_other_work_does_not_join_the_earlier_ratios():
    before = recorded([recorded_row("video", 4.0, units=8)])
    merged = comparison.merged(before, recorded([recorded_row("video", 6.0)]))
    assert merged["rows"][0]["earlier_ratios"] == []
    assert merged["earlier_processors"] == []


def test_a_ratio_outside_the_spread_of_the_recorded_runs_is_told(monkeypatch, tmp_path, capsys):
    file = tmp_path / "speed.json"
    monkeypatch.setattr(speed, "benchmark_path", lambda: file)
    comparison.compare_with_record([row()])
    assert not capsys.readouterr().out
    same = {"group": "one face", "name": "against x", "units": 1, "ratio": {"median": 20.0, "low": 19.0, "high": 21.0}}
    file.write_text(json.dumps({"rows": [same]}))
    comparison.compare_with_record([row()])
    assert "now 5.0 (2.5–10.0), recorded 20.0 (19.0–21.0): OUTSIDE" in capsys.readouterr().out
    file.write_text(json.dumps({"rows": [same | {"earlier_ratios": [9.0]}]}))
    comparison.compare_with_record([row()])
    assert "OUTSIDE" not in capsys.readouterr().out


@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_frames_have_so_many_faces(count):
    from emotion_detection.faces import detection

    if detection.find_yunet() is None:
        pytest.skip("YuNet not found: run make setup or set EMOTION_DATA_DIR")
    assert len(detection.load_detector("yunet").detect(growth.frame_with_faces(0.0, count))) == count


def test_memory_of_a_new_process_is_its_own_not_that_of_its_parent():
    ballast = bytearray(400_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
    code = "import sys; sys.path.insert(0, sys.argv[1]); import harness; print(harness.peak_mb())"
    peak_mb = growth.run_once([sys.executable, "-c", code, str(harness.FOLDER)])["peak_mb"]
    assert peak_mb < 100
    assert len(ballast) == 400_000_000


def test_the_multiplications_of_mobilenet_are_the_300_million_that_its_authors_count():
    from emotion_detection.training import catalog, mobilenet

    model = mobilenet.build_model(catalog.TL_WHOLE.replace(weights=None, input_px=224))
    assert growth.multiply_adds(model) == pytest.approx(300e6, rel=0.01)
    assert growth.multiply_adds(model, trained_only=True) == growth.multiply_adds(model)


def test_the_recorded_trainings_are_those_that_the_benchmark_measures():
    comparisons = speed.load_benchmark().comparisons
    assert set(comparisons.loc[comparisons["group"] == "training", "name"]) == set(bench.TRAINING_ROWS.values())
