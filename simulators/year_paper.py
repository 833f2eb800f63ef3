"""The paper of a simulated year: households' consent forms, and the reports of its months."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera, Consent, ConsentState
from patrol.domain.ids import CameraId
from patrol.domain.registry import Registry
from patrol.report.compose import Report, as_json, compose
from patrol.report.gather import gather, periods
from patrol.report.material import Heading, Material
from patrol.store import Store

RENEWED_BEFORE: Final = timedelta(days=14)  # a consent runs out: somebody calls at the house
RENEWED_FOR: Final = timedelta(days=360)
LAPSES: Final = 0.02  # of those: nobody is at home, and the camera is not visited any more
WITHDRAWS: Final = 0.02  # of the days: some household withdraws
COMES_BACK_AFTER: Final = timedelta(days=30)


@dataclass
class Households:
    """Whose cameras may be visited; `pass_day` once a day."""

    store: Store
    registry: Registry
    rng: random.Random
    cameras: dict[CameraId, Camera] = field(default_factory=dict)
    _away: list[tuple[datetime, CameraId]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cameras = dict(self.registry.cameras)

    def visited(self, now: datetime) -> Sequence[CameraId]:
        """Those that a round may look through."""
        today = now.date()
        return [one for one, camera in self.cameras.items() if camera.why_not(today) is None]

    def pass_day(self, now: datetime) -> None:
        """Consents are renewed or lapse; somebody withdraws, somebody thinks better of it."""
        today = now.date()
        for camera in list(self.cameras.values()):
            self._renew(camera, today)
        with self.store.begin() as uow:
            if self.rng.random() < WITHDRAWS:
                camera_id = self.rng.choice(sorted(self.cameras))
                uow.consents.withdraw(camera_id, by="household", now=now)
                self._away.append((now + COMES_BACK_AFTER, camera_id))
            while self._away and self._away[0][0] <= now:
                uow.consents.restore(self._away.pop(0)[1], by="household", now=now)
            uow.commit()

    def _renew(self, camera: Camera, today: date) -> None:
        consent = camera.consent
        if consent.state is not ConsentState.GRANTED or consent.until != today + RENEWED_BEFORE:
            return
        if self.rng.random() >= LAPSES:
            renewed = Consent(state=consent.state, until=today + RENEWED_FOR)
            self.cameras[camera.id] = replace(camera, consent=renewed)


@dataclass
class Paper:
    """`write` at the end of each month, and of the play."""

    store: Store
    registry: Registry
    zone: ZoneInfo
    plans: Sequence[str]
    reports: list[Report] = field(default_factory=list)
    accepted: int = 0  # cases, voided ones among them
    _last: Material | None = None

    def write(self, now: datetime) -> None:
        """The month that was yesterday's, as the command line would."""
        day = now.astimezone(self.zone).date() - timedelta(days=1)
        period = periods(a_round="", day=None, month=day)
        with self.store.begin_read() as uow:
            material = gather(uow, self.plans, self.zone, period)
        heading = Heading(
            kind=period.kind,
            period=period.name,
            site="上坝镇",
            zone=self.zone,
            made_at=now,
            registry=self.registry,
        )
        report = compose(heading, material, last=self._last)
        as_json(report)
        self.reports.append(report)
        self.accepted += len(material.cases)
        self._last = material
