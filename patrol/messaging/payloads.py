"""Payloads: cases, health, rounds and the centre's state as MQTT messages (docs/schemas, v1).

Never published: a picture, a household, a stream's address, a camera's full number in a leader's
case. Free text is cleaned of all of them here (`scrub`), the last place before the outbox.
Incoming payloads are read in reply_parser.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Final

from patrol.domain import labels
from patrol.domain.audit_anchor import Anchor
from patrol.domain.case import Case, CaseState
from patrol.domain.escalation import announced_grids, current_rung
from patrol.domain.finding import category_named
from patrol.domain.ids import CameraId, GridCode, MessageKey
from patrol.domain.observation import Subject
from patrol.domain.outage import Outage, OutageGroup
from patrol.domain.outbox import OutboxMessage
from patrol.domain.picture_link import LinkSigner
from patrol.domain.private_text import PrivateTextMask
from patrol.domain.registry import Registry
from patrol.domain.teams import seeing_members
from patrol.domain.timestamps import rfc3339
from patrol.messaging.team_payloads import (
    helpers_document,
    owner_document,
    team_body,
    team_document,
)
from patrol.messaging.topics import (
    VERSION,
    CaseTopic,
    EquipmentCaseTopic,
    TeamCaseTopic,
    audit_topic,
    grid_health_topic,
    health_topic,
    link_health_topic,
    round_topic,
    status_topic,
)

DISCLAIMER: Final = (
    "线索仅供现场核实，不是结论；视频巡查每日两次，不是报警系统，遇险情请立即拨打119或110。"
)
MAINTAINERS_KEY: Final = "-equipment"  # ends the key of the message to a grid's maintainer
TEAMS_KEY: Final = "-team"  # ends the key of the short form for a grid's team
MAX_NOTE_CHARACTERS: Final = 500  # a leader reads it on a telephone
ReceivedReplies = Mapping[GridCode, Sequence[str]]
NO_REPLIES: Final[ReceivedReplies] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadBuilder:
    """Builds the messages of one site; the caller adds them to the outbox."""

    site: str
    zone: tzinfo
    registry: Registry
    centre_phone: str = ""
    site_name: str = ""
    link_signer: LinkSigner | None = None  # None: no picture links

    def __post_init__(self) -> None:
        status_topic(self.site)  # raises at once for a site that cannot be part of a topic

    def case_messages(
        self, case: Case, now: datetime, received: ReceivedReplies = NO_REPLIES
    ) -> Sequence[OutboxMessage]:
        """The case for each grid that it was published to; empty (cleared) once it has ended.

        One about a camera goes to the topics of the grids' maintainers, too. `received`: the
        sender's keys of the replies that the centre has, by grid.
        """
        messages = [
            self._case_message(case, grid, now, received.get(grid, ()))
            for grid in announced_grids(case)
        ]
        others = (*self._for_maintainers(case, messages), *self._for_teams(case, messages, now))
        return [*messages, *others]

    def acknowledgement_messages(
        self, case: Case, grid: GridCode, now: datetime, *, received: Sequence[str], number: int
    ) -> Sequence[OutboxMessage]:
        """The case as it stands for one grid again, so that it shows the reply that just came.

        The revision stays; the key is new by `number`, the count of the grid's replies.
        """
        if not case.is_open:
            return ()
        key = MessageKey(f"{case_key(case, grid)}-a{number}")
        body = self._case_body(case, grid, now, received) | {"key": key}
        plain = self._outbox_message(case, grid, encode_payload(body), now)
        message = replace(plain, key=key)
        return [message, *self._for_maintainers(case, [message])]

    def clear_messages(
        self, case: Case, grids: Sequence[GridCode], now: datetime
    ) -> list[OutboxMessage]:
        """Messages that clear the case from grids that no longer have it (it was reassigned)."""
        messages = [self._outbox_message(case, grid, b"", now) for grid in grids]
        others = (*self._for_maintainers(case, messages), *self._for_teams(case, messages, now))
        return [*messages, *others]

    def health_message(
        self, camera: CameraId, state: str, since: datetime, why: str, now: datetime
    ) -> OutboxMessage:
        """A change of one camera's health, for the maintainer."""
        key = f"health-{camera}-{state}-{since:%Y%m%dT%H%M%S}"
        body = {
            **_header(key, now),
            "camera": camera,
            "state": state,
            "since": rfc3339(since),
            "why": self.scrub(why),
        }
        return OutboxMessage(
            key=MessageKey(key),
            topic=health_topic(self.site, camera),
            payload=encode_payload(body),
            queued_at=now,
            retain=True,
        )

    def outage_message(self, outage: Outage, now: datetime) -> OutboxMessage:
        """One notice for a link or village that went down as a whole, or is back."""
        state = "offline" if outage.down else "online"
        key = f"health-{outage.group}-{outage.subject}-{state}-{now:%Y%m%dT%H%M%S}"
        body = {
            **_header(key, now),
            "kind": str(outage.group),
            "subject": outage.subject,
            "name": outage.name,
            "state": state,
            "since": rfc3339(now),
            "why": self.scrub(outage.why),
            "cameras": {"silent": outage.silent, "visited": outage.visited},
        }
        is_link = outage.group is OutageGroup.LINK
        return OutboxMessage(
            key=MessageKey(key),
            topic=link_health_topic(self.site, outage.subject)
            if is_link
            else grid_health_topic(self.site, GridCode(outage.subject)),
            payload=encode_payload(body),
            queued_at=now,
            retain=True,
        )

    def round_message(
        self, plan: str, key: str, payload: Mapping[str, object], now: datetime
    ) -> OutboxMessage:
        """Progress or summary of a round, on the topic of its plan."""
        return OutboxMessage(
            key=MessageKey(key),
            topic=round_topic(self.site, plan),
            payload=encode_payload({"plan": plan, **payload, **_header(key, now)}),
            queued_at=now,
            retain=True,
        )

    def anchor_message(self, newest: Sequence[Anchor], now: datetime) -> OutboxMessage:
        """The heads of the chained logs of the last days, the newest first."""
        key = f"audit-{newest[0].day.isoformat()}"
        body = {**_header(key, now), "site": self.site, "days": [*map(anchor_document, newest)]}
        return OutboxMessage(
            key=MessageKey(key),
            topic=audit_topic(self.site),
            payload=encode_payload(body),
            queued_at=now,
            retain=True,
        )

    def status_message(self, state: str, version: str, now: datetime) -> tuple[str, bytes]:
        """(topic, payload) of the centre's own state; `offline` is its last will."""
        key = f"status-{state}-{now:%Y%m%dT%H%M%S%f}"
        body = {**_header(key, now), "state": state, "version": version}
        return status_topic(self.site), encode_payload(body)

    def scrub(self, free_text: str) -> str:
        """Free text without addresses, full camera numbers and household references."""
        return PrivateTextMask(self.registry)(free_text)[:MAX_NOTE_CHARACTERS]

    def masked_parts(self, free_text: str) -> list[str]:
        """What `scrub` would mask, as it was written: for a warning at entry."""
        return PrivateTextMask(self.registry).parts(free_text)

    def _case_message(
        self, case: Case, grid: GridCode, now: datetime, received: Sequence[str]
    ) -> OutboxMessage:
        if not case.is_open:
            return self._outbox_message(case, grid, b"", now)
        body = encode_payload(self._case_body(case, grid, now, received))
        return self._outbox_message(case, grid, body, now)

    def _for_maintainers(
        self, case: Case, messages: Sequence[OutboxMessage]
    ) -> Iterator[OutboxMessage]:
        """The same messages on the topics that maintainers may read, if the case is about a camera.

        On a grid's own topic they would also read what was found in people's yards.
        """
        if case.subject is not Subject.EQUIPMENT:
            return
        for message in messages:
            leaders = CaseTopic.read(message.topic)
            if leaders is not None:
                key = MessageKey(f"{message.key}{MAINTAINERS_KEY}")
                payload = message.payload.replace(
                    f'"key":"{message.key}"'.encode(), f'"key":"{key}"'.encode(), 1
                )
                topic = EquipmentCaseTopic(leaders.site, leaders.grid, leaders.case)
                yield replace(message, key=key, topic=str(topic), payload=payload)

    def _for_teams(
        self, case: Case, messages: Sequence[OutboxMessage], now: datetime
    ) -> Iterator[OutboxMessage]:
        """The short form for those of a grid's team who only see; cleared with the case."""
        for message in messages if case.subject is Subject.SCENE else ():
            where = CaseTopic.read(message.topic)
            if where is None or not seeing_members(self.registry, where.grid):
                continue
            key = MessageKey(f"{message.key}{TEAMS_KEY}")
            body = team_body(case, self.registry)
            payload = encode_payload({**_header(key, now), **body}) if message.payload else b""
            topic = str(TeamCaseTopic(where.site, where.grid, where.case))
            yield replace(message, key=key, topic=topic, payload=payload)

    def _outbox_message(
        self, case: Case, grid: GridCode, body: bytes, now: datetime
    ) -> OutboxMessage:
        return OutboxMessage(
            key=case_key(case, grid),
            topic=str(CaseTopic(self.site, grid, case.id)),
            payload=body,
            queued_at=now,
            retain=True,
            case=case.id,
        )

    def _case_body(
        self, case: Case, grid: GridCode, now: datetime, received: Sequence[str]
    ) -> dict[str, object]:
        what = category_named(case.category)
        where = self.registry.tree.grids.get(case.grid)
        grid_name = where.name if where else case.grid
        return {
            **_header(case_key(case, grid), now),
            "case": case.id,
            "revision": case.revision,
            "state": case.state.value,
            "level": case.level.value,
            "level_zh": labels.LEVELS[case.level][0],
            "category": {"code": what.code, "zh": what.zh, "en": what.en, "id": what.id},
            "grid": {"code": case.grid, "name": grid_name},
            "place": self.scrub(case.place),
            "camera_last6": case.camera[-6:] if case.camera else None,
            "found_at": rfc3339(case.found_at),
            "dispatched_at": rfc3339(case.dispatched_at),
            "due": _due_times(case),
            "suspended": {"since": rfc3339(case.suspension.since)} if case.suspension else None,
            "check": what.check,
            "note": self.scrub(case.note),
            "summary": self._summary(case, grid_name),
            "picture": self._picture_document(case, grid, now),
            "phone": self.centre_phone,
            "count": case.count,
            "escalated": case.rung > 0,
            "rung": self._rung_document(case, grid),
            "received_replies": list(received),
            "owner": owner_document(case, self.registry),
            "team": team_document(self.registry, grid),
            "open_to_helpers": case.open_to_helpers,
            "helpers": helpers_document(case, self.registry),
            "notice": DISCLAIMER,
        }

    def _picture_document(self, case: Case, grid: GridCode, now: datetime) -> dict[str, object]:
        link = self.link_signer.link(case, grid, now) if self.link_signer else None
        return {"available": case.before is not None, "link": link}

    def _rung_document(self, case: Case, grid: GridCode) -> dict[str, object]:
        step = next(s for s in reversed(case.policy.ladder[: case.rung + 1]) if s.grid == grid)
        person = self.registry.people.get(step.person)
        return {
            "number": case.policy.ladder.index(step),
            "of": len(case.policy.ladder),
            "person": step.person or None,
            "role": person.role.value if person else None,
            "current": step == current_rung(case),
        }

    def _summary(self, case: Case, grid_name: str) -> str:
        """One line of Chinese, local time, for a notification or a text message."""
        what = category_named(case.category).zh
        found, due = (t.astimezone(self.zone) for t in (case.found_at, _acknowledge_due_at(case)))
        where = f"{grid_name} {self.scrub(case.place)}".strip()
        request = (
            "仍未消除，请再到现场处置"  # its first limits are over, or soon will be
            if case.state is CaseState.REWORK
            else f"请于{due:%m月%d日%H:%M}前签收"
        )
        return (
            f"【巡查线索·{labels.LEVELS[case.level][0]}】{self.site_name}{where}：{what}，"
            f"{found:%m月%d日%H:%M}发现，{request}。"
        )


