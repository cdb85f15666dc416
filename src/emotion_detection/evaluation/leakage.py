"""Faces of a test split that have a twin in Training, and scores without them."""

import numpy as np

from emotion_detection.errors import UnknownNameError
from emotion_detection.runs.run import Predictions


def without_twins(predictions: Predictions, twins: dict[str, np.ndarray], *, kind: str = "identical") -> Predictions:
    """Return the predictions of those rows that have no twin in Training, by the lists of `summaries.load_twins`.

    `kind` "identical" leaves out pixel-identical twins, "near" also those with correlation > 0.95.

    Raises:
        UnknownNameError: `twins` holds no such list for this split.
    """
    key = f"{predictions.split}_{kind}"
    if key not in twins:
        raise UnknownNameError(
            f"No list of twins is named {key!r}; there are {sorted(twins)}. Use kind 'identical' or 'near' and a test "
            "split, or record the lists again with emotion_detection.data.summaries.record()."
        )
    return predictions.select(~np.isin(predictions.row, twins[key]))
