"""The cameras of the zoo that send JPEG pictures over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from streams.errors import StreamError, Unreadable, WentSilent
from streams.model import Freshness
from tests.zoo.cameras import Reason
from tests.zoo.serving import HttpServer

EOI = b"\xff\xd9"


@cache
def jpeg(number: int = 0, restart_every: int = 0) -> bytes:
    """A picture, each number another."""
    rng = np.random.default_rng(5)
    noise = cv2.GaussianBlur(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8), (9, 9), 3)
    parameters = [cv2.IMWRITE_JPEG_RST_INTERVAL, restart_every] if restart_every else []
    return cv2.imencode(".jpg", np.roll(noise, 5 * number, axis=1), parameters)[1].tobytes()


def with_thumbnail(picture: bytes) -> bytes:
    """A picture whose EXIF segment holds a whole smaller one."""
    body = b"Exif\x00\x00" + jpeg(9)[:9000]
    return picture[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + picture[2:]


def answer(body: bytes, kind: str = "image/jpeg", length: int | None = -1) -> bytes:
    """An HTTP answer; `length` None: not told; -1: the right one."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n"
    if length is not None:
        head += f"Content-Length: {len(body) if length < 0 else length}\r\n"
    return head.encode() + b"\r\n" + body


def part(body: bytes, length: int | None = -1, boundary: str = "frame") -> bytes:
    """A part of multipart/x-mixed-replace."""
    head = f"--{boundary}\r\nContent-Type: image/jpeg\r\n"
    if length is not None:
        head += f"Content-Length: {len(body) if length < 0 else length}\r\n"
    return head.encode() + b"\r\n" + body + b"\r\n"


MIXED = "multipart/x-mixed-replace; boundary=frame"


def stream(*parts: bytes, kind: str = MIXED) -> HttpServer:
    return HttpServer(answer(b"", kind, length=None), after=parts)


@dataclass(frozen=True, kw_only=True)
class HttpCamera:
    """One scripted camera."""

    name: str
    seen_on: str
    server: Callable[[], HttpServer]
    path: str = "/snap.jpg"
    pictures: Callable[[], tuple[bytes, ...]] = lambda: (jpeg(0),)  # each of those kept is one
    expects: Freshness | Reason = Freshness.STILL


def _still(body: Callable[[], bytes], **more: object) -> Callable[[], HttpServer]:
    return lambda: HttpServer(answer(body(), **more))  # type: ignore[arg-type]


def _seven() -> tuple[bytes, ...]:
    return tuple(jpeg(number) for number in range(7))


def _cut_off(words: str, kind: type[StreamError] = WentSilent) -> Reason:
    return Reason(kind=kind, words=words)


