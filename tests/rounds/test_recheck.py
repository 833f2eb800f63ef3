"""Rechecks: of findings in doubt and of handled cases, and who decides on what they show."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typing_extensions import override

from patrol.app.service import _retry_while_store_away
from patrol.domain.camera import Camera
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.consent import TermsAction, TermsChange
from patrol.domain.finding import CONSENT_WITHDRAWN, Finding, FindingState, Origin
from patrol.domain.ids import CameraId, FindingId, LinkId, PictureId, Sha256
from patrol.domain.observation import Observation, Subject
from patrol.domain.priority import DueLight, Level
from patrol.domain.round import StoredPicture, Visit, VisitOutcome, picture_id
from patrol.domain.sampling import SamplingPolicy
from patrol.domain.verification import Verifier, pending_verifications
from patrol.messaging import PayloadBuilder
from patrol.ports import PictureStoreFull
from patrol.review import confirm, review_queue, unsure
from patrol.rounds.guarded_visit import ConsentGate, GuardedVisit
from patrol.rounds.limiter import SharedLinkSlots
from patrol.rounds.recheck import (
    CaseRechecker,
    FindingRechecker,
    RecheckResult,
    compare_kind,
)
from patrol.rounds.visit_judge import JudgedVisit, VisitStart
from patrol.store import Store
from simulators import small_site
from streams.address import StreamAddress
from streams.errors import Unreachable
from streams.model import Sample, VisitOptions
from tests.support.clock import ManualClock
from tests.support.store import new_store

NOON = small_site.NOON
ZONE = ZoneInfo("Asia/Shanghai")
REGISTRY = small_site.registry()
PAYLOAD_BUILDER = PayloadBuilder(site="shangba", zone=ZONE, registry=REGISTRY)
F1 = FindingId("F000001")
AFTER = picture_id(small_site.CAMERA, NOON + timedelta(hours=1), Sha256("1".zfill(64)))
DOUBT_SEEN = picture_id(small_site.CAMERA, NOON + timedelta(seconds=2), Sha256("1".zfill(64)))
SAMPLE: Any = object.__new__(Sample)  # the judge below does not open it


@dataclass
class FakeCamera:
    """What the camera shows just now, and whether it answers."""

    shows: tuple[tuple[str, str], ...] = ()  # (kind, zone)
    gone: bool = False  # the camera does not answer
    content: int | None = None  # of each picture; None: a new one each time
    visits: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None  # what happens meanwhile
    cancelled: bool = False
    judged: int = 0

    async def visit(self, address: StreamAddress, options: VisitOptions) -> Sample:
        self.visits.append(address.path)
        self.before()
        try:
            await asyncio.sleep(0.0 if self.before is FakeCamera.before else 5.0)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.gone:
            raise Unreachable("no route to host")
        return SAMPLE  # type: ignore[no-any-return]  # a stand-in

    def judge(self, camera: Camera, start: VisitStart, _sample: Sample) -> JudgedVisit:
        self.judged += 1
        content = self.judged if self.content is None else self.content
        picture = StoredPicture(
            sha256=Sha256(str(content).zfill(64)), camera=camera.id, taken_at=start.at, width_px=8,
            height_px=8, bytes=8, purpose="sample", delete_after=start.at + timedelta(days=7),
        )  # fmt: skip
        return JudgedVisit(
            visit=Visit(
                round=None, camera=camera.id, started_at=start.at, finished_at=start.at,
                outcome=VisitOutcome.PROBLEM if self.shows else VisitOutcome.NORMAL,
                usable_pictures=1, pictures=(picture,),
            ),
            observations=tuple(
                Observation(
                    camera=camera.id, round=None, at=start.at, subject=Subject.SCENE, kind=kind,
                    score=0.8, value=0.8, threshold=0.5, gauge="test/1", zone=zone,
                    picture=picture.id,
                )
                for kind, zone in self.shows
            ),
        )  # fmt: skip


@dataclass
class CameraWithDecision(FakeCamera):
    """Somebody decides while the picture is judged."""

    decide: Callable[[], None] = lambda: None

    @override
    def judge(self, camera: Camera, start: VisitStart, sample: Sample) -> JudgedVisit:
        """As any yard's, after that."""
        self.decide()
        return FakeCamera.judge(self, camera, start, sample)


