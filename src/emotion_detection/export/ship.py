"""Where trained networks go: files in any format, `data/models/` with a card, `data/models/kept/` for later runs."""

import contextlib
import functools
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from emotion_detection import files, paths
from emotion_detection.data import FaceDataset, ferplus
from emotion_detection.data.dataset import TEST_SPLITS
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, UnknownNameError
from emotion_detection.evaluation import calibration as confidence
from emotion_detection.export import litert, onnx, upright, votes
from emotion_detection.inference.classifier import EmotionClassifier
from emotion_detection.runs import network_metadata, registry, store
from emotion_detection.training import backends, mobilenet

LARGEST_LOSS = {"float16": 0.002, "int8": 0.005}
"""Format → by how much its accuracy may be below Keras' on each test split (0–1): 0.002 are seven of 3,589 faces."""

CHOICE = (
    "the highest mean of three scores: accuracy on PublicTest by FER2013's labels, by the strict majority of FER+'s "
    "votes, and mean recall on the faces found in photographs, with the balanced prior"
)
"""Which of several seeds is shipped."""

LARGEST_BYTES = {"float16": 5_000_000, "int8": 3_000_000}

SUFFIXES = {"keras": ".keras", **registry.SUFFIXES, "onnx": ".onnx"}  # format → how the name of its file ends


def export(
    model, path: Path, *, form: str, says: dict | None = None, calibration: litert.Calibration | None = None
) -> Path:
    """Write a network for LiteRT or ONNX.

    Args:
        model: Keras functional model from uint8 faces to logits, with a pooling layer named "features".
        path: ends as the format wants; written atomically.
        form: "float16", "int8" or "onnx".
        says: what the file is to say about itself, as `describe` makes it.
        calibration: for "int8".

    Raises:
        MissingFileError: a package that the format needs is not installed.
        DataError: int8 without calibration, or the network cannot be written in this format.
    """
    if form == "onnx":
        return onnx.export_onnx(model, path, says=says)
    if form == "int8" and calibration is None:
        raise DataError(
            "int8 was asked for without faces to calibrate it with. Pass `litert.calibration_of(load_fer2013())`."
        )
    return litert.export_litert(model, path, says=says, calibration=calibration if form == "int8" else None)


def describe(model, *, run: store.Run, keras_file: Path, name: str, of_votes: dict | None = None) -> dict:
    """Return what a network's files say about themselves, and what reads them relies on.

    These are labels, input, outputs, temperature, minimum confidence, and where the network is from: the run, and the
    SHA-256 of its Keras file. `of_votes` are the facts of its second head, if it has one.
    """
    return {
        "name": name,
        "run": run.name,
        "finished": run.info.get("finished"),
        "classes": list(EMOTIONS),
        "input": {
            "name": "faces",
            "type": "uint8 (n, 48, 48, 1), 0–255",
            "color": "grey (ITU-R BT.601 weights of red, green, blue)",
            "framing": "as FER2013's faces: emotion_detection.faces.cropping.crop_face, then area-averaged to 48×48",
            "inside": f"bilinear resizing to {run.info['recipe']['input_px']} px, grey to RGB, scaling",
        },
        "outputs": litert.outputs_of(model),
        "probabilities": "softmax of logits / temperature, in the order of classes",
        "temperature": _temperature(run),
        "temperature_from": "PublicTest" if "PublicTest" in run.predictions else "nothing: PublicTest is not predicted",
        "keras_sha256": files.sha256(keras_file),
        "data": run.info["data"]["name"],
        "parameters": run.info["parameters"]["all"],
        **_confidence(run),
        **({"votes": of_votes} if of_votes else {}),
    }


def _temperature(run: store.Run) -> float:
    if "temperature" in run.info or "PublicTest" not in run.predictions:
        return run.info.get("temperature", 1.0)
    return round(float(confidence.fit_temperature(run.predictions["PublicTest"])), 4)


