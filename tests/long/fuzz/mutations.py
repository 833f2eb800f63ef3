"""Seeded damage to good input: bits, lengths, numbers, repetitions, tokens."""

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

MOST_BYTES: Final = 256 << 10  # what repetition makes at most; entrances have limits of their own
_NUMBER: Final = re.compile(rb"\d+")
NUMBERS: Final = (
    b"0", b"-1", b"1e999", b"4294967296", b"18446744073709551616", b"9" * 400, b"0x7f", b"1.5",
    "\uff11".encode(), b"00000000000000000001", b"NaN", b"2147483647",
)  # fmt: skip
TOKENS: Final = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r\n\r\n", b"\n", b'"', b"'", b",",
    b";", b"[" * 400, b'{"a":' * 300, b"&a [*a]", b"&x {<<: *x}", b"!!python/object:os.system x",
    b"? ", b": ", b"- ", b"%00", b"../" * 8, b"${PATH}", b"=cmd|' /C calc'!A0", b"\x1b[2J",
    "一".encode() * 50, b"null", b"true", b"[]", b"{}", b"a" * 5000, b"\\u0000", b"\\ud800",
    b"$\x00\x00\x04", b"\xff\xd8\xff", b"#EXT-X-STREAM-INF:\n", b"<<<<", b"*", b"&",
)  # fmt: skip


def _flip(data: bytearray, rng: Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _extreme_byte(data: bytearray, rng: Random) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))


def _cut_out(data: bytearray, rng: Random) -> None:
    start, end = _span(data, rng)
    del data[start:end]


def _cut_off(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _repeat(data: bytearray, rng: Random) -> None:
    start, end = _span(data, rng)
    piece = bytes(data[start:end])
    times = min(rng.choice((2, 3, 50, 2000)), MOST_BYTES // max(1, len(piece)))
    data[start:start] = piece * times


def _other_number(data: bytearray, rng: Random) -> None:
    found = list(_NUMBER.finditer(data))
    if found:
        number = rng.choice(found)
        data[number.start() : number.end()] = rng.choice(NUMBERS)


def _insert_token(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(TOKENS)


def _replace_by_token(data: bytearray, rng: Random) -> None:
    start, end = _span(data, rng)
    data[start:end] = rng.choice(TOKENS)


def _noise(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.randrange(1, 64))


def _span(data: bytearray, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 4, 16, 64, 512)))


DAMAGES: Final[Sequence[Callable[[bytearray, Random], None]]] = (
    _flip, _extreme_byte, _cut_out, _cut_off, _repeat, _other_number, _insert_token,
    _replace_by_token, _noise,
)  # fmt: skip


def mutated(samples: Sequence[bytes], rng: Random) -> bytes:
    """One of the samples with one to six damages; now and then two samples glued."""
    data = bytearray(rng.choice(samples))
    if rng.random() < 0.1:
        data += rng.choice(samples)[rng.randrange(64) :]
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        rng.choice(DAMAGES)(data, rng)
    return bytes(data[: 4 * MOST_BYTES])