def case_key(case: Case, grid: GridCode) -> MessageKey:
    """Message key: one per revision of the case and grid; a repeat carries the same."""
    return MessageKey(f"{case.id}-r{case.revision}-{grid}")


def anchor_document(anchor: Anchor) -> dict[str, object]:
    """A day's heads, as they are published and kept."""
    heads = {
        name: {"number": head.number, "hash": head.hash} for name, head in anchor.heads.items()
    }
    return {"day": anchor.day.isoformat(), "at": rfc3339(anchor.at), "heads": heads}


def encode_payload(body: Mapping[str, object]) -> bytes:
    """Compact UTF-8 JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def _header(key: str, now: datetime) -> dict[str, object]:
    return {"v": VERSION, "key": key, "at": rfc3339(now)}


def _acknowledge_due_at(case: Case) -> datetime:
    return case.answer_due_at(case.policy.limits.acknowledge)


def _due_times(case: Case) -> dict[str, str | None]:
    clocks = case.policy.limits

    def after(limit: timedelta | None) -> str | None:
        return None if limit is None else rfc3339(case.answer_due_at(limit))

    return {
        "ack": after(clocks.acknowledge),
        "arrive": after(clocks.arrive),
        "feedback": after(clocks.feedback),
        "close": rfc3339(case.dispatched_at + clocks.close),
    }
