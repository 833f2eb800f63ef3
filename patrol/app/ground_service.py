"""Patrols on the ground of one application: what people do with them, MQTT, the worker.

`GroundService` carries out what the phone page, the console, the API and the command line ask for,
each in one transaction. A check-in over MQTT comes on the person's own topic
(`handle_check_in`); one that cannot be taken is logged with its reason, as the phone page says it.
"""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

import structlog

from patrol.app.application import Application
from patrol.cases.request_keys import RequestKey, request_transaction
from patrol.domain.check_in_code import CHECK_IN_KEY, CheckInCodes
from patrol.domain.errors import BadInput, Failed
from patrol.domain.ground_patrol import (
    CheckIn,
    CheckInClaim,
    CheckInMethod,
    CheckInRefused,
    GroundPatrol,
    GroundStop,
    Location,
)
from patrol.domain.ids import FindingId, PersonId
from patrol.domain.leave import absences
from patrol.domain.outbox import read_object
from patrol.integrations.notifications import REMINDER, Notification, queue_notification
from patrol.messaging.topics import CheckInTopic
from patrol.rounds.ground_messages import GroundMessages
from patrol.rounds.ground_patrol import GroundContext, decide, plan_day, take_check_in
from patrol.rounds.ground_worker import GroundPatrolWorker
from patrol.settings.addresses import phone_base_url
from patrol.store import UnitOfWork

log = structlog.get_logger(__name__)

KEY_BYTES: Final = 32
MAX_CHECK_IN_BYTES: Final = 4096
MAX_KEY, MAX_SEEN = 64, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInForm:
    """A check-in as it came: by a code, or at a named point by location or by an operator."""

    key: str
    patrol: str
    by: PersonId
    claimed_at: datetime
    code: str = ""
    point: str = ""
    location: Location | None = None
    seen: str = ""
    entered_by: str = ""  # an operator's account, for one that was telephoned
    finding: FindingId | None = None


