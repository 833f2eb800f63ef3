"""The store's consistency check (`patrol db check`): what its rows must keep, by functions.

Reads raw rows, not domain classes: a row that no class can hold must be named, not raised. A store
is consistent after any kill; a problem found here is a breach of that. Checked: rounds balance,
findings and cases point to each other, histories replay through the state table to where their case
stands, pictures are indexed or in the deletion ledger, no place holds pixels of a household that
withdrew or of a camera that is gone, messages and their leases are legal, the newest message of
each topic shows its case as it stands, chained logs hold, and no column holds a URL with
credentials. Each problem says who has to act.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, Table, Text, and_, cast, exists, func, or_, select, text
from typing_extensions import override

from patrol.domain.case import CASE_TRANSITIONS, ENDED_STATES, CaseEvent, CaseState
from patrol.domain.finding import FindingState
from patrol.domain.health import CameraCondition, TroubleKind
from patrol.domain.outbox import CANARY_TOPIC, DeliveryState, payload_object
from patrol.domain.round import RoundState, VisitOutcome
from patrol.domain.schedule import StoppageScope
from patrol.domain.shift_handover import HandoverAction
from patrol.encryption import SiteKey
from patrol.store import open_store
from patrol.store.access_log import ACCESS_CHAIN, AccessLogRepository
from patrol.store.column_types import CleanText, UtcTime
from patrol.store.deletion_ledger import DELETION_CHAIN
from patrol.store.engine import StoreUnavailable
from patrol.store.pictures import PictureRepository
from patrol.store.pixels import PixelRepository
from patrol.store.schema import (
    OPEN_CASE,
    Plain,
    case_entries,
    cases,
    deletions,
    findings,
    pictures,
    rounds,
    visit_pictures,
    visits,
)
from patrol.store.schema_all import metadata
from patrol.store.schema_people import chains, handovers, health, outbox, stoppages, troubles
from patrol.store.shift import HANDOVER_CHAIN, HandoverRepository
from patrol.store.store import Store
from patrol.store.transaction import Transaction
from streams.url_secrets import has_credentials

DATABASE_ADMIN: Final = "the database's administrator: restore the last backup"
SOFTWARE_MAINTAINER: Final = "the maintainer: report it with this line"
SWEEP: Final = "the shift supervisor: run `patrol db sweep`, and see why `patrol run` did not"
AUDITOR: Final = "the auditor: someone changed rows by hand"


_STUCK: Final = timedelta(hours=1)  # the relay has sent later messages all that time
_RETIRED_FOR: Final = timedelta(days=2)
_PER_TABLE: Final = 20  # lines of one kind: enough to see what it is
_SEEN_OUTCOMES: Final = (VisitOutcome.NORMAL, VisitOutcome.PROBLEM)
_NEWEST_PER_TOPIC: Final = (
    select(func.max(outbox.c.number))
    .where(outbox.c.case.is_not(None), outbox.c.topic.not_like(f"%{CANARY_TOPIC}"))
    .group_by(outbox.c.case, outbox.c.topic)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProblem:
    """One rule that rows break, and which rows."""

    where: str
    what: str
    whose: str = SOFTWARE_MAINTAINER

    @override
    def __str__(self) -> str:
        return f"{self.where}: {self.what} -> {self.whose}"


def check(target: str | Store, *, site_key: SiteKey | None = None) -> list[StoreProblem]:
    """The problems of a store, given by its URL or open; an empty list is a clean store.

    Signatures of its logs are proven where it has the site's key: `site_key`, of a URL's store.
    """
    if isinstance(target, Store):
        return check_store(target)
    with open_store(target, site_key=site_key) as store:
        return check_store(store)


def check_store(store: Store) -> list[StoreProblem]:
    """Every problem of an open store, from one consistent reading of it."""
    with store.begin_read() as unit:
        try:
            broken = list(_check_database_file(unit.db))
        except StoreUnavailable as error:
            broken = [StoreProblem(where="database file", what=str(error), whose=DATABASE_ADMIN)]
        if broken:
            return broken  # what a damaged file says about its rows is worth nothing
        return [problem for one in CHECKS for problem in one(unit.db)]


def check_rounds(db: Transaction) -> Iterator[StoreProblem]:
    """Planned = pending + seen + not viewable + missed, and what is finished has none pending."""
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    by_outcome = select(visits.c.round, visits.c.outcome, func.count().label("rows"))
    known = visits.c.round.is_not(None)
    for row in db.all(by_outcome.where(known).group_by(visits.c.round, visits.c.outcome)):
        counts[row.round][row.outcome] = row.rows
    for row in db.all(select(rounds.c.id, rounds.c.planned, rounds.c.state)):
        yield from _check_round(row, counts[row.id])
    empty_handed = select(visits.c.number, visits.c.camera).where(
        visits.c.outcome.in_(_SEEN_OUTCOMES), visits.c.usable_pictures < 1
    )
    for row in db.all(empty_handed):
        yield StoreProblem(
            where=f"visit {row.number} of camera {row.camera}",
            what="counted as seen without a usable picture",
        )


def _check_round(row: Row[Any], counts: dict[str, int]) -> Iterator[StoreProblem]:
    where = f"round {row.id}"
    if row.state not in list(RoundState):
        yield StoreProblem(where=where, what=f"{row.state!r} is no state of a round")
    for outcome in counts.keys() - set(VisitOutcome):
        yield StoreProblem(where=where, what=f"{outcome!r} is no outcome of a visit")
    written = sum(counts.values())
    if written != row.planned:
        yield StoreProblem(
            where=where, what=f"{row.planned} cameras planned, {written} written down"
        )
    pending = counts.get(VisitOutcome.PENDING, 0)
    if pending and row.state in (RoundState.FINISHED, RoundState.MISSED):
        yield StoreProblem(where=where, what=f"{row.state}, but {pending} visits are still pending")


def check_findings(db: Transaction) -> Iterator[StoreProblem]:
    """Every decided finding points to its case, and the case back to it."""
    columns = findings.c.id, findings.c.state, findings.c.case, findings.c.decided_by
    with_case = (FindingState.CONFIRMED, FindingState.MERGED)
    its_case = cases.c.id.label("its_case"), cases.c.finding.label("back")
    joined = findings.outerjoin(cases, cases.c.id == findings.c.case)
    for row in db.all(select(*columns, *its_case).select_from(joined)):
        where = f"finding {row.id}"
        if row.state not in list(FindingState):
            yield StoreProblem(where=where, what=f"{row.state!r} is no state of a finding")
        if row.state in with_case and row.its_case is None:
            yield StoreProblem(
                where=where, what=f"{row.state}, but its case {row.case!r} is not there"
            )
        if row.state == FindingState.CONFIRMED and row.its_case and row.back != row.id:
            yield StoreProblem(where=where, what=f"its case {row.case} is of finding {row.back}")


def check_cases(db: Transaction) -> Iterator[StoreProblem]:
    """Each history replays through the state table to where the case stands."""
    histories: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for entry in db.all(select(case_entries).order_by(case_entries.c.case, case_entries.c.place)):
        histories[entry.case].append(entry)
    for row in db.all(select(cases.c.id, cases.c.state)):
        wrong = _replay_problem(histories[row.id], row.state)
        if wrong:
            yield StoreProblem(where=f"case {row.id}", what=wrong)
    # One whose first message is held is announced later; those of ended cases are pruned.
    unannounced = ~exists().where(outbox.c.case == cases.c.id)
    waits = cases.c.hold_until.is_not(None)
    for row in db.all(select(cases.c.id).where(text(OPEN_CASE), ~waits, unannounced)):
        yield StoreProblem(
            where=f"case {row.id}", what="nobody was ever told: no message in the outbox"
        )


def _replay_problem(history: Sequence[Row[Any]], stands: str) -> str | None:
    """What is wrong with the history, or None."""
    state: CaseState | None = CaseState.DISPATCHED
    for place, entry in enumerate(history):
        if entry.place != place:
            return f"line {place} of its history is missing"
        if not (place == 0 and entry.what == CaseEvent.DISPATCH):
            state = _state_after(state, entry.what)
        if state is None or entry.state != state:
            return f"line {place} of its history, {entry.what} to {entry.state}, is no legal move"
    return None if state == stands else f"it is {stands}, its history leads to {state}"


def _state_after(state: CaseState | None, event: str) -> CaseState | None:
    if state is None or event not in list(CaseEvent):
        return None
    return CASE_TRANSITIONS.get((state, CaseEvent(event)))


def check_pictures(db: Transaction) -> Iterator[StoreProblem]:
    """Every picture that was taken is still indexed, or its deletion is in the ledger.

    Of pictures that were deleted before pictures had ids, the ledger knows the content alone.
    """
    taken = visit_pictures.c.sha256
    there = exists().where(pictures.c.id == visit_pictures.c.picture)
    its_own = and_(
        deletions.c.camera == visits.c.camera, deletions.c.taken_at == visit_pictures.c.taken_at
    )
    gone = exists().where(
        deletions.c.sha256 == taken, or_(its_own, visit_pictures.c.picture.is_(None))
    )
    every = select(taken).select_from(visit_pictures.join(visits))
    for row in db.all(every.where(~there, ~gone).distinct()):
        yield StoreProblem(
            where=f"picture {row.sha256}",
            what="neither indexed nor in the deletion ledger",
            whose=AUDITOR,
        )
    too_early = and_(deletions.c.deleted_at < deletions.c.due_at)
    nameless = or_(pictures.c.purpose == "", pictures.c.bytes < 1)
    for row in db.all(select(deletions.c.sha256).where(too_early)):
        yield StoreProblem(
            where=f"picture {row.sha256}", what="deleted before its time", whose=AUDITOR
        )
    for row in db.all(select(pictures.c.sha256).where(nameless)):
        yield StoreProblem(where=f"picture {row.sha256}", what="indexed without purpose or size")


def check_pixels(db: Transaction) -> Iterator[StoreProblem]:
    """No place of the register holds pixels of a household that withdrew, or of a retired camera.

    Unless a legal hold keeps them, which `held_after_consent` counts.

    The nightly sweep has two days for a camera that left the registry.
    """
    for camera in PixelRepository(db).kept_of_withdrawn():
        yield StoreProblem(
            where=f"camera {camera}",
            what="its household withdrew, and its pictures or references are kept",
            whose=SWEEP,
        )
    newest = db.scalar(select(func.max(visits.c.finished_at)))
    if newest is None:
        return
    for camera in PixelRepository(db).kept_of_retired(newest - _RETIRED_FOR):
        yield StoreProblem(
            where=f"camera {camera}",
            what="it left the registry, and its pictures or references are kept",
            whose=SWEEP,
        )


def check_messages(db: Transaction) -> Iterator[StoreProblem]:
    """Messages have legal states, leases end, every message's case is there."""
    states = select(outbox.c.key, outbox.c.state).where(outbox.c.state.not_in(list(DeliveryState)))
    for row in db.all(states.limit(_PER_TABLE)):
        yield StoreProblem(
            where=f"message {row.key}", what=f"{row.state!r} is no state of a message"
        )
    half = outbox.c.lease_holder.is_(None) != outbox.c.lease_until.is_(None)
    sent = outbox.c.state != DeliveryState.QUEUED
    leased = outbox.c.lease_until.is_not(None)
    yield from _message_problems(db, half, "its lease has a holder without an end, or the reverse")
    yield from _message_problems(db, sent & leased, "sent, and still leased")
    unmarked = outbox.c.state == DeliveryState.PUBLISHED
    yield from _message_problems(
        db, unmarked & outbox.c.published_at.is_(None), "published, and nobody knows when"
    )
    of_a_case = outbox.c.case.is_not(None) & outbox.c.topic.not_like("%/canary/%")
    orphan = of_a_case & outbox.c.case.not_in(select(cases.c.id))
    yield from _message_problems(db, orphan, "its case is not there")
    newest = db.scalar(select(func.max(outbox.c.published_at)))
    if newest is not None:
        stuck = (outbox.c.state == DeliveryState.QUEUED) & (outbox.c.lease_until < newest - _STUCK)
        yield from _message_problems(
            db, stuck, "its lease ran out long ago and the relay passes it by"
        )


