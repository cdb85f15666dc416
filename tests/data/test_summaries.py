"""Recorded summaries: written from a data set, read with none."""

import json
import subprocess
import sys

import numpy as np
import pytest

from emotion_detection import paths
from emotion_detection.data import duplicates, summaries
from emotion_detection.data.synthetic import load_sample
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError


@pytest.fixture
def recorded(isolated):
    sample = load_sample(140)
    summaries.record(sample)
    return sample


def test_counts_are_those_of_the_data_set(recorded):
    assert summaries.load_counts().equals(recorded.counts())


def test_averages_are_of_training_alone(recorded):
    averages = summaries.load_averages()
    assert averages.shape == (7, 48, 48) and averages.dtype == np.float32
    happy = recorded.training.pixels[recorded.training.emotion == EMOTIONS.index("happy")]
    np.testing.assert_allclose(averages[EMOTIONS.index("happy")], happy.mean(axis=0), rtol=1e-5)


def test_twins_and_quality_are_those_that_quality_finds(recorded):
    pairs, identical = duplicates.near_pairs(recorded.pixels), duplicates.identical_ids(recorded)
    found = duplicates.twins(recorded, pairs=pairs, identical=identical)
    loaded = summaries.load_twins()
    assert set(loaded) == set(found)
    for key, rows in found.items():
        np.testing.assert_array_equal(loaded[key], rows)
    assert summaries.load_quality()["constant_pictures"] == 0


def test_recording_twice_writes_the_same_bytes(recorded):
    before = {path.name: path.read_bytes() for path in summaries.folder().iterdir()}
    summaries.record(recorded)
    assert {path.name: path.read_bytes() for path in summaries.folder().iterdir()} == before


def test_without_votes_there_is_no_agreement(recorded):
    with pytest.raises(MissingFileError, match=r"ferplus.json is missing.*record\(\)"):
        summaries.load_agreement()


@pytest.mark.parametrize(
    ("name", "load"), [("counts.json", summaries.load_counts), ("twins.npz", summaries.load_twins)]
)
def test_a_damaged_summary_says_so(recorded, name, load):
    path = summaries.folder() / name
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DataError, match=f"{name} is damaged.*Restore it"):
        load()


def test_the_recorded_summaries_of_fer2013_are_whole_and_official():
    counts = summaries.load_counts()
    assert counts.to_numpy().sum(axis=0).tolist() == [28709, 3589, 3589]
    assert json.loads((summaries.folder() / "counts.json").read_text())["verdict"] == "exact"
    assert summaries.load_averages().shape == (7, 48, 48)
    twins = summaries.load_twins()
    for split, first in (("PublicTest", 28709), ("PrivateTest", 32298)):
        identical, near = twins[f"{split}_identical"], twins[f"{split}_near"]
        assert np.isin(identical, near).all()
        assert near.min() >= first and near.max() < first + 3589
        assert 0.07 < len(identical) / 3589 < 0.09 < len(near) / 3589 < 0.12
    agreement = summaries.load_agreement()["PrivateTest"]
    assert agreement["n_strict"] == 3153
    assert np.sum(agreement["confusion"]) == agreement["n_strict"]
    assert agreement["agree"] / sum(line["n"] for line in agreement["emotions"].values()) == pytest.approx(
        0.67, abs=0.01
    )


def test_the_recorded_leaks_agree_with_the_recorded_twins():
    twins = summaries.load_twins()
    for leak in summaries.load_quality()["leaks"]:
        assert leak["n"] == len(twins[f"{leak['split']}_{leak['twin']}"])


def test_reading_summaries_needs_neither_data_nor_keras():
    code = (
        "import sys; from emotion_detection.data import summaries; summaries.load_counts(); summaries.load_twins();"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=paths.project_root())


@pytest.mark.fer2013
def test_the_recorded_counts_are_those_of_the_real_set(fer2013):
    assert summaries.load_counts().equals(fer2013.counts())
    np.testing.assert_allclose(summaries.load_averages(), summaries.class_averages(fer2013.training), rtol=1e-5)
    assert json.loads((summaries.folder() / "counts.json").read_text())["unverified_rows"] == 173