@dataclass(frozen=True, slots=True)
class GroundService:
    """What people do with patrols on the ground."""

    app: Application

    @property
    def context(self) -> GroundContext:
        """Registry, rules and messages of now."""
        return ground_context(self.app)

    def codes(self) -> CheckInCodes:
        """The signer of this site's codes; its key is made at the first use."""
        with self.app.store.begin() as uow:
            key = uow.site_keys.get_or_add(CHECK_IN_KEY, secrets.token_bytes(KEY_BYTES))
            uow.commit()
        return CheckInCodes(base_url=phone_base_url(self.app.site.settings), key=key)

    def code_documents(self) -> list[dict[str, Any]]:
        """What each point's QR code and tag say, as `patrol ground codes --json` prints it."""
        codes = self.codes()
        return [
            {
                "point": one.id, "name": one.name, "version": one.code_version,
                "qr": codes.address(one, CheckInMethod.QR),
                "nfc": codes.address(one, CheckInMethod.NFC),
            }
            for one in self.app.registry.points.values()
        ]  # fmt: skip

    def plan(self, day: date, *, request: RequestKey | None = None) -> list[GroundPatrol]:
        """Plan a local day's patrols now, where they are not planned yet."""
        settings = self.app.site.settings
        with self._transaction(request) as (uow, now):
            return plan_day(
                uow, settings.ground_patrols.plans.values(), day, context=self.context,
                zone=settings.site.tz, now=now, absent=absent_on(self.app, day),
            )  # fmt: skip

    def check_in(self, form: CheckInForm, *, request: RequestKey | None = None) -> CheckIn:
        """Take a check-in.

        Raises KeyError, NotOnRoster, CheckInRefused, IllegalCheckIn.
        """
        claim = self._claim(form)
        with self._transaction(request) as (uow, now):
            return take_check_in(
                uow, claim, context=self.context, now=now, entered_by=form.entered_by,
                finding=form.finding,
            )  # fmt: skip

    def _claim(self, form: CheckInForm) -> CheckInClaim:
        point, method = form.point, CheckInMethod.LOCATION
        if form.entered_by:
            method = CheckInMethod.OPERATOR
        elif form.code:
            read, method = self.codes().read(form.code, self.app.registry.points)
            if point not in {"", read.id}:
                raise CheckInRefused(f"code: is point {read.id}'s, not {point}'s")
            point = read.id
        return CheckInClaim(
            key=form.key, patrol=form.patrol, point=point, by=form.by, method=method,
            claimed_at=form.claimed_at, location=form.location,
            seen=self.app.payloads.scrub(form.seen.strip()),
        )  # fmt: skip

    def decide(
        self, ident: str, *, accept: bool, by: str, person: PersonId | None = None,
        note: str = "", request: RequestKey | None = None,
    ) -> CheckIn:  # fmt: skip
        """A person's word on a check-in that waits. Raises KeyError, IllegalCheckIn, BadInput."""
        with self._transaction(request) as (uow, now):
            return decide(
                uow, ident, accept=accept, by=by, now=now, context=self.context, person=person,
                note=note,
            )  # fmt: skip

    def patrols_of(self, person: PersonId) -> list[tuple[GroundPatrol, Sequence[GroundStop]]]:
        """A person's patrols of yesterday (until they are over), today and tomorrow."""
        app, zone = self.app, self.app.site.settings.site.tz
        today = app.clock.now().astimezone(zone).date()
        first, last = today - timedelta(days=1), today + timedelta(days=2)
        with app.store.begin_read() as uow:
            mine = uow.ground_patrols.of_person(person, first, last)
            stops = uow.ground_patrols.stops_of(one.id for one in mine)
        return [(one, stops.get(one.id, [])) for one in mine if one.is_open or one.day >= today]

    def _transaction(
        self, request: RequestKey | None
    ) -> AbstractContextManager[tuple[UnitOfWork, datetime]]:
        app = self.app
        return request_transaction(app.store, app.clock, request, app.wake_relays)


def ground_context(app: Application) -> GroundContext:
    """What actions on patrols need, of one application."""
    settings = app.site.settings
    return GroundContext(
        registry=app.registry,
        policy=settings.ground_patrols.policy,
        messages=GroundMessages(site=settings.site.id, scrub=app.payloads.scrub),
    )


def absent_on(app: Application, day: date) -> frozenset[PersonId]:
    """Who is on leave during any part of the hours of a local day in which patrols walk."""
    settings, away = app.site.settings, set[PersonId]()
    for plan in settings.ground_patrols.plans.values():
        start, end = plan.window(day, settings.site.tz)
        for moment in (start, end):
            away |= set(absences(app.registry.leaves, moment.astimezone(UTC)))
    return frozenset(away)


def patrol_for(
    patrols: Sequence[tuple[GroundPatrol, Sequence[GroundStop]]], point: str, at: datetime
) -> str:
    """The patrol that a code was read for: the one with this point whose hours hold `at`.

    Else the one that is nearest in time; "" where no patrol has the point.
    """
    mine = [patrol for patrol, stops in patrols if any(stop.point == point for stop in stops)]

    def away(patrol: GroundPatrol) -> timedelta:
        if patrol.open_from <= at < patrol.finish_by:
            return timedelta()
        return min(abs(at - patrol.open_from), abs(at - patrol.finish_by))

    nearest = min(mine, key=away, default=None)
    return nearest.id if nearest else ""


def read_location(value: object) -> Location | None:
    """A location of JSON: longitude, latitude, accuracy_m; None without one.

    Raises CheckInRefused.
    """
    if value is None:
        return None
    fields = value if isinstance(value, Mapping) else {}
    try:
        numbers = [float(fields[name]) for name in ("longitude", "latitude", "accuracy_m")]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise CheckInRefused("location: give longitude, latitude and accuracy_m") from None
    longitude, latitude, accuracy = numbers
    return Location(longitude=longitude, latitude=latitude, accuracy_m=accuracy)


