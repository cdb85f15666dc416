"""How fast a recording of 640×480 px at 30 frames a second is analysed, every frame of it, and in how much memory.

    python tests/benchmarks/bench_recording.py

The sample clip is analysed into a CSV by either detector, each time in a process of its own: a short one, and one six
times as long. Prints seconds of recording per second of work, network loaded before, and the largest memory of each
process. Exits 1 if a detector is slower than real time, or memory grows with the length. Run it on an idle machine.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from emotion_detection import faces
from emotion_detection.live import clip

SHORT_S, LONG_S = 10, 60
GROWTH_MB = 15
ANALYSIS = """
import json, resource, sys, time
from emotion_detection import following, recording_files, recordings
analyst = recordings.Analyst(detector=following.live_detector(sys.argv[1]))
began = time.perf_counter()
summary = recording_files.write_recording(sys.argv[2], csv=sys.argv[3], analyst=analyst, progress=False)
seconds = time.perf_counter() - began
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "frames": summary.frames, "faces": summary.faces, "mb": megabytes}))
"""


def measured(detector: str, video: Path) -> dict:
    """Analyse a video in a process of its own."""
    command = [sys.executable, "-c", ANALYSIS, detector, str(video), str(video.with_suffix(".csv"))]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """Print a line per detector; return the exit code."""
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        videos = [clip.write(Path(folder) / f"{seconds}.mp4", seconds=seconds) for seconds in (SHORT_S, LONG_S)]
        for detector in ("yunet", "haar"):
            if detector == "yunet" and faces.find_yunet() is None:
                print("yunet: not found")
                continue
            short, long = (measured(detector, video) for video in videos)
            speed = LONG_S / long["seconds"]
            missed |= speed < 1 or long["mb"] > short["mb"] + GROWTH_MB
            print(
                f"{detector}: {speed:.1f} times real time ({1000 * long['seconds'] / long['frames']:.1f} ms a frame, "
                f"{long['frames']} frames, {long['faces']} face told apart); {short['mb']:.0f} MB for {SHORT_S} s, "
                f"{long['mb']:.0f} MB for {LONG_S} s"
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
