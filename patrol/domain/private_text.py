"""What free text must not carry to phones: addresses, full camera numbers, household references.

People write them in many ways: with spaces or dashes between the digits, in full-width letters, in
small ones. Each is found where it stands and masked there; the rest of the text stays as it is.
Pure; used for everything that is published or shown outside the centre (messaging/payloads.py,
webhooks, the JSON API), and to warn at entry.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from patrol.domain.registry import Registry

MASK: Final = "[…]"
_SHOWN_DIGITS: Final = 6  # of a camera's number, which leaders know it by
# Full-width forms of ASCII (Unicode block FF00) as ASCII, one character each: places stay.
_NARROW: Final = {0xFEE0 + code: code for code in range(0x21, 0x7F)} | {0x3000: 0x20}
_MIN_EXACT_CHARACTERS: Final = 4  # characters: "12" stands in every year
_GAP: Final = r"[\s._·/-]{0,2}"
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_CAMERA: Final = re.compile(rf"(?<![0-9])(?:[0-9]{_GAP}){{19}}[0-9](?![0-9])")
_PARTS: Final = re.compile(r"[A-Za-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
_ASCII_ALNUM: Final = re.compile(r"[A-Za-z0-9]", re.ASCII)


class PrivatePart(NamedTuple):
    """A piece of a text that is masked, and what stands in its place."""

    start: int
    end: int
    shown: str


@dataclass(frozen=True, slots=True)
class PrivateTextMask:
    """Masks free text by the households of a registry, as it is when it is called."""

    registry: Registry

    def __call__(self, text: str) -> str:
        """The text with every private part masked."""
        return mask_private(text, self._households())

    def parts(self, text: str) -> list[str]:
        """What would be masked, as it was written: for a warning at entry."""
        return [text[part.start : part.end] for part in private_parts(text, self._households())]

    def _households(self) -> frozenset[str]:
        cameras = self.registry.cameras.values()
        return frozenset(camera.household_ref for camera in cameras if camera.household_ref)


def mask_private(text: str, households: frozenset[str]) -> str:
    """The text with every private part masked; `households` are the references of the registry."""
    pieces, at = [], 0
    for part in private_parts(text, households):
        pieces += [text[at : part.start], part.shown]
        at = part.end
    return "".join((*pieces, text[at:]))


def private_parts(text: str, households: frozenset[str]) -> list[PrivatePart]:
    """The private parts in their order; none overlaps another."""
    narrow = text.translate(_NARROW)
    found = [*_find(narrow, households), *(_find(text, households) if narrow != text else ())]
    parts: list[PrivatePart] = []
    end = 0
    for part in sorted(found, key=lambda part: (part.start, -part.end)):
        if part.start >= end:
            parts.append(part)
        elif part.end > end:
            parts.append(PrivatePart(end, part.end, MASK))  # the rest of two that overlap
        end = max(end, part.end)
    return parts


def _find(text: str, households: frozenset[str]) -> Iterator[PrivatePart]:
    rules: list[tuple[re.Pattern[str] | None, Callable[[str], str]]] = [
        (_URL, lambda _: MASK),
        (_CAMERA, _shown_camera),
        (_household_pattern(households), lambda _: MASK),
    ]
    for pattern, shown in rules:
        for match in pattern.finditer(text) if pattern else ():
            yield PrivatePart(match.start(), match.end(), shown(match[0]))


def _shown_camera(found: str) -> str:
    digits = "".join(character for character in found if character.isdecimal())
    return f"…{digits[-_SHOWN_DIGITS:]}"


@lru_cache(maxsize=8)  # one registry at a time, and those that were read before
def _household_pattern(households: frozenset[str]) -> re.Pattern[str] | None:
    """Every reference in any case, with or without what separates its parts, as a word of its own.

    One as the registry writes it is found within other words as well, unless it is very short.
    """
    ways = [way for ref in sorted(households, key=len, reverse=True) if (way := _way(ref))]
    return re.compile("|".join(ways), re.IGNORECASE) if ways else None


def _way(reference: str) -> str:
    parts = _PARTS.findall(reference.translate(_NARROW))
    if not parts:
        return ""
    written = _GAP.join(map(re.escape, parts))
    before = r"(?<![A-Za-z0-9])" if _ASCII_ALNUM.match(parts[0]) else ""
    after = r"(?![A-Za-z0-9])" if _ASCII_ALNUM.match(parts[-1]) else ""
    way = f"{before}{written}{after}"
    exact = len(reference) >= _MIN_EXACT_CHARACTERS
    return f"{way}|{re.escape(reference)}" if exact else way
