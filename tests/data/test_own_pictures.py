"""A folder of a reader's own labelled pictures becomes a data set; what is wrong with it is told, file by file."""

import codecs
import json
import re
import shutil

import cv2
import numpy as np
import PIL.Image
import pytest

import making_pictures
from emotion_detection import notebook, paths
from emotion_detection.data import FaceDataset, load_pictures, load_sample, own_pictures
from emotion_detection.emotions import EMOTIONS
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.evaluation import metrics
from emotion_detection.faces import cropping, detection, images, preprocessing
from emotion_detection.reporting import notebooks
from emotion_detection.runs import store

PORTRAIT = paths.sample_dir() / "astronaut.webp"


class OneFace:
    """Finds `count` faces, one beside the other, in pictures that are not black."""

    name = "stand-in"
    framing = cropping.Framing(1.0, 0.0, 0.0)

    def __init__(self, count: int = 1):
        self.count = count

    def detect(self, frame_bgr):
        side = min(frame_bgr.shape[:2])
        boxes = [cropping.FaceBox(0, 0, side - 10 * index, side - 10 * index) for index in range(self.count)]
        return boxes if frame_bgr.any() else []


@pytest.fixture(scope="module")
def drawn() -> FaceDataset:
    return load_sample(140)


@pytest.fixture
def folder(tmp_path, drawn):
    """Twenty drawn faces of each emotion as PNG, which say that they are crops."""
    return making_pictures.write_pictures(drawn, tmp_path / "mine")


def kinds(report) -> dict[str, tuple[str, str]]:
    return {row.file: (row.kind, row.done) for row in report.itertuples()}


def splits(dataset) -> dict[str, str]:
    return dict(zip(dataset.files, dataset.usage.tolist(), strict=True))


def test_drawn_faces_come_back_pixel_by_pixel_with_their_labels(folder, drawn):
    mine = load_pictures(folder)
    label = {face.tobytes(): emotion for face, emotion in zip(drawn.pixels, drawn.emotion, strict=True)}
    assert [label[face.tobytes()] for face in mine.pixels] == mine.emotion.tolist()
    assert len(mine) == len(label) == 140
    assert (mine.name, mine.has_official_rows) == ("pictures mine", False)
    assert len(mine.report) == 0
    assert "No file was left out" in mine.notes[0]
    assert all(file.startswith(EMOTIONS[emotion]) for file, emotion in zip(mine.files, mine.emotion, strict=True))


def test_each_class_is_split_in_like_shares(folder):
    counts = load_pictures(folder).counts()
    assert (counts["Training"] == 16).all()
    assert (counts["PublicTest"] == 2).all()
    assert (counts["PrivateTest"] == 2).all()


def test_the_split_depends_on_seed_and_pictures_alone(folder, tmp_path):
    first = load_pictures(folder)
    elsewhere = tmp_path / "elsewhere" / "mine"
    for path in sorted(folder.rglob("*.png"), reverse=True):  # written in another order
        (elsewhere / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, elsewhere / path.parent.name / path.name)
    again = load_pictures(elsewhere, crop="none")
    assert again.fingerprint == first.fingerprint
    assert splits(load_pictures(folder, seed=1)) != splits(first)


def test_other_words_for_the_seven_and_a_mapping_of_ones_own_are_understood(folder):
    (folder / "happy").rename(folder / "Happiness")
    (folder / "sad").rename(folder / "gloom")
    with pytest.raises(own_pictures.PicturesError, match="gloom") as refused:
        load_pictures(folder)
    assert kinds(refused.value.report)["gloom/"][0] == "unknown class"
    mapped = load_pictures(folder, classes={"Gloom": "sad"})
    assert (mapped.counts().sum(axis=1) == 20).all()
    left_out = load_pictures(folder, classes={"gloom": None})
    assert left_out.counts().loc["sad"].sum() == 0
    assert kinds(left_out.report)["gloom/"] == ("class left out", "left out as you said")


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("Joy", "happy"),
        ("Contempt", None),
        ("scared", "fear"),
        ("02_Rage", "angry"),
        ("suprise", "surprise"),
        ("unhappy", "sad"),
        ("calm", "neutral"),
        ("boredom", None),
    ],
)
def test_the_mapping_that_a_refusal_proposes_works_when_pasted(folder, name, emotion):
    (folder / (emotion or "disgust")).rename(folder / name)
    with pytest.raises(own_pictures.PicturesError) as refused:
        load_pictures(folder)
    proposed = json.loads(re.search(r'\{"classes": \{.*?\}\}', str(refused.value))[0])
    assert proposed == {"classes": {name: emotion}}
    mine = load_pictures(folder, **proposed)
    assert (mine.counts().sum(axis=1) > 0).sum() == (6 if emotion is None else 7)


