"""fsck of what the ground was told: the newest word of each topic says where its case stands.

Whoever connects now reads those words. So an ended case must be cleared everywhere, an open one
shown somewhere as it is, and one that nobody has to hurry on must not wait for a clock.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Row, func, or_, select

from patrol.domain.case import ENDED
from patrol.domain.message import CANARY_TOPIC
from patrol.store.db import Db
from patrol.store.desk_tables import outbox
from patrol.store.problem import Problem
from patrol.store.tables import cases

_NEWEST: Final = (
    select(func.max(outbox.c.number))
    .where(outbox.c.case.is_not(None), outbox.c.topic.not_like(f"%{CANARY_TOPIC}"))
    .group_by(outbox.c.case, outbox.c.topic)
)


def check_told(db: Db) -> Iterator[Problem]:
    """Ended cases have no clock and are shown nowhere; open ones are shown as they stand."""
    clocks = or_(
        cases.c.ladder_due_at.is_not(None),
        cases.c.look_due_at.is_not(None),
        cases.c.hold_until.is_not(None),
    )
    for row in db.all(select(cases.c.id, cases.c.state).where(cases.c.state.in_(ENDED), clocks)):
        yield Problem(where=f"case {row.id}", what=f"it is {row.state}, and a clock still runs")
    shown: defaultdict[str, list[bytes]] = defaultdict(list)
    newest = select(outbox.c.case, outbox.c.payload).where(outbox.c.number.in_(_NEWEST))
    for row in db.all(newest):
        shown[row.case].append(bytes(row.payload))
    brief = select(cases.c.id, cases.c.state, cases.c.revision, cases.c.hold_until)
    for row in db.all(brief):
        wrong = _shown_wrongly(row, shown.get(row.id, []))
        if wrong:
            yield Problem(where=f"case {row.id}", what=wrong)


def _shown_wrongly(case: Row[Any], newest: list[bytes]) -> str:
    """What is wrong with the newest words of its topics; empty when nothing is."""
    words = [payload for payload in newest if payload]
    if case.state in ENDED:
        return "it has ended, and is still shown to somebody" if words else ""
    if not newest or case.hold_until is not None:
        return ""  # never told: said elsewhere; or its newest word is held back for now
    told = {_revision(payload) for payload in words} - {None}
    if told and case.revision not in told:
        return f"it stands at revision {case.revision}, which nobody was told"
    return ""


def _revision(payload: bytes) -> int | None:
    try:
        body = json.loads(payload)
    except ValueError:
        return None
    return body.get("revision") if isinstance(body, dict) else None
