"""Face detectors behind one `detect(frame_bgr) -> list[FaceBox]`.

Two detectors: YuNet, a small network that also finds dark, turned and small faces, when its file is at hand; else the
Haar cascade that comes with OpenCV 4. Each carries its own measured `Framing` (see `cropping`).
"""

import functools
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from emotion_detection import files, paths
from emotion_detection.errors import DataError, DownloadError, MissingFileError, UnknownNameError
from emotion_detection.faces import preprocessing
from emotion_detection.faces.cropping import (
    UPRIGHT_WITHIN_DEG,
    FaceBox,
    Framing,
    check_frame,
    crop_face,
)

logger = logging.getLogger(__name__)

YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_URL = (
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx"
)
YUNET_COMMAND = "python -m emotion_detection data fetch yunet"
YUNET_LONG_SIDE_PX = 320
YUNET_SMALLEST_PX = 64  # pictures are enlarged to this by repeating their edge: twice the network's coarsest stride
TILTED_BOX = 1.1
"""By how much YuNet's boxes are larger around tilted faces: at 30° by 1.11 at the median, at 45° by 1.10."""

HAAR_FILE = "haarcascade_frontalface_default.xml"
HAAR_LONG_SIDE_PX = 640
LIVE_LONG_SIDE_PX = 320
"""For frames of a camera, where faces are large and time is short; YuNet works at this size anyway."""

HAAR_SMALLEST_PX = 24
HAAR_MARGIN, HAAR_GROWTH = 0.35, 1.3
"""Near a known face: so far around it, in units of its size, and for faces so much smaller or larger, it is looked."""


class Detector(Protocol):
    """What every detector has."""

    name: str
    framing: Framing

    def detect(self, frame_bgr: np.ndarray) -> list[FaceBox]:
        """Return the faces in a frame, uint8 array (h, w, 3), BGR, 0–255; the largest first.

        Raises:
            DataError: the frame is of another type or shape.
        """


class YuNetDetector:
    """OpenCV's YuNet network, run at 320 px on the frame's longer side. Its landmarks tell how a face is turned.

    Not for use by several threads at once: OpenCV's object keeps the input size.

    Args:
        path: the ONNX file; looked for by `find_yunet` if None.
        score_threshold: smallest confidence, 0–1, of a face that is reported.

    Raises:
        MissingFileError: the file is in none of the places.
        DataError: the file cannot be read.

    Reference:
        Wu, Peng and Yu: YuNet: A Tiny Millisecond-level Face Detector. Machine Intelligence Research 20, 2023.
    """

    name, long_side_px = "YuNet", YUNET_LONG_SIDE_PX
    # Medians over 10,852 frames with 3,775 faces of FER2013's Training split (python
    # tests/benchmarks/measure_framing.py 4000): scale 1.161 (quartiles 1.066–1.254), offsets +0.003 and −0.003. The
    # squares so predicted overlap the true ones by 0.80 at the median: FER2013's own framing varies that much.
    framing = Framing(scale=1.161, offset_x=0.003, offset_y=-0.003)

    def __init__(self, path: Path | None = None, *, score_threshold: float = 0.6):
        path = Path(path) if path is not None else find_yunet()
        if path is None or not path.is_file():
            raise MissingFileError(
                f"The face detector YuNet was not found: {path or YUNET_FILE} is not there. Download it "
                f"({YUNET_COMMAND}), or put it into a folder of EMOTION_DATA_DIR; load_detector('haar') needs no file."
            )
        model, nothing = np.frombuffer(path.read_bytes(), np.uint8), np.empty(0, np.uint8)
        try:  # by its bytes: OpenCV does not bear every path
            self._network = cv2.FaceDetectorYN.create("onnx", model, nothing, (320, 320), score_threshold, 0.3, 500)
        except cv2.error as error:
            raise DataError(
                f"The face detector {paths.displayed(path)} cannot be read ({path.stat().st_size:,} bytes). The file "
                f"is damaged: delete it, and get it again: {YUNET_COMMAND}"
            ) from error

    def detect(self, frame_bgr: np.ndarray, *, long_side_px: int = YUNET_LONG_SIDE_PX) -> list[FaceBox]:
        """Return the faces in a frame, the largest first.

        Args:
            frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
            long_side_px: the size at which the network looks; faces from about 10 px of it on are found.

        Raises:
            DataError: the frame is of another type or shape.
        """
        check_frame(frame_bgr)
        height, width = frame_bgr.shape[:2]
        ratio = min(1.0, long_side_px / max(height, width))
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        small = cv2.resize(frame_bgr, size, interpolation=cv2.INTER_AREA) if ratio < 1 else frame_bgr
        missing = [max(0, YUNET_SMALLEST_PX - side) for side in size]
        if any(missing):  # on thinner pictures the network reads memory that is not the picture's
            small = cv2.copyMakeBorder(small, 0, missing[1], 0, missing[0], cv2.BORDER_REPLICATE)
        self._network.setInputSize(small.shape[1::-1])
        _, rows = self._network.detect(np.ascontiguousarray(small))
        scale = np.array([width / size[0], height / size[1]])
        boxes = [_yunet_box(row, scale) for row in (rows if rows is not None else ())]
        return sorted(boxes, key=lambda box: -box.area)


