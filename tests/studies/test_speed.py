"""The recorded speed benchmark: read, checked, and as tables."""

import copy
import json

import numpy as np
import pytest

from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.studies import speed

MATRICES = "its multiplications at the machine's matrix rate"


def comparison(group, name, ours_s, other_s, **more):
    """A comparison of three rounds, as the benchmark records it."""
    ratios = [other / own for own, other in zip(ours_s, other_s, strict=True)]
    row = {"group": group, "name": name, "ours": "this package", "other": name.partition("against ")[2]}
    row |= {"ours_seconds": list(ours_s), "other_seconds": list(other_s), "units": 1}
    row |= {"ratio": {"median": float(np.median(ratios)), "low": min(ratios), "high": max(ratios)}}
    row |= {"ours_peak_mb": 150.0, "other_peak_mb": None, "limit": None, "target": None, "holds": None}
    return row | {"accuracy": None} | more


FACE_S = (0.0015, 0.0016, 0.0018)
FACE = {"limit": {"what": MATRICES, "seconds": 0.0008}}
WANTED = {"target": {"ratio": 40, "seconds": 0.0015}, "holds": False}
RECORD = {
    "measured": "2026-11-24T10:40:00+00:00",
    "hardware": {"system": "Linux x86_64", "cores": 2, "memory_gb": 25, "processor": "a processor"},
    "packages": {"tensorflow": "2.21.0"},
    "matrix_gflops": 150.0,
    "rows": [
        comparison("start", "first answer, against Keras", (0.7, 0.6, 0.7), (7.0, 9.0, 8.0), holds=True),
        comparison(
            "training",
            "TL whole, the loop itself",
            (20.0, 20.0, 21.0),
            (19.0, 19.0, 19.0),
            limit={"what": "the bare steps", "seconds": 19.0},
        ),
        comparison("one face", "against Model.predict", FACE_S, (0.08, 0.08, 0.09), **FACE, **WANTED),
        comparison("one face", "against tf.function", FACE_S, (0.010, 0.011, 0.012), **FACE),
        comparison("training", "TL top, 40 epochs", (9, 9, 9), (400, 410, 420), accuracy={"ours": 0.45, "other": 0.44}),
    ],
    "growth": [
        {"name": "rows", "x_label": "rows", "x": [1000, 6000, 36000], "seconds": [1, 2, 12], "peak_mb": [9, 9, 10]},
        {"name": "faces", "x_label": "faces", "x": [0, 1, 2, 4], "seconds": [6, 8, 10, 14], "peak_mb": [5, 5, 5, 5]},
    ],
}


def written(folder, record):
    file = folder / "speed.json"
    file.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
    return file


@pytest.fixture
def benchmark(tmp_path):
    return speed.load_benchmark(written(tmp_path, RECORD))


def test_a_missing_benchmark_says_how_to_measure(isolated):
    with pytest.raises(MissingFileError, match=r"data/results/benchmarks/speed.json.*make bench"):
        speed.load_benchmark()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("rows", 0, "ours_seconds"), [], "median"),
        (("rows", 1, "group"), "other", "tuple.index"),
        (("rows", 1, "ratio"), {"median": 1}, "ratio_low"),
        (("rows", 4), "text", "Error"),
        (("growth", 0, "x"), [1, 2], "ValueError"),
        (("hardware",), {}, "processor"),
    ],
)
def test_a_damaged_benchmark_says_what_is_wrong(tmp_path, path, value, said):
    record = copy.deepcopy(RECORD)
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(DataError, match=rf"damaged: .*{said}.*make bench"):
        speed.load_benchmark(written(tmp_path, record))


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_file_that_is_no_benchmark_is_refused(tmp_path, text):
    with pytest.raises(DataError):
        speed.load_benchmark(written(tmp_path, text))


def test_comparisons_stand_in_the_order_of_their_groups_with_medians_and_limits(benchmark):
    table = benchmark.comparisons
    assert table["group"].tolist() == ["training"] * 2 + ["one face"] * 2 + ["start"]
    row = table[table["name"] == "against Model.predict"].iloc[0]
    assert (row["ours_s"], row["other_s"]) == (0.0016, 0.08)
    assert row[["ratio_least", "ratio", "ratio_most"]].tolist() == pytest.approx([50, 50, 53.33], abs=0.01)
    assert row["limit_share"] == pytest.approx(0.5)
    assert (row["wanted_ratio"], row["holds"]) == (40, False)
    assert table["accuracy_ours"].dropna().tolist() == [0.45]
    assert table["accuracy_other_reestimated"].isna().all()


def test_what_is_compared_several_times_has_one_limit(benchmark):
    found = speed.limits_table(benchmark.comparisons)
    assert found["what"].tolist() == ["training: TL whole, the loop itself", "one face"]
    assert found["limit_share"].tolist() == pytest.approx([0.95, 0.5])


def test_growth_stands_by_growing_work_with_its_unit(benchmark):
    assert benchmark.growths["faces"]["x"].tolist() == [0, 1, 2, 4]
    assert benchmark.growths["rows"]["seconds"].tolist() == [1, 2, 12]
    assert benchmark.growths["rows"].attrs["unit"] == "rows"


def test_no_target_of_the_recorded_benchmark_is_missed():
    comparisons = speed.load_benchmark().comparisons
    assert not (comparisons["holds"] == False).any()  # noqa: E712 (None where nothing is wanted)


def test_training_steps_stand_the_fastest_first(tmp_path):
    table = speed.steps_table()
    assert table["faces_per_second"].is_monotonic_decreasing
    assert (table["ratio_least"] <= table["ratio"]).all() and (table["ratio"] <= table["ratio_most"]).all()
    with pytest.raises(MissingFileError, match=r"bench_step\.py --record"):
        speed.steps_table(tmp_path / "step.json")
    (tmp_path / "step.json").write_text(json.dumps({"rows": [{}]}))
    with pytest.raises(DataError, match="damaged"):
        speed.steps_table(tmp_path / "step.json")