def read_claimed_at(value: object, now: datetime) -> datetime:
    """The phone's time, RFC 3339; without one it is now. Raises CheckInRefused."""
    if not value:
        return now
    try:
        moment: datetime | None = datetime.fromisoformat(str(value))
        moment = moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise CheckInRefused(f"client_at {str(value)[:40]!r}: is no RFC 3339 time")
    return moment


def handle_check_in(app: Application, topic: str, payload: bytes) -> bool:
    """Take a check-in over MQTT; False: it is another topic's.

    What cannot be taken is logged with its reason and dropped: the phone sees its point unwalked.
    """
    where = CheckInTopic.read(topic)
    if where is None:
        return False
    try:
        if where.site != app.site.settings.site.id:
            raise CheckInRefused(f"site {where.site}: is not ours")
        form = read_check_in(where, payload, app.clock.now())
        GroundService(app).check_in(form)
    except (BadInput, Failed, KeyError) as exc:
        log.warning("a check-in was not taken", topic=topic, reason=str(exc))
    return True


def read_check_in(where: CheckInTopic, payload: bytes, now: datetime) -> CheckInForm:
    """The form of a message to a person's own topic. Raises CheckInRefused."""
    body = _body_of(payload)
    key = str(body.get("key", ""))
    if not 1 <= len(key) <= MAX_KEY:
        raise CheckInRefused(f"key: give 1 to {MAX_KEY} characters")
    return CheckInForm(
        key=key, patrol=where.patrol, by=PersonId(where.person),
        claimed_at=read_claimed_at(body.get("client_at"), now), code=str(body.get("code", "")),
        point=str(body.get("point", "")), location=read_location(body.get("location")),
        seen=str(body.get("seen", ""))[:MAX_SEEN],
    )  # fmt: skip


def _body_of(payload: bytes) -> Mapping[str, Any]:
    try:
        return read_object(payload, MAX_CHECK_IN_BYTES)
    except ValueError as exc:
        raise CheckInRefused(str(exc)) from None


def new_ground_worker(app: Application) -> GroundPatrolWorker:
    """The worker that plans, reminds, tells and ends the site's patrols on the ground."""
    settings, targets = app.site.settings, app.integrations.targets

    def notify(
        uow: UnitOfWork, patrol: GroundPatrol, late: Sequence[GroundStop], now: datetime
    ) -> None:
        people = app.registry_watcher.registry().people
        for person in (people[one] for one in patrol.people if one in people):
            title, body = _notice(patrol, late, settings.site.tz)
            notification = Notification(
                key=f"{patrol.id}-r{patrol.revision}-{person.id}-{'late' if late else 'remind'}",
                event=REMINDER, title=title, body=body, person=str(person.id), phone=person.phone,
            )  # fmt: skip
            queue_notification(uow, notification, targets, now)

    return GroundPatrolWorker(
        store=app.store,
        plans=settings.ground_patrols.plans,
        context=lambda: ground_context(app),
        zone=settings.site.tz,
        notify=notify,
        absent=lambda day: absent_on(app, day),
        on_queued=app.wake_relays,
    )


def _notice(patrol: GroundPatrol, late: Sequence[GroundStop], zone: tzinfo) -> tuple[str, str]:
    start, end = (f"{at.astimezone(zone):%H:%M}" for at in (patrol.planned_at, patrol.finish_by))
    if not late:
        return (
            f"【巡防提醒】{patrol.title}",
            f"{start}–{end}，请准时巡防。 Walk it from {start} to {end}.",
        )
    names = "、".join(stop.name for stop in late[:10])
    return (
        f"【巡防点未到】{patrol.title}",
        f"未签到：{names};{end} 前仍可补走。 Not walked yet, possible until {end}.",
    )
