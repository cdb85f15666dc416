"""Where the published 96.9 % comes from: what was published, and tables that set our recorded runs beside it."""

import numpy as np
import pandas as pd

from emotion_detection.emotions import DISPLAY_NAMES, EMOTIONS
from emotion_detection.evaluation import metrics
from emotion_detection.reporting.reports import percent, points
from emotion_detection.runs import store
from emotion_detection.training import splits

SOURCE = "j-truong/Emotion-Detection, emotion_detection.ipynb, commit bd8f776 (2020)"

PUBLISHED_CONFUSION = np.array(
    [
        [3890, 2, 42, 23, 18, 1, 37],
        [2, 430, 5, 0, 8, 1, 1],
        [49, 2, 3944, 13, 49, 14, 27],
        [4, 0, 17, 7085, 21, 2, 9],
        [57, 0, 65, 22, 4627, 0, 82],
        [29, 1, 70, 38, 9, 3030, 25],
        [21, 0, 24, 51, 45, 0, 4817],
    ]
)
"""The confusion matrix in the published notebook: rows are labels, columns answers, in FER2013's order."""

PUBLISHED_CURVES = {
    "TL top": {"learning": 0.317, "validation": 0.273},
    "TL 100": {"learning": 0.637, "validation": 0.292},
}
"""Accuracy at the end of two published regimes, while learning and in inference mode on the same images."""

PUBLISHED_AUGMENTED = {"learning": 0.8028, "validation": 0.4801}
"""The published fourth run, with augmented rare emotions: last epoch."""

PARTS_OF_AUGMENTED = ("Unseen", "PublicTest")
"""Parts of the record of a run that was augmented before splitting: its own validation, and an official split."""

LEARNED_PERCENT = round(100 * splits.LEARNED_SHARE)
PIXELS = {"unit": "0 to 1", "symmetric": "−1 to 1"}
OPTIMIZERS = {"rmsprop": "RMSprop", "adamw": "AdamW", "sgd": "SGD"}
HEADS = {"two_dense": "two hidden layers in the head", "linear": "a linear head"}


def published() -> dict:
    """Return what the published confusion matrix says: n, accuracy, F1 per emotion (0–1)."""
    counts = PUBLISHED_CONFUSION
    f1 = pd.Series(metrics.f1_of(counts), index=EMOTIONS)
    return {"n": int(counts.sum()), "accuracy": float(metrics.accuracy_of(counts)), "f1": f1}


def f1_beside_published(replay: store.Run) -> pd.DataFrame:
    """Return F1 per emotion (0–1): as published, our replay on its training rows, and on rows that it never saw."""
    columns = {
        "published": published()["f1"],
        "replay, rows learned from": metrics.per_class(replay.predictions["Training"])["f1"],
        "replay, rows never seen": metrics.per_class(replay.predictions["Unseen"])["f1"],
    }
    return pd.DataFrame(columns).rename(index=DISPLAY_NAMES)


def epoch_choice(run: store.Run) -> dict:
    """Return what choosing the epoch on PrivateTest buys.

    Returns:
        Epochs and PrivateTest accuracies (0–1) of the best epoch by PrivateTest, the best by PublicTest, and the last;
        `points`: what the first is ahead of the second.
    """
    history = run.history
    by_private = history["private_accuracy_for_audit"].idxmax()
    chosen = {"private": by_private, "public": history["val_accuracy"].idxmax(), "last": history.index[-1]}
    found = {
        name: {"epoch": int(history["epoch"][at]), "accuracy": float(history["private_accuracy_for_audit"][at])}
        for name, at in chosen.items()
    }
    return found | {"points": 100 * (found["private"]["accuracy"] - found["public"]["accuracy"])}