@dataclass
class RecheckSetup:
    """A store, a clock and a yard."""

    store: Store = field(default_factory=new_store)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    camera_shown: FakeCamera = field(default_factory=FakeCamera)
    shared_slots: SharedLinkSlots = field(default_factory=lambda: SharedLinkSlots(per_link=2))
    cameras: dict[CameraId, Camera] = field(default_factory=lambda: dict(REGISTRY.cameras))
    workers_reach: set[LinkId] = field(default_factory=set)

    @property
    def guarded_visit(self) -> GuardedVisit:
        judge: Any = self.camera_shown.judge
        gate = ConsentGate(
            store=self.store, clock=self.clock, zone=ZONE, cameras=lambda: self.cameras,
            refresh_cameras=lambda: None,
        )  # fmt: skip
        return GuardedVisit(
            store=self.store,
            clock=self.clock,
            gate=gate,
            client=self.camera_shown.visit,
            judge=judge,
            options=VisitOptions(),
            sampling=SamplingPolicy(),
            link_slots=self.shared_slots,
            workers_reach=self.workers_reach.__contains__,
        )

    def recheck_findings(self) -> int:
        keep = timedelta(days=180)
        return FindingRechecker(
            store=self.store, clock=self.clock, guarded_visit=self.guarded_visit, keep_evidence=keep
        ).run_due()

    def recheck_cases(self, verifier: Verifier) -> int:
        return CaseRechecker(
            store=self.store,
            clock=self.clock,
            guarded_visit=self.guarded_visit,
            payloads=PAYLOAD_BUILDER,
            verifier=verifier,
            keep_evidence=timedelta(days=180),
        ).run_due()

    def finding(self, ident: FindingId = F1) -> Finding:
        with self.store.begin_read() as uow:
            return uow.findings.get(ident)

    def case(self) -> Case:
        with self.store.begin_read() as uow:
            (case,) = uow.cases.list()
            return case


@pytest.fixture
def recheck_setup() -> RecheckSetup:
    """Somebody is unsure of a vehicle in the road."""
    recheck_setup = RecheckSetup()
    with recheck_setup.store.begin() as uow:
        uow.findings.add(small_site.finding(zone="road"))
        unsure(uow, F1, by="wang", now=NOON, reason="太暗")
        uow.commit()
    return recheck_setup


@pytest.mark.parametrize(
    ("camera_shown", "document", "picture"),
    [
        pytest.param(
            FakeCamera(shows=(("blocking_vehicle", "road"),)),
            "仍检出",
            DOUBT_SEEN,
            id="still there",
        ),
        pytest.param(FakeCamera(), "未再检出", DOUBT_SEEN, id="gone"),
        pytest.param(
            FakeCamera(shows=(("livestock", ""),)), "livestock", DOUBT_SEEN, id="another thing"
        ),
        pytest.param(FakeCamera(gone=True), "请值班长判断", None, id="nobody could look"),
    ],
)
def test_a_finding_in_doubt_gets_a_fresh_visit(
    recheck_setup: RecheckSetup, camera_shown: FakeCamera, document: str, picture: PictureId | None
) -> None:
    recheck_setup.camera_shown = camera_shown
    recheck_setup.clock.current += timedelta(seconds=2)
    assert recheck_setup.recheck_findings() == 1
    again = recheck_setup.finding().recheck
    assert again is not None
    assert document in again.why
    assert (again.picture, again.at - NOON) == (picture, timedelta(seconds=2))
    with recheck_setup.store.begin_read() as uow:
        (line,) = review_queue(uow, recheck_setup.clock.now()).lines
        log_lines = uow.access.entries(camera=small_site.CAMERA)[0]
        kept = uow.pictures.get(DOUBT_SEEN)
        observed = uow.findings.observed_since(small_site.CAMERA, "livestock", NOON)
    assert (line.finding.state, line.second_look) == (FindingState.UNSURE, True)
    assert "已复看" in line.why
    assert log_lines.why == "look again at finding F000001"
    assert (kept is not None and kept.purpose) == (picture is not None and "evidence")
    assert len(observed) == sum(kind == "livestock" for kind, _ in camera_shown.shows)
    assert recheck_setup.recheck_findings() == 0, "once, whatever came of it"


