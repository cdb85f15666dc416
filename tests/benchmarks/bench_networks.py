"""How long networks take for one face on one thread of LiteRT, and how large they are: ours, its sizes, the baselines.

    python tests/benchmarks/bench_networks.py [--record]

All take turns, from a 48×48 face in uint8 on: ours resize it themselves, for the others OpenCV does, as in their
repository. Those are written as LiteRT in float16 first, by TensorFlow's converter; what is not on this machine is left
out. `--record` writes `data/results/benchmarks/networks.json`. Needs idle cores.
"""

import argparse
import datetime
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import comparison
import harness
from harness import Way

from emotion_detection import files
from emotion_detection.errors import MissingFileError
from emotion_detection.export import litert
from emotion_detection.runs import registry
from emotion_detection.studies import baselines
from emotion_detection.training import catalog, mobilenet

CALLS = 40
ROUNDS = 7
SIZES_PX = (48, 64, 96, 112, 128)


def shipped() -> dict[str, dict]:
    """Return the shipped files."""
    card = registry.read_card()
    return {
        f"shipped_{form}": {"file": registry.network_path(form), "parameters": card["parameters"]}
        for form in registry.SUFFIXES
    }


def sizes(folder: Path) -> dict[str, dict]:
    """Return TL whole's network for faces of several sizes, in float16; what it weighs does not change its time."""
    found = {}
    for size_px in SIZES_PX:
        recipe = catalog.get_recipe("tl_whole").replace(input_px=size_px, weights=None)
        model = mobilenet.build_model(recipe, seed=0)
        path = litert.export_litert(model, folder / f"{size_px}px.tflite")
        found[f"{size_px}px"] = {"file": path, "parameters": model.count_params()}
    return found


def others(folder: Path) -> dict[str, dict]:
    """Return the baselines that are on this machine, in float16."""
    import keras
    import tensorflow as tf

    found = {}
    for name in baselines.FILES:
        try:
            model = keras.models.load_model(baselines.find(name), compile=False)
        except MissingFileError as error:
            harness.progress(f"left out: {error}")
            continue
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations, converter.target_spec.supported_types = [tf.lite.Optimize.DEFAULT], [tf.float16]
        path = folder / f"{name}.tflite"
        path.write_bytes(converter.convert())
        found[name] = {"file": path, "parameters": model.count_params()}
    return found


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="replace the recorded measurement")
    record = parser.parse_args().record
    with tempfile.TemporaryDirectory() as name:
        networks = shipped() | sizes(Path(name)) | others(Path(name))
        ways = [Way("ways_faces.py", "litert", {"file": str(e["file"]), "calls": CALLS}) for e in networks.values()]
        with harness.closing(*ways):
            for way, network in zip(ways, networks, strict=True):
                way.name = network
            harness.alternate(ways, rounds=ROUNDS, say=f"{CALLS} faces, one by one, one thread,")
        measured = {
            network: {
                "ms": sorted(1000 * seconds / CALLS for seconds in way.seconds),
                "bytes": entry["file"].stat().st_size,
                "parameters": entry["parameters"],
                "sha256": files.sha256(entry["file"]),
            }
            for (network, entry), way in zip(networks.items(), ways, strict=True)
        }
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
    values = comparison.rounded(
        {"measured": now, "hardware": comparison.hardware(), "threads": 1, "networks": measured}
    )
    for line in baselines.cost_table(measured).itertuples():
        harness.progress(
            f"{line.Index}: {line.ms:.2f} ms ({line.ms_least:.2f}–{line.ms_most:.2f}), {line.mb:.2f} MB, "
            f"{line.parameters:,} parameters"
        )
    if record:
        files.write_json(baselines.costs_path(), values)
    return 0


if __name__ == "__main__":
    sys.exit(main())
