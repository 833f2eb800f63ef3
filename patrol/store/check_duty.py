"""fsck of the shift's books: stoppages end after they begin, troubles close, signatures hold."""

from collections.abc import Iterator

from sqlalchemy import or_, select

from patrol.domain.handover import Signature
from patrol.domain.health import Condition
from patrol.domain.stoppage import Scope
from patrol.domain.trouble import TroubleKind
from patrol.store.db import Db
from patrol.store.desk_tables import health
from patrol.store.duty import HANDOVERS, SqlHandovers
from patrol.store.duty_tables import handovers, stoppages, troubles
from patrol.store.problem import AUDITOR, Problem


def check_duty(db: Db) -> Iterator[Problem]:
    """Every state is one of ours, every end comes after its beginning, the chain holds."""
    odd = or_(
        stoppages.c.scope.not_in(list(Scope)),
        stoppages.c.until <= stoppages.c.start,
        stoppages.c.reason == "",
        (stoppages.c.scope == Scope.ROUNDS) != (stoppages.c.subject == ""),
    )
    for row in db.all(select(stoppages.c.number).where(odd)):
        yield Problem(where=f"stoppage {row.number}", what="no stoppage can be like this")
    odd = or_(
        troubles.c.kind.not_in(list(TroubleKind)), troubles.c.closed_at < troubles.c.opened_at
    )
    for row in db.all(select(troubles.c.number).where(odd)):
        yield Problem(where=f"trouble {row.number}", what="no trouble can be like this")
    said = or_(health.c.state.not_in(list(Condition)), health.c.failures < 0)
    for row in db.all(select(health.c.camera, health.c.state).where(said)):
        yield Problem(where=f"health of {row.camera}", what=f"{row.state!r} is no state of health")
    yield from _check_handovers(db)


def _check_handovers(db: Db) -> Iterator[Problem]:
    odd = select(handovers.c.number).where(handovers.c.what.not_in(list(Signature)))
    unread = db.first(odd)
    broken = unread.number if unread is not None else SqlHandovers(db).first_broken()
    if broken is not None:
        yield Problem(
            where=f"{HANDOVERS} line {broken}", what="the chain does not hold", whose=AUDITOR
        )