def test_folders_of_a_split_are_refused_with_what_to_do(folder, tmp_path):
    (tmp_path / "whole").mkdir()
    folder.rename(tmp_path / "whole" / "train")
    with pytest.raises(
        own_pictures.PicturesError, match=r"train, which are splits.*the split is made here.* directly into whole"
    ):
        load_pictures(tmp_path / "whole")


def test_files_that_are_no_usable_picture_are_listed_and_counted(folder, caplog):
    (folder / "notes.txt").write_text("hello")
    (folder / "happy" / "empty.jpg").touch()
    (folder / "happy" / "letter.doc").write_bytes(b"no picture")
    (folder / "sad" / "cut.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((90, 90, 3), np.uint8))[1].tobytes()[:200])
    PIL.Image.new("L", (20, 60), 7).save(folder / "sad" / "small.png")
    PIL.Image.new("L", (48, 48), 7).save(folder / "sad" / "blank.png")
    mine = load_pictures(folder)
    assert kinds(mine.report) == {
        "notes.txt": ("stray file", "left out"),
        "happy/empty.jpg": ("unreadable", "left out"),
        "happy/letter.doc": ("unreadable", "left out"),
        "sad/cut.jpg": ("unreadable", "left out"),
        "sad/small.png": ("too small", "left out"),
        "sad/blank.png": ("one grey value", "left out"),
    }
    assert len(mine) == 140
    assert "unreadable 3, " in caplog.text
    assert "is empty (0 bytes)" in mine.report["problem"].tolist()
    assert mine[:5].report is mine.report


def test_identical_pictures_stay_in_one_split_and_are_told(folder):
    source = next((folder / "happy").iterdir())
    for number in range(6):
        shutil.copy(source, folder / "happy" / f"z{number}.png")
    shutil.copy(source, folder / "sad" / "z.png")
    mine = load_pictures(folder)
    same = [splits(mine)[f"happy/z{number}.png"] for number in range(6)]
    assert {*same, splits(mine)["sad/z.png"], splits(mine)[f"happy/{source.name}"]} == {same[0]}
    assert kinds(mine.report)["happy/z0.png"][0] == "twin"
    assert kinds(mine.report)["sad/z.png"] == ("two labels", "taken: decide on one")
    assert len(mine) == 147


def test_near_twins_stay_in_one_split(folder):
    for path in sorted((folder / "happy").iterdir()):
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(path.with_name(f"{path.stem}_darker.png")), (0.8 * gray).astype(np.uint8))
    found = splits(load_pictures(folder))
    pairs = [file for file in found if file.endswith("_darker.png")]
    assert len(pairs) == 20
    assert all(found[file] == found[file.replace("_darker", "")] for file in pairs)


@pytest.mark.parametrize("group", [r"/(person\d)", lambda path: path.name.split("_")[0]])
def test_pictures_of_one_person_stay_in_one_split(folder, group):
    for emotion in EMOTIONS:
        for number, path in enumerate(sorted((folder / emotion).iterdir())):
            path.rename(path.with_name(f"person{number % 10}_{path.name}"))
    found = splits(load_pictures(folder, group=group))
    persons = [{found[file] for file in found if f"person{number}_" in file} for number in range(10)]
    assert all(len(person) == 1 for person in persons)
    assert {split for person in persons for split in person} == {"Training", "PublicTest", "PrivateTest"}


def test_sub_folders_of_one_name_are_a_group_across_emotions(folder):
    for emotion in EMOTIONS:
        for number, path in enumerate(sorted((folder / emotion).iterdir())):
            (path.parent / f"p{number % 5}").mkdir(exist_ok=True)
            path.rename(path.parent / f"p{number % 5}" / path.name)
    found = splits(load_pictures(folder))
    assert all(len({found[file] for file in found if f"/p{number}/" in file}) == 1 for number in range(5))
    assert "The test splits have 20% and 20% of the faces" in load_pictures(folder).notes[-2]


def test_too_few_pictures_of_a_class_are_refused_with_the_count_and_what_to_do(folder):
    for path in sorted((folder / "fear").iterdir())[4:]:
        path.unlink()
    with pytest.raises(own_pictures.PicturesError, match=r"fear \(4 usable pictures in 4 groups\)") as refused:
        load_pictures(folder)
    assert kinds(refused.value.report)["fear/"] == ("too few", "refused")
    assert load_pictures(folder, classes={"fear": None}).counts().loc["fear"].sum() == 0


