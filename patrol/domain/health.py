"""A camera's health as a story: what it is, since when, why — moved by visits, with hysteresis.

One failed visit is no outage: a camera that was seen stays what it was until it has failed several
visits in a row, or for long enough. One good visit brings it back. A camera of which nothing good
was ever seen has nothing to stay: it is offline at its first failure. Pure; visits are twice a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.round import Visit, VisitOutcome

# Nobody answered at all: what a dead uplink, a power cut, a pulled plug look like from here.
NETWORK: Final = frozenset({"unreachable", "went_silent"})


class Condition(StrEnum):
    """What a camera is (retained on MQTT, contracts.md)."""

    ONLINE = auto()
    FAULTY = auto()  # it answers, its picture has a fault
    OFFLINE = auto()


class Grade(StrEnum):
    """How good its connection was at the last good visit."""

    GOOD = auto()
    FAIR = auto()
    POOR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """The hysteresis, and what makes a group of cameras one outage."""

    offline_after_visits: int = 2  # failed in a row; a visit has its own retries before it fails
    offline_after: timedelta = timedelta(hours=1)  # or failing for so long
    group_share: float = 0.6  # of a link's or village's visited cameras (domain.md: a power cut)
    group_least: int = 3  # two cameras that fail together are two cameras
    back_share: float = 0.4  # a group is back when fewer than this fail; between, it stays
    fair_after_s: float = 5.0  # to the first key frame: cameras send one every 2–4 s
    poor_after_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the books know of one camera."""

    state: str  # a Condition
    since: datetime
    why: str = ""
    told: str = ""  # the state that the maintainer heard last; empty: nothing yet
    failures: int = 0  # failed visits in a row
    failing_since: datetime | None = None
    grade: str = ""  # a Grade; empty: never seen well

    @property
    def is_suspect(self) -> bool:
        """Failed lately, not yet called offline."""
        return self.failures > 0 and self.state != Condition.OFFLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one visit says about health."""

    at: datetime
    state: Condition
    why: str = ""
    grade: str = ""


def look_of(visit: Visit, policy: HealthPolicy) -> Look | None:
    """None when the visit says nothing: it was never made."""
    if visit.outcome in (VisitOutcome.PENDING, VisitOutcome.MISSED):
        return None
    if visit.outcome is VisitOutcome.NOT_VIEWABLE and not visit.faults:
        return Look(at=visit.finished_at, state=Condition.OFFLINE, why=visit.failure)
    state = Condition.FAULTY if visit.faults else Condition.ONLINE
    grade = grade_of(visit.tries, visit.facts or {}, policy)
    return Look(at=visit.finished_at, state=state, why=" ".join(visit.faults), grade=grade)


def grade_of(tries: int, facts: Mapping[str, object], policy: HealthPolicy) -> Grade:
    """From retries and the time to the first key frame; an unknown time counts as none."""
    waited = facts.get("first_key_frame_s")
    waited_s = float(waited) if isinstance(waited, int | float) else 0.0
    if waited_s > policy.poor_after_s or (tries > 1 and waited_s > policy.fair_after_s):
        return Grade.POOR
    return Grade.FAIR if tries > 1 or waited_s > policy.fair_after_s else Grade.GOOD


def next_story(known: Story | None, look: Look, policy: HealthPolicy) -> Story:
    """The story after one more look; `told` is left to whoever tells it."""
    if look.state is Condition.OFFLINE:
        return _failed(known, look, policy)
    same = known is not None and known.state == look.state
    return Story(
        state=look.state,
        since=known.since if known and same else look.at,
        why=look.why,
        told=known.told if known else "",
        grade=look.grade,
    )


def _failed(known: Story | None, look: Look, policy: HealthPolicy) -> Story:
    if known is None:
        return Story(
            state=look.state, since=look.at, why=look.why, failures=1, failing_since=look.at
        )
    failures, since = known.failures + 1, known.failing_since or look.at
    failing = replace(known, failures=failures, failing_since=since)
    if known.state == Condition.OFFLINE:
        return replace(failing, why=look.why)
    long_enough = look.at - since >= policy.offline_after
    if failures < policy.offline_after_visits and not long_enough:
        return failing
    return replace(failing, state=Condition.OFFLINE, since=since, why=look.why)


def is_news(story: Story) -> bool:
    """Whether the maintainer has to hear it; a camera first seen healthy is no news."""
    return story.state != story.told and not (story.told == "" and story.state == Condition.ONLINE)