class HaarDetector:
    """The cascade for frontal faces that comes with OpenCV 4; works with no further file.

    It looks at grey pictures and misses many dark or turned faces. Not for use by several threads at once.

    Args:
        score_threshold: smallest score, the weight of the cascade's last stage, of a face that is reported. At 2.0 it
            keeps 290 of 302 FER2013 faces that the cascade finds; what it took for faces in the rest of the sample
            portrait has 1.1 and less.
        long_side_px: frames with a longer side are reduced to it first; faces below 24 px of it are not found.

    Raises:
        MissingFileError: this OpenCV has no Haar cascade (OpenCV 5 has none).

    Reference:
        Viola and Jones: Rapid object detection using a boosted cascade of simple features. CVPR 2001.
    """

    name = "Haar"
    # Medians over 9,330 frames with 3,245 faces, measured as for YuNet, with no threshold on the score: scale 1.021
    # (quartiles 0.965–1.103), offsets −0.003 and 0.000, overlap 0.85: the box is nearly FER2013's own square.
    framing = Framing(scale=1.021, offset_x=-0.003, offset_y=0.0)

    def __init__(self, *, score_threshold: float = 2.0, long_side_px: int = HAAR_LONG_SIDE_PX):
        path = Path(cv2.data.haarcascades if hasattr(cv2, "CascadeClassifier") else "") / HAAR_FILE
        if not path.is_file():
            raise MissingFileError(
                f"OpenCV {cv2.__version__} has no Haar cascade {HAAR_FILE}. Install opencv-python-headless below 5, "
                f"or get the YuNet detector: {YUNET_COMMAND}"
            )
        self._cascade = cv2.CascadeClassifier()
        text = cv2.FileStorage(path.read_text("ascii"), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        self._cascade.read(text.getFirstTopLevelNode())
        self._score_threshold, self.long_side_px = score_threshold, long_side_px

    def detect(
        self, frame_bgr: np.ndarray, *, near: Sequence[FaceBox] | None = None, long_side_px: int | None = None
    ) -> list[FaceBox]:
        """Return the faces in a frame, the largest first.

        Args:
            frame_bgr: uint8 array (h, w, 3), BGR, 0–255.
            near: faces of the stream's last frame: only their surroundings are searched, for faces of about their
                size (a face in the surroundings of two may be returned twice). None searches the whole frame.
            long_side_px: another size than the detector's own.

        Raises:
            DataError: the frame is of another type or shape.
        """
        check_frame(frame_bgr)
        gray = cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2GRAY)
        ratio = min(1.0, (long_side_px or self.long_side_px) / max(gray.shape))
        if ratio * min(gray.shape) < HAAR_SMALLEST_PX:
            return []
        small = cv2.resize(gray, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA) if ratio < 1 else gray
        if near is None:
            found = self._search(small, (0, 0), ratio, smallest_px=HAAR_SMALLEST_PX)
        else:
            found = [box for face in near for box in self._search_near(small, face, ratio)]
        return sorted(found, key=lambda box: -box.area)

    def _search_near(self, small: np.ndarray, face: FaceBox, ratio: float) -> list[FaceBox]:
        """Search the surroundings of a face, given in pixels of the frame, in the reduced grey picture."""
        side = math.sqrt(face.area) * ratio
        margin = HAAR_MARGIN * side
        left, top = max(0, int(face.x * ratio - margin)), max(0, int(face.y * ratio - margin))
        right, bottom = int((face.x + face.width) * ratio + margin), int((face.y + face.height) * ratio + margin)
        smallest, largest = max(HAAR_SMALLEST_PX, int(side / HAAR_GROWTH)), math.ceil(side * HAAR_GROWTH)
        region = small[top:bottom, left:right]
        return self._search(region, (left, top), ratio, smallest_px=smallest, largest_px=largest)

    def _search(
        self, region: np.ndarray, corner: tuple[int, int], ratio: float, *, smallest_px: int, largest_px: int = 0
    ) -> list[FaceBox]:
        """Run the cascade on a region of the reduced picture; return boxes in pixels of the frame."""
        rows, _, scores = self._cascade.detectMultiScale3(
            region,
            scaleFactor=1.1,
            minNeighbors=4,
            minSize=(smallest_px, smallest_px),
            maxSize=(largest_px, largest_px),
            outputRejectLevels=True,
        )
        return [
            FaceBox((x + corner[0]) / ratio, (y + corner[1]) / ratio, width / ratio, height / ratio, score=float(score))
            for (x, y, width, height), score in zip(np.asarray(rows, float).tolist(), scores, strict=True)
            if score >= self._score_threshold
        ]