def test_one_person_alone_cannot_be_split(folder):
    with pytest.raises(own_pictures.PicturesError, match="in 1 groups"):
        load_pictures(folder, group=lambda path: "always me")


def test_one_class_is_no_data_set(folder):
    for emotion in EMOTIONS[1:]:
        shutil.rmtree(folder / emotion)
    with pytest.raises(own_pictures.PicturesError, match="1 class with usable pictures, 2 are needed"):
        load_pictures(folder)


def test_a_face_is_found_and_cropped_as_in_pictures_that_are_analysed(tmp_path, monkeypatch):
    detector, frame = detection.HaarDetector(), images.read_picture(PORTRAIT)
    expected = detection.find_faces(frame, detector)[1][0]
    rng = np.random.default_rng(0)
    for emotion in ("happy", "neutral"):
        (tmp_path / "me" / emotion).mkdir(parents=True)
        for number in range(12):
            noise = rng.integers(0, 255, (60, 60, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "me" / emotion / f"{number:02d}.png"), noise)
    shutil.copy(PORTRAIT, tmp_path / "me" / "happy" / "astronaut.webp")
    monkeypatch.setattr(detection, "load_detector", lambda name: detector)
    with pytest.raises(own_pictures.PicturesError, match=r"neutral \(0 usable pictures .* no face 24") as refused:
        load_pictures(tmp_path / "me")
    assert kinds(refused.value.report)["neutral/00.png"] == ("no face", "left out")
    mine = load_pictures(tmp_path / "me", crop="face_or_none")
    assert mine.pixels[mine.files.index("happy/astronaut.webp")].tobytes() == expected.tobytes()
    assert kinds(mine.report)["happy/00.png"] == ("no face", "the whole picture was taken")


def test_of_several_faces_the_largest_is_taken_and_told(folder):
    mine = load_pictures(folder, crop="face", detector=OneFace(2))
    assert set(mine.report["kind"]) == {"several faces"}
    assert len(mine.report) == len(mine) == 140


def test_any_size_is_read_and_a_turned_photograph_is_turned_upright(folder):
    gray = cv2.imread(str(next((folder / "happy").iterdir())), cv2.IMREAD_GRAYSCALE)
    large = cv2.resize(gray, (480, 480), interpolation=cv2.INTER_NEAREST)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    PIL.Image.fromarray(np.rot90(large)).save(folder / "happy" / "turned.png", exif=exif)
    PIL.Image.fromarray(large[:, :240]).save(folder / "happy" / "narrow.png")
    mine = load_pictures(folder)
    assert mine.pixels[mine.files.index("happy/turned.png")].tobytes() == gray.tobytes()
    squeezed = mine.pixels[mine.files.index("happy/narrow.png")]
    assert squeezed.tobytes() == preprocessing.to_gray48(large[:, :240]).tobytes()
    assert kinds(mine.report)["happy/narrow.png"] == ("not square", "squeezed into a square")