def _message_problems(db: Transaction, condition: Any, what: str) -> Iterator[StoreProblem]:
    found = select(outbox.c.key).where(condition).order_by(outbox.c.number).limit(_PER_TABLE)
    return (StoreProblem(where=f"message {row.key}", what=what) for row in db.all(found))


def check_logs(db: Transaction) -> Iterator[StoreProblem]:
    """The access log and the deletion ledger: every line in its place, none cut off.

    Signatures are proven where the store was opened with the site's key.
    """
    broken = AccessLogRepository(db).first_broken(must_prove=False)
    if broken is not None:
        yield StoreProblem(
            where=f"{ACCESS_CHAIN} line {broken}", what="the chain does not hold", whose=AUDITOR
        )
    broken = PictureRepository(db).first_broken(must_prove=False)
    if broken is not None:
        yield StoreProblem(
            where=f"{DELETION_CHAIN} line {broken}", what="the chain does not hold", whose=AUDITOR
        )
    for row in db.all(
        select(chains.c.name).where(
            chains.c.name.not_in((ACCESS_CHAIN, DELETION_CHAIN, HANDOVER_CHAIN))
        )
    ):
        yield StoreProblem(where=f"chain {row.name}", what="belongs to no log", whose=AUDITOR)


def check_secrets(db: Transaction, tables: Sequence[Table]) -> Iterator[StoreProblem]:
    """No column holds a URL with a user or a password in it, before its host or as a parameter."""
    for table in tables:
        columns = [c for c in table.columns if _could_hold_text(c.type)]
        if not columns:
            continue
        texts = [cast(column, Text) for column in columns]
        suspicious = [text.like(form) for text in texts for form in ("%://%@%", "%://%=%")]
        for row in db.run(select(*columns).where(or_(*suspicious))).yield_per(1000):
            for column, value in zip(columns, row, strict=True):
                if has_credentials(str(value)):
                    yield StoreProblem(
                        where=f"{table.name}.{column.name}",
                        what="a URL with credentials in it",
                        whose="the maintainer: remove it and change that password",
                    )


