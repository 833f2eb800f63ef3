"""Supervise and urge cases, tag them, and send the overdue list to the cadres.

Each function runs inside the caller's unit of work; the caller commits. Used by the console, the
API, the command line and the service's daily job.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.cases.save_and_send import save_step
from patrol.domain import supervision
from patrol.domain.case import Case, CaseEvent
from patrol.domain.errors import BadInput
from patrol.domain.finding import category_named
from patrol.domain.ids import CaseId, GridCode, MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.domain.registry import GridLevel, GridTree, Registry
from patrol.domain.supervision import OverdueCase, PendingApproval, overdue_cases
from patrol.domain.timestamps import rfc3339
from patrol.messaging.payloads import PayloadBuilder, encode_payload
from patrol.messaging.topics import VERSION, overdue_topic
from patrol.store import UnitOfWork

MAX_OPEN_CASES: Final = 10_000
MAX_TAGS: Final = 12
_TAG: Final = re.compile(r"[^\s,;，；、<>\"']{1,24}")


class BadTag(BadInput, ValueError):
    """A tag is 1 to 24 characters without spaces, commas and quotes; a case has 12 at most."""


def supervise_case(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    why: str,
    span: timedelta,
) -> Case:
    """Put a case under supervision (督办). Raises as domain.supervision.supervise, and KeyError."""
    case = uow.cases.get(case_id)
    changed = supervision.supervise(case, by=by, now=now, why=why, span=span)
    return save_step(uow, case, changed, payloads, now)


def urge_case(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, payloads: PayloadBuilder, why: str
) -> Case:
    """Urge the person whose move it is (催办). Raises as domain.supervision.urge, KeyError."""
    case = uow.cases.get(case_id)
    changed = supervision.urge(case, by=by, now=now, why=why)
    return save_step(uow, case, changed, payloads, now)


def tag_case(
    uow: UnitOfWork,
    case_id: CaseId,
    tags: Iterable[str],
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
) -> Case:
    """Give the case exactly these tags. Raises KeyError, BadTag."""
    case, wanted = uow.cases.get(case_id), check_tags(tags)
    if wanted == case.tags:
        return case
    note = "、".join(wanted) or "—"
    tagged = case.apply_event(CaseEvent.TAG, at=now, by=by, note=note)
    return save_step(uow, case, replace(tagged, tags=wanted), payloads, now)


def tag_grid(
    uow: UnitOfWork, grid: GridCode, tags: Iterable[str], *, by: str, now: datetime, tree: GridTree
) -> tuple[str, ...]:
    """Give the grid exactly these tags: cases in it and below count under them. Those it has now.

    Raises KeyError: no such grid; BadTag.
    """
    wanted = check_tags(tags)
    uow.grid_tags.put(tree.grids[grid].code, wanted, by=by, at=now)
    why = f"grid:{grid} {'、'.join(wanted) or '—'}"
    uow.access.append(at=now, who=by, what="tag_grid", camera=None, why=why)
    return wanted


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags sorted, each once. Raises BadTag."""
    wanted = tuple(sorted({tag.strip() for tag in tags if tag.strip()}))
    wrong = next((tag for tag in wanted if not _TAG.fullmatch(tag)), None)
    if wrong is not None:
        raise BadTag(f"tag {wrong!r}: give 1 to 24 characters without spaces, commas and quotes")
    if len(wanted) > MAX_TAGS:
        raise BadTag(f"tags: {len(wanted)} are too many, give at most {MAX_TAGS}")
    return wanted


def overdue_list(uow: UnitOfWork, now: datetime) -> list[OverdueCase]:
    """The overdue list of now, the most urgent first."""
    return overdue_cases(uow.cases.list(open_only=True, limit=MAX_OPEN_CASES), now)


def pending_approvals(uow: UnitOfWork) -> list[PendingApproval]:
    """What waits for approval (待我审批): requests of cases, then broadcasts, the oldest first."""
    running = uow.cases.list(open_only=True, limit=MAX_OPEN_CASES)
    asked = uow.broadcasts.list(asked_only=True)[::-1]
    about = {one.id: one for one in uow.cases.with_ids(one.case for one in asked)}
    requests = ((one.request.at, one) for one in running if one.request is not None)
    ordered = sorted(requests, key=lambda pair: (pair[0], pair[1].id))
    return [
        *(PendingApproval(case=case) for _, case in ordered),
        *(PendingApproval(case=about[one.case], broadcast=one) for one in asked),
    ]


def send_overdue_lists(
    uow: UnitOfWork, registry: Registry, site: str, now: datetime, scrub: PayloadBuilder
) -> int:
    """Queue each village's overdue list for its cadre, and the town's whole; how many messages.

    A village with nothing overdue gets an empty list, which replaces yesterday's.
    """
    lines = overdue_list(uow, now)
    tree, sent = registry.tree, 0
    for grid in tree.grids.values():
        if grid.level is GridLevel.GROUP:
            continue
        within = [line for line in lines if tree.is_within(line.case.grid, grid.code)]
        sent += uow.outbox.add(_overdue_message(site, grid.code, within, now, scrub))
    return sent


def _overdue_message(
    site: str, grid: GridCode, lines: Sequence[OverdueCase], now: datetime, scrub: PayloadBuilder
) -> OutboxMessage:
    key = f"overdue-{grid}-{now:%Y%m%dT%H%M%S}"
    body = {
        "v": VERSION,
        "key": key,
        "at": rfc3339(now),
        "grid": grid,
        "count": len(lines),
        "cases": [overdue_line(line, now, scrub) for line in lines[:200]],
    }
    return OutboxMessage(
        key=MessageKey(key), topic=overdue_topic(site, grid), payload=encode_payload(body),
        queued_at=now, retain=True,
    )  # fmt: skip


def overdue_line(line: OverdueCase, now: datetime, scrub: PayloadBuilder) -> Mapping[str, object]:
    """One overdue case as it leaves the centre: no camera number, no household."""
    case = line.case
    return {
        "case": case.id,
        "grid": case.grid,
        "level": str(case.level),
        "category": category_named(case.category).zh,
        "state": str(case.state),
        "step": str(line.step),
        "since": rfc3339(line.since),
        "overdue_min": int((now - line.since).total_seconds() // 60),
        "place": scrub.scrub(case.place),
        "supervised": case.supervision is not None,
    }