def _confidence(run: store.Run) -> dict:
    """Return what a network says about minimum confidences; nothing where the run is not final, or none is enough."""
    try:
        return {"confidence": confidence.of_run(run)} if run.is_final else {}
    except DataError:
        return {}


def export_run(
    name: str, *, form: str, path: Path | None = None, calibration: litert.Calibration | None = None
) -> Path:
    """Write the network of a run in one of the formats, the shipped network's as well as one trained here.

    `EmotionClassifier.load` opens the LiteRT formats, and `LiveView(classifier=…)` runs them.

    Args:
        name: of the run.
        form: a key of `SUFFIXES`.
        path: of the file; None: in `output/export/`.
        calibration: for "int8".

    Raises:
        UnknownNameError: there is no such format.
        MissingFileError: the run's network is not on this machine.
        DataError: the path ends otherwise than this format does, or cannot be written.
    """
    if form not in SUFFIXES:
        raise UnknownNameError(f"{form!r} is no format of networks. Use one of {', '.join(SUFFIXES)}.")
    run, trained = store.load_run(name), store.trained_network(name)
    path = Path(path) if path is not None else paths.scratch_dir() / "export" / f"{run.name}{SUFFIXES[form]}"
    ending = Path(f"network{SUFFIXES[form]}").suffix
    if path.suffix.lower() != ending:
        raise DataError(f"A network as {form} was to be written to {path}. End its name in {ending}.")
    files.check_outputs([path], inputs=[trained])
    if form == "keras":
        with files.written_beside(path) as temporary:
            shutil.copyfile(trained, temporary)
        return path
    model, is_shipped = mobilenet.load_network(trained, votes=True), registry.is_shipped(run)
    known = registry.read_card().get("votes") if is_shipped else None
    shown = registry.SHIPPED if is_shipped else run.name
    says = describe(model, run=run, keras_file=trained, name=shown, of_votes=known)
    export(model, path, form=form, says=says, calibration=calibration)
    if is_shipped and form in registry.SUFFIXES:  # Keras' file has no layer that tells whether a face lies
        heads = network_metadata.read(registry.network_path(form))[1]
        _add_entries(path, {name: heads[name] for name in network_metadata.HEADS["upright"] if name in heads})
    return path


def _add_entries(path: Path, arrays: dict[str, np.ndarray], says: dict | None = None) -> None:
    """Add last layers to what a LiteRT file says about itself, or replace them, and some of its words."""
    said, heads = network_metadata.read(path)
    network_metadata.write(path, said | (says or {}), heads | arrays)


def ship(name: str, dataset: FaceDataset) -> dict:
    """Write a final run's network to `data/models/` and return its card; `teach_votes` adds the second head.

    Each LiteRT file answers all faces of PublicTest and PrivateTest and is compared with what Keras answered when
    the run was evaluated. Nothing is written unless all agree.

    Args:
        name: a run whose PrivateTest is recorded and whose network is on this machine; the shipped run's network is.
        dataset: its Training faces calibrate int8, its test faces check the files.

    Raises:
        DataError: the run is not final or not of FER2013, output goes elsewhere than into the project, or a file
            answers otherwise than Keras or is too large.
        MissingFileError: the run's network is not on this machine.
    """
    run = store.load_run(name)
    registry.check_is_ours("data/models/", run)
    if not run.is_final:
        raise DataError(
            f"{run.name} is not final. Predict PrivateTest first: python -m emotion_detection evaluate {run.name} "
            "--final"
        )
    trained, calibration = store.trained_network(name), litert.calibration_of(dataset)
    model = mobilenet.load_network(trained)
    folder = paths.models_dir()
    folder.mkdir(parents=True, exist_ok=True)
    keras_file = folder / f"{registry.SHIPPED}.keras"
    with contextlib.ExitStack() as stack:
        written = stack.enter_context(files.written_beside(keras_file))
        shutil.copyfile(trained, written)
        says, formats = describe(model, run=run, keras_file=written, name=registry.SHIPPED), {}
        for form in registry.SUFFIXES:
            temporary = stack.enter_context(files.written_beside(registry.network_path(form)))
            export(model, temporary, form=form, says=says, calibration=calibration)
            formats[form] = checked(form, temporary, run, dataset)
        formats["int8"]["calibration"] = calibration.description
    return _write_card(_card(run, litert.outputs_of(model), formats))