def _could_hold_text(kind: Any) -> bool:
    return isinstance(kind, Text | CleanText) or (kind is Plain and not isinstance(kind, UtcTime))


def check_shift(db: Transaction) -> Iterator[StoreProblem]:
    """Stoppages, troubles and camera health are legal; the chain of hand-overs holds."""
    invalid = or_(
        stoppages.c.scope.not_in(list(StoppageScope)),
        stoppages.c.until <= stoppages.c.start,
        stoppages.c.reason == "",
        (stoppages.c.scope == StoppageScope.ROUNDS) != (stoppages.c.subject == ""),
    )
    for row in db.all(select(stoppages.c.number).where(invalid)):
        yield StoreProblem(where=f"stoppage {row.number}", what="no stoppage can be like this")
    invalid = or_(
        troubles.c.kind.not_in(list(TroubleKind)), troubles.c.closed_at < troubles.c.opened_at
    )
    for row in db.all(select(troubles.c.number).where(invalid)):
        yield StoreProblem(where=f"trouble {row.number}", what="no trouble can be like this")
    invalid_health = or_(health.c.state.not_in(list(CameraCondition)), health.c.failures < 0)
    for row in db.all(select(health.c.camera, health.c.state).where(invalid_health)):
        yield StoreProblem(
            where=f"health of {row.camera}", what=f"{row.state!r} is no state of health"
        )
    yield from _check_handovers(db)