HTTP_ZOO = [
    HttpCamera(name="jpeg", seen_on="Axis", server=_still(jpeg)),
    HttpCamera(
        name="trailing-144",
        seen_on="Hikvision: 144 bytes behind the picture",
        server=_still(lambda: jpeg() + bytes(range(144))),
    ),
    HttpCamera(
        name="trailing-end-marker",
        seen_on="a second EOI and padding",
        server=_still(lambda: jpeg() + EOI + bytes(5000)),
    ),
    HttpCamera(
        name="trailing-picture",
        seen_on="two pictures in one answer",
        server=_still(lambda: jpeg() + jpeg(1)),
    ),
    HttpCamera(
        name="leading-blank", seen_on="XM: CRLF in front", server=_still(lambda: b"\r\n" + jpeg())
    ),
    HttpCamera(
        name="leading-head",
        seen_on="a maker's head of 64 bytes",
        server=_still(lambda: b"IMG0" + bytes(60) + jpeg()),
    ),
    HttpCamera(
        name="leading-head-unknown-type",
        seen_on="the same as octet-stream",
        server=_still(lambda: bytes(64) + jpeg(), kind="application/octet-stream"),
    ),
    HttpCamera(
        name="thumbnail",
        seen_on="Reolink: EXIF with a thumbnail",
        server=_still(lambda: with_thumbnail(jpeg())),
        pictures=lambda: (with_thumbnail(jpeg()),),
    ),
    HttpCamera(
        name="restart-markers",
        seen_on="hardware encoders",
        server=_still(lambda: jpeg(0, 2)),
        pictures=lambda: (jpeg(0, 2),),
    ),
    HttpCamera(
        name="no-length",
        seen_on="boa",
        server=_still(jpeg, length=None),
    ),
    HttpCamera(
        name="never-closes",
        seen_on="no length, and the connection stays open",
        server=lambda: HttpServer(answer(jpeg(), length=None), stays=True),
    ),
    HttpCamera(
        name="length-too-short",
        seen_on="a length of the picture before",
        server=_still(jpeg, length=200),
    ),
    HttpCamera(
        name="length-too-long",
        seen_on="the buffer's size as length",
        server=_still(jpeg, length=60_000),
    ),
    HttpCamera(
        name="no-end-marker",
        seen_on="a firmware that forgets it",
        server=_still(lambda: jpeg().removesuffix(EOI)),
        expects=_cut_off("end-of-image marker", Unreadable),
    ),
    HttpCamera(
        name="no-end-marker-but-padding",
        seen_on="the same, padded with zeros",
        server=_still(lambda: jpeg().removesuffix(EOI) + bytes(32)),
        expects=_cut_off("end-of-image marker", Unreadable),
    ),
    HttpCamera(
        name="no-end-marker-kept-alive",
        seen_on="the same on a connection that stays open",
        server=lambda: HttpServer(answer(jpeg().removesuffix(EOI)), stays=True),
        expects=_cut_off("end-of-image marker", Unreadable),
    ),
    HttpCamera(
        name="no-picture-kept-alive",
        seen_on="a login page in place of the picture",
        server=lambda: HttpServer(answer(b"<html>login</html>", "text/html"), stays=True),
        expects=_cut_off("text/html", Unreadable),
    ),
    HttpCamera(
        name="empty",
        seen_on="a camera that is still starting",
        server=lambda: HttpServer(answer(b""), stays=True),
        expects=_cut_off("0 bytes", Unreadable),
    ),
    HttpCamera(
        name="cut-in-the-middle",
        seen_on="a buffer too small",
        server=_still(lambda: jpeg()[: len(jpeg()) // 2]),
        expects=_cut_off("in the middle"),
    ),
    HttpCamera(
        name="cut-in-the-headers",
        seen_on="a busy camera",
        server=_still(lambda: jpeg()[:100]),
        expects=_cut_off("in the middle"),
    ),
    HttpCamera(
        name="connection-breaks",
        seen_on="a weak link",
        server=_still(lambda: jpeg()[:1500], length=len(jpeg())),
        expects=_cut_off("in the middle"),
    ),
    HttpCamera(
        name="multipart",
        seen_on="Axis, mjpg-streamer",
        server=lambda: stream(*map(part, _seven())),
        path="/video.mjpg",
        pictures=_seven,
        expects=Freshness.PICTURES_DIFFER,
    ),
    HttpCamera(
        name="multipart-wrong-lengths",
        seen_on="Foscam: lengths of other parts",
        server=lambda: stream(*(part(p, n * 3000 + 10) for n, p in enumerate(_seven()))),
        path="/videostream.cgi",
        pictures=_seven,
        expects=Freshness.PICTURES_DIFFER,
    ),
    HttpCamera(
        name="multipart-no-lengths",
        seen_on="old Panasonic; another boundary than announced",
        server=lambda: stream(*(part(p, None, "other") for p in _seven())),
        pictures=_seven,
        expects=Freshness.PICTURES_DIFFER,
    ),
    HttpCamera(
        name="multipart-cut-off",
        seen_on="every other picture is cut off",
        server=lambda: stream(part(jpeg(0)), part(jpeg(1)[:1500])),
        expects=Freshness.REPEATED_BITS,
    ),
    HttpCamera(
        name="multipart-frozen",
        seen_on="a stream that repeats its last picture",
        server=lambda: stream(part(jpeg(0))),
        expects=Freshness.REPEATED_BITS,
    ),
    HttpCamera(
        name="pictures-in-a-row",
        seen_on="video/x-motion-jpeg without any boundary",
        server=lambda: stream(*_seven(), kind="video/x-motion-jpeg"),
        path="/stream",
        pictures=_seven,
        expects=Freshness.PICTURES_DIFFER,
    ),
]