def scores_table(found: dict[str, tuple[store.Run, str]]) -> pd.DataFrame:
    """Return one line per claim: what it is, protocol, accuracy with its interval, n, de-duplicated accuracy.

    Args:
        found: what the line is called → run and part of its record.
    """
    lines = []
    for name, (run, part) in found.items():
        values = metrics.scores(run, split=part)
        accuracy = metrics.with_interval(values["accuracy"], values["accuracy_ci"], percent=True)
        lines.append(
            {
                "What": name,
                "Rows": part,
                "Protocol": splits.describe(run.info["recipe"]),
                "Accuracy (95 % interval)": accuracy,
                "n": f"{values['n']:,}",
                "De-duplicated": percent(values["accuracy_deduplicated"]),
            }
        )
    return pd.DataFrame(lines)


def number_of_faces() -> int:
    """Return how many faces FER2013 has, from the recorded counts."""
    from emotion_detection.data import summaries

    return int(summaries.load_counts().to_numpy().sum())


def protocols_table(found: list[store.Run]) -> pd.DataFrame:
    """Return one line per run: recipe, protocol, input size, scaling of pixels, epochs, minutes."""
    lines = [
        {
            "Run": run.name,
            "Protocol": splits.describe(run.info["recipe"]),
            "Input": f"{run.info['recipe']['input_px']} px",
            "Pixels": PIXELS[run.info["recipe"]["scaling"]],
            "Epochs": len(run.history),
            "Minutes": f"{run.minutes:.0f}",
        }
        for run in found
    ]
    return pd.DataFrame(lines)


def settings_in_words(run: store.Run) -> str:
    """Return the settings of a recorded run in words, those that the published recipe gives."""
    recipe = run.info["recipe"]
    return (
        f"{recipe['input_px']} px, pixels scaled to {PIXELS[recipe['scaling']]}, {HEADS[recipe['head']]}, "
        f"{OPTIMIZERS[recipe['optimizer']]} at a learning rate of {recipe['learning_rate']:g}, batches of "
        f"{recipe['batch_size']}"
    )


def ending_in_words(run: store.Run) -> str:
    """Return in words when a replay of TL whole ended: at the published accuracy, or after the epochs allowed."""
    goal, reached = run.info["recipe"]["stop_at_training_accuracy"], run.history["val_accuracy"].iloc[-1]
    n = len(run.history)
    if reached >= goal:
        return f"until it is right on {percent(goal)} of its training rows in inference mode, which takes {n} epochs"
    return f"for {n} epochs; it is then right on {percent(reached)} of its training rows in inference mode"


def mistakes_table(found: dict[str, store.Run]) -> pd.DataFrame:
    """Return what each remaining mistake is worth on TL 100: the figure it gives, the figure without it, points.

    Args:
        found: recipe → run, of "augmented_before_split", "tl_100", "tl_100_unit", "tl_100_48", "tl_100_48_unit".
    """
    augmented = found["augmented_before_split"]
    lines = [_line_of_augmented(augmented)]
    for wrong, right in (("tl_100_unit", "tl_100"), ("tl_100_48_unit", "tl_100_48"), ("tl_100_48", "tl_100")):
        lines.append(_line_of_mistake(found[wrong], found[right]))
    return pd.DataFrame(lines)


def _line_of_augmented(run: store.Run) -> dict[str, str]:
    own, official = _at_the_same_mix(run), metrics.accuracy(run.predictions["PublicTest"])
    return {
        "Mistake": f"{splits.describe(run.info['recipe'])} (its own validation, at PublicTest's mix of emotions)",
        "With it": percent(own),
        "Without": percent(official),
        "Difference (95 % interval)": f"{points(own - official)} points",
    }


def _at_the_same_mix(run: store.Run) -> float:
    """Return the accuracy (0–1) on the run's own validation if its emotions were as frequent as PublicTest's."""
    own, official = (metrics.per_class(run.predictions[part]) for part in PARTS_OF_AUGMENTED)
    return float(np.average(own["recall"], weights=official["support"]))


