"""Consent as it stands: by cameras.csv, and by what the household or the centre added. Pure.

`ConsentTerms` are the withdrawals, the pauses and the hours of all cameras, as the store has them;
`visit_refusal` is the one rule that decides from them and from cameras.csv whether a camera may be
connected to at a moment. Rounds, rechecks and live views ask it (rounds/guarded_visit.py), and so
do plans, pages and commands. `TermsChange` is one change as a person asks for it, from the
household's own page, the console, the API or the command line; it says what is wrong with itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum, auto
from typing import Final

from patrol.domain.camera import Camera, DailyHours, Refusal
from patrol.domain.errors import BadInput
from patrol.domain.ids import CameraId
from patrol.domain.timestamps import parse_day, parse_time

MAX_WINDOWS: Final = 4  # windows of consent hours a day
LONGEST_PAUSE: Final = timedelta(days=366)  # a longer one is a withdrawal
MAX_REASON_CHARACTERS: Final = 200


class TermsAction(StrEnum):
    """What a household, or the command centre for it, does with a consent."""

    WITHDRAW = auto()
    RESTORE = auto()  # the consent of cameras.csv counts again: the command centre alone
    PAUSE = auto()  # until a moment
    RESUME = auto()  # end a pause before its time
    HOURS = auto()  # visits at these hours alone; none given: at any hour again


HOUSEHOLD_ACTIONS: Final = frozenset(TermsAction) - {TermsAction.RESTORE}
ACCESS_ACTION: Final[Mapping[TermsAction, str]] = {  # `what` of the access log
    TermsAction.WITHDRAW: "consent withdrawn",
    TermsAction.RESTORE: "consent restored",
    TermsAction.PAUSE: "consent paused",
    TermsAction.RESUME: "consent resumed",
    TermsAction.HOURS: "consent hours",
}


class BadTerms(BadInput, ValueError):
    """The change cannot be made; the text names the field and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTerms:
    """Withdrawals, pauses and hours of all cameras, as they stand at one reading."""

    withdrawn: frozenset[CameraId] = frozenset()
    paused: Mapping[CameraId, datetime] = field(default_factory=dict)  # until, UTC
    hours: Mapping[CameraId, tuple[DailyHours, ...]] = field(default_factory=dict)  # local time

    def refusal_of(self, camera: CameraId, local: datetime) -> Refusal | None:
        """The reason not to connect at this local moment (aware), or None."""
        if camera in self.withdrawn:
            return Refusal.CONSENT_WITHDRAWN
        until = self.paused.get(camera)
        if until is not None and local < until:
            return Refusal.CONSENT_PAUSED
        windows = self.hours.get(camera, ())
        if windows and not any(window.contains(local.time()) for window in windows):
            return Refusal.CONSENT_HOURS
        return None


NO_TERMS: Final = ConsentTerms()


def visit_refusal(camera: Camera, local: datetime, terms: ConsentTerms) -> Refusal | None:
    """The reason not to connect at the aware local moment `local`; None when it is allowed."""
    return terms.refusal_of(camera.id, local) or camera.refusal_on(local.date())


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsChange:
    """One change of one camera's consent, checked."""

    action: TermsAction
    until: datetime | None = None  # of a pause, aware
    hours: tuple[DailyHours, ...] = ()
    why: str = ""

    def check(self, now: datetime) -> None:
        """Raise BadTerms unless it can be made at `now`."""
        if len(self.why) > MAX_REASON_CHARACTERS:
            raise BadTerms(f"why: has {len(self.why)} characters, {MAX_REASON_CHARACTERS} at most")
        if len(self.hours) > MAX_WINDOWS:
            raise BadTerms(f"hours: {len(self.hours)} windows, give {MAX_WINDOWS} at most")
        if (self.until is not None) != (self.action is TermsAction.PAUSE):
            raise BadTerms("until: belongs to a pause, and a pause has one: give 2026-11-22T18:00")
        if self.hours and self.action is not TermsAction.HOURS:
            raise BadTerms("hours: belong to the action `hours`")
        if self.until is not None and not now < self.until <= now + LONGEST_PAUSE:
            raise BadTerms("until: is past or more than a year away; for good is a withdrawal")


def parse_hours(text: str) -> tuple[DailyHours, ...]:
    """`08:00-12:00,14:00-18:00` as windows of local time; empty for an empty text.

    Raises BadTerms.
    """
    cleaned = text.replace("，", ",").replace("、", ",").replace("：", ":").replace("–", "-")
    return tuple(_window(part.strip()) for part in cleaned.split(",") if part.strip())


def _window(text: str) -> DailyHours:
    start, dash, end = text.partition("-")
    try:
        window = DailyHours(start=_time_of_day(start), end=_time_of_day(end))
    except ValueError:
        raise BadTerms(f"hours: {text[:40]!r} is no window, give 08:00-18:00") from None
    if not dash or window.start == window.end:
        raise BadTerms(f"hours: {text[:40]!r} is no window, give 08:00-18:00")
    return window


def _time_of_day(text: str) -> time:
    read = datetime.strptime("00:00" if text.strip() == "24:00" else text.strip(), "%H:%M")  # noqa: DTZ007  a time of day
    return read.time()


def hours_text(windows: tuple[DailyHours, ...]) -> str:
    """The windows as `parse_hours` reads them."""
    return ",".join(f"{window.start:%H:%M}-{window.end:%H:%M}" for window in windows)


def parse_until(text: str, zone: tzinfo) -> datetime:
    """`2026-11-22T18:00` by the site's clock, or a day, to its end. Raises BadTerms."""
    written = text.strip()
    try:
        if len(written) <= len("2026-11-22"):
            day = parse_day(written) + timedelta(days=1)
            return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
        return parse_time(written, zone)
    except ValueError:
        raise BadTerms(
            f"until: {text[:40]!r} is no time, give 2026-11-22T18:00 or 2026-11-22"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionDays:
    """The site's retention, in days."""

    sample: int
    evidence: int
    reference: int