def test_consent_is_asked_before_the_camera(recheck_setup: RecheckSetup) -> None:
    pause = TermsChange(action=TermsAction.PAUSE, until=NOON + timedelta(hours=1))
    with recheck_setup.store.begin() as uow:
        uow.consents.apply(small_site.CAMERA, pause, by="household", now=NOON)
        uow.commit()
    assert recheck_setup.recheck_findings() == 1
    assert recheck_setup.camera_shown.visits == [], "never connected to"
    again = recheck_setup.finding().recheck
    assert again is not None
    assert "consent_paused" in again.why
    assert "值班长" in again.why


def test_a_withdrawal_takes_the_doubt_away_with_its_picture(recheck_setup: RecheckSetup) -> None:
    with recheck_setup.store.begin() as uow:
        uow.consents.withdraw(small_site.CAMERA, by="household", now=NOON)
        uow.commit()
    assert recheck_setup.recheck_findings() == 0
    assert recheck_setup.camera_shown.visits == [], "never connected to"
    finding = recheck_setup.finding()
    assert (finding.state, finding.reason) == (FindingState.AGED, CONSENT_WITHDRAWN)


def test_a_withdrawal_under_way_ends_the_visit_and_drops_what_it_received(
    recheck_setup: RecheckSetup,
) -> None:
    def withdraw() -> None:
        with recheck_setup.store.begin() as uow:
            uow.consents.withdraw(small_site.CAMERA, by="household", now=NOON)
            uow.commit()

    recheck_setup.camera_shown = FakeCamera(before=withdraw)
    recheck_setup.recheck_findings()
    assert recheck_setup.camera_shown.cancelled, "within a second, not at the end of the visit"
    with recheck_setup.store.begin_read() as uow:
        assert uow.rounds.latest_visits(small_site.CAMERA) == []


def test_a_person_who_was_faster_is_not_overruled(recheck_setup: RecheckSetup) -> None:
    def decide() -> None:
        with recheck_setup.store.begin() as uow:
            confirm(uow, F1, by="li", now=NOON, registry=REGISTRY, payloads=PAYLOAD_BUILDER)
            uow.commit()

    recheck_setup.camera_shown = CameraWithDecision(decide=decide)
    recheck_setup.recheck_findings()
    finding = recheck_setup.finding()
    assert (finding.state, finding.decided_by, finding.recheck) == (
        FindingState.CONFIRMED, "li", None,
    )  # fmt: skip


def test_of_a_change_without_a_name_it_states_neither_gone_nor_there(
    recheck_setup: RecheckSetup,
) -> None:
    """It may be of the blind sample, on which the machine never saw anything."""
    texts: list[str] = []
    for shows in ((), (("scene_change", ""),)):
        ident = FindingId(f"F{len(texts) + 2:06d}")
        with recheck_setup.store.begin() as uow:
            finding = small_site.finding(ident, kind="scene_change", category="scene_change")
            uow.findings.add(finding)
            unsure(uow, ident, by="wang", now=NOON)
            uow.commit()
        recheck_setup.camera_shown.shows = shows
        recheck_setup.recheck_findings()
        again = recheck_setup.finding(ident).recheck
        assert again is not None
        texts.append(again.why)
    assert texts[0] == texts[1]