CHOOSING = ("labels", "votes", "photographs")
"""The three scores of `CHOICE`, as the card names them."""

Chosen = tuple[votes.VotesHead, dict[str, dict[str, float]]]
"""The second head of the seed that ships; and run → scores of `CHOOSING` and, reported alone, `votes_private_test`."""


def choose_seed(name: str, dataset: FaceDataset, photographs: votes.Photographs | None) -> Chosen | None:
    """Compare all final seeds of a run's recipe: for each a second head is fitted, and its prior's strength chosen.

    Returns:
        The head of this run, and the scores of all; None without photographs, which have a say.

    Raises:
        MissingFileError: the network of a seed, or FER+'s votes, are not on this machine.
        DataError: another seed than `name` is the best.
    """
    if photographs is None:
        return None
    shipped, heads, scores = store.load_run(name), {}, {}
    for run in store.final_seeds(shipped.info["recipe"]["name"]):
        network = mobilenet.load_network(store.trained_network(run.name))
        head = heads[run.name] = votes.fit_head(_features_of(network), dataset, photographs=photographs)
        balanced = head.facts["balanced"]
        by_strength = {each["strength"]: each for each in balanced["tried"]}
        scores[run.name] = {
            "labels": run.info["metrics"]["PublicTest"]["accuracy"],
            "votes": by_strength[0.0]["PublicTest"],
            "photographs": by_strength[balanced["strength"]]["photographs"],
            "votes_private_test": head.facts["PrivateTest"]["accuracy"],
        }
    check_best(shipped.name, scores)
    return heads[shipped.name], files.rounded(scores)


def check_best(name: str, scores: dict[str, dict[str, float]]) -> None:
    """Refuse a seed that is not the best of `scores` by `CHOICE`."""
    mean = {run: sum(each[score] for score in CHOOSING) / len(CHOOSING) for run, each in scores.items()}
    best = max(mean, key=mean.get)
    if best != name:
        raise DataError(
            f"{best} is better than {name} by the rule of the card: {mean[best]:.1%} against {mean[name]:.1%}, "
            f"{CHOICE}. Ship it: python -m emotion_detection ship {best} --photographs FOLDER"
        )


def teach_votes(
    dataset: FaceDataset, *, photographs: votes.Photographs | None = None, chosen: Chosen | None = None
) -> dict:
    """Add a second head, for FER+'s votes, to the shipped network's files and card, or replace it; return the card.

    What the files said before, logits among it, stays as it was to the last bit.

    Args:
        dataset: FER2013; its Training faces are learned from, its test faces choose and report.
        photographs: choose how strongly a balanced prior adjusts the votes; None: the card gets no such prior.
        chosen: what `choose_seed` returned for the shipped run; None: the head is fitted here, and the card does not
            say how the other seeds score.

    Raises:
        MissingFileError: the shipped network, or FER+'s votes, are not on this machine.
        DataError: the data set lost FER2013's row numbers.
    """
    card, keras_file = registry.read_card(), paths.models_dir() / f"{registry.SHIPPED}.keras"
    plain = mobilenet.load_network(keras_file)
    head = chosen[0] if chosen else votes.fit_head(_features_of(plain), dataset, photographs=photographs)
    model = mobilenet.with_votes(plain, head.kernel, head.bias)
    entries = dict(zip(network_metadata.HEADS["votes"], (head.kernel, head.bias), strict=True))
    with files.written_beside(keras_file) as written, _copies_of_shipped() as copies:
        mobilenet.save_model(model, written)
        changed = {"votes": head.facts, "outputs": litert.outputs_of(model)}
        for copy in copies.values():
            litert.add_head(copy, "votes", head.kernel, head.bias)
            _add_entries(copy, entries, changed | {"keras_sha256": files.sha256(written)})
        for form, found in votes_compared(copies, dataset, photographs).items():
            card["formats"][form]["votes"] = found
    if chosen:
        changed["seeds"] = {"rule": CHOICE, "scores": chosen[1]}
    return _write_card(card | changed)