DETECTORS = ("auto", "yunet", "haar")


def load_detector(name: str = "auto", *, haar_long_side_px: int = HAAR_LONG_SIDE_PX) -> YuNetDetector | HaarDetector:
    """Return a face detector; `.name` tells which.

    Args:
        name: "yunet", "haar", or "auto": YuNet, whose file is downloaded once (230 kB) where it is not found; without
            a network the Haar cascade, and a warning says so.
        haar_long_side_px: the size at which the cascade works; see `HaarDetector`.

    Raises:
        UnknownNameError: the name is another.
        MissingFileError: the detector asked for by name is not installed.
    """
    if name not in DETECTORS:
        raise UnknownNameError(f"There is no face detector {name!r}. Use one of {', '.join(DETECTORS)}.")
    use_yunet = name == "yunet" or (name == "auto" and (find_yunet() is not None or _got_yunet()))
    detector = YuNetDetector() if use_yunet else HaarDetector(long_side_px=haar_long_side_px)
    logger.info("Face detector: %s", detector.name)
    return detector


def find_yunet() -> Path | None:
    """Return YuNet's file from `EMOTION_DATA_DIR`, `data/raw/` or the user's cache folder, or None."""
    cached = paths.user_cache_dir() / YUNET_FILE
    return paths.find_file(YUNET_FILE) or (cached if cached.is_file() else None)


def fetch_yunet() -> Path:
    """Return YuNet's file; where it is not found, download it once into the user's cache folder.

    Raises:
        DownloadError: it cannot be had.
    """
    path = paths.user_cache_dir() / YUNET_FILE
    by_hand = f"Download {YUNET_URL} in a browser, and put it into {path.parent}."
    return find_yunet() or files.download(YUNET_URL, path, sha256=YUNET_SHA256, by_hand=by_hand)


@functools.cache
def _got_yunet() -> bool:
    """Try to download YuNet, once in a process; where that fails, warn that the Haar cascade takes over."""
    try:
        fetch_yunet()
    except DownloadError as error:
        logger.warning("OpenCV's Haar cascade finds faces, and misses dark, turned and small ones: %s", error)
        return False
    return True


def find_faces(frame_bgr: np.ndarray, detector: Detector) -> tuple[list[FaceBox], list[np.ndarray]]:
    """Return the boxes of the faces that are large enough to judge, the largest first, and their 48×48 crops."""
    sides_px = ((box, round(detector.framing.square(box)[2])) for box in detector.detect(frame_bgr))
    boxes = [box for box, side_px in sides_px if side_px >= preprocessing.MIN_SIZE_PX]
    return boxes, [crop_face(frame_bgr, box, framing=detector.framing) for box in boxes]


def _yunet_box(row: np.ndarray, scale: np.ndarray) -> FaceBox:
    """Return the box of one of YuNet's rows: x, y, width, height, five points, score; scaled to the frame."""
    x, y, width, height = (float(value) for value in row[:4] * np.tile(scale, 2))
    landmarks = tuple((float(x), float(y)) for x, y in row[4:14].reshape(5, 2) * scale)
    (right_x, right_y), (left_x, left_y) = landmarks[:2]
    angle_deg = math.degrees(math.atan2(left_y - right_y, left_x - right_x))
    if abs(angle_deg) > UPRIGHT_WITHIN_DEG:
        x, y = x + (1 - 1 / TILTED_BOX) * width / 2, y + (1 - 1 / TILTED_BOX) * height / 2
        width, height = width / TILTED_BOX, height / TILTED_BOX
    return FaceBox(x, y, width, height, score=float(row[14]), landmarks=landmarks, angle_deg=angle_deg)
