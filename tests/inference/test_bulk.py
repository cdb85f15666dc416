"""Many pictures on Ray's workers: the table of one process, finished parts kept, a bad file costs no other."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from emotion_detection import paths
from emotion_detection.inference import analyse, bulk, face_table

PORTRAIT = paths.sample_dir() / "astronaut.webp"
HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason='Ray not installed: pip install -e ".[cluster]"')


@pytest.fixture
def pictures(tmp_path) -> list[Path]:
    """Five pictures, of which two show nobody."""
    found = []
    for index in range(5):
        image = PIL.Image.open(PORTRAIT) if index % 2 == 0 else PIL.Image.new("RGB", (200, 200), "white")
        found.append(tmp_path / f"{index}.png")
        image.save(found[-1])
    return found


@pytest.mark.slow
class TestOnTwoMachines:
    def test_the_table_is_that_of_one_process_and_finished_parts_are_kept(self, two_machines, pictures, tmp_path):
        expected = analyse.analyse_pictures(pictures)
        settings = {"address": two_machines.address, "folder": tmp_path / "parts", "files_per_part": 2}
        found = bulk.analyse_pictures(pictures, **settings)
        pd.testing.assert_frame_equal(found, expected)
        assert found.attrs == expected.attrs
        assert len(found.attrs["without_face"]) == 2
        again = bulk.analyse_pictures(pictures, **(settings | {"address": "127.0.0.1:1"}))  # Ray is not asked
        pd.testing.assert_frame_equal(again, expected)
        assert again.attrs == expected.attrs

    def test_what_cannot_be_read_is_named_and_the_others_are_done(self, two_machines, pictures, tmp_path):
        pictures[2].write_bytes(b"no picture")
        pictures[4].unlink()
        settings = {"address": two_machines.address, "folder": tmp_path / "parts", "files_per_part": 2}
        table = bulk.analyse_pictures(pictures, **settings)
        assert table["source"].tolist() == [pictures[0].as_posix()]
        assert list(table.attrs["failed"]) == [pictures[2].as_posix(), pictures[4].as_posix()]
        assert len(list((tmp_path / "parts").iterdir())) == 1


@needs_ray
@pytest.mark.slow
def test_workers_of_this_machine_are_started_and_stopped(pictures):
    import ray

    table = bulk.analyse_pictures(pictures, workers=2, files_per_part=3)
    assert len(table) == 3
    assert not ray.is_initialized()


def test_tables_are_joined_in_order_with_what_their_attrs_say():
    tables = [pd.DataFrame({"n": np.array(values, int)}) for values in ([1], [], [2, 3])]
    for table, names in zip(tables, (["a"], ["b"], []), strict=True):
        table.attrs = {"without_face": names, "failed": dict.fromkeys(names, "broken")}
    whole = bulk.joined(tables)
    assert whole["n"].tolist() == [1, 2, 3] and whole["n"].dtype == np.int64
    assert whole.attrs == {"without_face": ["a", "b"], "failed": {"a": "broken", "b": "broken"}}


def test_a_finished_part_reads_back_and_a_damaged_one_is_made_again(tmp_path, caplog):
    classes = ("angry", "happy")
    table = face_table.from_rows([("caf\udce9.jpg", math.nan, 1, "happy", 1.0, 2.0, 3.0, 4.0, 0.25, 0.75)], classes)
    table.attrs = {"without_face": ["b.jpg"], "failed": {}, "detector": "haar"}
    bulk._write_part(tmp_path / "part.json", table)
    read = bulk._read_part(tmp_path / "part.json")
    pd.testing.assert_frame_equal(read, table)
    assert read.attrs == table.attrs
    for content in (b"\x80\x04cos\nsystem\n(S'true'\ntR.", b"{}", b'{"columns": [1], "data": [[1, 2]], "attrs": {}}'):
        (tmp_path / "part.json").write_bytes(content)
        assert bulk._read_part(tmp_path / "part.json") is None
    assert caplog.text.count("It is made again") == 3