def test_a_recheck_keeps_to_the_limits_of_the_round_under_way(recheck_setup: RecheckSetup) -> None:
    """Its link is full: it waits for the slot that it reserved, and takes no more than that."""
    link = REGISTRY.cameras[small_site.CAMERA].link
    recheck_setup.shared_slots.set_round_usage(link, 2)
    rechecking = threading.Thread(target=recheck_setup.recheck_findings)
    rechecking.start()
    try:
        rechecking.join(0.5)
        assert recheck_setup.shared_slots.reserved(link) == 1, (
            "the round sees that a slot is wanted"
        )
        assert recheck_setup.camera_shown.visits == []
    finally:
        recheck_setup.shared_slots.set_round_usage(link, 1)
        rechecking.join(5.0)
    assert len(recheck_setup.camera_shown.visits) == 1
    assert (
        recheck_setup.shared_slots.reserved(link),
        recheck_setup.shared_slots.pop_freed_links(),
    ) == (0, {LinkId(link)})


def handled(recheck_setup: RecheckSetup, **fields: Any) -> Case:
    """The case of a confirmed finding, reported as handled; its recheck is due."""
    with recheck_setup.store.begin() as uow:
        uow.findings.put(replace(uow.findings.get(F1), **fields))
        case = confirm(uow, F1, by="op", now=NOON, registry=REGISTRY, payloads=PAYLOAD_BUILDER)
        fed = case.apply_event(CaseEvent.FEED_BACK, at=NOON + timedelta(hours=1), by="leader")
        uow.cases.put(replace(fed, recheck_due_at=NOON, ladder_due_at=None))
        uow.commit()
    recheck_setup.clock.current = NOON + timedelta(hours=1)
    return recheck_setup.case()


@pytest.mark.parametrize(
    ("shows", "state"),
    [
        pytest.param((), CaseState.CLOSED, id="gone"),
        pytest.param((("blocking_vehicle", "road"),), CaseState.REWORK, id="still there"),
    ],
)
def test_where_the_machine_verifies_the_recheck_decides(
    recheck_setup: RecheckSetup, shows: Any, state: CaseState
) -> None:
    handled(recheck_setup)
    recheck_setup.camera_shown.shows = shows
    recheck_setup.recheck_cases(Verifier.MACHINE)
    assert (recheck_setup.case().state, recheck_setup.case().after) == (state, AFTER)


@pytest.mark.parametrize(
    ("verifier", "fields", "pending"),
    [
        pytest.param(Verifier.OPERATOR, {}, "未再检出", id="the site says so"),
        pytest.param(
            Verifier.MACHINE, {"origin": Origin.SAMPLE, "kind": "scene_change"}, "未再检出",
            id="what the machine never saw it cannot see gone",
        ),
        pytest.param(Verifier.MACHINE, {}, "", id="or nobody could look"),
    ],
)  # fmt: skip
def test_where_a_person_verifies_the_case_waits_with_both_pictures(
    recheck_setup: RecheckSetup, verifier: Verifier, fields: Any, pending: str
) -> None:
    before = PictureId("b" * 64)
    handled(recheck_setup, picture=before, **fields)
    recheck_setup.camera_shown.gone = not pending
    for _ in range(1 if pending else 6):
        recheck_setup.recheck_cases(verifier)
        recheck_setup.clock.current += timedelta(hours=3)
    case = recheck_setup.case()
    assert (case.state, case.recheck_due_at) == (CaseState.FED_BACK, None)
    (waiting,) = pending_verifications([case], case.entries[-1].at)
    assert (waiting.before, waiting.after) == (before, AFTER if pending else None)
    assert pending in waiting.machine
    assert waiting.due_light is DueLight.GREEN
    assert recheck_setup.recheck_cases(verifier) == 0, "nobody looks again by itself"


def visited_before(recheck_setup: RecheckSetup, content: int) -> None:
    """An earlier round took a picture with this content of the camera."""
    camera = FakeCamera(content=content)
    judged = camera.judge(
        REGISTRY.cameras[small_site.CAMERA],
        VisitStart(round=None, at=NOON - timedelta(days=1)),
        SAMPLE,
    )
    with recheck_setup.store.begin() as uow:
        uow.rounds.record_visit(judged.visit)
        uow.commit()


