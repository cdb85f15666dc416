"""Ways to train MobileNetV2 by a recipe: this package's loop, plain `Model.fit`, and the parts that limit both."""

import tempfile
import time
from pathlib import Path
from unittest import mock

import harness
import keras
import numpy as np
import tqdm

from emotion_detection import paths
from emotion_detection.data import FaceDataset, load_fer2013, load_sample
from emotion_detection.errors import MissingFileError
from emotion_detection.training import (
    backends,
    batches,
    catalog,
    fast_layers,
    mobilenet,
    optimizers,
    splits,
    targets,
    trainer,
)

ALL_TRAINING_ROWS = 28_709


def some_faces(rows: int) -> FaceDataset:
    """Return the first `rows` Training faces and a quarter as many of PublicTest, of FER2013 or of the drawn sample."""
    try:
        dataset = load_fer2013()
    except MissingFileError:
        dataset = load_sample(int(rows * 1.5))
    chosen = [
        np.flatnonzero(dataset.usage == "Training")[:rows],
        np.flatnonzero(dataset.usage == "PublicTest")[: rows // 4],
    ]
    return dataset[np.concatenate(chosen)]


def recipe_of(settings: dict) -> catalog.Recipe:
    """Return the recipe, for fewer epochs if asked, with as many batches for the batch norms as its rows are worth."""
    recipe = catalog.get_recipe(settings["recipe"])
    share = settings["rows"] / ALL_TRAINING_ROWS
    statistics = max(1, round(share * recipe.optimisation.batch_norm_batches))
    changes = {"batch_norm_batches": statistics} | settings.get("changes", {})
    try:
        mobilenet.imagenet_file(recipe.network)
    except MissingFileError:  # times are the same, accuracy is no result
        changes["weights"] = None
    return recipe.replace(**changes)


def package(settings: dict):
    """This package's loop from the first face to the scored network, nothing cached before."""
    recipe, dataset = recipe_of(settings), some_faces(settings["rows"])

    def turn():
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(paths, "run_cache_dir", lambda: Path(folder)):
            run = trainer.train(recipe, dataset, record=False)
        return {
            "accuracy": float(run.history["val_accuracy"].iloc[-1]),
            "epoch_s": run.history["seconds"].tolist(),
            "dataset": dataset.name,
        }

    return turn


def plain_fit(settings: dict):
    """`Model.fit` on the whole network, every epoch through all of its layers; augmented by Keras' layers.

    Tells two accuracies: as it ended, and, outside of the time that counts, with the batch-norm statistics estimated
    anew, as the package's loop does it. Keras' moving averages have not arrived after so few steps.
    """
    recipe, dataset = recipe_of(settings), some_faces(settings["rows"])

    def turn():
        start = time.perf_counter()
        model = mobilenet.build_model(recipe, seed=0)
        steps = -(-settings["rows"] // recipe.optimisation.batch_size)
        optimizers.compile_for(model, recipe, steps_per_epoch=steps)
        began = []
        note_time = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: began.append(time.perf_counter()))
        history = model.fit(
            _pipeline(dataset.split("Training"), recipe, train=True),
            validation_data=_pipeline(dataset.split("PublicTest"), recipe, train=False),
            epochs=recipe.optimisation.epochs,
            callbacks=[note_time],
            verbose=0,
        )
        end = time.perf_counter()
        learned_from, watched = (np.asarray(dataset.split(usage).pixels) for usage in ("Training", "PublicTest"))
        backends.Passes(model).estimate_batch_norm(learned_from, n_batches=recipe.optimisation.batch_norm_batches)
        answers = backends.predict_logits(model, watched).argmax(axis=-1)
        return {
            "seconds": end - start,
            "epoch_s": np.diff([*began, end]).tolist(),
            "accuracy": history.history["val_accuracy"][-1],
            "accuracy_anew": float((answers == dataset.split("PublicTest").emotion).mean()),
        }

    return turn


def _pipeline(faces: FaceDataset, recipe: catalog.Recipe, *, train: bool):
    import tensorflow as tf

    arrays = np.asarray(faces.pixels)[..., None], np.eye(7, dtype=np.float32)[faces.emotion]
    dataset = tf.data.Dataset.from_tensor_slices(arrays)
    if not train:
        return dataset.batch(recipe.optimisation.batch_size).prefetch(2)
    dataset = dataset.shuffle(len(faces), seed=0).batch(recipe.optimisation.batch_size)
    if recipe.augmentation is not None:
        change = _keras_augmentation(recipe.augmentation)
        dataset = dataset.map(lambda x, y: (tf.cast(change(tf.cast(x, tf.float32)), tf.uint8), y), tf.data.AUTOTUNE)
    return dataset.prefetch(2)


def _keras_augmentation(settings: catalog.Augmentation) -> keras.Sequential:
    return keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(settings.rotation_deg / 360),
            keras.layers.RandomTranslation(settings.shift, settings.shift),
            keras.layers.RandomZoom(settings.zoom),
            keras.layers.RandomContrast(settings.contrast, value_range=(0, 255)),
            keras.layers.RandomBrightness(settings.brightness, value_range=(0, 255)),
        ]
    )


