"""The sources that a view offers: cameras of the browser and the kernel, an address, the sample clip, one's own."""

import dataclasses
import os
from collections.abc import Callable

from emotion_detection.errors import DataError
from emotion_detection.inference.stream import FrameSource
from emotion_detection.live import sources

Given = FrameSource | int | str | os.PathLike | None


@dataclasses.dataclass(frozen=True)
class Choice:
    """A line of the menu.

    Args:
        key: its name in code.
        shown: its name in the menu.
        kind: who opens it: "browser", "kernel", or the kernel once it has an "address".
        make: the source, from the address that was typed, if any.
    """

    key: str
    shown: str
    kind: str
    make: Callable[[str], FrameSource]


def source_from(given: Given) -> FrameSource | None:
    """Return the source that is meant: one is returned as it is; a number, path or URL is opened by the kernel.

    Raises:
        DataError: it is none of these.
    """
    if given is None or all(hasattr(given, name) for name in ("open", "read", "close", "name", "in_browser")):
        return given
    if isinstance(given, str) and given.strip().isdecimal():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int | str | os.PathLike) or given == "":
        raise DataError(
            f"A live view got the source {given!r}. Pass a camera's number (0), the path of a video, a URL such as "
            "rtsp://…, or a source such as BrowserCamera()."
        )
    return sources.KernelCamera(given)


def choices(own: FrameSource | None) -> list[Choice]:
    """Return the lines of the menu; the first is what Start opens at first, the reader's own source if there is one."""
    offered = [
        Choice("browser", sources.BrowserCamera.name, "browser", lambda _: sources.BrowserCamera()),
        Choice("kernel", "the kernel's camera 0", "kernel", lambda _: sources.KernelCamera(0)),
        Choice("address", "a camera, file or URL of the kernel …", "address", source_from),
        Choice("clip", sources.FileReplay.name, "kernel", lambda _: sources.FileReplay()),
    ]
    if own is None:
        return offered
    mine = Choice("own", own.name, "browser" if own.in_browser else "kernel", lambda _: own)
    return [mine, *(each for each in offered if each.shown != own.name)]
