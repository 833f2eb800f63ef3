"""Write a month of a town's history straight into its store, for console tests and benchmarks.

    python -m simulators.town.history --out DIR --cameras 624 --days 30

writes a configuration DIR (nothing serves its cameras) and fills store and pictures: two rounds a
day, findings and their decisions, cases in every state, an undecided queue. Replies go through the
product's own reply handler, rechecks through its case actions. Only the newest two rounds have
pictures (cheap stills, each camera its own); older ones were deleted on schedule. Numbers are
drawn from the store's sequences, so a service may go on with this store.
"""

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from patrol.cases.actions import apply_recheck
from patrol.cases.reply_handler import ReplyHandler
from patrol.clock import SystemClock
from patrol.domain.case import Case, CaseState
from patrol.domain.finding import Finding
from patrol.domain.health import CameraHealth
from patrol.domain.ids import CameraId, FindingId, RoundId, Sha256
from patrol.domain.observation import Box, Light, Subject
from patrol.domain.priority import Level
from patrol.domain.round import (
    PlannedVisit,
    Round,
    RoundEvent,
    StoredPicture,
    Visit,
    VisitOutcome,
)
from patrol.messaging.payloads import PayloadBuilder
from patrol.pictures import FilePictureStore
from patrol.review.decisions import confirm, dismiss
from patrol.settings import Site, load_site
from patrol.store import Store, UnitOfWork, open_store, upgrade
from patrol.vision.camera_memory import CameraMemory
from patrol.vision.quality import QualityHistory
from patrol.vision.reference.scene_memory import SceneMemory
from simulators.town.build import build_town
from simulators.town.config_files import SiteAddresses, write_config
from simulators.town.placeholder_pictures import PlaceholderPictures

REPLY_KINDS: Final = ("acknowledge", "arrive", "handled")
REPLY_INTERVAL: Final = timedelta(minutes=8)
RECHECK_AFTER: Final = timedelta(minutes=30)
VERIFIED_AFTER: Final = timedelta(hours=8)  # cases of this age are verified and closed
PLANS: Final = (("morning", time(9)), ("afternoon", time(15)))
ROUND_DURATION: Final = timedelta(minutes=4)
ROUNDS_WITH_PICTURES: Final = 2  # the newest
FAULTS: Final = ("blur", "occlusion", "too_dark", "freeze", "artifacts")
FINDING_KINDS: Final = (
    ("blocking_vehicle", Level.ORDINARY), ("scene_change", Level.ORDINARY),
    ("livestock", Level.ORDINARY), ("dumping", Level.ORDINARY), ("smoke", Level.PRESSING),
    ("person_near_water", Level.PRESSING), ("open_flame", Level.URGENT),
)  # fmt: skip
FINDINGS_PER_ROUND: Final = 8


def play_replies(
    case: Case, at: datetime, *, reply_count: int, now: datetime, inbox: ReplyHandler
) -> None:
    """Send the first `reply_count` replies of the leader; verify and close an old handled case."""
    leader = case.policy.ladder[0].person
    for number, reply_kind in enumerate(REPLY_KINDS[:reply_count], start=1):
        received_at = min(at + REPLY_INTERVAL * number, now)
        body: dict[str, object] = {
            "v": 1,
            "key": f"{case.id}-{reply_kind}",
            "person": leader,
            "type": reply_kind,
            "client_at": received_at.isoformat(),
        }
        if reply_kind == "handled":
            body |= {"type": "feedback", "result": "handled", "text": "已到场清理"}
        topic = f"patrol/v1/{inbox.site}/grid/{case.grid}/reply/{case.id}"
        inbox.handle(topic, json.dumps(body).encode(), received_at)
    if reply_count == len(REPLY_KINDS) and now - at > VERIFIED_AFTER:
        _verify_case(case, at + RECHECK_AFTER, inbox)


