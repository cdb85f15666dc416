"""What is learned: labels, FER+'s votes on Training alone, teachers' answers, and mixtures that sum to one."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from emotion_detection import files
from emotion_detection.data import FaceDataset, ferplus, load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError, OverlapError
from emotion_detection.runs import store
from emotion_detection.training import augmentation, backends, batches, catalog, mobilenet, splits, targets

FEAR, SURPRISE = EMOTIONS.index("fear"), EMOTIONS.index("surprise")


@pytest.fixture
def faces(monkeypatch):
    """Drawn faces with votes: six for the label, two for surprise, two for contempt; nobody saw a face in the first."""
    sample = dataclasses.replace(load_sample(70, seed=0), has_official_rows=True)
    votes = np.zeros((len(sample), 10), np.uint8)
    votes[np.arange(len(sample)), sample.emotion] = 6
    votes[:, SURPRISE] += 2
    votes[:, ferplus.CONTEMPT] = 2
    votes[sample.training.row[0]] = [0] * 9 + [10]
    monkeypatch.setattr(ferplus, "load_ferplus", lambda: ferplus.FerPlus(votes, sample.usage))
    return sample


def recipe(**changes) -> catalog.Recipe:
    return catalog.TL_WHOLE.fast().replace(**changes)


def test_plain_recipes_learn_the_labels(faces):
    (answers,) = targets.targets_of(recipe().targets, faces.training).outputs
    assert np.array_equal(answers, np.eye(7, dtype=np.float32)[faces.training.emotion])


def test_a_blend_holds_a_share_of_the_votes_without_contempt_and_the_label_where_nobody_voted(faces):
    part = faces.training
    (answers,) = targets.targets_of(recipe(ferplus_blend=0.5).targets, part).outputs
    assert answers.sum(axis=1) == pytest.approx(1)
    at = int(np.flatnonzero(part.emotion[1:] == FEAR)[0]) + 1
    assert answers[at, FEAR] == pytest.approx(0.5 + 0.5 * 6 / 8)
    assert answers[at, SURPRISE] == pytest.approx(0.5 * 2 / 8)
    assert answers[0].tolist() == np.eye(7)[part.emotion[0]].tolist()


def test_the_second_task_has_eight_classes_with_contempt(faces):
    main, second = targets.targets_of(recipe(ferplus_auxiliary=0.5).targets, faces.training).outputs
    assert np.array_equal(main, np.eye(7, dtype=np.float32)[faces.training.emotion])
    assert second.shape == (len(faces.training), 8)
    assert second[1:, ferplus.CONTEMPT] == pytest.approx(0.2)
    assert second.sum(axis=1) == pytest.approx(1)


def test_learning_from_votes_alone_leaves_out_faces_without_any(faces):
    alone = recipe(ferplus_only=True)
    part = splits.parts(alone, faces, seed=0).training
    assert np.array_equal(part.row, faces.training.row[1:])
    (answers,) = targets.targets_of(alone.targets, part).outputs
    at = int(np.flatnonzero(part.emotion == FEAR)[0])
    assert answers[at, FEAR] == pytest.approx(6 / 8)


@pytest.mark.parametrize("split", ["PublicTest", "PrivateTest"])
def test_votes_on_test_faces_are_never_learned_from(faces, split):
    with pytest.raises(OverlapError, match="not of FER2013's Training"):
        targets.targets_of(recipe(ferplus_blend=0.5).targets, faces.split(split))


def test_votes_cannot_be_joined_to_a_copy_without_official_rows(faces):
    with pytest.raises(DataError, match=r"row numbers.*without FER\+"):
        others = dataclasses.replace(faces.training, has_official_rows=False)
        targets.targets_of(recipe(ferplus_blend=0.5).targets, others)


def test_missing_votes_say_where_they_belong(isolated):
    faces = dataclasses.replace(load_sample(70), has_official_rows=True)
    with pytest.raises(MissingFileError, match=r"votes of FER\+ were not found.*EMOTION_DATA_DIR"):
        targets.targets_of(recipe(ferplus_blend=0.5).targets, faces.training)


def test_a_missing_teacher_is_named_with_the_command_that_trains_it(isolated, faces):
    with pytest.raises(MissingFileError, match=r"teacher late_base-s1.*train late_base --seed 1 --retrain"):
        targets.sources(recipe(teachers=("late_base-s1",), distillation=0.5).targets)


SURE = np.arange(1000) % 5  # of surprise, by face


def record_folded_teacher(faces: FaceDataset) -> None:
    """Record a run in folds that answers every face with surprise, more or less sure, in an order of its own."""
    order = np.random.default_rng(0).permutation(len(faces))
    logits = np.outer(SURE[: len(faces)], np.arange(7) == SURPRISE).astype(np.float32)
    answers = store.Predictions("Folds", faces.row[order], faces.emotion[order], logits[order])
    info = {
        "data": {"name": "the drawn sample", "fingerprint": faces.fingerprint},
        "metrics": {"Folds": {"accuracy": 0.5}},
        "parameters": {"all": 1, "trained": 1},
        "hardware": {"cores": 1, "devices": [], "system": "Linux"},
        **{"run": "folded-s0", "recipe": {"name": "folded", "folds": 3}, "seed": 0, "wall_time_s": 1.0},
    }
    columns = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "seconds")
    history = pd.DataFrame({column: [0.5] for column in columns})
    store.write_run("folded", info, history, {"Folds": answers})


def test_a_teacher_in_folds_gives_what_it_recorded_for_each_face(isolated, faces):
    part = faces.training
    record_folded_teacher(part)
    pupil = recipe(teachers=("folded",), distillation=0.5, label_smoothing=0.0)
    (learned,) = targets.targets_of(pupil.targets, part[np.arange(5, 25)]).outputs
    logits = np.outer(SURE[5:25], np.arange(7) == SURPRISE)
    taught = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert learned == pytest.approx(0.5 * np.eye(7)[part.emotion[5:25]] + 0.5 * taught, abs=1e-6)
    assert targets.sources(pupil.targets) == {"folded-s0": files.sha256(store.run_dir("folded") / "predictions.npz")}


def test_a_teacher_in_folds_that_answered_other_faces_is_refused(isolated, faces):
    part = faces.training
    record_folded_teacher(part)
    pupil = recipe(teachers=("folded",), distillation=0.5)
    relabelled = dataclasses.replace(part, emotion=(part.emotion + 1) % 7)
    for others, count in ((relabelled, len(part)), (dataclasses.replace(part, row=part.row + 10_000), len(part))):
        with pytest.raises(DataError, match=rf"folded-s0 .*; {count:,} of .* Train the teacher on this copy"):
            targets.targets_of(pupil.targets, others)


def test_teachers_are_asked_once_on_faces_and_their_mirror_images(isolated, faces, monkeypatch):
    model = mobilenet.build_model(recipe(), seed=3)
    mobilenet.save_model(model, store.weights_path("old-s0"))
    pupil = recipe(teachers=("old",), distillation=0.25, distillation_temperature=2.0, label_smoothing=0.1)
    (answers,) = targets.targets_of(pupil.targets, faces.training).outputs
    views = (faces.training.pixels, faces.training.pixels[:, :, ::-1])
    logits = [backends.predict_logits(model, view) for view in views]
    taught = np.mean([np.exp(each / 2) / np.exp(each / 2).sum(axis=1, keepdims=True) for each in logits], axis=0)
    smoothed = 0.9 * np.eye(7)[faces.training.emotion] + 0.1 / 7
    assert answers == pytest.approx(0.75 * smoothed + 0.25 * taught, abs=1e-5)
    assert targets.smoothing_in_loss(pupil.targets) == 0
    assert list(targets.sources(pupil.targets)) == ["old-s0"]
    monkeypatch.setattr(backends, "predict_logits", None)
    assert np.array_equal(targets.targets_of(pupil.targets, faces.training).outputs[0], answers)


def test_targets_and_weights_are_mixed_as_their_faces_are(monkeypatch):
    monkeypatch.setattr(augmentation, "MIXUP_ALPHA", 1.0)
    pixels = np.repeat(np.array([0, 200], np.uint8), 8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    label = np.repeat([0, 3], 8)
    mixing = recipe(augmentation=catalog.Augmentation(False, 0, 0, 0, mixup=1.0), batch_size=16)
    answers = [np.eye(7, dtype=np.float32)[label], np.eye(8, dtype=np.float32)[label]]
    settings = {"recipe": mixing, "seed": 0, "epoch": 0, "weights": label.astype(np.float32)}
    inputs, (main, second), weights = batches.FaceBatches(pixels, answers, **settings)[0]
    share = inputs[:, 24, 24, 0] / 200
    assert share.min() > 0 or share.max() < 1 or len(np.unique(share)) > 2
    assert main[:, 3] == pytest.approx(share, abs=0.01)
    assert second[:, 3] == pytest.approx(share, abs=0.01)
    assert weights == pytest.approx(3 * share, abs=0.02)
    assert main.dtype == weights.dtype == np.float32


def test_conflicting_and_constant_training_faces_can_be_left_out():
    sample = load_sample(70, seed=0)
    at = np.flatnonzero(sample.usage == "Training")
    public = np.flatnonzero(sample.usage == "PublicTest")
    pixels, emotion = sample.pixels.copy(), sample.emotion.copy()
    pixels[at[1]], emotion[at[0]], emotion[at[1]] = pixels[at[0]], 0, 1
    pixels[at[3]], emotion[at[3]] = pixels[at[2]], emotion[at[2]]
    pixels[public[0]], emotion[public[0]] = pixels[at[4]], (emotion[at[4]] + 1) % 7
    pixels[at[5]] = 9
    faces = FaceDataset(pixels, emotion, sample.usage, sample.row)
    kept = splits.parts(recipe(drop_conflicting=True), faces, seed=0)
    assert np.array_equal(kept.training.row, np.delete(sample.row[at], [0, 1, 5]))
    assert len(kept.validation) == len(public)


def test_class_weights_are_inverse_to_frequency_and_one_on_average():
    labels = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 7]).astype(np.int8)
    weights = targets.class_weights(labels)
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[0] / weights[6] == pytest.approx(7)