@contextlib.contextmanager
def _copies_of_shipped() -> Iterator[dict[str, Path]]:
    """Lend copies of the shipped LiteRT files, format → path; they replace them if the block ends without an error."""
    with contextlib.ExitStack() as stack:
        copies = {}
        for form in registry.SUFFIXES:
            copies[form] = stack.enter_context(files.written_beside(registry.network_path(form)))
            shutil.copyfile(registry.network_path(form), copies[form])
        yield copies


def _write_card(card: dict) -> dict:
    """Write the card of the files that lie in `data/models/` now, and return it."""
    shipped = (paths.models_dir() / f"{registry.SHIPPED}.keras", *map(registry.network_path, registry.SUFFIXES))
    card["files"] = {path.name: {"sha256": files.sha256(path), "bytes": path.stat().st_size} for path in shipped}
    files.write_json(registry.card_path(), card)
    return card


def teach_upright(dataset: FaceDataset) -> dict:
    """Add the layer that tells whether a face lies to the shipped LiteRT files, or replace it; return the card.

    It is among what the files say of themselves: the networks stay as they are to the last bit.
    """
    card, keras_file = registry.read_card(), paths.models_dir() / f"{registry.SHIPPED}.keras"
    kernel, bias, found = upright.fit(_features_of(mobilenet.load_network(keras_file)), dataset)
    with _copies_of_shipped() as copies:
        for copy in copies.values():
            _add_entries(copy, dict(zip(network_metadata.HEADS["upright"], (kernel, bias), strict=True)))
    return _write_card(card | {"upright": found})


def votes_compared(paths_by_form: dict[str, Path], dataset: FaceDataset, photographs: votes.Photographs | None) -> dict:
    """Return how often each LiteRT file gives the strict majority, and the same answer as the float16 file.

    Returns:
        Format → split, or "photographs" → `n`, `agree` (of the votes), `labels_agree` (of FER2013's labels), and of a
        split `accuracy` on the faces with a strict majority; 0–1.
    """
    parts = {split: dataset.split(split).pixels for split in TEST_SPLITS}
    parts |= {} if photographs is None else {"photographs": photographs[0]}
    found, expected = {form: {} for form in paths_by_form}, {}
    for form, path in paths_by_form.items():
        network = EmotionClassifier(path, contempt=True)
        for part, faces in parts.items():
            named = {name: each.argmax(axis=1) for name, each in network.outputs(("votes", "logits"), faces).items()}
            first = expected.setdefault(part, named)
            agree = {name: (named[name] == first[name]).mean() for name in named}
            found[form][part] = {"n": len(faces), "agree": agree["votes"], "labels_agree": agree["logits"]}
            if part in TEST_SPLITS:
                label = ferplus.strict_majority_labels(dataset.split(part).row)
                found[form][part]["accuracy"] = (named["votes"] == label)[label >= 0].mean()
    return files.rounded(found)


def _features_of(model) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives that which a network's last layer weighs: from uint8 faces (n, 48, 48) to float32 (n, c)."""
    import keras

    pooled = keras.Model(model.input, model.get_layer("features").output)
    return functools.partial(backends.predict_logits, pooled, progress="features")


