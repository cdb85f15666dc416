"""Recordings as files: which frames they hold, when each is seen, and what is told about those that are broken."""

import fractions
import os
import subprocess
import sys
import wave

import av
import cv2
import numpy as np
import PIL.Image
import pytest

import making_videos
from emotion_detection.errors import DataError, MissingFileError
from emotion_detection.inference import video_io
from making_videos import FRAMES_PER_S, HEIGHT_PX, WIDTH_PX


def seen(path) -> tuple[list[float], list[int], list[str]]:
    """Times and numbers of the frames of a video, and the notes about it."""
    with video_io.Recording(path) as recording:
        found = [(time_s, making_videos.number_of(recording.picture_bgr())) for time_s in recording.times()]
        return [time_s for time_s, _ in found], [number for _, number in found], recording.notes()


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mp4v"), ("a.mov", "mp4v"), ("a.mkv", "mp4v"), ("a.avi", "MJPG"), ("a.webm", "VP80")]
)
def test_all_frames_come_with_their_times(tmp_path, name, codec):
    times, numbers, notes = seen(making_videos.write(tmp_path / name, codec=codec))
    np.testing.assert_allclose(times, np.arange(30) / FRAMES_PER_S, atol=0.0011)
    assert numbers == list(range(30))
    assert notes == []


def test_a_variable_frame_rate_gives_the_times_at_which_frames_are_seen(tmp_path):
    durations_ms = [40, 40, 500, 20, 20, 1000, 100, 40]
    path = making_videos.with_durations(making_videos.write(tmp_path / "a.mp4", 8), durations_ms)
    times, numbers, notes = seen(path)
    np.testing.assert_allclose(times, np.cumsum([0, *durations_ms[:-1]]) / 1000, atol=0.001)
    assert numbers == list(range(8))
    assert notes == []


def test_a_turned_recording_comes_upright(tmp_path):
    plain, turned = (making_videos.write(tmp_path / name) for name in ("plain.mp4", "turned.mp4"))
    making_videos.turned(turned)
    pictures = []
    for path in (plain, turned):
        with video_io.Recording(path) as recording:
            next(recording.times())
            pictures.append(recording.picture_bgr())
    assert pictures[0].shape == (HEIGHT_PX, WIDTH_PX, 3)
    np.testing.assert_array_equal(pictures[1], np.rot90(pictures[0], -1))


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "MJPG"), ("a.mkv", "mp4v"), ("a.webm", "VP80")])
def test_a_recording_cut_short_is_read_up_to_there_and_says_so(tmp_path, name, codec):
    path = making_videos.cut(making_videos.write(tmp_path / name, 60, codec=codec), 0.6)
    times, numbers, notes = seen(path)
    assert 3 <= len(numbers) < 50
    assert numbers == list(range(len(numbers)))
    end = video_io.clock(times[-1] + 1 / FRAMES_PER_S)
    assert notes == [f"It can be read up to {end} of 0:02.4: the rest is damaged or missing."]


def test_damage_in_the_middle_is_passed_over_and_told(tmp_path):
    times, _, (note,) = seen(making_videos.overwrite(making_videos.write(tmp_path / "a.mp4"), 0.3, 0.4))
    assert times[-1] == pytest.approx(29 / FRAMES_PER_S)
    gap = int(np.argmax(np.diff(times)))
    assert np.diff(times)[gap] > 2.5 / FRAMES_PER_S
    assert note == f"Damaged after {video_io.clock(times[gap])}; it goes on at {video_io.clock(times[gap + 1])}."


def test_times_that_do_not_grow_are_replaced_by_the_usual_step(tmp_path):
    path = making_videos.with_durations(making_videos.write(tmp_path / "a.mp4", 6), [40, 0, 0, 40, 40, 40])
    times, numbers, notes = seen(path)
    assert numbers == list(range(6))
    assert (np.diff(times) > 0).all()
    assert "no time of their own" in notes[-1]


@pytest.mark.parametrize(
    ("begin_ms", "steps_ms", "rate"),
    [
        (0, [40, 40, 420, 10, 10, 1480, 40, 460, 1500], 25),
        (5_000_000, [40] * 9, 25),
        (0, [28, 69, 31, 45, 52, 66, 39, 40, 41], 1000),  # as a browser records: its clock is given as the rate
    ],
)
def test_late_and_uneven_times_are_told_as_they_are(tmp_path, begin_ms, steps_ms, rate):
    path = making_videos.timed(tmp_path / "a.webm", begin_ms + np.cumsum([0, *steps_ms]), rate=rate)
    times, numbers, notes = seen(path)
    np.testing.assert_allclose(times, np.cumsum([0, *steps_ms]) / 1000, atol=1e-6)
    assert numbers == list(range(10)) and notes == []