@pytest.mark.parametrize("verifier", Verifier)
@pytest.mark.parametrize("shows", [(), (("blocking_vehicle", "road"),)], ids=["gone", "there"])
def test_the_same_picture_again_proves_nothing_and_leaves_the_case_to_a_person(
    recheck_setup: RecheckSetup, verifier: Verifier, shows: Any
) -> None:
    handled(recheck_setup)
    visited_before(recheck_setup, content=7)
    recheck_setup.camera_shown = FakeCamera(shows=shows, content=7)
    recheck_setup.recheck_cases(verifier)
    case = recheck_setup.case()
    assert (case.state, case.after, case.recheck_due_at) == (CaseState.FED_BACK, None, None)
    (waiting,) = pending_verifications([case], case.entries[-1].at)
    assert "与此前画面完全相同" in waiting.machine
    assert recheck_setup.recheck_cases(verifier) == 0


def test_the_same_picture_of_another_camera_is_no_repetition(recheck_setup: RecheckSetup) -> None:
    handled(recheck_setup)
    elsewhere = next(one for one in REGISTRY.cameras.values() if one.id != small_site.CAMERA)
    judged = FakeCamera(content=7).judge(elsewhere, VisitStart(round=None, at=NOON), SAMPLE)
    with recheck_setup.store.begin() as uow:
        uow.rounds.record_visit(judged.visit)
        uow.commit()
    recheck_setup.camera_shown.content = 7
    recheck_setup.recheck_cases(Verifier.MACHINE)
    case = recheck_setup.case()
    assert case.state is CaseState.CLOSED
    with recheck_setup.store.begin_read() as uow:
        after = uow.pictures.get(case.after)
        other = uow.pictures.get(judged.visit.pictures[0].id)
    assert (after.camera, after.taken_at) == (small_site.CAMERA, NOON + timedelta(hours=1))
    assert (after.purpose, other.purpose) == ("after", "sample"), "each keeps its own life"
    assert other.delete_after < after.delete_after


def test_a_doubt_that_sees_the_same_picture_again_says_so(recheck_setup: RecheckSetup) -> None:
    visited_before(recheck_setup, content=7)
    recheck_setup.camera_shown.content = 7
    recheck_setup.recheck_findings()
    again = recheck_setup.finding().recheck
    assert again is not None
    assert "与此前画面完全相同" in again.why
    assert again.picture is None
    assert recheck_setup.finding().state is FindingState.UNSURE


def test_a_fault_of_the_picture_itself_is_still_there_in_the_same_picture(
    recheck_setup: RecheckSetup,
) -> None:
    black = small_site.finding(subject=Subject.EQUIPMENT, kind="black_screen")
    judged = FakeCamera(shows=(("black_screen", ""),)).judge(
        REGISTRY.cameras[small_site.CAMERA], VisitStart(round=None, at=NOON), SAMPLE
    )
    seen = replace(judged.observations[0], subject=black.subject)
    again = replace(judged, observations=(seen,))
    contents = frozenset(one.sha256 for one in judged.visit.pictures)
    assert compare_kind(black.kind, "", again, contents).result is RecheckResult.STILL_THERE
    assert compare_kind(black.kind, "", judged, contents).result is RecheckResult.SAME_PICTURE


def test_what_an_earlier_recheck_showed_is_not_after_the_next_handled(
    recheck_setup: RecheckSetup,
) -> None:
    case = handled(recheck_setup)
    with recheck_setup.store.begin() as uow:
        uow.cases.put(replace(case, after=AFTER))
        uow.commit()
    recheck_setup.camera_shown.gone = True
    recheck_setup.recheck_cases(Verifier.OPERATOR)
    assert recheck_setup.case().after is None


