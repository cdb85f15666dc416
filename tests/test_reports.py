"""Documents say what the records say."""

import pytest

from emotion_detection import reports
from emotion_detection.errors import DataError


def test_readme_and_model_card_hold_the_recorded_figures():
    for path, text in reports.rendered().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run `make notebooks`"


def test_a_readme_without_markers_is_an_error_that_says_what_to_do():
    with pytest.raises(DataError, match="results:begin"):
        reports.update_readme("# Title\n")