def checked(form: str, path: Path, run: store.Run, dataset: FaceDataset) -> dict:
    """Return how a LiteRT file answers both test splits, compared with the run's recorded answers (Keras').

    Returns:
        For each split `n`, `accuracy`, `difference` (to Keras' accuracy), `agree` (share of equal answers) and
        `largest_difference` (of a probability); 0–1.

    Raises:
        DataError: the accuracy is below Keras' by more than `LARGEST_LOSS`, or the file is too large.
    """
    size = path.stat().st_size
    if size > LARGEST_BYTES[form]:
        raise DataError(
            f"The {form} file has {size:,} bytes, at most {LARGEST_BYTES[form]:,} are allowed. Nothing was shipped: "
            "look at the export."
        )
    found = {split: compared(path, run.predictions[split], dataset) for split in TEST_SPLITS}
    for split, values in found.items():
        if values["difference"] < -LARGEST_LOSS[form]:
            raise DataError(
                f"On {split} the {form} file loses {100 * -values['difference']:.2f} points of Keras' accuracy, at "
                f"most {100 * LARGEST_LOSS[form]:.1f} are allowed. Nothing was shipped: look at the export."
            )
    return found


def compared(path: Path, expected: store.Predictions, dataset: FaceDataset) -> dict:
    """Compare a LiteRT file's answers with recorded ones on the same faces.

    Raises:
        DataError: the faces are not those that were recorded.
    """
    faces = dataset.split(expected.split)
    if not np.array_equal(faces.row, expected.row) or not np.array_equal(faces.emotion, expected.label):
        raise DataError(
            f"{expected.split} has {len(faces):,} faces that are not the {len(expected):,} recorded ones. Use the copy "
            "of FER2013 that the run was trained on."
        )
    classifier = EmotionClassifier(path, labels="fer2013")
    logits = classifier.logits(faces.pixels)
    received = store.Predictions(expected.split, expected.row, expected.label, logits)
    right = [float((each.predicted == each.label).mean()) for each in (received, expected)]
    differences = np.abs(received.probabilities() - expected.probabilities())
    return {
        "n": len(expected),
        "accuracy": round(right[0], 6),
        "difference": round(right[0] - right[1], 6),
        "agree": round(float((received.predicted == expected.predicted).mean()), 6),
        "largest_difference": round(float(differences.max()), 5),
    }


def _card(run: store.Run, outputs: dict, formats: dict) -> dict:
    return {
        "name": registry.SHIPPED,
        "run": run.name,
        "finished": run.info["finished"],
        "recipe": run.info["recipe"]["name"],
        "classes": list(EMOTIONS),
        "input": "uint8 (n, 48, 48, 1) grey",
        "outputs": outputs,
        "temperature": run.info["temperature"],
        "confidence": confidence.of_run(run),
        "parameters": run.info["parameters"]["all"],
        "formats": formats,
    }


def keep(name: str) -> Path:
    """Write a run's network to `data/models/kept/`: half the bytes, since its weights are rounded to float16.

    It is an ordinary `.keras` file of float32 weights; what is rounded away compresses to nothing. Runs that go on from
    this one find it there (see `store.trained_network`). The archive's comment says of which training it is.

    Raises:
        UnknownNameError: no such run is recorded.
        MissingFileError: its network is not on this machine.
        DataError: it is not of FER2013, or output goes elsewhere than into the project.
    """
    run, path = store.load_run(name), store.kept_path(name)
    registry.check_is_ours("data/models/kept/", run)
    network = mobilenet.load_network(store.trained_network(name))
    network.set_weights([values.astype(np.float16).astype(values.dtype) for values in network.get_weights()])
    with files.written_beside(path) as temporary:
        network.save(temporary)
        with zipfile.ZipFile(temporary) as archive:
            parts = {part: archive.read(part) for part in archive.namelist()}
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.comment = run.info["finished"].encode()
            for part, content in parts.items():
                archive.writestr(part, content)
    return path
