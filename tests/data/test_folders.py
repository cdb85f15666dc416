"""What lies in folders beside the pictures that are meant: hidden entries, links, foreign files."""

import shutil

import PIL.Image
import pytest

import making_pictures
from emotion_detection import paths
from emotion_detection.data import load_pictures, load_sample, own_pictures


@pytest.fixture
def folder(tmp_path):
    """Twenty drawn faces of each emotion as PNG, which say that they are crops."""
    return making_pictures.write_pictures(load_sample(140), tmp_path / "mine")


def kinds(report) -> dict[str, tuple[str, str]]:
    return {row.file: (row.kind, row.done) for row in report.itertuples()}


def test_what_systems_put_into_folders_is_left_out_and_counted_in_one_line(folder):
    for hidden in (".ipynb_checkpoints", "__MACOSX", ".git", "@eaDir"):
        (folder / hidden).mkdir()
    (folder / "happy" / ".ipynb_checkpoints").mkdir()
    for path in (folder / "happy").glob("*.png"):
        shutil.copy(path, folder / "happy" / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.png")
        path.with_name(f"._{path.name}").write_bytes(b"AppleDouble")
    (folder / "Thumbs.db").write_bytes(b"x")
    mine = load_pictures(folder)
    assert len(mine) == 140
    assert [(row.kind, row.done) for row in mine.report.itertuples()] == [("system entries", "left out, as always")]
    assert mine.report["problem"].item() == "26 hidden entries and folders that systems make"


def test_linked_folders_are_read_and_links_that_lead_nowhere_or_back_told(folder, tmp_path):
    for index, path in enumerate(sorted((folder / "happy").iterdir())):
        person = tmp_path / "people" / ("anna", "ben", "cem")[index % 3]
        person.mkdir(parents=True, exist_ok=True)
        path.rename(person / path.name)
    for person in (tmp_path / "people").iterdir():
        (folder / "happy" / person.name).symlink_to(person)
    (folder / "sad" / "gone.png").symlink_to(tmp_path / "gone.png")
    (folder / "sad" / "back").symlink_to(folder)
    mine = load_pictures(folder)
    assert len(mine) == 140
    assert kinds(mine.report) == {"sad/gone.png": ("no file", "left out"), "sad/back": ("no file", "left out")}


def test_settings_with_a_byte_order_mark_and_thin_pictures_are_read(folder):
    settings = folder / own_pictures.SETTINGS_FILE
    settings.write_bytes(b"\xef\xbb\xbf" + settings.read_bytes())
    PIL.Image.new("RGB", (1300, 1), "red").save(folder / "happy" / "thin.png")
    assert kinds(load_pictures(folder).report) == {"happy/thin.png": ("too small", "left out")}
    found = kinds(load_pictures(folder, crop="face", detector=making_pictures.WholePicture()).report)
    assert found["happy/thin.png"][1] == "left out"


def test_turned_and_small_faces_of_photographs_are_found(tmp_path):
    happy = tmp_path / "mine" / "happy"
    happy.mkdir(parents=True)
    portrait = PIL.Image.open(paths.sample_dir() / "astronaut.webp").convert("RGB")
    portrait.rotate(180).save(happy / "turned.png")
    large = PIL.Image.new("RGB", (2000, 1500), (90, 110, 130))
    large.paste(portrait.crop((130, 30, 320, 220)).resize((95, 95)), (600, 400))
    large.save(happy / "small.png")
    mine = own_pictures.load_unsplit(tmp_path / "mine", crop="face")
    assert mine.files == ("happy/small.png", "happy/turned.png")
