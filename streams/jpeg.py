"""Cut JPEG pictures out of a byte stream by their own markers (ITU-T T.81 Annex B).

Pure: takes bytes, returns whole pictures. What stands before, between and behind them is passed
over: HTTP multipart heads with wrong lengths, blanks, and what firmware appends. A picture inside
a segment (a thumbnail) is part of its segment.
"""

import re
from enum import Enum, auto
from typing import Final

SOI: Final = b"\xff\xd8\xff"
_EOI, _SOI_CODE, _SOS, _TEM, _FILL, _NO_MARKER = 0xD9, 0xD8, 0xDA, 0x01, 0xFF, 0x00
_BARE: Final = frozenset({_NO_MARKER, _TEM, _EOI, _SOI_CODE, _FILL, *range(0xD0, 0xD8)})  # RST
# In coded data a marker is any but a stuffed zero, a restart or a fill byte (B.1.1.2, B.1.1.5).
_MARKER_IN_SCAN: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class JpegPart(Enum):
    """Where in a picture the bytes ended."""

    OUTSIDE = auto()
    HEADERS = auto()
    SCAN = auto()  # in its coded data


class JpegReader:
    """Fed the bytes as they come; returns the pictures that became whole."""

    def __init__(self) -> None:
        self.part = JpegPart.OUTSIDE
        self.cut_off = 0  # pictures that another's beginning, or noise, cut off
        self.passed_over = 0  # bytes outside of pictures
        self._data = bytearray()  # of the picture under way, or the end of what was passed over
        self._position = 0  # read up to here

    @property
    def unfinished(self) -> bytes:
        """The picture under way."""
        return b"" if self.part is JpegPart.OUTSIDE else bytes(self._data)

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that these bytes complete."""
        self._data += data
        found: list[bytes] = []
        while True:
            if self.part is JpegPart.OUTSIDE and not self._find_beginning():
                return found
            if self.part is JpegPart.SCAN and not self._find_marker():
                return found
            end = self._read_headers()
            if end is None:
                return found
            if end:
                found.append(bytes(self._data[:end]))
                self._leave(end)

    def _find_beginning(self) -> bool:
        at = self._data.find(SOI)
        if at < 0:
            kept = min(len(self._data), len(SOI) - 1)  # its first bytes may have come
            self.passed_over += len(self._data) - kept
            del self._data[: len(self._data) - kept]
            return False
        self.passed_over += at
        del self._data[:at]
        self.part, self._position = JpegPart.HEADERS, 2
        return True

    def _find_marker(self) -> bool:
        found = _MARKER_IN_SCAN.search(self._data, self._position)
        if found is None:
            self._position = max(self._position, len(self._data) - 1)
            return False
        self.part, self._position = JpegPart.HEADERS, found.start()
        return True

    def _read_headers(self) -> int | None:
        """Read segments: the picture's end, 0 where a scan begins or it broke off; None: more."""
        while (segment := self._segment()) is not None:
            code, size = segment
            if code in {_NO_MARKER, _SOI_CODE}:
                return self._break_off()
            if self._position + size > len(self._data):
                return None
            self._position += size
            if code == _EOI:
                return self._position
            if code == _SOS:
                self.part = JpegPart.SCAN
                return 0
        return None

    def _segment(self) -> tuple[int, int] | None:
        """(code, bytes) of the marker here, its segment included; None where more must come."""
        data, at = self._data, self._position
        if at + 2 > len(data):
            return None
        code = data[at + 1] if data[at] == _FILL else _NO_MARKER
        if code in _BARE:
            return code, 1 if code == _FILL else 2
        if at + 4 > len(data):
            return None
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        return (code, 2 + size) if size >= 2 else (_NO_MARKER, 2)  # noqa: PLR2004  it counts itself

    def _break_off(self) -> int:
        """What follows is no part of this picture: look for the next from here."""
        self.cut_off += 1
        self._leave(max(self._position, 2))
        return 0

    def _leave(self, end: int) -> None:
        del self._data[:end]
        self.part, self._position = JpegPart.OUTSIDE, 0


_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 .. SOF15


def size_px(picture: bytes) -> tuple[int, int] | None:
    """(width, height) by the frame header (B.2.2); None where there is none in front of a scan."""
    position = 2
    while position + 9 <= len(picture) and picture[position] == _FILL:
        code = picture[position + 1]
        if code in _FRAME_HEADERS:
            height, width = (
                int.from_bytes(picture[position + at : position + at + 2], "big") for at in (5, 7)
            )
            return (width, height) if width and height else None
        if code == _FILL:
            position += 1
            continue
        if code == _SOS:
            break
        position += 2 + int.from_bytes(picture[position + 2 : position + 4], "big")
    return None
