"""The worker of patrols on the ground: plans the rosters, reminds, says what is late, ends them.

Polled by the service. The patrols of a local day are planned on the day before, from `plan_at`
on, so that people know; the next poll after a change of the files plans what came new. A patrol is
told by MQTT to its people and, where the site has such channels, by a notification: the reminder,
points whose time has passed while they can still be walked, and the last call.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from patrol.domain.ground_patrol import GroundPatrol, GroundState, GroundStop, late_stops
from patrol.domain.ids import PersonId
from patrol.domain.roster import GroundPatrolPlan
from patrol.rounds.ground_patrol import GroundContext, end_patrol, notify_late, plan_day
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)

PLAN_FROM_HOUR: Final = 12  # local; tomorrow's patrols are on the phones by noon
Notify = Callable[[UnitOfWork, GroundPatrol, Sequence[GroundStop], datetime], None]
Absent = Callable[[date], frozenset[PersonId]]


@dataclass(kw_only=True)
class GroundPatrolWorker:
    """Plans, reminds, tells and ends; `tell` queues notifications, an empty list is a reminder."""

    store: Store
    plans: Mapping[str, GroundPatrolPlan]
    context: Callable[[], GroundContext]
    zone: ZoneInfo
    notify: Notify
    absent: Absent = lambda _day: frozenset()
    on_queued: Callable[[], None] = lambda: None
    _planned: dict[date, int] = field(default_factory=dict)  # by day: the registry it was made of

    def run_due(self, now: datetime) -> int:
        """What is due now; how many patrols were planned, told or ended."""
        if not self.plans:
            return 0
        done = sum(self._plan(day, now) for day in self._days(now))
        with self.store.begin_read() as uow:
            open_patrols = uow.ground_patrols.open()
            stops = uow.ground_patrols.stops_of(one.id for one in open_patrols)
        due = [one for one in open_patrols if _is_due(one, stops.get(one.id, ()), now)]
        done += sum(self._move(patrol.id, now) for patrol in due)
        if done:
            self.on_queued()
        return done

    def _days(self, now: datetime) -> list[date]:
        """Yesterday's may still be walked after midnight; tomorrow's are planned from noon on."""
        local = now.astimezone(self.zone)
        days = [local.date() - timedelta(days=1), local.date()]
        if local.hour >= PLAN_FROM_HOUR:
            days.append(local.date() + timedelta(days=1))
        return days

    def _plan(self, day: date, now: datetime) -> int:
        context = self.context()
        made_of = id(context.registry)
        if self._planned.get(day) == made_of:
            return 0
        with self.store.begin() as uow:
            added = plan_day(
                uow, self.plans.values(), day, context=context, zone=self.zone, now=now,
                absent=self.absent(day),
            )  # fmt: skip
            uow.commit()
        self._planned = {known: made for known, made in self._planned.items() if known >= day}
        self._planned[day] = made_of
        if added:
            unmanned = sum(not patrol.people for patrol in added)
            log.info("ground patrols planned", day=f"{day}", patrols=len(added), unmanned=unmanned)
        return len(added)

    def _move(self, patrol_id: str, now: datetime) -> bool:
        """Remind, tell what is late, or end; False where a check-in came first."""
        with self.store.begin() as uow:
            patrol = uow.ground_patrols.get(patrol_id)
            if not (patrol.is_open and _is_due(patrol, uow.ground_patrols.stops(patrol_id), now)):
                return False
            if patrol.finish_by <= now:
                ended = end_patrol(uow, patrol, now, self.context().messages)
                log.info("ground patrol ended", patrol=ended.id, state=str(ended.state))
            else:
                self._remind_or_notify(uow, patrol, now)
            uow.commit()
        return True

    def _remind_or_notify(self, uow: UnitOfWork, patrol: GroundPatrol, now: datetime) -> None:
        if _reminds(patrol, now):
            self.notify(uow, patrol, [], now)
            patrol = replace(patrol, reminded_at=now)
            uow.ground_patrols.put(patrol)
        late = notify_late(uow, patrol, now, self.context().messages)
        if late:
            self.notify(uow, patrol, late, now)


def _is_due(patrol: GroundPatrol, stops: Sequence[GroundStop], now: datetime) -> bool:
    if patrol.finish_by <= now or _reminds(patrol, now):
        return True
    if patrol.last_called_at is None and patrol.last_call_at <= now:
        return True
    return any(stop.late_notified_at is None for stop in late_stops(stops, now))


def _reminds(patrol: GroundPatrol, now: datetime) -> bool:
    waits = patrol.state is GroundState.PLANNED and patrol.reminded_at is None
    return waits and patrol.remind_at <= now < patrol.finish_by