def _line_of_mistake(wrong: store.Run, right: store.Run) -> dict[str, str]:
    scaled, sides = ([run.info["recipe"][key] for run in (wrong, right)] for key in ("scaling", "input_px"))
    if scaled[0] != scaled[1]:
        words = f"pixels {PIXELS[scaled[0]]} instead of {PIXELS[scaled[1]]}, at {sides[0]} px"
    else:
        words = f"{sides[0]} px instead of {sides[1]} px"
    compared = metrics.compare(wrong.predictions["PublicTest"], right.predictions["PublicTest"])
    return {
        "Mistake": f"{words} (both on PublicTest)",
        "With it": percent(metrics.accuracy(wrong.predictions["PublicTest"])),
        "Without": percent(metrics.accuracy(right.predictions["PublicTest"])),
        "Difference (95 % interval)": f"{points(compared.difference, compared.difference_ci)} points",
    }


def augmented_verdict(run: store.Run) -> str:
    """Return in words what augmenting before splitting does to the emotion that is copied most, and to accuracy."""
    own, official = (metrics.per_class(run.predictions[part])["recall"]["disgust"] for part in PARTS_OF_AUGMENTED)
    said, honest = (metrics.accuracy(run.predictions[part]) for part in PARTS_OF_AUGMENTED)
    there = PUBLISHED_AUGMENTED
    return (
        f"With copies on both sides of the cut, Disgust looks solved: **{percent(own, 0)}** of its faces are "
        f"recognised in the run's own validation, **{percent(official, 0)}** in PublicTest. The run reports "
        f"{percent(said)}, {100 * (said - honest):.1f} points more than PublicTest gives the same network; "
        f"{100 * (said - _at_the_same_mix(run)):.1f} of them are there because copies change how frequent each emotion "
        "is. The published fourth run validates on copies of what it learned from, too; it ends at "
        f"{percent(there['learning'])} while learning and {percent(there['validation'])} in validation, a gap like "
        "those above. A difference without an interval is between two sets of faces; where an interval holds zero, no "
        "difference was found."
    )


def closing_table(found: dict[str, store.Run]) -> pd.DataFrame:
    """Return claim, protocol, our replay and the honest figure, a line each; protocols are those recorded.

    Args:
        found: recipe → run, of "published_whole", "honest_whole" (final) and "augmented_before_split".
    """
    replay, honest, augmented = (found[name] for name in ("published_whole", "honest_whole", "augmented_before_split"))
    chosen, official = epoch_choice(honest), metrics.of_split(honest, "PrivateTest")
    learned, unseen = replay.predictions["Training"], replay.predictions["Unseen"]
    f1 = published()["f1"]
    lines = [
        (
            f"accuracy {percent(published()['accuracy'])}",
            replay,
            percent(metrics.accuracy(learned)),
            f"{percent(metrics.accuracy(unseen))} on rows never seen; {_official_in_words(honest)}",
        ),
        (
            f"F1 per emotion {f1.min():.2f} to {f1.max():.2f}",
            replay,
            _f1_range(learned),
            f"{_f1_range(unseen)} on rows never seen; {_f1_range(official)} on {official.split}",
        ),
        (
            "the best epoch of a run",
            honest,
            percent(chosen["private"]["accuracy"]),
            f"{percent(chosen['public']['accuracy'])} on PrivateTest, epoch chosen on PublicTest",
        ),
        (
            "validated on what was held out after augmenting",
            augmented,
            percent(metrics.accuracy(augmented.predictions["Unseen"])),
            f"{percent(metrics.accuracy(augmented.predictions['PublicTest']))} on PublicTest",
        ),
    ]
    return pd.DataFrame(
        [(claim, splits.describe(run.info["recipe"]), ours, honestly) for claim, run, ours, honestly in lines],
        columns=["Claim", "Protocol", "Our replay", "Honest figure"],
    )


def _official_in_words(run: store.Run) -> str:
    values = metrics.scores(run, split="PrivateTest")
    low, high = values["accuracy_ci"]
    return (
        f"{percent(values['accuracy'])} on PrivateTest ({100 * low:.1f}–{100 * high:.1f}; de-duplicated "
        f"{percent(values['accuracy_deduplicated'])}; {splits.describe(run.info['recipe'])})"
    )


def _f1_range(predictions: store.Predictions) -> str:
    f1 = metrics.per_class(predictions)["f1"]
    return f"{f1.min():.2f} to {f1.max():.2f}"


