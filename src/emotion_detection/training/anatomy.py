"""What MobileNetV2 consists of, block by block, and how much of it each regime trains. Numbers only, from a network."""

import re

import pandas as pd

from emotion_detection.training.recipe import LAST_FROZEN_LAYER

REGIMES = {"top": "TL top", "100": "TL 100", "whole": "TL whole"}
"""Regime → its name in tables and figures."""


def block_of(layer_name: str) -> str:
    """Return the block that a layer of Keras' MobileNetV2, or of the head behind it, belongs to."""
    if numbered := re.match(r"block_(\d+)_", layer_name):
        return f"block {numbered[1]}"
    if layer_name.startswith("expanded_conv"):
        return "block 0"
    if layer_name in ("Conv1", "bn_Conv1", "Conv1_relu"):
        return "stem"
    return "last conv." if layer_name in ("Conv_1", "Conv_1_bn", "out_relu", "feature_map") else "head"


def blocks(network) -> pd.DataFrame:
    """List the blocks of a network: what they put out, their parameters, and how many of these each regime trains.

    Args:
        network: a Keras model of MobileNetV2 with a head; layers before the first convolution are left out.

    Returns:
        Index `block`, in order; columns `output_px` (side of the feature map; 1 after pooling), `channels`,
        `parameters`, and `trained_top`, `trained_100`, `trained_whole`: parameters that the regime trains.
    """
    found: dict[str, dict] = {}
    for layer, regimes in _layers(network):
        shape = layer.output.shape
        row = found.setdefault(block_of(layer.name), dict.fromkeys(["output_px", "channels", "parameters"], 0))
        row |= {"output_px": shape[1] if len(shape) == 4 else 1, "channels": shape[-1]}
        row["parameters"] += layer.count_params()
        learnt = sum(_size(weight) for weight in layer.trainable_variables)
        for regime in REGIMES:
            row[f"trained_{regime}"] = row.get(f"trained_{regime}", 0) + (learnt if regime in regimes else 0)
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("block")


def regimes(network) -> pd.DataFrame:
    """List what each regime freezes and trains, a row per regime.

    Returns:
        Index `regime`; columns `last_frozen_layer`, `layers_frozen` and `layers_trained` (layers with weights),
        `parameters_trained`, and `share_trained` of the parameters that can be trained.
    """
    weighted = [(layer, found) for layer, found in _layers(network) if layer.count_params()]
    trainable = sum(_size(weight) for layer, _ in weighted for weight in layer.trainable_variables)
    rows = {}
    for regime, name in REGIMES.items():
        trained = [layer for layer, found in weighted if regime in found]
        parameters = sum(_size(weight) for layer in trained for weight in layer.trainable_variables)
        rows[name] = {
            "last_frozen_layer": LAST_FROZEN_LAYER[regime] or "none",
            "layers_frozen": len(weighted) - len(trained),
            "layers_trained": len(trained),
            "parameters_trained": parameters,
            "share_trained": parameters / trainable,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("regime")


def _layers(network) -> list[tuple]:
    """List each layer from the first convolution on with the regimes that train it."""
    names = [layer.name for layer in network.layers]
    cuts = {regime: names.index(last) if last else -1 for regime, last in LAST_FROZEN_LAYER.items()}
    first = names.index("Conv1")
    return [
        (layer, {regime for regime, cut in cuts.items() if index > cut})
        for index, layer in enumerate(network.layers)
        if index >= first
    ]


def _size(weight) -> int:
    size = 1
    for length in weight.shape:
        size *= length
    return size
