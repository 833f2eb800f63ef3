"""Human patrols of one application: the worker of the service, and what people do with a task."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from patrol.app.application import Application
from patrol.app.finding_service import FiledFinding, FindingService
from patrol.cases.request_keys import RequestKey, remember_request
from patrol.domain.finding import FilingSource, Finding
from patrol.domain.human_patrol import (
    CameraCheck,
    CheckOutcome,
    HumanPatrol,
    HumanPatrolEvent,
)
from patrol.integrations.notifications import REMINDER, Notification, queue_notification
from patrol.review.own_findings import CannotFile, FilingForm, FilingTarget
from patrol.rounds.human_patrol import (
    CheckForm,
    HumanPatrolWorker,
    move_patrol,
    plan_patrol,
    record_check,
    tick_item,
)
from patrol.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Patroller:
    """Who works a task: the account, whether it is a duty lead's, and the request's key."""

    name: str
    is_supervisor: bool = False
    request: RequestKey | None = None


@dataclass(frozen=True, slots=True)
class HumanPatrolService:
    """What a person does with human patrols, each in one transaction."""

    app: Application

    def move(
        self, patrol_id: str, event: HumanPatrolEvent, who: Patroller, *, remark: str = ""
    ) -> HumanPatrol:
        """Start, pause, resume, finish. Raises KeyError, IllegalPatrolMove, NotAssigned."""
        with self._transaction(who) as (uow, now):
            return move_patrol(
                uow,
                patrol_id,
                event,
                by=who.name,
                now=now,
                is_supervisor=who.is_supervisor,
                remark=remark,
            )

    def check(self, form: CheckForm, who: Patroller) -> CameraCheck:
        """Say something of a camera. Raises as record_check."""
        with self._transaction(who) as (uow, now):
            return record_check(uow, form, by=who.name, now=now, is_supervisor=who.is_supervisor)

    def tick(self, patrol_id: str, number: int, who: Patroller, *, checked: bool) -> HumanPatrol:
        """Tick a checklist item. Raises as tick_item."""
        with self._transaction(who) as (uow, now):
            return tick_item(
                uow,
                patrol_id,
                number,
                checked=checked,
                by=who.name,
                now=now,
                is_supervisor=who.is_supervisor,
            )

    def file(
        self, patrol_id: str, form: FilingForm, who: Patroller, *, target: FilingTarget,
        phoned: str = "",
    ) -> FiledFinding:  # fmt: skip
        """File a finding of a camera of the task: its check says so in the same transaction.

        Raises CannotFile, KeyError, IllegalPatrolMove, NotAssigned.
        """
        if form.camera is None or form.source is not FilingSource.PATROL:
            raise CannotFile("camera: missing, a finding of a patrol names its camera")
        camera = form.camera

        def check(uow: UnitOfWork, finding: Finding, now: datetime) -> None:
            check_form = CheckForm(
                patrol=patrol_id, camera=camera, outcome=CheckOutcome.FINDING,
                picture=form.picture, finding=finding.id,
            )  # fmt: skip
            record_check(uow, check_form, by=who.name, now=now, is_supervisor=who.is_supervisor)

        return FindingService(self.app).file(
            form, by=who.name, target=target, phoned=phoned, request=who.request, then=check
        )

    def plan_now(self, name: str) -> HumanPatrol | None:
        """Plan today's task of a plan at once, whatever the hour; None: there is one already.

        Raises KeyError: no such plan.
        """
        app, now = self.app, self.app.clock.now()
        zone, plan = app.site.settings.site.tz, app.site.settings.human_patrols[name]
        with app.store.begin() as uow:
            planned = plan_patrol(
                uow, plan, now.astimezone(zone).date(), registry=app.registry, zone=zone, now=now
            )
            uow.commit()
        return planned

    @contextmanager
    def _transaction(self, who: Patroller) -> Iterator[tuple[UnitOfWork, datetime]]:
        now = self.app.clock.now()
        with self.app.store.begin() as uow:
            remember_request(uow, who.request, now)
            yield uow, now
            uow.commit()


def new_human_patrol_worker(app: Application) -> HumanPatrolWorker:
    """The worker that plans, reminds and ends the site's human patrols."""
    targets, registry = app.integrations.targets, app.registry_watcher.registry

    def remind(uow: UnitOfWork, patrol: HumanPatrol, now: datetime) -> None:
        people = registry().people
        accounts = {account.name: account for account in uow.accounts.all()}
        start = patrol.planned_at.astimezone(app.site.settings.site.tz)
        for name in patrol.assigned or ("",):
            account = accounts.get(name)
            person = people.get(account.person) if account and account.person else None
            notification = Notification(
                key=f"{patrol.id}-remind-{name}",
                event=REMINDER,
                title=f"【人工巡查提醒】{patrol.title}",
                body=f"{start:%H:%M} 开始，请准时巡查。",
                person=str(person.id) if person else "",
                phone=person.phone if person else "",
            )
            queue_notification(uow, notification, targets, now)

    return HumanPatrolWorker(
        store=app.store,
        plans=app.site.settings.human_patrols,
        registry=registry,
        zone=app.site.settings.site.tz,
        remind=remind,
    )