def paragraph(replay: store.Run, honest: store.Run) -> str:
    """Return the README's paragraph on the published figure, numbers and protocol from the records."""
    claim, official = published(), metrics.scores(honest, split="PrivateTest")
    learned, unseen = (metrics.scores(replay, split=part) for part in ("Training", "Unseen"))
    low, high = official["accuracy_ci"]
    return (
        f'**About "{percent(claim["accuracy"])}".** The repository that this one follows '
        "([j-truong/Emotion-Detection](https://github.com/j-truong/Emotion-Detection), 2020) reports it as validation "
        "accuracy. Its code shuffles the three official splits together and takes the validation rows from the "
        f"training rows: the {claim['n']:,} faces of its confusion matrix are the first {LEARNED_PERCENT} % of the "
        "set, those that it learned from. The same recipe under that protocol "
        f"({splits.describe(replay.info['recipe'])}), trained until it gets there ({len(replay.history)} epochs), "
        f"is right on {percent(learned['accuracy'])} of its own rows here, too, and on {percent(unseen['accuracy'])} "
        f"of the {unseen['n']:,} faces that the same network never saw. Trained on the "
        f"official split, the recipe reaches **{percent(official['accuracy'])}** on PrivateTest "
        f"({100 * low:.1f}–{100 * high:.1f}; de-duplicated {percent(official['accuracy_deduplicated'])}). The figure "
        "says how well a network remembers, not that the rest of that work is wrong: "
        "[notebook 06](notebooks/06_audit_the_published_result.ipynb) replays it step by step."
    )


def scores(replay: store.Run, honest: store.Run) -> pd.DataFrame:
    """Return the replayed network on what it learned from and on what it never saw, and the honest run on PrivateTest.

    Args:
        replay: "published_whole", trained under the published protocol.
        honest: "honest_whole", final: the same settings on the official split.

    Returns:
        A row each: `faces`, `protocol`, `accuracy`, `accuracy_low`, `accuracy_high` (95 % bootstrap), `n`,
        `accuracy_deduplicated` (NaN on the rows learned from), 0–1.
    """
    lines = {
        "learned from": (replay, "Training"),
        "never seen": (replay, "Unseen"),
        "official": (honest, "PrivateTest"),
    }
    rows = []
    for faces, (run, part) in lines.items():
        values = metrics.scores(run, split=part)
        low, high = values["accuracy_ci"]
        rows.append(
            {
                "faces": f"{faces}: {part}",
                "protocol": splits.describe(run.info["recipe"]),
                "accuracy": values["accuracy"],
                "accuracy_low": low,
                "accuracy_high": high,
                "n": values["n"],
                "accuracy_deduplicated": np.nan
                if values["accuracy_deduplicated"] is None
                else values["accuracy_deduplicated"],
            }
        )
    return pd.DataFrame(rows)


def summary(replay: store.Run, honest: store.Run) -> dict:
    """Return the numbers of the README's paragraph on the published figure.

    Returns:
        `published_n`, `published_accuracy`, `learned_share`, `epochs`, `protocol` (of the replay), `learned_accuracy`,
        `unseen_accuracy`, `unseen_n`, `official_accuracy`, `official_low`, `official_high`, `official_deduplicated`.
    """
    claim, table = published(), scores(replay, honest).set_index("faces")
    learned, unseen, official = (table.loc[name] for name in table.index)
    return {
        "published_n": claim["n"],
        "published_accuracy": claim["accuracy"],
        "learned_share": splits.LEARNED_SHARE,
        "epochs": len(replay.history),
        "protocol": learned["protocol"],
        "learned_accuracy": float(learned["accuracy"]),
        "unseen_accuracy": float(unseen["accuracy"]),
        "unseen_n": int(unseen["n"]),
        "official_accuracy": float(official["accuracy"]),
        "official_low": float(official["accuracy_low"]),
        "official_high": float(official["accuracy_high"]),
        "official_deduplicated": float(official["accuracy_deduplicated"]),
    }
