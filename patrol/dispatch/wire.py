"""Wire: cases, health, rounds and the centre's own state as topics and payloads (schema v1).

What never goes on the wire: a picture, a household, a stream's address, a camera's full number in
a leader's case. Free words are cleaned of all of them here, the last place before the outbox.
The answers that come in are read in replies.py.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from patrol.dispatch.topics import (
    VERSION,
    CaseTopic,
    grid_health_topic,
    health_topic,
    link_health_topic,
    round_topic,
    status_topic,
)
from patrol.domain import category as categories
from patrol.domain.case import Case, CaseState
from patrol.domain.escalation import grids_told, step_now
from patrol.domain.ids import CameraId, GridCode, MessageKey
from patrol.domain.message import OutboxMessage
from patrol.domain.outage import Group, Outage
from patrol.domain.picture_link import LinkMaker
from patrol.domain.registry import Registry

NOTICE: Final = (
    "线索仅供现场核实,不是结论;视频巡查每日两次,不是报警系统,遇险情请立即拨打119或110。"
    " A lead to check on the ground, no verdict; a patrol, not an alarm."
)
LONGEST_NOTE: Final = 500  # characters: a leader reads it on a telephone
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_DEVICE = re.compile(r"(?<![0-9])[0-9]{14}([0-9]{6})(?![0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Puts news into words for one site's topics; the caller adds them to its outbox."""

    site: str
    zone: tzinfo
    registry: Registry
    centre_phone: str = ""
    site_name: str = ""
    links: LinkMaker | None = None  # None: nobody serves pictures
    _households: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        status_topic(self.site)  # a site that cannot be part of a topic is found out at once
        refs = {c.household_ref for c in self.registry.cameras.values() if c.household_ref}
        object.__setattr__(self, "_households", frozenset(refs))

    def case(self, case: Case, now: datetime) -> Sequence[OutboxMessage]:
        """The case as each grid told so far must see it now; cleared once it has ended."""
        return [self._case_for(case, grid, now) for grid in grids_told(case)]

    def withdraw(self, case: Case, grids: Sequence[GridCode], now: datetime) -> list[OutboxMessage]:
        """Clear the case from grids that no longer have it (it was reassigned elsewhere)."""
        return [self._message(case, grid, b"", now) for grid in grids]

    def health(
        self, camera: CameraId, state: str, since: datetime, why: str, now: datetime
    ) -> OutboxMessage:
        """A camera's change of health, for the maintainer."""
        key = f"health-{camera}-{state}-{since:%Y%m%dT%H%M%S}"
        body = {
            **_head(key, now),
            "camera": camera,
            "state": state,
            "since": utc(since),
            "why": self.clean(why),
        }
        return OutboxMessage(
            key=MessageKey(key),
            topic=health_topic(self.site, camera),
            payload=encode(body),
            queued_at=now,
            retain=True,
        )

    def outage(self, outage: Outage, now: datetime) -> OutboxMessage:
        """A link or a village went down as a whole, or is back."""
        state = "offline" if outage.down else "online"
        key = f"health-{outage.group}-{outage.subject}-{state}-{now:%Y%m%dT%H%M%S}"
        body = {
            **_head(key, now),
            "kind": str(outage.group),
            "subject": outage.subject,
            "name": outage.name,
            "state": state,
            "since": utc(now),
            "why": self.clean(outage.why),
            "cameras": {"silent": outage.silent, "visited": outage.visited},
        }
        is_link = outage.group is Group.LINK
        return OutboxMessage(
            key=MessageKey(key),
            topic=link_health_topic(self.site, outage.subject)
            if is_link
            else grid_health_topic(self.site, GridCode(outage.subject)),
            payload=encode(body),
            queued_at=now,
            retain=True,
        )

    def round(
        self, plan: str, key: str, facts: Mapping[str, object], now: datetime
    ) -> OutboxMessage:
        """A round's progress or summary."""
        return OutboxMessage(
            key=MessageKey(key),
            topic=round_topic(self.site, plan),
            payload=encode({"plan": plan, **facts, **_head(key, now)}),
            queued_at=now,
            retain=True,
        )

    def status(self, state: str, version: str, now: datetime) -> tuple[str, bytes]:
        """(topic, payload) of the centre's own state; `offline` is its last will."""
        key = f"status-{state}-{now:%Y%m%dT%H%M%S%f}"
        body = {**_head(key, now), "state": state, "version": version}
        return status_topic(self.site), encode(body)

    def clean(self, words: str) -> str:
        """Free words without addresses, full camera numbers and household references."""
        text = _DEVICE.sub(r"…\1", _URL.sub("[…]", words))
        for token in self._households:
            if token in text:
                text = text.replace(token, "[…]")
        return text[:LONGEST_NOTE]

    def _case_for(self, case: Case, grid: GridCode, now: datetime) -> OutboxMessage:
        body = b"" if not case.is_open else encode(self._body(case, grid, now))
        return self._message(case, grid, body, now)

    def _message(self, case: Case, grid: GridCode, body: bytes, now: datetime) -> OutboxMessage:
        return OutboxMessage(
            key=case_key(case, grid),
            topic=str(CaseTopic(self.site, grid, case.id)),
            payload=body,
            queued_at=now,
            retain=True,
            case=case.id,
        )

    def _body(self, case: Case, grid: GridCode, now: datetime) -> dict[str, object]:
        what = categories.named(case.category)
        where = self.registry.tree.grids.get(case.grid)
        grid_name = where.name if where else case.grid
        return {
            **_head(case_key(case, grid), now),
            "case": case.id,
            "revision": case.revision,
            "state": case.state.value,
            "level": case.level.value,
            "level_zh": case.level.zh,
            "category": {"code": what.code, "zh": what.zh, "en": what.en, "id": what.id},
            "grid": {"code": case.grid, "name": grid_name},
            "place": self.clean(case.place),
            "camera_last6": case.camera[-6:] if case.camera else None,
            "found_at": utc(case.found_at),
            "dispatched_at": utc(case.dispatched_at),
            "due": _due(case),
            "suspended": {"since": utc(case.suspension.since)} if case.suspension else None,
            "check": what.check,
            "note": self.clean(case.note),
            "summary": self._summary(case, grid_name),
            "picture": self._picture(case, grid, now),
            "phone": self.centre_phone,
            "count": case.count,
            "escalated": case.rung > 0,
            "rung": self._rung(case, grid),
            "notice": NOTICE,
        }

    def _picture(self, case: Case, grid: GridCode, now: datetime) -> dict[str, object]:
        link = self.links.link(case, grid, now) if self.links else None
        return {"available": case.before is not None, "link": link}

    def _rung(self, case: Case, grid: GridCode) -> dict[str, object]:
        told = next(s for s in reversed(case.policy.ladder[: case.rung + 1]) if s.grid == grid)
        person = self.registry.people.get(told.person)
        return {
            "number": case.policy.ladder.index(told),
            "of": len(case.policy.ladder),
            "person": told.person or None,
            "role": person.role.value if person else None,
            "current": told == step_now(case),
        }

    def _summary(self, case: Case, grid_name: str) -> str:
        """One line of Chinese, local time, for a notification or a text message."""
        what = categories.named(case.category).zh
        found, due = (t.astimezone(self.zone) for t in (case.found_at, _ack_due(case)))
        where = f"{grid_name} {self.clean(case.place)}".strip()
        asked = (
            "仍未消除,请再到现场处置"  # its first limits are over, or soon will be
            if case.state is CaseState.REWORK
            else f"请于{due:%m月%d日%H:%M}前签收"
        )
        return (
            f"【巡查线索·{case.level.zh}】{self.site_name}{where}:{what},"
            f"{found:%m月%d日%H:%M}发现,{asked}。"
        )


def case_key(case: Case, grid: GridCode) -> MessageKey:
    """One per revision of the case and grid that is told: a repeat carries the same."""
    return MessageKey(f"{case.id}-r{case.revision}-{grid}")


def encode(body: Mapping[str, object]) -> bytes:
    """Compact UTF-8 JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def utc(moment: datetime) -> str:
    """2026-11-22T01:02:03Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _head(key: str, now: datetime) -> dict[str, object]:
    return {"v": VERSION, "key": key, "at": utc(now)}


def _ack_due(case: Case) -> datetime:
    return case.answer_due_at(case.policy.clocks.acknowledge)


def _due(case: Case) -> dict[str, str | None]:
    clocks = case.policy.clocks

    def after(limit: timedelta | None) -> str | None:
        return None if limit is None else utc(case.answer_due_at(limit))

    return {
        "ack": after(clocks.acknowledge),
        "arrive": after(clocks.arrive),
        "feedback": after(clocks.feedback),
        "close": utc(case.dispatched_at + clocks.close),
    }
