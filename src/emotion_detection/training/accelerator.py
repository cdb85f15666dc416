"""Train a recipe where there is an accelerator and little else: pack at home, train there on JAX, record at home.

    python -m emotion_detection.training.accelerator pack best best.npz --seed 0
    KERAS_BACKEND=jax python -m emotion_detection.training.accelerator train best.npz out
    python -m emotion_detection.training.accelerator record best.npz out

The packed file holds the Training and PublicTest faces, what the network shall answer on them (so that neither FER+'s
votes nor teachers travel), and the network that training starts from. The machine needs the project and JAX. A `train`
that was interrupted goes on from the last epoch.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset, fer2013, load_fer2013
from emotion_detection.errors import DataError
from emotion_detection.runs import provenance, store
from emotion_detection.training import catalog, recipe

LEAST_EQUAL = 0.99  # share of PublicTest faces on which the network must answer at home as it did on the accelerator

app = typer.Typer(help=__doc__.splitlines()[0], no_args_is_help=True)


def pack(chosen: recipe.Recipe, dataset: FaceDataset, path: Path, *, seed: int) -> Path:
    """Write all that training a recipe needs into one `.npz`.

    Raises:
        DataError: the recipe looks at other faces than Training and PublicTest, or trains in folds.
        MissingFileError: a network or votes that it needs are not on this machine.
    """
    from emotion_detection.training import mobilenet, splits, targets

    protocol = chosen.protocol
    if protocol.folds or protocol.pool_all_splits_as_published or protocol.watch_private_test_for_audit:
        raise DataError(
            f"{chosen.name} trains in folds or looks at PrivateTest. Train it at home: python -m emotion_detection "
            f"train {chosen.name}"
        )
    answers = targets.targets_of(chosen.targets, splits.parts(chosen, dataset, seed=seed).training)
    arrays = {f"output_{index}": output for index, output in enumerate(answers.outputs)}
    arrays |= {} if answers.weights is None else {"weights": answers.weights}
    before, start = chosen.network.continues, None
    if before:
        start = store.trained_network(f"{before}-s{seed}")
    elif chosen.network.weights == "imagenet":
        start = mobilenet.imagenet_file(chosen.network)
    arrays |= {} if start is None else {"start": np.frombuffer(start.read_bytes(), np.uint8)}
    facts = {
        "recipe": chosen.settings() | {"display_name": chosen.display_name},
        "seed": seed,
        "start": f"{before}-s{seed}.keras" if before else start and start.name,
        "learned_from": targets.sources(chosen.targets),
        "data": {"name": dataset.name, "notes": dataset.notes, "has_official_rows": dataset.has_official_rows},
        "fingerprint": dataset.fingerprint,
    }
    faces = dataset[dataset.usage != "PrivateTest"]
    arrays |= {field: getattr(faces, field) for field in ("pixels", "emotion", "usage", "row")}
    with files.written_beside(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, facts=json.dumps(facts), **arrays)
    return path


def train(packed: Path, folder: Path) -> store.Run:
    """Train what was packed; leave record and network in a folder, to bring home."""
    from emotion_detection.training import targets, trainer

    facts, arrays = _unpacked(packed)
    chosen, seed = recipe.from_settings(facts["recipe"]), facts["seed"]
    fields = {field: arrays[field] for field in ("pixels", "emotion", "usage", "row")}
    dataset = FaceDataset(**fields, **(facts["data"] | {"notes": tuple(facts["data"]["notes"])}))
    outputs = [arrays[name] for name in sorted(arrays) if name.startswith("output_")]
    with paths.writing_to(folder):
        if facts["start"]:
            start = paths.run_cache_dir() / "weights" / facts["start"]
            files.write_bytes(start, arrays["start"].tobytes())
            chosen = chosen.replace(weights=None if chosen.network.continues else str(start))
        answers = targets.Answers(outputs, arrays.get("weights"))
        return trainer.train_network(chosen, dataset, seed=seed, answers=answers)


def _unpacked(packed: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return facts and arrays of what `pack` wrote."""
    others = {"weights": ("f", (None,)), "start": ("u", (None,))}
    others |= dict.fromkeys(("output_0", "output_1"), ("f", (None, None)))
    arrays = files.read_arrays(packed, what="pack", expected=fer2013.ARRAYS | {"facts": ("U", ())}, optional=others)
    return files.parse_json(str(arrays.pop("facts"))), arrays


def record(packed: Path, folder: Path, dataset: FaceDataset) -> store.Run:
    """Record a run that was trained elsewhere: PublicTest is answered again here, and compared.

    Raises:
        DataError: the faces at home are others, or the network answers them otherwise than there.
    """
    from emotion_detection.training import backends, mobilenet, trainer

    facts, _ = _unpacked(packed)
    if facts["fingerprint"] != dataset.fingerprint:
        raise DataError(f"{packed.name} holds other faces than {dataset.name} here. Use the copy that was packed.")
    name = f"{facts['recipe']['name']}-s{facts['seed']}"
    with paths.writing_to(folder):
        there, network = store.load_run(name, here=True), store.weights_path(name).read_bytes()
    files.write_bytes(store.weights_path(name), network)
    model = mobilenet.load_network(store.weights_path(name))
    expected = there.predictions["PublicTest"]
    found = dataclasses.replace(expected, logits=backends.predict_logits(model, dataset.public_test.pixels))
    equal = float((found.predicted == expected.predicted).mean())
    if equal < LEAST_EQUAL:
        raise DataError(f"{name} answers only {equal:.1%} of PublicTest here as it did there. Bring it home again.")
    loss, accuracy = trainer.loss_and_accuracy(found.logits, found.label)
    info = there.info | {
        "recipe": facts["recipe"],
        "imagenet_weights": mobilenet.imagenet_checkpoint(recipe.from_settings(facts["recipe"]).network),
        "data": there.info["data"] | {"fingerprint": dataset.fingerprint, "counts": trainer.counts(dataset)},
        "metrics": {"PublicTest": {"loss": loss, "accuracy": accuracy}},
        "recorded_by": {"code": provenance.code(), "equal_answers": round(equal, 4)},
    }
    info |= {"learned_from": facts["learned_from"]} if facts["learned_from"] else {}
    store.write_run(name, info, there.history, {"PublicTest": found})
    return store.load_run(name)


@app.command("pack")
def _pack(recipe_name: str, packed: Path, seed: Annotated[int, typer.Option(min=0)] = store.FIRST_SEED):
    """At home: write all that training a recipe needs into one file (.npz)."""
    typer.echo(pack(catalog.get_recipe(recipe_name), load_fer2013(), packed, seed=seed))


@app.command("train")
def _train(packed: Path, folder: Path):
    """There, with KERAS_BACKEND=jax: train it; record and network go to a folder, to bring home."""
    typer.echo(f"{train(packed, folder).name} is in {folder}: bring the folder home.")


@app.command("record")
def _record(packed: Path, folder: Path):
    """At home: check what came back, and write the run's record."""
    typer.echo(f"{record(packed, folder, load_fer2013()).name} is recorded.")


if __name__ == "__main__":
    app()