def _verify_case(case: Case, at: datetime, inbox: ReplyHandler) -> None:
    with inbox.store.begin() as uow:
        if uow.cases.get(case.id).state is CaseState.FED_BACK:
            apply_recheck(uow, case.id, gone=True, by="patrol", now=at, payloads=inbox.payloads)
            uow.commit()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySummary:
    """Counts of what was written."""

    config_dir: Path
    rounds: int
    findings: int
    waiting: int
    cases: int
    open_cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much work is left at the end of a history, at least."""

    waiting: int = 0  # leads that nobody has decided
    open_cases: int = 0


NO_BACKLOG: Final = Backlog()


def write_history(
    out: Path,
    *,
    cameras: int = 624,
    days: int = 30,
    now: datetime,
    seed: int = 7,
    profile: str = "bench",
    database: str = "",
    backlog: Backlog = NO_BACKLOG,
) -> HistorySummary:
    """Fill `out`; the last round ended an hour before `now`. No `database`: SQLite in `out`.

    `backlog`: how many leads wait and cases are open at the end, at least.
    """
    town = build_town(count=cameras, seed=seed, today=now.date(), profile=profile)
    addresses = SiteAddresses(
        url=lambda _camera, _sub: "rtsp://127.0.0.1:9/none", mqtt_url="mqtt://127.0.0.1:9",
        profile=profile, database=database,
    )  # fmt: skip
    write_config(out, town, addresses)
    site = load_site(out)
    upgrade(site.settings.database)
    with open_store(site.settings.database) as store:
        writer = _HistoryWriter(site, store, now, random.Random(seed))  # noqa: S311  seeded on purpose  # nosec B311
        with store.begin() as uow:
            uow.registry.sync(site.registry, now - timedelta(days=days))
            uow.commit()
        return writer.write(out, days, backlog)


class _HistoryWriter:
    def __init__(self, site: Site, store: Store, now: datetime, rng: random.Random) -> None:
        self._site = site
        self._store = store
        self._now = now
        self._rng = rng
        self._pictures = PlaceholderPictures()
        self._evidence = FilePictureStore(site.settings.evidence)
        zone = site.settings.site.tz
        info = site.settings.site
        self._payload_builder = PayloadBuilder(
            site=info.id, zone=zone, registry=site.registry, centre_phone="0937-0000000",
            site_name=info.name,
        )  # fmt: skip
        self._inbox = ReplyHandler(
            store=store,
            payloads=self._payload_builder,
            registry=site.registry,
            site=info.id,
            zone=zone,
        )
        self._cameras = [
            camera
            for camera in site.registry.cameras.values()
            if camera.refusal_on(now.date()) is None
        ]
        self._findings = 0

    def write(self, out: Path, days: int, backlog: Backlog) -> HistorySummary:
        rounds = list(self._rounds(days))
        for number, (ident, plan, day, begun) in enumerate(rounds):
            self._write_round(
                ident, plan, day, begun, pictures=number >= len(rounds) - ROUNDS_WITH_PICTURES
            )
        self._add_backlog(rounds[-1][0], backlog)
        with self._store.begin_read() as uow:
            waiting = sum(one.count for one in uow.findings.waiting_totals())
            cases = uow.cases.list(limit=100_000)
        return HistorySummary(
            config_dir=out,
            rounds=len(rounds),
            findings=self._findings,
            waiting=waiting,
            cases=len(cases),
            open_cases=sum(case.is_open for case in cases),
        )

    def _rounds(self, days: int) -> Iterator[tuple[RoundId, str, date, datetime]]:
        """Id, plan, day and start of each round; the newest ended an hour before now."""
        zone = self._site.settings.site.tz
        last = self._now - timedelta(hours=1) - ROUND_DURATION
        today = self._now.astimezone(zone).date()
        for back in range(days - 1, -1, -1):
            day = today - timedelta(days=back)
            for number, (plan, at) in enumerate(PLANS):
                begun = datetime.combine(day, at, zone).astimezone(UTC)
                if back == 0:
                    begun = last - timedelta(hours=5) * (len(PLANS) - 1 - number)
                yield RoundId(f"{day:%Y%m%d}-{plan}-1"), plan, day, begun

    def _write_round(
        self, ident: RoundId, plan: str, day: date, begun: datetime, *, pictures: bool
    ) -> None:
        a_round = Round(
            id=ident, plan=plan, day=day, planned_at=begun, finish_by=begun + timedelta(hours=1.5),
            planned=len(self._cameras), refused={"indoor": 31, "consent_pending": 12},
        ).apply_event(RoundEvent.START, at=begun)  # fmt: skip
        order = self._rng.sample(self._cameras, len(self._cameras))
        with_finding = {camera.id for camera in order[:FINDINGS_PER_ROUND]}
        with self._store.begin() as uow:
            planned = [
                PlannedVisit(round=ident, camera=camera.id, order=position)
                for position, camera in enumerate(order)
            ]
            uow.rounds.add(a_round, planned)
            found = [
                finding
                for position, camera in enumerate(order)
                for finding in self._write_visit(
                    uow, a_round, camera.id, begun + ROUND_DURATION * (position / len(order)),
                    has_finding=camera.id in with_finding, pictures=pictures,
                )
            ]  # fmt: skip
            uow.rounds.put(
                replace(
                    a_round.apply_event(RoundEvent.FINISH, at=begun + ROUND_DURATION),
                    wall_s=240,
                    cpu_s=300,
                )
            )
            uow.commit()
        self._decide(found, begun + ROUND_DURATION, newest=pictures)

    def _write_visit(
        self, uow: UnitOfWork, a_round: Round, camera: CameraId, at: datetime, *,
        has_finding: bool, pictures: bool,
    ) -> list[Finding]:  # fmt: skip
        draw = self._rng.random()
        outcome, failure = VisitOutcome.NORMAL, ""
        faults: tuple[str, ...] = ()
        if has_finding:
            outcome = VisitOutcome.PROBLEM
        elif draw < 0.07:  # noqa: PLR2004  about a tenth is away
            outcome, failure = VisitOutcome.NOT_VIEWABLE, "unreachable"
        elif draw < 0.09:  # noqa: PLR2004  some have a fault
            outcome, faults = VisitOutcome.PROBLEM, (self._rng.choice(FAULTS),)
        box = self._box() if has_finding else None
        stored: tuple[StoredPicture, ...] = ()
        if outcome is not VisitOutcome.NOT_VIEWABLE:
            stored = (self._store_picture(camera, at, box, real=pictures),)
        uow.rounds.record_visit(
            Visit(
                round=a_round.id,
                camera=camera,
                outcome=outcome,
                started_at=at,
                finished_at=at,
                failure=failure,
                seen="连接超时" if failure else "",
                faults=faults,
                usable_pictures=len(stored),
                readings={"blur": 12.4, "too_dark": 96.5},
                light="day",
                pictures=stored,
            )
        )
        state = {VisitOutcome.NOT_VIEWABLE: "offline"}.get(
            outcome, "faulty" if faults else "online"
        )
        known = uow.health.current(camera)
        if known is None or known.state != state:
            why = failure or " ".join(faults)
            health = CameraHealth(state=state, since=at, why=why, announced=state)
            uow.health.save(camera, health, changed=True)
        if not has_finding:
            return []
        return [self._add_finding(uow, a_round, camera, at, stored[0], box, pictures=pictures)]

    def _store_picture(
        self, camera: CameraId, at: datetime, box: Box | None, *, real: bool
    ) -> StoredPicture:
        sha256, size = Sha256(f"{self._rng.getrandbits(256):064x}"), 90_000
        if real:
            jpeg = self._pictures.jpeg(camera, at.astimezone(self._site.settings.site.tz), box)
            sha256, size = self._evidence.put(jpeg), len(jpeg)
        return StoredPicture(
            sha256=sha256, camera=camera, taken_at=at, width_px=1280, height_px=720, bytes=size,
            purpose="sample", delete_after=self._now + timedelta(days=7 if real else -1),
        )  # fmt: skip

    def _add_finding(  # noqa: PLR0917  a row's worth
        self, uow: UnitOfWork, a_round: Round, camera: CameraId, at: datetime,
        picture: StoredPicture, box: Box | None, *, pictures: bool,
        kind: tuple[str, Level] | None = None,
    ) -> Finding:  # fmt: skip
        category, level = kind or self._rng.choice(FINDING_KINDS)
        grid = self._site.registry.cameras[camera].grid
        self._findings += 1
        number = uow.next_number("finding")  # a service that goes on with this store draws the next
        finding = Finding(
            id=FindingId(f"F{number:06d}"), camera=camera, grid=grid, round=a_round.id,
            subject=Subject.SCENE, kind=category, score=round(self._rng.uniform(0.5, 0.97), 2),
            found_at=at, why=f"与本机参考画面不同，得分 {self._rng.uniform(0.5, 0.97):.2f}"
            " (differs from this camera's reference)",
            level=level, category=category, picture=picture.id, box=box,
        )  # fmt: skip
        uow.findings.add(finding)
        if pictures:
            clean = self._pictures.jpeg(camera, None, None, width=480)
            scene = SceneMemory(light=Light.DAY, size=(480, 270), samples=(clean,))
            camera_memory = CameraMemory(history=QualityHistory(light=Light.DAY), scene=scene)
            uow.memories.put(camera, Light.DAY, camera_memory.to_bytes(), at)
        return finding

    def _add_backlog(self, newest: RoundId, backlog: Backlog) -> None:
        """Findings of the newest round until enough of them wait and enough cases are open."""
        with self._store.begin_read() as uow:
            waiting = sum(one.count for one in uow.findings.waiting_totals())
            open_cases = uow.cases.count(open_only=True)
            a_round = uow.rounds.get(newest)
            seen = [visit for visit in uow.rounds.visits(newest) if visit.pictures]
            taken: set[tuple[CameraId | None, str]] = {
                (f.camera, f.kind) for f in uow.findings.queue(limit=100_000)
            }
            taken |= {(case.camera, case.category) for case in uow.cases.list(open_only=True)}
        free = [
            (visit, kind)
            for kind in FINDING_KINDS
            for visit in seen
            if (visit.camera, kind[0]) not in taken
        ]
        self._rng.shuffle(free)
        wanted = max(0, backlog.open_cases - open_cases), max(0, backlog.waiting - waiting)
        to_confirm, to_wait = wanted
        if len(free) < to_confirm + to_wait:
            raise ValueError(f"{len(seen)} cameras are too few for {backlog}")
        confirmed, waits = free[:to_confirm], free[to_confirm : to_confirm + to_wait]
        with self._store.begin() as uow:
            for visit, kind in waits:
                self._add_waiting(uow, a_round, visit, kind)
            uow.commit()
        for visit, kind in confirmed:
            at = self._now - timedelta(minutes=self._rng.randint(5, 400))
            with self._store.begin() as uow:
                finding = self._add_waiting(uow, a_round, visit, kind)
                case = confirm(
                    uow, finding.id, by="zhang", now=at, registry=self._site.registry,
                    payloads=self._payload_builder, zone=self._site.settings.site.tz,
                )  # fmt: skip
                uow.commit()
            count = self._rng.randint(0, len(REPLY_KINDS))
            play_replies(case, at, reply_count=count, now=self._now, inbox=self._inbox)

    def _add_waiting(
        self, uow: UnitOfWork, a_round: Round, visit: Visit, kind: tuple[str, Level]
    ) -> Finding:
        at = visit.started_at
        return self._add_finding(
            uow, a_round, visit.camera, at, visit.pictures[0], self._box(), pictures=True, kind=kind
        )

    def _box(self) -> Box:
        wide = self._rng.uniform(0.12, 0.3)
        return (
            round(self._rng.uniform(0.08, 0.6), 3), round(self._rng.uniform(0.45, 0.65), 3),
            round(wide, 3), round(wide * 0.8, 3),
        )  # fmt: skip

    def _decide(self, found: Sequence[Finding], ended: datetime, *, newest: bool) -> None:
        """Decide all findings of older rounds, and every second one of the newest."""
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
                    payloads=self._payload_builder, zone=self._site.settings.site.tz,
                )  # fmt: skip
                uow.commit()
            reply_count = self._rng.randint(0, 3) if newest else 3
            play_replies(case, at, reply_count=reply_count, now=self._now, inbox=self._inbox)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cameras", type=int, default=624)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--waiting", type=int, default=0, help="leads that wait at the end")
    parser.add_argument("--open", type=int, default=0, help="cases that are open at the end")
    options = parser.parse_args()
    now = SystemClock().now()
    backlog = Backlog(waiting=options.waiting, open_cases=options.open)
    summary = write_history(
        options.out, cameras=options.cameras, days=options.days, now=now, backlog=backlog
    )
    print(json.dumps(asdict(summary), default=str))  # noqa: T201  its answer


if __name__ == "__main__":
    main()
