"""MQTT topics: every topic of the product is built and read here alone (docs/mqtt.md).

All are below `patrol/v1/{site}`. Building one raises ValueError for a part with a wildcard, a slash
or another character than letters, digits, `_`, `.`, `-`. `read` gives None for another topic.
"""

import re
from typing import Final, NamedTuple, Self

from typing_extensions import override

from patrol.domain.ids import CameraId, CaseId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.outbox import CANARY_TOPIC

VERSION: Final = 1  # of the topics and of every payload's `v`
_LEVEL = r"[A-Za-z0-9_.-]{1,64}"
_SAFE_LEVEL: Final = re.compile(_LEVEL, re.ASCII)
# a link may be named by its host, also by an IPv6 address
_UNSAFE_CHARACTER: Final = re.compile(r"[^A-Za-z0-9_.-]")


def prefix(site: str) -> str:
    """`patrol/v1/{site}`."""
    return f"patrol/v{VERSION}/{_topic_level(site)}"


class CaseTopic(NamedTuple):
    """Centre → leader, retained: the case as the leader must see it now."""

    site: str
    grid: GridCode
    case: CaseId

    @override
    def __str__(self) -> str:
        return f"{prefix(self.site)}/grid/{_topic_level(self.grid)}/case/{_topic_level(self.case)}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The parts of a case topic."""
        match = _CASE.fullmatch(text)
        return cls(match[1], GridCode(match[2]), CaseId(match[3])) if match else None


class ReplyTopic(NamedTuple):
    """Leader → centre: receipts, acknowledgement, arrival, feedback.

    With a `person` it is that person's own, which the broker lets that account alone write.
    """

    site: str
    grid: GridCode
    case: CaseId
    person: str = ""

    @override
    def __str__(self) -> str:
        grid, case = _topic_level(self.grid), _topic_level(self.case)
        return f"{prefix(self.site)}/grid/{grid}/{_person_level(self.person)}reply/{case}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The parts of a reply topic."""
        match = _REPLY.fullmatch(text)
        if match is None:
            return None
        return cls(match[1], GridCode(match[2]), CaseId(match[4]), match[3] or "")


class EquipmentCaseTopic(NamedTuple):
    """Centre → maintainer, retained: a case about a camera; no case about a yard is ever here."""

    site: str
    grid: GridCode
    case: CaseId

    @override
    def __str__(self) -> str:
        grid, case = _topic_level(self.grid), _topic_level(self.case)
        return f"{prefix(self.site)}/grid/{grid}/equipment/case/{case}"


class TeamCaseTopic(NamedTuple):
    """Centre → those of a grid's team who only see (网格组团), retained: a case's short form."""

    site: str
    grid: GridCode
    case: CaseId

    @override
    def __str__(self) -> str:
        grid, case = _topic_level(self.grid), _topic_level(self.case)
        return f"{prefix(self.site)}/grid/{grid}/team/case/{case}"


class EquipmentReplyTopic(NamedTuple):
    """Maintainer → centre: like a leader's reply, about a case about a camera."""

    site: str
    grid: GridCode
    case: CaseId
    person: str = ""

    @override
    def __str__(self) -> str:
        grid, case = _topic_level(self.grid), _topic_level(self.case)
        own = _person_level(self.person)
        return f"{prefix(self.site)}/grid/{grid}/equipment/{own}reply/{case}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The parts of such a topic."""
        match = _EQUIPMENT_REPLY.fullmatch(text)
        if match is None:
            return None
        return cls(match[1], GridCode(match[2]), CaseId(match[4]), match[3] or "")


class ReportTopic(NamedTuple):
    """Leader → centre: a problem first seen on the ground."""

    site: str
    grid: GridCode
    person: str = ""

    @override
    def __str__(self) -> str:
        own = _person_level(self.person)
        return f"{prefix(self.site)}/grid/{_topic_level(self.grid)}/{own}report"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The parts of a report topic."""
        match = _REPORT.fullmatch(text)
        return cls(match[1], GridCode(match[2]), match[3] or "") if match else None


def ground_topic(site: str, person: str, patrol: str) -> str:
    """Centre → who walks a patrol on the ground, retained while it is open."""
    return f"{prefix(site)}/person/{_topic_level(person)}/ground/{_topic_level(patrol)}"


class CheckInTopic(NamedTuple):
    """Who walks a patrol → centre: a check-in at a point; the topic proves the person."""

    site: str
    person: str
    patrol: str

    @override
    def __str__(self) -> str:
        person, patrol = _topic_level(self.person), _topic_level(self.patrol)
        return f"{prefix(self.site)}/person/{person}/checkin/{patrol}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The parts of such a topic."""
        match = _CHECK_IN.fullmatch(text)
        return cls(match[1], match[2], match[3]) if match else None


def walker_rights(site: str, person: str) -> tuple[str, str]:
    """(what a person who patrols on the ground reads, where that person checks in), as filters."""
    own = f"{prefix(site)}/person/{_topic_level(person)}"
    return f"{own}/ground/+", f"{own}/checkin/+"


def health_topic(site: str, camera: CameraId) -> str:
    """Centre → maintainer, retained, only on change."""
    return f"{prefix(site)}/camera/{_topic_level(camera)}/health"


def link_health_topic(site: str, link: str) -> str:
    """Centre → maintainer, retained, only on change: one notice for all cameras behind it."""
    return f"{prefix(site)}/link/{_topic_level(_UNSAFE_CHARACTER.sub('-', link)[:64])}/health"


