"""Find HLS playlists that nobody renews: their segments play on, and show what was days ago.

By the playlist's own clock (EXT-X-PROGRAM-DATE-TIME, RFC 8216 §4.3.2.6) against the server's, and
by watching whether a live playlist moves on between two requests. Pure: text and times in, a
problem out.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

STALE: Final = "stale"  # the reason of an Unreadable: a picture or a playlist of another time

MAX_AGE_S: Final = 60.0  # of the newest segment's end; live playlists are a few segments behind
# Servers that write UTC and call it China's time are eight hours off; that is no age.
_ZONE_S: Final = 8 * 3600.0
UNCHANGED_TARGETS: Final = 4.0  # so many target durations without a new segment
UNCHANGED_LEAST_S: Final = 8.0
DEFAULT_TARGET_S: Final = 6.0
MAX_TARGET_S: Final = 120.0

_TAG: Final = re.compile(r"#EXT-X-([A-Z-]+):?(.*)")
_DURATION: Final = re.compile(r"#EXTINF:\s*([0-9]{1,6}(?:\.[0-9]{1,9})?)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistFacts:
    """What a media playlist says of its age."""

    ended: bool  # EXT-X-ENDLIST: a recording
    target_s: float
    last_segment: str  # sequence number and URI of the newest
    newest_end: datetime | None  # UTC, where it dates its segments


def read_playlist(text: str) -> PlaylistFacts | None:
    """The facts of a media playlist; None for a master playlist or one without segments."""
    lines = [line.strip() for line in text.splitlines()]
    tags = {match[1]: match[2] for line in lines if (match := _TAG.match(line))}
    segments = [line for line in lines if line and not line.startswith("#")]
    if "STREAM-INF" in tags or not segments:
        return None
    return PlaylistFacts(
        ended="ENDLIST" in tags or tags.get("PLAYLIST-TYPE", "").strip() == "VOD",
        target_s=_target(tags.get("TARGETDURATION", "")),
        last_segment=f"{tags.get('MEDIA-SEQUENCE', '')} {len(segments)} {segments[-1]}",
        newest_end=_newest_end(lines),
    )


def _target(text: str) -> float:
    digits = text.strip()
    if not (digits.isascii() and digits.replace(".", "", 1).isdigit()):
        return DEFAULT_TARGET_S
    return min(float(digits[:9]) or DEFAULT_TARGET_S, MAX_TARGET_S)


def _newest_end(lines: list[str]) -> datetime | None:
    """The last date, and the durations of the segments behind it."""
    when: datetime | None = None
    behind_s = 0.0
    for line in lines:
        match = _TAG.match(line)
        if match is not None and match[1] == "PROGRAM-DATE-TIME":
            when, behind_s = _date(match[2].strip()), 0.0
        elif (duration := _DURATION.match(line)) is not None:
            behind_s += float(duration[1])
    return when + timedelta(seconds=behind_s) if when is not None else None


def _date(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def age_problem(facts: PlaylistFacts, clock: datetime) -> str | None:
    """Why the newest segment is too old by its date; `clock` is the server's."""
    if facts.newest_end is None or facts.ended:
        return None
    age_s = (clock - facts.newest_end).total_seconds()
    limit_s = MAX_AGE_S + 2 * facts.target_s
    if age_s <= limit_s or abs(age_s - _ZONE_S) <= limit_s:
        return None
    return f"the playlist is {age_s:.0f} s old by its own dates"


@dataclass(slots=True)
class PlaylistWatch:
    """Playlists of one visit by URL: since when each shows its newest segment."""

    _seen: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def problem(self, url: str, text: str, clock: datetime) -> str | None:
        """Why a playlist that was just read shows no present; None where nothing speaks against it.

        `clock`: the server's time of the answer, UTC.
        """
        facts = read_playlist(text)
        if facts is None or facts.ended:
            return None
        before, since = self._seen.get(url, ("", clock))
        if before != facts.last_segment:
            since = clock
        self._seen[url] = facts.last_segment, since
        unchanged_s = (clock - since).total_seconds()
        if unchanged_s > max(UNCHANGED_LEAST_S, UNCHANGED_TARGETS * facts.target_s):
            return f"the playlist has no new segment for {unchanged_s:.0f} s"
        return age_problem(facts, clock)
