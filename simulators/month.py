"""A month of a town's life, written straight into its store: for the console's tests and figures.

    python -m simulators.month --out DIR --cameras 624 --days 30

writes a configuration DIR (nothing serves its cameras) and fills store and evidence: two rounds a
day, findings and their decisions, cases in every state, a queue that waits. Only the newest two
rounds have pictures; older ones were deleted on schedule, as in life.
"""

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from patrol.dispatch.inbox import Inbox
from patrol.dispatch.wire import Wire
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId, RoundId, Sha256
from patrol.domain.levels import Level
from patrol.domain.observation import Box, Light, Subject
from patrol.domain.round import (
    PlannedVisit,
    Round,
    RoundEvent,
    StoredPicture,
    Visit,
    VisitOutcome,
)
from patrol.evidence import FileEvidence
from patrol.review.decide import confirm, dismiss
from patrol.settings import Site, load_site
from patrol.store import Store, UnitOfWork, open_store, upgrade
from patrol.vision.memory import EyeMemory
from patrol.vision.quality import QualityHistory
from patrol.vision.reference.memory import SceneMemory
from simulators.month_ground import work
from simulators.still import Still
from simulators.town.build import build_town
from simulators.town.config import Place, write_config

PLANS: Final = (("morning", time(9)), ("afternoon", time(15)))
WALK: Final = timedelta(minutes=4)
KEPT_ROUNDS: Final = 2  # with pictures
FAULTS: Final = ("blur", "occlusion", "too_dark", "freeze", "artifacts")
LEADS: Final = (
    ("blocking_vehicle", Level.ORDINARY), ("scene_change", Level.ORDINARY),
    ("livestock", Level.ORDINARY), ("dumping", Level.ORDINARY), ("smoke", Level.PRESSING),
    ("person_near_water", Level.PRESSING), ("open_flame", Level.URGENT),
)  # fmt: skip
LEADS_A_ROUND: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What was written."""

    config_dir: Path
    rounds: int
    findings: int
    waiting: int
    cases: int
    open_cases: int


def write_month(
    out: Path,
    *,
    cameras: int = 624,
    days: int = 30,
    now: datetime,
    seed: int = 7,
    profile: str = "bench",
    database: str = "",
) -> Month:
    """Fill `out`; the last round ended an hour before `now`. `database`: not SQLite beside it."""
    town = build_town(count=cameras, seed=seed, today=now.date(), profile=profile)
    place = Place(
        url=lambda _camera, _sub: "rtsp://127.0.0.1:9/none", mqtt_url="mqtt://127.0.0.1:9",
        profile=profile, database=database,
    )  # fmt: skip
    write_config(out, town, place)
    site = load_site(out)
    upgrade(site.settings.database)
    with open_store(site.settings.database) as store:
        writer = _Writer(site, store, now, random.Random(seed))  # noqa: S311  seeded on purpose
        with store.begin() as uow:
            uow.registry.sync(site.registry, now - timedelta(days=days))
            uow.commit()
        return writer.month(out, days)


class _Writer:
    def __init__(self, site: Site, store: Store, now: datetime, rng: random.Random) -> None:
        self._site = site
        self._store = store
        self._now = now
        self._rng = rng
        self._still = Still()
        self._evidence = FileEvidence(site.settings.evidence)
        zone = site.settings.site.tz
        info = site.settings.site
        self._wire = Wire(
            site=info.id, zone=zone, registry=site.registry, centre_phone="0937-0000000",
            site_name=info.name,
        )  # fmt: skip
        self._inbox = Inbox(
            store=store, announcer=self._wire, registry=site.registry, site=info.id, zone=zone
        )
        self._cameras = [
            camera
            for camera in site.registry.cameras.values()
            if camera.why_not(now.date()) is None
        ]
        self._numbers = iter(range(1, 1_000_000))

    def month(self, out: Path, days: int) -> Month:
        rounds = list(self._rounds(days))
        for number, (ident, plan, day, begun) in enumerate(rounds):
            self._round(ident, plan, day, begun, pictures=number >= len(rounds) - KEPT_ROUNDS)
        with self._store.begin_read() as uow:
            waiting, cases = uow.findings.queue(), uow.cases.list(limit=100_000)
        return Month(
            config_dir=out,
            rounds=len(rounds),
            findings=next(self._numbers) - 1,
            waiting=len(waiting),
            cases=len(cases),
            open_cases=sum(case.is_open for case in cases),
        )

    def _rounds(self, days: int) -> Iterator[tuple[RoundId, str, date, datetime]]:
        """The last one ends an hour ago, whatever the plan's hour: its name counts."""
        zone = self._site.settings.site.tz
        last = self._now - timedelta(hours=1) - WALK
        today = self._now.astimezone(zone).date()
        for back in range(days - 1, -1, -1):
            day = today - timedelta(days=back)
            for number, (plan, at) in enumerate(PLANS):
                begun = datetime.combine(day, at, zone).astimezone(UTC)
                if back == 0:
                    begun = last - timedelta(hours=5) * (len(PLANS) - 1 - number)
                yield RoundId(f"{day:%Y%m%d}-{plan}-1"), plan, day, begun

    def _round(
        self, ident: RoundId, plan: str, day: date, begun: datetime, *, pictures: bool
    ) -> None:
        a_round = Round(
            id=ident, plan=plan, day=day, planned_at=begun, finish_by=begun + timedelta(hours=1.5),
            planned=len(self._cameras), refused={"indoor": 31, "consent_pending": 12},
        ).move(RoundEvent.START, at=begun)  # fmt: skip
        order = self._rng.sample(self._cameras, len(self._cameras))
        leads = {camera.id for camera in order[:LEADS_A_ROUND]}
        with self._store.begin() as uow:
            planned = [
                PlannedVisit(round=ident, camera=camera.id, order=place)
                for place, camera in enumerate(order)
            ]
            uow.rounds.add(a_round, planned)
            found = [
                finding
                for place, camera in enumerate(order)
                for finding in self._visit(
                    uow, a_round, camera.id, begun + WALK * (place / len(order)),
                    lead=camera.id in leads, pictures=pictures,
                )
            ]  # fmt: skip
            uow.rounds.put(
                replace(a_round.move(RoundEvent.FINISH, at=begun + WALK), wall_s=240, cpu_s=300)
            )
            uow.commit()
        self._decide(found, begun + WALK, newest=pictures)

    def _visit(
        self, uow: UnitOfWork, a_round: Round, camera: CameraId, at: datetime, *,
        lead: bool, pictures: bool,
    ) -> list[Finding]:  # fmt: skip
        draw = self._rng.random()
        outcome, failure = VisitOutcome.NORMAL, ""
        faults: tuple[str, ...] = ()
        if lead:
            outcome = VisitOutcome.PROBLEM
        elif draw < 0.07:  # noqa: PLR2004  about a tenth is away
            outcome, failure = VisitOutcome.NOT_VIEWABLE, "unreachable"
        elif draw < 0.09:  # noqa: PLR2004  some have a fault
            outcome, faults = VisitOutcome.PROBLEM, (self._rng.choice(FAULTS),)
        box = self._box() if lead else None
        taken: tuple[StoredPicture, ...] = ()
        if outcome is not VisitOutcome.NOT_VIEWABLE:
            taken = (self._picture(camera, at, box, real=pictures),)
        uow.rounds.record(
            Visit(
                round=a_round.id,
                camera=camera,
                outcome=outcome,
                started_at=at,
                finished_at=at,
                failure=failure,
                seen="连接超时" if failure else "",
                faults=faults,
                usable_pictures=len(taken),
                readings={"luma_mean": 96.5, "sharpness": 0.81},
                light="day",
                pictures=taken,
            )
        )
        state = {VisitOutcome.NOT_VIEWABLE: "offline"}.get(
            outcome, "faulty" if faults else "online"
        )
        known = uow.health.get(camera)
        if known is None or known[0] != state:
            uow.health.put(camera, state, at, failure or " ".join(faults))
        if not lead:
            return []
        return [self._finding(uow, a_round, camera, at, taken[0], box, pictures=pictures)]

    def _picture(
        self, camera: CameraId, at: datetime, box: Box | None, *, real: bool
    ) -> StoredPicture:
        sha256, size = Sha256(f"{self._rng.getrandbits(256):064x}"), 90_000
        if real:
            jpeg = self._still.jpeg(camera, at.astimezone(self._site.settings.site.tz), box)
            sha256, size = self._evidence.put(jpeg), len(jpeg)
        return StoredPicture(
            sha256=sha256, camera=camera, taken_at=at, width_px=1280, height_px=720, bytes=size,
            purpose="sample", delete_after=self._now + timedelta(days=7 if real else -1),
        )  # fmt: skip

    def _finding(  # noqa: PLR0917  a row's worth
        self, uow: UnitOfWork, a_round: Round, camera: CameraId, at: datetime,
        picture: StoredPicture, box: Box | None, *, pictures: bool,
    ) -> Finding:  # fmt: skip
        kind, level = self._rng.choice(LEADS)
        grid = self._site.registry.cameras[camera].grid
        number = next(self._numbers)
        finding = Finding(
            id=FindingId(f"F{number:06d}"), camera=camera, grid=grid, round=a_round.id,
            subject=Subject.SCENE, kind=kind, score=round(self._rng.uniform(0.5, 0.97), 2),
            found_at=at, why=f"与本机参考画面不同,得分 {self._rng.uniform(0.5, 0.97):.2f}"
            " (differs from this camera's reference)",
            level=level, category=kind, picture=picture.sha256, box=box,
        )  # fmt: skip
        uow.findings.add(finding)
        if pictures:
            clean = self._still.jpeg(camera, None, None, width=480)
            scene = SceneMemory(light=Light.DAY, size=(480, 270), samples=(clean,))
            eye = EyeMemory(history=QualityHistory(light=Light.DAY), scene=scene)
            uow.memories.put(camera, Light.DAY, eye.to_bytes(), at)
        return finding

    def _box(self) -> Box:
        wide = self._rng.uniform(0.12, 0.3)
        return (
            round(self._rng.uniform(0.08, 0.6), 3), round(self._rng.uniform(0.45, 0.65), 3),
            round(wide, 3), round(wide * 0.8, 3),
        )  # fmt: skip

    def _decide(self, found: Sequence[Finding], ended: datetime, *, newest: bool) -> None:
        """Old ones are all decided; of the newest rounds half still wait."""
        for number, finding in enumerate(found):
            if newest and number % 2:
                continue
            at = ended + timedelta(minutes=2 + number)
            with self._store.begin() as uow:
                if self._rng.random() < 0.45:  # noqa: PLR2004  of candidates
                    dismiss(uow, finding.id, by="zhang", now=at, reason="shadow")
                    uow.commit()
                    continue
                case = confirm(
                    uow, finding.id, by="zhang", now=at, registry=self._site.registry,
                    announcer=self._wire, zone=self._site.settings.site.tz,
                )  # fmt: skip
                uow.commit()
            steps = self._rng.randint(0, 3) if newest else 3
            work(case, at, steps=steps, now=self._now, inbox=self._inbox)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cameras", type=int, default=624)
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    from patrol.clock import SystemClock  # noqa: PLC0415  the command's own

    now = SystemClock().now()
    month = write_month(options.out, cameras=options.cameras, days=options.days, now=now)
    print(json.dumps(asdict(month), default=str))  # noqa: T201  its answer


if __name__ == "__main__":
    main()