def grid_health_topic(site: str, grid: GridCode) -> str:
    """Centre → maintainer, retained, only on change: all cameras of a village are silent."""
    return f"{prefix(site)}/grid/{_topic_level(grid)}/health"


def round_topic(site: str, plan: str) -> str:
    """Centre → anyone, retained: progress, then the summary."""
    return f"{prefix(site)}/round/{_topic_level(plan)}/latest"


def status_topic(site: str) -> str:
    """Centre's own state; also its last will."""
    return f"{prefix(site)}/centre/status"


def overdue_topic(site: str, grid: str) -> str:
    """Centre → village cadre or town duty, retained: the overdue list of the grid (超时清单)."""
    return f"{prefix(site)}/grid/{_topic_level(grid)}/overdue"


def hand_off_topic(site: str, recipient: str, ident: str) -> str:
    """Centre → another department, retained while it is open: one handed-off case."""
    return f"{prefix(site)}/handoff/{_topic_level(recipient)}/event/{_topic_level(ident)}"


def speaker_topic(site: str, speaker: str) -> str:
    """Centre → a loudspeaker's driver: text to be spoken."""
    return f"{prefix(site)}/speaker/{_topic_level(speaker)}/play"


class HandOffReplyTopic(NamedTuple):
    """Another department → centre: receipt or answer of a handed-off case."""

    site: str
    recipient: str
    ident: str

    @override
    def __str__(self) -> str:
        name, ident = _topic_level(self.recipient), _topic_level(self.ident)
        return f"{prefix(self.site)}/handoff/{name}/reply/{ident}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The parts of such a topic."""
        match = _HAND_OFF_REPLY.fullmatch(text)
        return cls(match[1], match[2], match[3]) if match else None


class SpeakerReplyTopic(NamedTuple):
    """A loudspeaker's driver → centre: it has the text, has played it, or could not."""

    site: str
    speaker: str

    @override
    def __str__(self) -> str:
        return f"{prefix(self.site)}/speaker/{_topic_level(self.speaker)}/reply"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The parts of such a topic."""
        match = _SPEAKER_REPLY.fullmatch(text)
        return cls(match[1], match[2]) if match else None


def audit_topic(site: str) -> str:
    """Centre → those who prove the logs later, retained: each day's heads of the chained logs."""
    return f"{prefix(site)}/centre/audit"


def canary_topics(site: str) -> tuple[str, str]:
    """Topics of the test leader (case, reply), beside and not below those of the grids."""
    return f"{prefix(site)}{CANARY_TOPIC}", f"{prefix(site)}/canary/reply"


def inbox_filters(site: str) -> tuple[str, ...]:
    """What the centre subscribes to."""
    grid = f"{prefix(site)}/grid/+"
    others = f"{prefix(site)}/handoff/+/reply/+", f"{prefix(site)}/speaker/+/reply"
    walkers = f"{prefix(site)}/person/+/checkin/+"
    return (
        f"{grid}/reply/+",
        f"{grid}/equipment/reply/+",
        f"{grid}/report",
        f"{grid}/person/+/reply/+",
        f"{grid}/equipment/person/+/reply/+",
        f"{grid}/person/+/report",
        *others,
        walkers,
    )


def recipient_rights(
    site: str, grid: GridCode, subject: Subject, person: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(what a recipient of such cases in a grid reads, where that person answers), as filters."""
    part = "equipment/" if subject is Subject.EQUIPMENT else ""
    topics = f"{prefix(site)}/grid/{_topic_level(grid)}/{part}"
    lists = (overdue_topic(site, grid),) if subject is Subject.SCENE else ()
    own = f"{topics}{_person_level(person)}reply/+"
    return (f"{topics}case/+", *lists), (f"{topics}reply/+", own)


def team_filter(site: str, grid: str) -> str:
    """What those of a grid's team who only see may read."""
    return f"{prefix(site)}/grid/{_topic_level(grid)}/team/case/+"


def case_filter(site: str, grid: str = "+") -> str:
    """What a leader subscribes to; `+` for all grids."""
    return f"{prefix(site)}/grid/{grid}/case/+"


def _topic_level(text: str) -> str:
    if not _SAFE_LEVEL.fullmatch(text):
        raise ValueError(f"{text!r} cannot be part of a topic: use letters, digits, '_', '.', '-'")
    return text


def _person_level(person: str) -> str:
    return f"person/{_topic_level(person)}/" if person else ""


_OWN = rf"(?:person/({_LEVEL})/)?"
_HEAD = rf"patrol/v{VERSION}/({_LEVEL})/grid/({_LEVEL})"
_CASE: Final = re.compile(rf"{_HEAD}/case/({_LEVEL})", re.ASCII)
_REPLY: Final = re.compile(rf"{_HEAD}/{_OWN}reply/({_LEVEL})", re.ASCII)
_EQUIPMENT_REPLY: Final = re.compile(rf"{_HEAD}/equipment/{_OWN}reply/({_LEVEL})", re.ASCII)
_REPORT: Final = re.compile(rf"{_HEAD}/{_OWN}report", re.ASCII)
_HAND_OFF_REPLY: Final = re.compile(
    rf"patrol/v{VERSION}/({_LEVEL})/handoff/({_LEVEL})/reply/({_LEVEL})", re.ASCII
)
_CHECK_IN: Final = re.compile(
    rf"patrol/v{VERSION}/({_LEVEL})/person/({_LEVEL})/checkin/({_LEVEL})", re.ASCII
)
_SPEAKER_REPLY: Final = re.compile(
    rf"patrol/v{VERSION}/({_LEVEL})/speaker/({_LEVEL})/reply", re.ASCII
)