@pytest.mark.parametrize(
    ("level", "after", "due_light"),
    [
        pytest.param(Level.URGENT, timedelta(minutes=11), DueLight.GREEN, id="I green"),
        pytest.param(Level.URGENT, timedelta(minutes=12), DueLight.YELLOW, id="I yellow at 80 %"),
        pytest.param(Level.URGENT, timedelta(minutes=15), DueLight.YELLOW, id="I to the minute"),
        pytest.param(Level.URGENT, timedelta(minutes=16), DueLight.RED, id="I red"),
        pytest.param(Level.PRESSING, timedelta(minutes=59), DueLight.YELLOW, id="II yellow"),
        pytest.param(Level.ORDINARY, timedelta(hours=3), DueLight.GREEN, id="III green"),
        pytest.param(Level.ORDINARY, timedelta(hours=5), DueLight.RED, id="III red"),
    ],
)
def test_a_decision_that_waits_has_its_own_clock(
    recheck_setup: RecheckSetup, level: Level, after: timedelta, due_light: DueLight
) -> None:
    case = handled(recheck_setup, level=level)
    recheck_setup.recheck_cases(Verifier.OPERATOR)
    rechecked_at = recheck_setup.case().entries[-1].at
    assert rechecked_at > case.dispatched_at
    (waiting,) = pending_verifications([recheck_setup.case()], rechecked_at + after)
    assert waiting.due_light is due_light


def test_the_most_pressing_decision_comes_first(recheck_setup: RecheckSetup) -> None:
    case = handled(recheck_setup)
    recheck_setup.recheck_cases(Verifier.OPERATOR)
    plain = recheck_setup.case()
    urgent = replace(plain, id=replace(case).id, level=Level.URGENT)
    now = plain.entries[-1].at + timedelta(minutes=20)
    assert [one.level for one in pending_verifications([plain, urgent], now)] == [
        Level.URGENT,
        Level.ORDINARY,
    ]


def test_one_reported_on_the_ground_waits_for_a_person_at_once(recheck_setup: RecheckSetup) -> None:
    case = handled(recheck_setup)
    with recheck_setup.store.begin() as uow:
        uow.cases.put(replace(case, camera=None, finding=None))
        uow.commit()
    recheck_setup.recheck_cases(Verifier.MACHINE)
    assert recheck_setup.case().entries[-1].what is CaseEvent.LOOKED
    assert len(pending_verifications([recheck_setup.case()], NOON)) == 1
    assert recheck_setup.camera_shown.visits == []


def test_consent_that_ended_meanwhile_is_no_visit(recheck_setup: RecheckSetup) -> None:
    handled(recheck_setup)
    camera = recheck_setup.cameras[small_site.CAMERA]
    ended = replace(camera.consent, until=date(2026, 1, 1))
    recheck_setup.cameras[small_site.CAMERA] = replace(camera, consent=ended)
    recheck_setup.recheck_cases(Verifier.MACHINE)
    assert recheck_setup.case().entries[-1].what is CaseEvent.LOOK_FAILED
    assert recheck_setup.camera_shown.visits == []


def test_a_link_that_only_a_worker_reaches_is_named_as_the_reason(
    recheck_setup: RecheckSetup,
) -> None:
    handled(recheck_setup)
    recheck_setup.camera_shown.gone = True
    recheck_setup.workers_reach = {recheck_setup.cameras[small_site.CAMERA].link}
    recheck_setup.recheck_cases(Verifier.MACHINE)
    entry = recheck_setup.case().entries[-1]
    assert entry.what is CaseEvent.LOOK_FAILED
    assert "is reached by a worker alone" in entry.note
    recheck_setup.workers_reach = set()
    recheck_setup.clock.current += timedelta(hours=1)
    recheck_setup.recheck_cases(Verifier.MACHINE)
    assert "no route to host" in recheck_setup.case().entries[-1].note


def test_a_full_disk_is_waited_for_and_then_rechecked(recheck_setup: RecheckSetup) -> None:
    """The evidence store refuses the picture: nothing is written, and the next ring tries anew."""

    def full() -> None:
        raise PictureStoreFull("200 MB free, 256 MB are kept")

    recheck_setup.camera_shown = CameraWithDecision(decide=full)
    recheck = _retry_while_store_away("doubts", recheck_setup.recheck_findings)
    recheck()
    assert recheck_setup.finding().recheck is None
    recheck_setup.camera_shown = FakeCamera()
    recheck()
    assert recheck_setup.finding().recheck is not None