def test_a_folder_says_itself_how_it_is_read(folder):
    (folder / "sad").rename(folder / "gloom")
    (folder / own_pictures.SETTINGS_FILE).write_text('{"crop": "none", "classes": {"gloom": "sad"}, "test_share": 0.2}')
    counts = load_pictures(folder).counts()
    assert counts.loc["sad"].tolist() == [12, 4, 4]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"crop": ', "is not valid JSON"),
        ('{"corp": "none"}', "no setting corp"),
        ('["none"]', "must be object"),
        ('{"crop": "none", "seed": -1}', "seed is -1"),
        ('{"crop": "none", "seed": 5e9}', "seed is 5000000000.0"),
        ('{"crop": "none", "seed": 5000000000}', "seed is 5000000000, expected"),
        ('{"crop": "half"}', "crop is 'half'"),
        ('{"classes": {"joy": "joyful"}}', "'joy': 'joyful'"),
        ('{"test_share": 0.5}', "test_share is 0.5"),
        ('{"test_share": "a tenth"}', "test_share is 'a tenth', expected such as 0.1"),
        ('{"classes": ["happy"]}', "expected such as {.joy.: .happy.}"),
        ('{"group": "person"}', "with .…. around the person"),
        ('{"group": "(person"}', "with .…. around the person"),
    ],
)
def test_a_setting_that_is_wrong_is_named(folder, content, said):
    (folder / own_pictures.SETTINGS_FILE).write_text(content)
    with pytest.raises(DataError, match=said):
        load_pictures(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        load_pictures(tmp_path / "nowhere")


def test_groups_are_chains_of_twins_and_keys(drawn):
    faces_ = drawn[np.array([0, 0, 1, 2, 3, 4])]  # the first two are one picture
    group = own_pictures.groups_of(faces_, [None, "a", "a", "b", "b", None])
    assert len(set(group[:3])) == 1
    assert group[3] == group[4] != group[0]
    assert len(set(group)) == 3


# Runs on them


def take_place(monkeypatch, project, folder) -> None:
    """Make `folder` the pictures that take FER2013's place, and `project` the project's folder."""
    monkeypatch.setattr(paths, "project_root", lambda: project)
    monkeypatch.delenv("EMOTION_OUTPUT_DIR", raising=False)
    monkeypatch.setenv("EMOTION_PICTURES", str(folder))


@pytest.fixture(scope="module")
def project(tmp_path_factory, drawn):
    """A project's folder in which a recipe was trained, fast, on own pictures of three emotions in `mine`."""
    root = tmp_path_factory.mktemp("project")
    folder = making_pictures.write_pictures(drawn, root / "mine")
    settings = {"crop": "none", "classes": dict.fromkeys(("angry", "disgust", "fear", "surprise"))}
    (folder / own_pictures.SETTINGS_FILE).write_text(json.dumps(settings))
    with pytest.MonkeyPatch.context() as patch:
        take_place(patch, root, folder)
        patch.setattr(notebook, "_mode", notebook._Mode(fast=True))
        notebook.get_run("tl_top")
    return root


@pytest.fixture
def chosen(project, monkeypatch):
    """The folder of these pictures, in FER2013's place."""
    take_place(monkeypatch, project, project / "mine")
    return project / "mine"


@pytest.fixture
def run(chosen):
    return store.load_run("tl_top")


def test_a_recipe_is_trained_on_own_pictures_and_recorded_apart(run, project):
    assert store.run_dir("tl_top") == project / "output" / "pictures" / "mine" / "results" / "tl_top-s0"
    assert store.weights_path("tl_top").is_relative_to(project / "output" / "pictures" / "mine")
    assert [path.parent.name for path in project.rglob("run.json")] == ["tl_top-s0"]
    assert sorted(path.name for path in project.iterdir()) == ["mine", "output"]
    assert run.info["data"]["name"] == "pictures mine"
    assert run.info["data"]["classes"] == ["happy", "sad", "neutral"]
    assert len(run.predictions["PrivateTest"]) == 6


def test_scores_are_over_the_emotions_that_are_there_and_free_of_twins(run):
    scores = metrics.scores(run)
    assert scores["labels"] == "pictures mine"
    assert set(scores["f1"]) == {"happy", "sad", "neutral"}
    assert scores["macro_f1"] == pytest.approx(np.mean(list(scores["f1"].values())), abs=1e-6)
    assert scores["macro_f1_ci"][0] <= scores["macro_f1"] <= scores["macro_f1_ci"][1]
    assert scores["n_near_twin_free"] == scores["n"] == 6
    assert scores["accuracy_near_twin_free"] == scores["accuracy"]
    assert any("happy, sad, neutral" in note for note in scores["notes"])
    assert not run.is_sample


def test_a_run_on_pictures_that_have_changed_since_is_not_shown_as_theirs(run, chosen, tmp_path):
    assert notebook.get_run("tl_top").name == "tl_top-s0"
    gone = next((chosen / "happy").iterdir())
    kept = shutil.copy2(gone, tmp_path / "kept.png")
    gone.unlink()
    with pytest.raises(DataError, match=r"trained on 60 faces that are not the 59 .* Train it again"):
        notebook.get_run("tl_top")
    shutil.copy2(kept, gone)
    assert notebook.get_run("tl_top").name == "tl_top-s0"


def test_the_network_becomes_a_file_that_the_live_cell_runs(run, chosen):
    from emotion_detection.export import ship
    from emotion_detection.inference.classifier import EmotionClassifier
    from emotion_detection.live import LiveView

    path = ship.export_run("tl_top", form="float16")
    assert path.is_relative_to(paths.output_dir())
    classifier = EmotionClassifier.load(path)
    mine = load_pictures(chosen)
    private = mine.private_test
    np.testing.assert_allclose(
        classifier.logits(private.pixels), run.predictions["PrivateTest"].logits, atol=0.05, rtol=0.05
    )
    assert classifier.metadata["data"] == "pictures mine"
    assert classifier.temperature == run.info["temperature"]
    view = LiveView(classifier=classifier)
    view.close()


def test_nothing_of_own_pictures_is_shipped_or_reported(chosen, monkeypatch, capsys):
    from emotion_detection.cli import main

    for command in (["ship", "tl_top"], ["report"]):
        monkeypatch.setattr("sys.argv", ["emotion_detection", *command])
        with pytest.raises(SystemExit) as stopped:
            main.main()
        assert stopped.value.code == 1
        assert "Unset it" in capsys.readouterr().err


def test_without_pictures_everything_is_as_before(isolated, tmp_path, monkeypatch):
    assert paths.output_dir() is None
    monkeypatch.setenv("EMOTION_PICTURES", str(tmp_path / "mine"))
    assert paths.results_dir() == isolated / "output" / "pictures" / "mine" / "results"
    monkeypatch.delenv("EMOTION_PICTURES")
    assert paths.results_dir() == isolated / "data" / "results"


def test_a_notebook_says_what_its_numbers_come_from(chosen, capsys):
    notebook.setup()
    said = capsys.readouterr().out
    assert "Your own pictures, `mine`" in said
    assert "output/pictures/mine/results" in said


def test_executed_notebooks_on_own_pictures_are_kept_beside_their_figures(chosen, project, monkeypatch):
    written = []
    monkeypatch.setattr(notebooks, "notebook_paths", lambda numbers: [paths.project_root() / "03_a.ipynb"])
    monkeypatch.setattr(notebooks, "execute", lambda path, output, **_: written.append(output))
    notebooks.run_all(["03"])
    assert written == [project / "output" / "pictures" / "mine" / "notebooks" / "03_a.ipynb"]


@pytest.mark.parametrize("option", ["--save", "--fast"])
def test_notebooks_on_own_pictures_are_not_saved_in_the_repository(chosen, monkeypatch, capsys, option):
    monkeypatch.setattr("sys.argv", ["notebooks", "03", option, "--pictures", str(chosen)])
    with pytest.raises(SystemExit) as stopped:
        notebooks.main()
    assert stopped.value.code == 2
    assert "call it without EMOTION_PICTURES" in capsys.readouterr().err


@pytest.fixture
def call(capsys, monkeypatch):
    """Call the command line in this process; return exit code, standard output, standard error."""
    from emotion_detection.cli import main

    def _call(*arguments: str):
        monkeypatch.setenv("EMOTION_PICTURES", "")  # commands set it; put back after each test
        monkeypatch.setattr("sys.argv", ["emotion_detection", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main.main()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return _call


def test_the_command_line_shows_the_table_and_what_a_folder_holds(folder, call, tmp_path):
    (folder / "happy" / "empty.jpg").touch()
    code, out, _ = call("data", "pictures", str(folder), "--csv", str(tmp_path / "table.csv"))
    assert code == 0
    assert "happy/empty.jpg" in out
    assert "PrivateTest" in out
    assert (tmp_path / "table.csv").read_text(encoding="utf-8-sig").splitlines()[0] == "file,kind,problem,done"
    assert (tmp_path / "table.csv").read_bytes().startswith(codecs.BOM_UTF8)  # Excel goes by it
    (folder / "happy" / "circle").symlink_to(folder / "happy" / "circle")  # is left out
    assert call("data", "pictures", str(folder))[0] == 0
    (folder / "happy").rename(folder / "joy")
    code, out, err = call("data", "pictures", str(folder))
    assert code == 1
    assert "joy/" in out
    assert "unknown class" in out
    assert '"joy": "happy"' in err


def test_the_command_line_trains_on_own_pictures(folder, isolated, call, monkeypatch):
    from emotion_detection.training import trainer

    given = []

    def interrupted(recipe, dataset, *, seed, replace):
        given.append((recipe.name, dataset.name, len(dataset), seed))
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", interrupted)
    code, _, err = call("train", "tl_top", "--seed", "2", "--pictures", str(folder))
    assert code == 130
    assert given == [("tl_top", "pictures mine", 140, 2)]
    assert "the same command goes on" in err


def test_the_command_line_scores_and_lists_runs_on_own_pictures(chosen, call):
    scores = json.loads(call("evaluate", "tl_top", "--json", "--pictures", str(chosen))[1])
    assert (scores["labels"], scores["split"], scores["n"]) == ("pictures mine", "PrivateTest", 6)
    assert "tl_top-s0" in call("runs", "--pictures", str(chosen))[1]
    code, out, _ = call("train", "tl_top", "--pictures", str(chosen))
    assert (code, f"--retrain --pictures {chosen}" in out) == (0, True)
    assert "tl_top-s0" not in call("runs")[1]
    again = json.loads(call("evaluate", "tl_top", "--recompute", "--json", "--pictures", str(chosen))[1])
    assert again["accuracy"] == scores["accuracy"]