def epoch(settings: dict):
    """An epoch of the package's loop, networks built and compiled before: batches, augmentation, steps, checkpoint.

    A checkpoint is written once for all of Training, so these rows are charged their share of it. Then as many bare
    steps, on one batch that is in memory already: what an epoch cannot be faster than. They are in the same process,
    since two of the same kind may differ by more than the loop costs.
    """
    recipe, dataset = recipe_of(settings), some_faces(settings["rows"])
    with mock.patch.object(paths, "run_cache_dir", lambda: Path(tempfile.mkdtemp())):
        parts = splits.parts(recipe, dataset, seed=0)
        checkpoint = trainer._Checkpoint(recipe, dataset, 0, {})
        training = trainer._Training(recipe, parts, targets.targets_of(recipe.targets, parts.training), seed=0)
    done = []

    def turn():
        shuffled = batches.FaceBatches(
            training.inputs(parts.training), training.answers.outputs, recipe=recipe, seed=0, epoch=len(done)
        )
        with tqdm.tqdm(total=len(shuffled)) as bar:
            began = time.perf_counter()
            training.passes.train(shuffled, bar)
        done.append(1)
        trained = time.perf_counter()
        checkpoint.write(training.trained_part, [])
        written = time.perf_counter()
        batch = backends._as_keras(shuffled[0])
        for _ in range(len(shuffled)):
            training.passes._tensorflow_step(batch)
        return {
            "seconds": trained - began + settings["rows"] / ALL_TRAINING_ROWS * (written - trained),
            "bare_s": time.perf_counter() - written,
        }

    return turn


def one_step(settings: dict):
    """Steps of the whole network on one batch of random faces; a turn is 256 faces."""
    if "policy" in settings:
        keras.config.set_dtype_policy(settings["policy"])
    chosen = {name: settings[name] for name in ("input_px", "batch_size", "optimizer")}
    recipe = catalog.TL_WHOLE.replace(weights=None, **chosen)
    kept = {
        "all": (),
        "none": tuple(fast_layers.REPLACED),
        "no fused batch norm": (keras.layers.BatchNormalization,),
        "no matrix products": (keras.layers.Conv2D,),
    }[settings["layers"]]
    model = fast_layers.arranged(mobilenet.build_model(recipe), kept=kept)
    optimizers.compile_for(model, recipe, steps_per_epoch=100)
    if settings.get("xla"):
        model.jit_compile = True
    rng = np.random.default_rng(0)
    shape = (settings["batch_size"], settings["input_px"], settings["input_px"], 1)
    faces = rng.integers(0, 256, shape, np.uint8)
    answers = np.eye(7, dtype=np.float32)[rng.integers(0, 7, settings["batch_size"])]
    steps = max(1, 256 // settings["batch_size"])

    def turn():
        began = time.perf_counter()
        for _ in range(steps):
            model.train_on_batch(faces, answers, return_dict=True)
        return {"images_per_s": steps * settings["batch_size"] / (time.perf_counter() - began)}

    return turn


def forward_pass(settings: dict):
    """Predict the faces once with the whole network, in batches: the forward rate."""
    recipe, dataset = recipe_of(settings), some_faces(settings["rows"])
    model = mobilenet.build_model(recipe, seed=0)
    faces = np.asarray(dataset.split("Training").pixels)
    return lambda: {"faces": len(backends.predict_logits(model, faces))}


def matrix(settings: dict):
    """A product of two large float32 matrices: the machine's matrix rate."""
    import tensorflow as tf

    size = settings["size"]
    left, right = (tf.random.normal((size, size)) for _ in range(2))

    def turn():
        began = time.perf_counter()
        for _ in range(settings["products"]):
            product = tf.linalg.matmul(left, right)
        float(product[0, 0])
        return {"gflops": 2 * settings["products"] * size**3 / (time.perf_counter() - began) / 1e9}

    return turn


def seeds(settings: dict):
    """Train a small recipe with several seeds, one after another."""
    recipe = catalog.TL_TOP.fast()
    dataset = load_sample(280, seed=0)

    def turn():
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(paths, "run_cache_dir", lambda: Path(folder)):
            for seed in range(settings["seeds"]):
                trainer.train(recipe, dataset, seed=seed, record=False)

    return turn


WAYS = {
    "package": package,
    "fit": plain_fit,
    "epoch": epoch,
    "one step": one_step,
    "forward": forward_pass,
    "matrix": matrix,
    "seeds": seeds,
}

if __name__ == "__main__":
    harness.serve(WAYS)