def test_a_jump_of_the_clock_is_told_and_closed(tmp_path):
    parts = [(0, 20), (50_000_000, 3), (800, 20)]  # ms, frames: there and back again
    pieces = [
        making_videos.timed(tmp_path / f"{begin}.ts", begin + 40 * np.arange(count), kind="mpegts", codec="mpeg2video")
        for begin, count in parts
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    times, _, notes = seen(path)
    np.testing.assert_allclose(times, np.arange(len(times)) / FRAMES_PER_S, atol=0.001)
    assert len(times) == 43
    assert notes == ["Its clock jumps after 0:00.8, the first of 2 times; what follows is joined without a gap."]


def test_names_that_ffmpeg_takes_for_an_address_and_names_that_are_not_utf8_are_files(tmp_path):
    plain = making_videos.write(tmp_path / "plain.mp4", 5).read_bytes()
    for name in ("2024-05-01T10:30:00.mp4", "rtsp:x.mp4", os.fsdecode(b"caf\xe9.mp4"), "-a.mp4", "a%03d.mp4"):
        path = tmp_path / name
        path.write_bytes(plain)
        assert seen(path)[1] == list(range(5))
    with video_io.Writer(tmp_path / os.fsdecode(b"a:\xe9.mp4"), frames_per_s=25) as writer:
        writer.add(making_videos.frame(3), time_s=0.0)
    assert seen(tmp_path / os.fsdecode(b"a:\xe9.mp4"))[1] == [3]


def with_cover(path, *, first: bool):
    """An MP4 of ten frames with a picture of another size as its cover, the first or the second stream."""
    cover = cv2.imencode(".png", np.full((48, 48, 3), 200, np.uint8))[1].tobytes()

    def add_cover(container):
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 48, 48, "rgb24"
        stream.disposition = av.stream.Disposition.attached_pic
        return stream

    with av.open(str(path), "w") as container:
        streams = [add_cover(container)] if first else []
        video = container.add_stream("mpeg4", rate=FRAMES_PER_S)
        video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH_PX, HEIGHT_PX, "yuv420p", 4_000_000
        picture = streams[0] if first else add_cover(container)
        packet = av.Packet(cover)
        packet.stream, packet.pts, packet.dts, packet.time_base = picture, 0, 0, fractions.Fraction(1, 1)
        container.mux(packet)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(making_videos.frame(number), format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, fractions.Fraction(1, FRAMES_PER_S)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


@pytest.mark.parametrize("first", [True, False])
def test_a_cover_is_not_taken_for_the_video(tmp_path, first):
    assert seen(with_cover(tmp_path / "a.mp4", first=first))[1] == list(range(10))


def test_sound_with_a_cover_holds_sound(tmp_path):
    picture = b"\0image/png\0\3\0" + cv2.imencode(".png", making_videos.frame(0))[1].tobytes()
    tag = b"APIC" + len(picture).to_bytes(4) + b"\0\0" + picture
    size = bytes(len(tag) >> shift & 127 for shift in (21, 14, 7, 0))
    path = tmp_path / "podcast.mp3"
    path.write_bytes(b"ID3\3\0\0" + size + tag + (b"\xff\xfb\x90\xc4" + bytes(413)) * 60)
    assert video_io.is_recording(path)
    with pytest.raises(DataError, match="holds sound and no pictures"):
        video_io.Recording(path)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.gif", "gif"), ("a.flv", "flv1"), ("a.vob", "mpeg2video"), ("a.y4m", "wrapped_avframe")]
)
def test_other_kinds_are_recordings_by_what_they_hold(tmp_path, name, codec):
    path, pixels = tmp_path / name, {"gif": "rgb8"}.get(codec, "yuv420p")
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=FRAMES_PER_S)
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, pixels
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(making_videos.frame(number), format="bgr24").reformat(format=pixels)
            frame.pts, frame.time_base = number, fractions.Fraction(1, FRAMES_PER_S)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    times, _, notes = seen(path)
    np.testing.assert_allclose(times, np.arange(10) / FRAMES_PER_S, atol=0.002)
    assert notes == []
    assert video_io.is_recording(path.rename(path.with_suffix(".bin")))


