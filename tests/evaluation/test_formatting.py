import html
import math

import numpy as np
import pandas as pd
import pytest

from emotion_detection.evaluation import formatting


@pytest.mark.parametrize(
    ("value", "text"), [(0.719, "71.9 %"), (0.0, "0.0 %"), (1.0, "100.0 %"), (None, "–"), (math.nan, "–")]
)
def test_shares_are_written_in_percent(value, text):
    assert formatting.percent(value) == text
    assert formatting.percent(0.719, digits=0) == "72 %"


def test_differences_are_written_in_points_with_a_true_minus():
    assert formatting.points(0.008) == "+0.8"
    assert formatting.points(-0.012, -0.020, -0.004) == "−1.2 (−2.0 to −0.4)"
    assert formatting.points(-0.0012, digits=2) == "−0.12"
    assert formatting.points(None) == "–"


def test_an_interval_follows_its_value_in_the_same_unit():
    assert formatting.interval(0.719, 0.704, 0.733) == "71.9 % (70.4–73.3)"
    assert formatting.interval(0.712, 0.693, 0.729, write=formatting.number) == "0.712 (0.693–0.729)"
    assert formatting.interval(0.712, None, math.nan) == "71.2 %"
    assert formatting.interval(0.143, 0.143, 0.143) == "14.3 %"
    assert formatting.interval(2.0, 1.5, 3.0, write=formatting.duration) == "2.00 s (1.50–3.00)"
    assert formatting.interval(0.9, 0.5, 1.2, write=formatting.duration) == "900 ms (500 ms–1.20 s)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.00042, "420 µs"),
        (0.0042, "4.20 ms"),
        (0.0421, "42.1 ms"),
        (2.5, "2.50 s"),
        (75, "75.0 s"),
        (600, "10.0 min"),
        (9000, "2.50 h"),
        (None, "–"),
    ],
)
def test_a_time_has_the_unit_that_suits_it(seconds, text):
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(0.0001, "< 0.001"), (0.0342, "0.034"), (0.5, "0.50"), (1.0, "1.00")])
def test_p_values(value, text):
    assert formatting.p_value(value) == text


def test_a_table_is_formatted_by_the_names_of_its_columns():
    frame = pd.DataFrame(
        {
            "name": ["TL whole", "shipped"],
            "emotion": ["happy", "sad"],
            "n": [3589, np.int64(3301)],
            "accuracy": [0.699, 0.717],
            "accuracy_low": [0.684, 0.702],
            "accuracy_high": [0.712, 0.730],
            "macro_f1": [0.676, np.nan],
            "difference": [-0.012, 0.03],
            "low": [-0.02, 0.01],
            "high": [-0.004, 0.05],
            "p_value": [0.0001, 0.2],
            "face_ms": [1.2345, 12.0],
            "train_s": [0.004, 75.0],
            "input_px": [96, 48],
            "minutes": [82.4, 2.81],
            "frozen": [True, False],
            "learning_rate": [0.0003, 0.01],
            "ratio": [1.523, 3154.2],
            "ratio_least": [1.41, 3000.0],
            "ratio_most": [1.6, 3300.0],
        }
    )
    shown = formatting.format_table(frame)
    assert shown.to_dict("records")[0] == {
        "Name": "TL whole",
        "Emotion": "Happy",
        "n": "3,589",
        "Accuracy (95 % interval)": "69.9 % (68.4–71.2)",
        "Macro-F1": "0.676",
        "Difference, points (95 % interval)": "−1.2 (−2.0 to −0.4)",
        "p": "< 0.001",
        "Face": "1.23 ms",
        "Train": "4.00 ms",
        "Input": "96 px",
        "Training": "82 min",
        "Frozen": "yes",
        "Learning rate": "0.0003",
        "Ratio (least–most)": "1.52× (1.41–1.60)",
    }
    assert shown["Macro-F1"][1] == "–"
    assert shown["Ratio (least–most)"][1] == "3,154× (3,000–3,300)"
    assert shown["n"].tolist() == ["3,589", "3,301"]


def test_a_named_index_is_the_first_column_and_a_plain_one_is_left_out():
    frame = pd.DataFrame({"f1": [0.5]}, index=pd.Index(["happy"], name="emotion"))
    assert formatting.format_table(frame).to_dict("list") == {"Emotion": ["Happy"], "F1": ["0.500"]}
    assert list(formatting.format_table(frame.reset_index(drop=True)).columns) == ["F1"]


def test_markdown_aligns_numbers_and_escapes_bars():
    frame = pd.DataFrame({"a": ["x|y"], "b": ["1"]})
    assert formatting.to_markdown(frame) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n"


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</code><script>alert(1)</script>",
    "`a` ``b",
    "`",
    "a|b\n\n# c",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_of_a_file_is_shown_as_it_is_and_never_read_as_markdown_or_html(name):
    to_html = pytest.importorskip("nbconvert.filters").markdown2html
    shown = html.unescape(to_html(f"In {formatting.code(name)}."))
    assert shown == f"<p>In <code>{name.replace(chr(10), ' ')}</code>.</p>\n".replace("&", "&amp;").replace(
        "&amp;", "&"
    )
    table = to_html(formatting.to_markdown(pd.DataFrame({"file": [name], "n": ["1"]})))
    assert "<img" not in table and "<script" not in table
    assert table.count("<tr>") == 2 and table.count("<td") == 2
