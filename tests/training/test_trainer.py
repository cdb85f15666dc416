"""Training: exact resume, no overlap, cached features that change nothing, honest records."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from unittest import mock

import keras
import numpy as np
import pytest

from emotion_detection import files
from emotion_detection.data import FaceDataset, ferplus, load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, OverlapError
from emotion_detection.export import ship
from emotion_detection.runs import registry, store
from emotion_detection.training import backends, batches, catalog, finalize, mobilenet, optimizers, trainer


def small(regime: str, **changes) -> catalog.Recipe:
    recipe = {"top": catalog.TL_TOP, "100": catalog.TL_100, "whole": catalog.TL_WHOLE}[regime]
    return recipe.fast().replace(**({"epochs": 3, "batch_norm_batches": 1} | changes))


@pytest.fixture(scope="module")
def faces():
    return load_sample(140, seed=0)


def interrupt(recipe: catalog.Recipe, faces: FaceDataset, *, seed: int = 0, after: int) -> None:
    """Train, and press Ctrl-C once so many epochs are finished."""
    written = trainer._Checkpoint.write

    def write(checkpoint, model, history):
        written(checkpoint, model, history)
        if len(history) >= after:
            raise KeyboardInterrupt

    with mock.patch.object(trainer._Checkpoint, "write", write), pytest.raises(KeyboardInterrupt):
        trainer.train(recipe, faces, seed=seed)


def history_of(run: store.Run) -> np.ndarray:
    return run.history.drop(columns="seconds").to_numpy()


def forget(folder, *names: str) -> None:
    """Empty these folders of the cache."""
    for name in names:
        for path in (folder / "data" / "cache" / name).iterdir():
            path.unlink()


def whole_and_resumed(folder, recipe, faces, *, seed: int, after: tuple[int, ...]) -> tuple[store.Run, store.Run]:
    """Train at one go, and again with interruptions; history and answers must be the same."""
    whole = trainer.train(recipe, faces, seed=seed, record=False)
    forget(folder, "checkpoints")
    for epochs in after:
        interrupt(recipe, faces, seed=seed, after=epochs)
    resumed = trainer.train(recipe, faces, seed=seed)
    assert np.array_equal(history_of(whole), history_of(resumed), equal_nan=True)
    assert np.array_equal(whole.predictions["PublicTest"].logits, resumed.predictions["PublicTest"].logits)
    return whole, resumed


@pytest.mark.parametrize("regime", ["top", *(pytest.param(each, marks=pytest.mark.slow) for each in ("100", "whole"))])
def test_an_interrupted_run_ends_with_the_history_of_an_uninterrupted_one(isolated, faces, regime):
    whole_and_resumed(isolated, small(regime, epochs=2), faces, seed=1, after=(1,))


@pytest.fixture
def with_votes(faces, monkeypatch):
    """The drawn faces with FER+ votes: six for the label, two for contempt, two for neutral."""
    votes = np.zeros((len(faces), 10), np.uint8)
    votes[np.arange(len(faces)), faces.emotion] = 6
    votes[:, [ferplus.CONTEMPT, EMOTIONS.index("neutral")]] += 2
    monkeypatch.setattr(ferplus, "load_ferplus", lambda: ferplus.FerPlus(votes, faces.usage))
    return dataclasses.replace(faces, has_official_rows=True)


ALL_ON = {
    "epochs": 3,
    "augmentation": catalog.Augmentation(shear=0.1, blur_px=0.5, noise=0.05, erasing=0.5, mixup=0.4, cutmix=0.4),
    "ferplus_auxiliary": 0.5,
    "ferplus_blend": 0.3,
    "ema": 0.9,
    "validate_every": 2,
    "drop_conflicting": True,
}


@pytest.mark.slow
def test_a_taught_run_in_cycles_goes_on_exactly_within_a_cycle_and_between_cycles(isolated, with_votes):
    teacher = small("top", epochs=1)
    trainer.train(teacher, with_votes, seed=0)
    best = catalog.BEST.fast().replace(
        continues=teacher.name,
        epochs=4,
        cycles=2,
        validate_every=2,
        batch_norm_batches=1,
        teachers=(f"{teacher.name}-s0",),
        distillation=catalog.BEST.targets.distillation,
        ferplus_auxiliary=catalog.BEST.targets.ferplus_auxiliary,
    )
    whole_and_resumed(isolated, best, with_votes, seed=0, after=(1, 2, 3))


@pytest.mark.slow
def test_a_run_with_every_switch_on_goes_on_exactly(isolated, with_votes):
    whole, resumed = whole_and_resumed(isolated, small("whole", **ALL_ON), with_votes, seed=1, after=(1, 2))
    assert whole.history["val_accuracy"].notna().tolist() == [False, True, True]
    answers = resumed.predictions["PublicTest"]
    assert (answers.predicted == answers.label).mean() == resumed.history["val_accuracy"].iloc[-1]
    saved = mobilenet.load_network(store.weights_path("tl_whole-s1"))
    assert saved.output_shape == (None, 7) and saved.count_params() == 2_266_951
    assert backends.predict_logits(saved, with_votes.public_test.pixels) == pytest.approx(answers.logits, abs=1e-4)
    assert store.load_run("tl_whole-s1").history["val_loss"].isna().tolist() == [True, False, False]


def test_the_averaged_network_is_the_one_that_is_scored_and_saved(isolated, faces):
    run = trainer.train(small("top", ema=0.8), faces)
    plain = trainer.train(small("top"), faces, record=False)
    answers = run.predictions["PublicTest"]
    assert trainer.loss_and_accuracy(answers.logits, answers.label)[0] == run.history["val_loss"].iloc[-1]
    saved = backends.predict_logits(mobilenet.load_network(store.weights_path(run.name)), faces.public_test.pixels)
    assert saved == pytest.approx(answers.logits, abs=1e-4)
    assert run.history["loss"].tolist() == plain.history["loss"].tolist()
    assert run.history["val_loss"].iloc[-1] != plain.history["val_loss"].iloc[-1]


def test_public_test_is_looked_at_as_often_as_asked_and_after_the_last_epoch(isolated, faces):
    run = trainer.train(small("top", epochs=4, validate_every=3), faces)
    seen = store.load_run(run.name).history["val_accuracy"].notna()
    assert seen.tolist() == [False, False, True, True]


def test_the_second_task_is_learned_and_left_out_of_the_network(isolated, with_votes):
    recipe = small("top", ferplus_auxiliary=0.5, epochs=1)
    run = trainer.train(recipe, with_votes, record=False)
    plain = trainer.train(small("top", epochs=1), with_votes, record=False)
    assert run.info["parameters"] == plain.info["parameters"]
    assert run.history["objective"].item() > plain.history["objective"].item() + 0.5
    assert run.history["accuracy"].item() == plain.history["accuracy"].item()


KILLED = """
from emotion_detection.data import load_sample
from emotion_detection.training import catalog, trainer
recipe = catalog.TL_TOP.fast().replace(epochs=400, batch_norm_batches=1)
trainer.train(recipe, load_sample(140, seed=0), seed=1)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_from_its_last_epoch(isolated, faces, monkeypatch):
    """Another process is killed outright, wherever it is, once it has written a checkpoint."""
    monkeypatch.setenv("EMOTION_OUTPUT_DIR", str(isolated / "out"))
    folder = isolated / "out" / "cache" / "checkpoints"
    with subprocess.Popen([sys.executable, "-c", KILLED], env=os.environ, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not list(folder.glob("tl_top*.npz")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.kill()
    recipe = small("top").replace(epochs=400)
    model = mobilenet.build_model(recipe, seed=1)
    _, trained = mobilenet.split_at(model, "features")
    optimizers.compile_for(trained, recipe, steps_per_epoch=1)
    checkpoint = trainer._Checkpoint(recipe, faces, 1, {})
    finished = len(checkpoint.restore(trained))
    assert 0 < finished < 400
    interrupt(recipe, faces, seed=1, after=finished + 3)
    resumed = checkpoint.restore(trained)
    checkpoint.path.unlink()
    interrupt(recipe, faces, seed=1, after=finished + 3)
    whole = checkpoint.restore(trained)
    assert [line["val_loss"] for line in resumed] == [line["val_loss"] for line in whole]
    assert [line["loss"] for line in resumed] == [line["loss"] for line in whole]


def test_a_folder_that_cannot_be_written_is_named_before_training(isolated, faces, monkeypatch):
    def refused(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refused)
    with pytest.raises(DataError, match=r"checkpoints cannot be written \(Permission denied\).*EMOTION_OUTPUT_DIR"):
        trainer.train(small("top"), faces)


def test_cached_frozen_features_give_the_result_of_the_full_network(isolated, faces):
    recipe = small("top")
    cached = trainer.train(recipe, faces, record=False)
    forget(isolated, "checkpoints")
    with mock.patch.object(trainer, "_has_constant_features", lambda recipe: False):
        full = trainer.train(recipe, faces, record=False)
    assert history_of(cached) == pytest.approx(history_of(full), abs=1e-4)


def test_training_and_validation_rows_may_not_overlap(isolated, faces):
    row = np.array(faces.row)
    row[np.flatnonzero(faces.usage == "PublicTest")[:2]] = row[np.flatnonzero(faces.usage == "Training")[:2]]
    overlapping = FaceDataset(faces.pixels, faces.emotion, faces.usage, row)
    with pytest.raises(OverlapError, match="2 rows are in both"):
        trainer.train(small("top"), overlapping, record=False)


def test_faces_without_labels_are_refused(isolated, faces):
    emotion = np.array(faces.emotion)
    emotion[faces.usage == "PublicTest"] = -1
    with pytest.raises(DataError, match="without a label"):
        trainer.train(small("top"), FaceDataset(faces.pixels, emotion, faces.usage, faces.row), record=False)


@pytest.fixture
def kept_here(monkeypatch):
    """Networks of drawn faces may be kept, too."""
    monkeypatch.setattr(registry, "check_is_ours", lambda *_: None)


def test_a_run_goes_on_from_a_network_that_was_kept(isolated, faces, kept_here):
    first = trainer.train(small("top", epochs=1), faces)
    trained = mobilenet.load_network(store.weights_path("tl_top")).get_weights()
    path = ship.keep("tl_top")
    assert path.stat().st_size < 0.65 * store.weights_path("tl_top").stat().st_size
    store.weights_path("tl_top").unlink()
    assert store.trained_network("tl_top") == path
    for mine, other in zip(mobilenet.load_network(path).get_weights(), trained, strict=True):
        assert mine.dtype == other.dtype
        assert np.array_equal(mine, other.astype(np.float16).astype(other.dtype))
    later = small("top", epochs=1).replace(name="later", continues="tl_top", learning_rate=0.0)
    before, after = (run.predictions["PublicTest"].probabilities() for run in (first, trainer.train(later, faces)))
    assert np.abs(before - after).max() < 0.05


@pytest.mark.parametrize("change", ["another training", "damaged"])
def test_a_kept_network_of_another_training_is_not_gone_on_from(isolated, faces, kept_here, change):
    trainer.train(small("top", epochs=1), faces)
    path = ship.keep("tl_top")
    store.weights_path("tl_top").unlink()
    if change == "damaged":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        info = json.loads((store.run_dir("tl_top") / "run.json").read_text())
        files.write_json(store.run_dir("tl_top") / "run.json", info | {"finished": "2001-01-01T00:00:00+00:00"})
    with pytest.raises(MissingFileError, match="is not on this machine"):
        store.trained_network("tl_top")


def test_a_damaged_checkpoint_is_not_resumed(isolated, faces, caplog):
    interrupt(small("top"), faces, after=1)
    checkpoint = next((isolated / "data" / "cache" / "checkpoints").iterdir())
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert len(trainer.train(small("top"), faces, record=False).history) == 3
    assert "is damaged" in caplog.text


@pytest.mark.parametrize("kept_bytes", [0, 1000])
def test_damaged_features_are_computed_anew(isolated, faces, caplog, kept_bytes):
    first = trainer.train(small("top", epochs=1), faces, record=False)
    for folder in ("checkpoints", "features"):
        for path in (isolated / "data" / "cache" / folder).iterdir():
            path.unlink() if folder == "checkpoints" else path.write_bytes(path.read_bytes()[:kept_bytes])
    again = trainer.train(small("top", epochs=1), faces, record=False)
    assert np.array_equal(history_of(first), history_of(again))
    assert "cache of features" in caplog.text
    assert "is damaged" in caplog.text


def test_the_history_holds_means_over_all_training_faces(isolated, faces):
    """With a learning rate of zero and no dropout, that is the loss of the first weights on every face."""
    recipe = small("top", epochs=1, dropout=0.0, learning_rate=0.0, schedule="constant", label_smoothing=0.0)
    run = trainer.train(recipe, faces, record=False)
    model = mobilenet.build_model(recipe, seed=0)
    logits = backends.predict_logits(model, faces.training.pixels)
    expected = trainer.loss_and_accuracy(logits, faces.training.emotion)
    assert run.history.loc[0, ["loss", "accuracy"]].tolist() == pytest.approx(expected, abs=1e-4)
    assert run.history.loc[0, "objective"] == pytest.approx(expected[0], abs=1e-4)


def test_a_recipe_goes_on_from_the_network_that_it_names(isolated, faces):
    first = trainer.train(small("top", epochs=1), faces)
    still = {"epochs": 1, "learning_rate": 0.0, "schedule": "constant", "continues": "tl_top", "name": "again"}
    again = trainer.train(small("top", **still), faces, record=False)
    received, expected = (run.predictions["PublicTest"].logits for run in (again, first))
    assert received == pytest.approx(expected, abs=1e-4)


def test_a_recipe_whose_beginning_is_not_on_this_machine_says_what_to_train(isolated, faces):
    with pytest.raises(MissingFileError, match="train tl_top --seed 0 --retrain"):
        trainer.train(small("top", continues="tl_top"), faces, record=False)


def test_training_ends_when_the_accuracy_asked_for_is_reached(isolated, faces):
    assert len(trainer.train(small("top", stop_at_training_accuracy=0.01), faces, record=False).history) == 1


def test_the_audit_may_watch_private_test_in_a_column_that_says_so(isolated, faces):
    recipe = small("top", epochs=1, watch_private_test_for_audit=True)
    run = trainer.train(recipe, faces, record=False)
    model = mobilenet.build_model(recipe, seed=0)
    assert 0 <= run.history["private_accuracy_for_audit"].item() <= 1
    assert "PrivateTest" not in run.predictions
    assert not any("private" in name for name in trainer.train(small("top", epochs=1), faces, record=False).history)
    assert model.count_params() == run.info["parameters"]["all"]


def test_a_pooled_run_records_rows_learned_from_and_never_seen_but_no_official_score(isolated, faces):
    changes = {"val_is_train_as_published": True, "pool_all_splits_as_published": True}
    run = trainer.train(small("top", epochs=1, **changes), faces)
    loaded = store.load_run("tl_top")
    assert set(loaded.predictions) == {"Training", "Unseen"}
    assert loaded.history["val_accuracy"].item() == pytest.approx(
        loaded.info["metrics"]["Training"]["accuracy"], abs=1e-5
    )
    for name, values in run.predictions.items():
        assert np.array_equal(loaded.predictions[name].logits, values.logits)
        accuracy = float((values.predicted == values.label).mean())
        assert loaded.info["metrics"][name]["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    with pytest.raises(DataError, match="learned from rows of PrivateTest"):
        finalize.finalise("tl_top", faces)


@pytest.mark.parametrize(("setting", "follow"), [("batch_statistics", True), ("batch_statistics_averages_kept", False)])
def test_frozen_batch_norms_can_use_batch_statistics_with_gamma_and_beta_held(faces, setting, follow):
    recipe = small("top", frozen_batch_norm=setting, batch_norm_momentum=0.9)
    model = mobilenet.build_model(recipe, seed=0)
    optimizers.compile_for(model, recipe, steps_per_epoch=1)
    layer, batch = model.get_layer("bn_Conv1"), faces.pixels[:32, ..., None]
    names = ("gamma", "beta", "moving_mean")
    before = {name: keras.ops.convert_to_numpy(getattr(layer, name)).copy() for name in names}
    model.train_on_batch(batch, np.eye(7, dtype=np.float32)[faces.emotion[:32]])
    after = {name: keras.ops.convert_to_numpy(getattr(layer, name)) for name in names}
    changed = {name: not np.array_equal(before[name], after[name]) for name in names}
    assert changed == {"gamma": False, "beta": False, "moving_mean": follow}
    assert len(model.trainable_variables) == 2
    features = keras.Model(model.input, layer.output)
    assert not np.allclose(features(batch, training=True), features(batch, training=False), atol=1e-3)


def test_batches_depend_on_seed_and_epoch_alone(faces):
    recipe = small("whole")

    targets = np.eye(7, dtype=np.float32)[faces.emotion]

    def batch(seed, epoch):
        return batches.FaceBatches(faces.pixels, [targets], recipe=recipe, seed=seed, epoch=epoch)[1]

    assert np.array_equal(batch(0, 2)[0], batch(0, 2)[0])
    assert not np.array_equal(batch(0, 2)[0], batch(0, 3)[0])
    assert not np.array_equal(batch(0, 2)[1][0], batch(1, 2)[1][0])


def test_a_run_in_folds_records_predictions_on_all_of_training(isolated, faces):
    recipe = catalog.TL_TOP.fast().replace(name="rare_plain", folds=2, class_weights=True)
    trainer.train(recipe, faces)
    run = store.load_run("rare_plain")
    assert np.array_equal(run.predictions["Folds"].row, np.sort(faces.training.row))
    assert len(run.history) == 1
    assert store.recorded() == ["rare_plain-s0"]
    assert not list((isolated / "data" / "cache" / "checkpoints").iterdir()), "trained again, it would go on from them"