def test_a_play_list_opens_nothing_else(tmp_path):
    inside = making_videos.write(tmp_path / "inside.mp4", 5)
    for name, text in (
        ("list.mp4", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{inside}\n#EXT-X-ENDLIST\n"),
        ("joined.mp4", f"ffconcat version 1.0\nfile '{inside}'\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="holds text"):
            video_io.Recording(tmp_path / name)


@pytest.mark.parametrize("side", [2, 16, 17])
def test_tiny_frames_are_read(tmp_path, side):
    times, _, _ = seen(making_videos.write(tmp_path / "a.avi", 3, codec="FFV1", size=(side, side)))
    assert len(times) == 3


# --- what cannot be read --------------------------------------------------------------------------------------------


def broken(folder, kind: str):
    path = folder / ("a.avi" if kind == "no frame" else "a.mp4")
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("This is not a video.\n" * 30)
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif kind == "sound in MP4":
        making_videos.without_pictures(making_videos.write(path))
    elif kind == "no index":
        making_videos.cut(making_videos.write(path), 0.6)
    elif kind == "header only":
        making_videos.cut(making_videos.write(path), 0.01)
    elif kind == "index of nothing":
        making_videos.write(path, 0)
    elif kind == "no frame":
        making_videos.write(path, 0, codec="MJPG")
    return path


@pytest.mark.parametrize(
    ("kind", "what", "to_do"),
    [
        ("empty", "is empty (0 bytes)", "Copy it again"),
        ("text", "holds text (630 bytes)", "Pass a video"),
        ("noise", "no video that FFmpeg knows (5,000 bytes)", "Open it in a player"),
        ("sound in MP4", "holds sound and no pictures", "Pass a video"),
        ("no index", "its index, which is written last, is missing", "copy it again"),
        ("header only", "is missing", "copy it again"),
        ("index of nothing", "holds no pictures", "Pass a video"),
        ("no frame", "holds no frame that can be read", "copy it again"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_is_wrong_and_what_to_do(tmp_path, kind, what, to_do):
    path = broken(tmp_path, kind)
    with pytest.raises(DataError) as caught:
        video_io.Recording(path)
    assert path.name in str(caught.value)
    assert what in str(caught.value)
    assert to_do in str(caught.value)


def test_a_sound_file_is_refused_as_one(tmp_path):
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16_000))
    assert video_io.is_recording(path)
    with pytest.raises(DataError, match="holds sound and no pictures"):
        video_io.Recording(path)


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.mp4 was not found: no such file"):
        video_io.Recording(tmp_path / "nowhere.mp4")
    with pytest.raises(MissingFileError, match="it is a folder"):
        video_io.Recording(tmp_path)


def test_absurdly_large_frames_are_refused_before_they_are_decoded(tmp_path):
    path = making_videos.write(tmp_path / "a.avi", 1, codec="MJPG", size=(8000, 5200))
    with pytest.raises(DataError, match="more than 40 megapixels"):
        video_io.Recording(path)


def test_nothing_is_written_to_the_terminal_about_a_broken_file(tmp_path):
    path = making_videos.overwrite(making_videos.write(tmp_path / "a.mp4"), 0.3, 0.4)
    code = (
        "from emotion_detection.inference import video_io;"
        f"print(sum(1 for _ in video_io.Recording({str(path)!r}).times()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10
    assert done.stderr == ""


# --- what is a recording --------------------------------------------------------------------------------------------


def test_a_recording_is_known_by_its_first_bytes_whatever_its_name(tmp_path):
    for suffix, codec in ((".mp4", "mp4v"), (".avi", "MJPG"), (".mkv", "mp4v"), (".webm", "VP80")):
        path = making_videos.write(tmp_path / f"a{suffix}", 2, codec=codec)
        assert video_io.is_recording(path.rename(tmp_path / f"{codec}{suffix[1:]}.jpg"))
    for name in ("a.png", "a.jpg", "a.webp"):
        PIL.Image.new("RGB", (30, 30)).save(tmp_path / name)
        assert not video_io.is_recording((tmp_path / name).rename(tmp_path / f"{name}.mp4"))
    (tmp_path / "text.mp4").write_text("hello")
    assert video_io.is_recording(tmp_path / "text.mp4")
    assert video_io.is_recording("nowhere.MOV")
    assert not video_io.is_recording("nowhere.jpg")


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", list(video_io.WRITTEN_AS))
def test_in_a_written_video_each_frame_is_seen_from_its_own_time_on(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    seen_from_s = {0: 0.0, 1: 0.04, 5: 0.52, 9: 0.53, 12: 1.0}
    with video_io.Writer(path, frames_per_s=25) as writer:
        for number, time_s in seen_from_s.items():
            writer.add(making_videos.frame(number), time_s=time_s)
    if suffix == ".avi":  # whose frames come evenly: 0.53 s is no time of its own
        del seen_from_s[9]
    times, numbers, notes = seen(path)
    np.testing.assert_allclose(times, list(seen_from_s.values()), atol=0.0011)
    assert numbers == list(seen_from_s)
    assert notes == []


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "h264"), (".webm", "vp8")])
def test_written_videos_are_of_a_kind_that_browsers_play(tmp_path, suffix, codec):
    with video_io.Writer(tmp_path / f"a{suffix}", frames_per_s=30) as writer:
        writer.add(making_videos.frame(1, size=(33, 25)), time_s=0.0)
    with av.open(str(tmp_path / f"a{suffix}")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == (codec, "yuv420p", 34, 26)


def test_frames_of_another_size_are_brought_to_the_first_ones(tmp_path):
    with video_io.Writer(tmp_path / "a.mp4", frames_per_s=25) as writer:
        writer.add(making_videos.frame(1), time_s=0)
        writer.add(making_videos.frame(7, size=(50, 40)), time_s=0.04)
    assert seen(tmp_path / "a.mp4")[1] == [1, 7]


def test_an_ending_that_says_no_kind_is_refused():
    with pytest.raises(DataError, match=r"video\.gif.*\.mp4"):
        video_io.Writer("video.gif", frames_per_s=25)


@pytest.mark.parametrize(
    ("time_s", "told"), [(0, "0:00.0"), (3.25, "0:03.2"), (59.96, "1:00.0"), (760, "12:40.0"), (3723, "1:02:03.0")]
)
def test_times_are_told_as_on_a_clock(time_s, told):
    assert video_io.clock(time_s) == told