def _check_handovers(db: Transaction) -> Iterator[StoreProblem]:
    odd = select(handovers.c.number).where(handovers.c.what.not_in(list(HandoverAction)))
    unread = db.first(odd)
    broken = (
        unread.number
        if unread is not None
        else HandoverRepository(db).first_broken(must_prove=False)
    )
    if broken is not None:
        yield StoreProblem(
            where=f"{HANDOVER_CHAIN} line {broken}", what="the chain does not hold", whose=AUDITOR
        )


def check_announced(db: Transaction) -> Iterator[StoreProblem]:
    """The newest message of each topic matches its case; an ended case has no timer."""
    clocks = or_(
        cases.c.ladder_due_at.is_not(None),
        cases.c.look_due_at.is_not(None),
        cases.c.hold_until.is_not(None),
    )
    for row in db.all(
        select(cases.c.id, cases.c.state).where(cases.c.state.in_(ENDED_STATES), clocks)
    ):
        yield StoreProblem(
            where=f"case {row.id}", what=f"it is {row.state}, and a clock still runs"
        )
    shown: defaultdict[str, list[bytes]] = defaultdict(list)
    newest = select(outbox.c.case, outbox.c.payload).where(outbox.c.number.in_(_NEWEST_PER_TOPIC))
    for row in db.all(newest):
        shown[row.case].append(bytes(row.payload))
    brief = select(cases.c.id, cases.c.state, cases.c.revision, cases.c.hold_until)
    for row in db.all(brief):
        wrong = _announcement_problem(row, shown.get(row.id, []))
        if wrong:
            yield StoreProblem(where=f"case {row.id}", what=wrong)


def _announcement_problem(case: Row[Any], newest: list[bytes]) -> str:
    """What is wrong with the newest messages of its topics; empty when nothing is."""
    payloads = [payload for payload in newest if payload]
    if case.state in ENDED_STATES:
        return "it has ended, and is still shown to somebody" if payloads else ""
    if not newest or case.hold_until is not None:
        return ""  # never announced (see check_cases), or its newest message is held for now
    announced_revisions = {payload_object(payload).get("revision") for payload in payloads} - {None}
    if announced_revisions and case.revision not in announced_revisions:
        return f"it stands at revision {case.revision}, which nobody was told"
    return ""


def _check_database_file(db: Transaction) -> Iterator[StoreProblem]:
    """SQLite's integrity check of the file; PostgreSQL checks its files itself."""
    if db.is_postgres:
        return
    for row in db.all(text("PRAGMA integrity_check")):
        if row[0] != "ok":
            yield StoreProblem(where="database file", what=row[0], whose=DATABASE_ADMIN)
    for row in db.all(text("PRAGMA foreign_key_check")):
        table, number, parent, _ = tuple(row)
        yield StoreProblem(where=f"{table} row {number}", what=f"refers to nothing in {parent}")


def _check_secrets(db: Transaction) -> Iterator[StoreProblem]:
    return check_secrets(db, list(metadata.tables.values()))


CHECKS: Final[tuple[Callable[[Transaction], Iterator[StoreProblem]], ...]] = (
    check_rounds,
    check_findings,
    check_cases,
    check_pictures,
    check_pixels,
    check_messages,
    check_announced,
    check_logs,
    check_shift,
    _check_secrets,
)
