"""The recorded simulation of personal heads in words and in a table: every number comes from the record."""

import pandas as pd

from emotion_detection import paths, records
from emotion_detection.emotions import DISPLAY_NAMES
from emotion_detection.reporting.reports import percent, points

COUNTS = {"7": "all seven", "4": "four by lot", "1": "one by lot"}


def change(summary: dict | None) -> str:
    """Return a change of accuracy with its interval, such as "+4.1 (+2.9 to +5.3)"; a dash for None."""
    if summary is None:
        return "–"
    return points(summary["mean"], (summary["low"], summary["high"]))


def table(record: dict) -> pd.DataFrame:
    """Return the changes by kind of user and number of recorded emotions, in points with 95 % intervals, as text."""
    lines = [
        {
            "Simulated users": f"{kind} (n = {len(parts['all']['users'])})",
            "Recorded": COUNTS[count],
            "Accuracy before": percent(parts["before"]),
            "Recorded emotions, points": change(parts["recorded"]),
            "Others, points": change(parts.get("others")),
            "All seven, points": change(parts["all"]),
            "Users who lose": percent(parts["all"]["worse"], 0),
        }
        for kind, counts in record["reporting"].items()
        for count, parts in counts.items()
    ]
    return pd.DataFrame(lines)


def gain(record: dict) -> str:
    """Return in words what recording all seven emotions brings to each kind of user."""
    told = [
        f"{kind} {change(counts['7']['all'])} points from {percent(counts['7']['before'])}"
        for kind, counts in record["reporting"].items()
    ]
    return (
        "Users who record all seven expressions gain, on faces that they did not record (95 % interval over users, on "
        f"balanced accuracy): {'; '.join(told)}."
    )


def harm(record: dict) -> str:
    """Return in words where an emotion that was not recorded, or a user, loses beyond chance."""
    cells = [
        (f"{kind}, {COUNTS[count]}, {where}", parts[part])
        for kind, counts in record["reporting"].items()
        for count, parts in counts.items()
        for part, where in (("recorded", "the recorded ones"), ("others", "the others"))
        if part in parts
    ]
    lost = [f"{name}: {change(each)} points" for name, each in cells if each["high"] < 0]
    worst_name, worst = min(cells, key=lambda cell: cell[1]["mean"])
    if not lost:
        return (
            f"In none of the {len(cells)} lines of the figure is a loss beyond chance found; the lowest is "
            f"{worst_name}, with {change(worst)} points."
        )
    return f"Beyond chance something is lost in {len(lost)} of {len(cells)} lines of the figure — {'; '.join(lost)}."


def trust(record: dict) -> str:
    """Return in words how far the table before and after, by leave one clip out, may be believed."""
    told = [
        f"{kind} {points(each['table'])} by the table, {points(each['true'])} on other faces (correlation over "
        f"users {each['correlation']:.2f})"
        for kind, each in record["foretold"].items()
    ]
    return f"What the table says on average, and what comes: {'; '.join(told)}."


def cost() -> str:
    """Return in words how long fit and table take, from the recorded benchmark."""
    path = paths.project_root() / "data" / "results" / "benchmarks" / "personal.json"
    found = records.read(path, remake="python tests/benchmarks/bench_personal.py --record")
    machine = f"{found['hardware']['cores']} cores of {found['hardware']['processor']}"
    return (
        f"A fit to a full lesson ({found['frames']:,} frames) takes {found['fit_s']:.2f} s, the first one "
        f"{found['first_fit_s']:.2f} s, the table before and after {found['leave_one_clip_out_s']:.2f} s ({machine})."
    )


def how(record: dict) -> str:
    """Return in words how the settings were chosen, on what, and what the simulation leaves out."""
    users, faces, twins = record["users"], record["faces"], record["near_twins_in_public_test"]
    settings = record["settings"]
    return (
        f"The settings (penalty {settings['penalty']:g}, of the bias {settings['bias_penalty']:g}, stand-ins weigh "
        f"{settings['stand_in']:g} and are moved by {settings['reach']:g}) were chosen of {len(record['choosing'])} on "
        f"{users['choosing']} users of each kind with faces of one half of PublicTest "
        f"({sum(faces['choosing'].values()):,}); the figure shows {users['reporting']} of each kind with those of the "
        f"other half ({sum(faces['reporting'].values()):,}). FER2013 does not say who is who: of "
        f"{twins['clusters']} clusters of near twins in PublicTest {twins['with_several_labels']} show more than one "
        f"emotion, too few for persons, so a user who shows photographs has strangers' faces in one camera's light and "
        f"framing, and labels as noisy as FER2013's. Users share faces (of the rarest emotion there are "
        f"{min(faces['reporting'].values())}), so the intervals, which are over users, are somewhat too narrow. "
        "Strangers in one light say too little about a person, drawn people too much: their expressions vary little."
    )


def in_short(record: dict) -> str:
    """Return the record in some lines, for the terminal."""
    return "\n".join([table(record).to_string(index=False), gain(record), harm(record), trust(record), how(record)])


def recorded_in_words(frames: dict[str, list[int]]) -> str:
    """Return what a calibration holds, such as "Happy (2 clips)"."""
    return ", ".join(f"{DISPLAY_NAMES[name]} ({len(each)} clips)" for name, each in frames.items())


def scores_in_words(scores: pd.DataFrame) -> str:
    """Return `personal.leave_one_clip_out`'s table in words."""
    told = [
        f"{DISPLAY_NAMES[row.emotion]}: {percent(row.before, 0)} of the frames of a clip that was left out are "
        f"answered as asked by the general network, {percent(row.after, 0)} by a head fitted without that clip"
        for row in scores.itertuples()
    ]
    return "; ".join(told) + "."


def advice(record: dict) -> str:
    """Return in words whether to teach the network, from the record."""
    helped = [kind for kind, counts in record["reporting"].items() if counts["7"]["all"]["low"] > 0]
    unclear = [kind for kind in record["reporting"] if kind not in helped]
    told = (
        f"Teaching it all seven expressions helps simulated users beyond chance: {'; '.join(helped) or 'of no kind'}."
    )
    if unclear:
        told += f" No gain was found for: {'; '.join(unclear)}."
    return f"{told} The table in the panel is a rough guess of what it does for you; the switch beside it shows it."
