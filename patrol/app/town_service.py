"""Supervision, hand-offs and broadcasts of one application; what comes back over MQTT and HTTP.

`TownService` carries out what a person asks for, each in one transaction. Replies of departments
and loudspeakers come over MQTT (`handle_town_reply`) or as signed HTTP requests (`SignedInbox`),
whose signature is that of our webhooks: `v1,` and the base64 of HMAC-SHA256 over id, timestamp and
body. A repeat under its id changes nothing.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from patrol.app.application import Application
from patrol.cases.hand_off import (
    OutsideContacts,
    OutsideContext,
    answer_hand_off,
    ask_broadcast,
    decide_broadcast,
    hand_off_case,
    record_played,
)
from patrol.cases.request_keys import RequestKey, request_transaction
from patrol.cases.save_and_send import add_case
from patrol.cases.supervision import (
    send_overdue_lists,
    supervise_case,
    tag_case,
    tag_grid,
    urge_case,
)
from patrol.domain.broadcast import Broadcast, BroadcastEvent
from patrol.domain.case import Case
from patrol.domain.case_opening import case_id, case_sequence, open_from_report
from patrol.domain.errors import BadInput, Failed
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.hand_off import HandOff, HandOffEvent
from patrol.domain.ids import CaseId, GridCode, MessageKey
from patrol.domain.outbox import read_object
from patrol.domain.priority import Level
from patrol.integrations.webhooks import sign_webhook
from patrol.messaging.topics import HandOffReplyTopic, SpeakerReplyTopic
from patrol.store import UnitOfWork

log = structlog.get_logger(__name__)

CLOCK_SKEW: Final = timedelta(minutes=5)  # of a signed request's timestamp
MAX_REPLY_BYTES: Final = 16_384
MAX_ID, MAX_STAMP_DIGITS = 64, 12  # of a signed request


class BadSignature(BadInput):
    """A request from outside that is unsigned, too old, or signed with another secret."""


class BadReply(BadInput, ValueError):
    """A message from outside that says nothing that can be done; the text names the field."""


@dataclass(frozen=True, slots=True)
class TownService:
    """What people do with supervision, hand-offs, broadcasts and tags."""

    app: Application

    @property
    def contacts(self) -> OutsideContacts:
        """The departments and loudspeakers of the site."""
        settings = self.app.site.settings
        sections = settings.broadcast
        return OutsideContacts(
            recipients={name: one.policy(name) for name, one in settings.hand_off.items()},
            speakers={name: one.policy(name) for name, one in sections.speakers.items()},
            templates=sections.templates,
            quiet=sections.quiet,
        )

    @property
    def context(self) -> OutsideContext:
        """What actions towards the outside need."""
        app = self.app
        return OutsideContext(
            contacts=self.contacts, payloads=app.payloads, registry=app.registry,
            zone=app.site.settings.site.tz,
        )  # fmt: skip

    def supervise(
        self, case: str, *, by: str, why: str, hours: float, request: RequestKey | None = None
    ) -> Case:
        """督办. Raises KeyError, CannotSupervise, IllegalCaseTransition."""
        with self._transaction(request) as (uow, now):
            return supervise_case(
                uow, CaseId(case), by=by, now=now, payloads=self.app.payloads, why=why,
                span=timedelta(hours=hours),
            )  # fmt: skip

    def urge(self, case: str, *, by: str, why: str, request: RequestKey | None = None) -> Case:
        """催办. Raises KeyError, CannotSupervise, IllegalCaseTransition."""
        with self._transaction(request) as (uow, now):
            return urge_case(uow, CaseId(case), by=by, now=now, payloads=self.app.payloads, why=why)

    def tag(
        self, case: str, tags: Iterable[str], *, by: str, request: RequestKey | None = None
    ) -> Case:
        """Give a case exactly these tags. Raises KeyError, BadTag."""
        with self._transaction(request) as (uow, now):
            return tag_case(uow, CaseId(case), tags, by=by, now=now, payloads=self.app.payloads)

    def tag_grid(
        self, grid: str, tags: Iterable[str], *, by: str, request: RequestKey | None = None
    ) -> tuple[str, ...]:
        """Give a grid exactly these tags; those it has now. Raises KeyError, BadTag."""
        with self._transaction(request) as (uow, now):
            return tag_grid(uow, GridCode(grid), tags, by=by, now=now, tree=self.app.registry.tree)

    def send_overdue(self, *, by: str) -> int:
        """Queue every cadre's overdue list; how many messages."""
        app = self.app
        with self._transaction(None) as (uow, now):
            sent = send_overdue_lists(
                uow, app.registry, app.site.settings.site.id, now, app.payloads
            )
            uow.access.append(at=now, who=by, what="send_overdue", camera=None, why=f"{sent}")
        return sent

    def hand_off(
        self, case: str, recipient: str, *, by: str, why: str, request: RequestKey | None = None
    ) -> HandOff:
        """移交. Raises KeyError, CannotHandOff, IllegalCaseTransition."""
        with self._transaction(request) as (uow, now):
            return hand_off_case(
                uow, CaseId(case), recipient, by=by, now=now, why=why, context=self.context
            )

    def answer(
        self, ident: str, event: HandOffEvent, *, by: str, text: str = "", key: str = "",
        request: RequestKey | None = None,
    ) -> HandOff:  # fmt: skip
        """A department's receipt or answer. Raises KeyError, IllegalHandOffMove, CannotHandOff."""
        with self._transaction(request) as (uow, now):
            return answer_hand_off(
                uow, ident, event, by=by, now=now, context=self.context, text=text, key=key
            )

    def ask_broadcast(
        self, case: str, *, by: str, template: str = "", text: str = "", speaker: str = "",
        request: RequestKey | None = None,
    ) -> Broadcast:  # fmt: skip
        """Ask for a broadcast. Raises KeyError, CannotBroadcast, IllegalBroadcastMove."""
        with self._transaction(request) as (uow, now):
            return ask_broadcast(
                uow, CaseId(case), by=by, now=now, context=self.context, template=template,
                text=text, speaker=speaker,
            )  # fmt: skip

    def decide_broadcast(
        self, ident: str, event: BroadcastEvent, *, by: str, text: str = "",
        request: RequestKey | None = None,
    ) -> Broadcast:  # fmt: skip
        """Approve or refuse a broadcast. Raises KeyError, IllegalBroadcastMove."""
        with self._transaction(request) as (uow, now):
            return decide_broadcast(
                uow, ident, event, by=by, now=now, context=self.context, text=text
            )

    def played(
        self, ident: str, event: BroadcastEvent, *, speaker: str, text: str = ""
    ) -> Broadcast:
        """What a loudspeaker said. Raises KeyError, IllegalBroadcastMove."""
        with self._transaction(None) as (uow, now):
            return record_played(
                uow, ident, event, speaker=speaker, now=now, context=self.context, text=text
            )

    def open_from_department(self, recipient: str, body: Mapping[str, Any], key: str) -> Case:
        """Open a case that a department reports; a repeat under `key` opens nothing.

        Raises BadReply (names the field), AlreadyOpened.
        """
        app, registry = self.app, self.app.registry
        grid, category = str(body.get("grid", "")), str(body.get("category", "other"))
        if grid not in registry.tree.grids:
            raise BadReply(f"grid {grid!r}: not in grids.csv, give one of its 15-digit codes")
        if category not in CATEGORY_BY_ID:
            raise BadReply(
                f"category {category!r}: unknown, give one of {', '.join(CATEGORY_BY_ID)}"
            )
        text = str(body.get("description", "")).strip()[:500]
        if not text:
            raise BadReply("description: is empty, say what happened")
        level, zone = _level(body.get("level")), app.site.settings.site.tz
        with self._transaction(None) as (uow, now):
            known = MessageKey(f"opened/{recipient}/{key}")
            if not uow.inbox.remember_key(known, now):
                raise AlreadyOpened(key)
            day = now.astimezone(zone).date()
            case = open_from_report(
                case_id(day, uow.next_number(case_sequence(day))), registry, grid=GridCode(grid),
                by=f"department:{recipient}", now=now, category=category, level=level,
                place=app.payloads.scrub(str(body.get("place", ""))[:200]),
                text=app.payloads.scrub(text),
            )  # fmt: skip
            case = app.send_gate.hold_or_send_new(uow, case, now)
            add_case(uow, case, app.payloads, now)
        return case

    def _transaction(
        self, request: RequestKey | None
    ) -> AbstractContextManager[tuple[UnitOfWork, datetime]]:
        app = self.app
        return request_transaction(app.store, app.clock, request, app.wake_relays)


