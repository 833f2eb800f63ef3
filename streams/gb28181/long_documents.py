"""Long MANSCDP documents in pieces, so that reading one holds an event loop for milliseconds. Pure.

A catalogue of 10,000 items in one message of 4 MB takes 0.6 s to read. It is cut between its
items, each piece with the document's own head and tail, and the pieces are read one at a time with
other work in between. What is long and has no items to cut at is refused.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streams.gb28181.text import UTF8, decode_with_charset
from streams.gb28181.xml_text import BadXml

if TYPE_CHECKING:
    from streams.gb28181.peers import Peer

PIECE: Final = 16_384  # bytes of items: some 3 ms
MAX_UNCUT: Final = 65_536  # of a document, a head, an item: what one datagram can hold
MAX_TAIL: Final = 4096
MAX_WAITING: Final = 32 << 20  # bytes of all peers
_ITEM: Final = re.compile(rb"<Item[\s>]", re.IGNORECASE)
_ITEM_END: Final = re.compile(rb"</Item\s{0,8}>", re.IGNORECASE)
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def pieces_of(body: bytes) -> list[bytes]:
    """The documents that one is cut into; itself where it is short. Raises BadXml."""
    if len(body) <= PIECE:
        return [body]
    if body.startswith(_MARKS):
        text, _ = decode_with_charset(body)
        body = text.encode(UTF8, "replace")
    first = _ITEM.search(body, 0, MAX_UNCUT)
    if first is None:
        if len(body) > MAX_UNCUT:
            raise BadXml(f"{len(body)} bytes without items")
        return [body]
    head, tail = body[: first.start()], _tail_of(body)
    found: list[bytes] = []
    at, end = first.start(), len(body) - len(tail)
    while at < end:
        cut = _end_of_piece(body, at, end)
        found.append(head + body[at:cut] + tail)
        at = cut
    return found or [body]


def _tail_of(body: bytes) -> bytes:
    """What follows the last item, where it is short: some name the command only there."""
    ends = [found.end() for found in _ITEM_END.finditer(body, max(0, len(body) - MAX_TAIL))]
    return body[ends[-1] :] if ends else b""


def _end_of_piece(body: bytes, at: int, end: int) -> int:
    if end - at <= PIECE:
        return end
    found = _ITEM_END.search(body, at + PIECE, min(end, at + MAX_UNCUT))
    if found is not None:
        return found.end()
    if end - at > MAX_UNCUT:
        raise BadXml(f"an item of more than {MAX_UNCUT - PIECE} bytes")
    return end


@dataclass(frozen=True, slots=True)
class WaitingPiece:
    """A piece of a peer's catalogue that is not read yet."""

    peer: "Peer"
    number: int  # of the query that it answers
    data: bytes = field(repr=False)
    notice: bool


@dataclass(slots=True)
class WaitingPieces:
    """Pieces in the order in which they came; bounded."""

    _waiting: deque[WaitingPiece] = field(default_factory=deque)
    _bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def can_hold(self, size: int) -> bool:
        """Whether so many bytes may wait, too."""
        return self._bytes + size <= MAX_WAITING

    def add(self, piece: WaitingPiece) -> None:
        """Let one wait."""
        self._waiting.append(piece)
        self._bytes += len(piece.data)

    def take(self) -> WaitingPiece:
        """The one that waits longest."""
        piece = self._waiting.popleft()
        self._bytes -= len(piece.data)
        return piece
