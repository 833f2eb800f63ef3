"""Moments as text in documents and messages: RFC 3339, UTC, to the second. Pure."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """`2026-11-22T01:02:03Z` (RFC 3339, section 5.6), whatever zone the moment is in."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """`rfc3339` of a moment that may be missing: None stays None (null in JSON)."""
    return None if moment is None else rfc3339(moment)