class AlreadyOpened(Failed):
    """The department's message was taken before; nothing is opened twice."""


def _level(value: object) -> Level:
    try:
        return Level(str(value or Level.ORDINARY).upper())
    except ValueError:
        raise BadReply(f"level {value!r}: is none, give one of {', '.join(Level)}") from None


def handle_town_reply(app: Application, topic: str, payload: bytes) -> bool:
    """Take a department's or a loudspeaker's MQTT reply; False: it is another topic's.

    What cannot be taken is logged with its reason and dropped: nobody can answer it.
    """
    department, speaker = HandOffReplyTopic.read(topic), SpeakerReplyTopic.read(topic)
    if department is None and speaker is None:
        return False
    try:
        body = _read_body(payload)
        if department is not None:
            take_answer(TownService(app), department.recipient, department.ident, body)
        elif speaker is not None:
            take_playback(TownService(app), speaker.speaker, body)
    except (BadInput, Failed, KeyError) as exc:
        log.warning("a reply from outside was not taken", topic=topic, reason=str(exc))
    return True


def take_answer(
    service: TownService, recipient: str, ident: str, body: Mapping[str, Any]
) -> HandOff:
    """A receipt or an answer as a department wrote it. Raises BadReply, and as `answer`.

    KeyError also where the hand-off is another department's.
    """
    with service.app.store.begin_read() as uow:
        if uow.hand_offs.get(ident).recipient != recipient:
            raise KeyError(ident)
    try:
        event = HandOffEvent(str(body.get("type", "")))
    except ValueError:
        raise BadReply("type: give receive or answer") from None
    text = service.app.payloads.scrub(str(body.get("text", ""))[:1000])
    key = str(body.get("key", ""))[:64]
    return service.answer(ident, event, by=f"department:{recipient}", text=text, key=key)


def take_playback(service: TownService, speaker: str, body: Mapping[str, Any]) -> Broadcast:
    """What a loudspeaker reports of a broadcast. Raises BadReply, and as `played`."""
    try:
        event = BroadcastEvent(str(body.get("type", "")))
    except ValueError:
        raise BadReply("type: give played or failed") from None
    if event not in (BroadcastEvent.PLAYED, BroadcastEvent.FAILED):
        raise BadReply("type: give played or failed")
    reason = service.app.payloads.scrub(str(body.get("reason", ""))[:200])
    return service.played(str(body.get("id", "")), event, speaker=speaker, text=reason)


def _read_body(payload: bytes) -> Mapping[str, Any]:
    try:
        return read_object(payload, MAX_REPLY_BYTES)
    except ValueError as exc:
        raise BadReply(str(exc)) from None


@dataclass(frozen=True, slots=True)
class SignedInbox:
    """Checks and takes signed HTTP requests of departments and loudspeakers."""

    service: TownService

    def check(
        self, source: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[str, Mapping[str, Any]]:
        """(id, body) of a request whose signature is right. Raises BadSignature, BadReply."""
        secret, now = self._secret(source), self.service.app.clock.now()
        ident, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (
            ident and stamp.isdecimal() and len(ident) <= MAX_ID and len(stamp) <= MAX_STAMP_DIGITS
        ):
            raise BadSignature("webhook-id or webhook-timestamp: missing")
        if abs(now.timestamp() - int(stamp)) > CLOCK_SKEW.total_seconds():
            raise BadSignature("webhook-timestamp: too old, or too far ahead")
        right = sign_webhook(secret, ident, int(stamp), body)
        given = headers.get("webhook-signature", "")
        if not _same_signature(given, right):
            raise BadSignature("webhook-signature: is another one")
        return ident, _read_body(body)

    def _secret(self, source: str) -> bytes:
        settings = self.service.app.site.settings
        department = settings.hand_off.get(source)
        speaker = settings.broadcast.speakers.get(source)
        path = (department and department.secret_file) or (speaker and speaker.secret_file)
        if not path:
            raise BadSignature(f"source {source!r}: has no secret here")
        try:
            return path.read_text("utf-8").strip().encode()
        except OSError as exc:
            raise BadSignature(f"source {source!r}: its secret cannot be read") from exc


def _same_signature(given: str, right: str) -> bool:
    try:
        version, _, value = given.partition(",")
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    wanted = base64.b64decode(right.partition(",")[2])
    return version == "v1" and hmac.compare_digest(decoded, wanted)


def daily_overdue_list(app: Application) -> Callable[[], None]:
    """The service's daily job: every cadre gets the overdue list."""

    def run() -> None:
        sent = TownService(app).send_overdue(by="patrol")
        log.info("overdue lists", messages=sent)

    return run
