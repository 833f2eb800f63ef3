"""A round in numbers: the shape of `patrol round --json` (contracts.md), from the books alone."""

from collections.abc import Sequence
from datetime import datetime

from patrol.domain.round import Round, RoundBooks
from patrol.domain.stoppage import IN_MAINTENANCE
from patrol.store import UnitOfWork


def summarise(
    uow: UnitOfWork, a_round: Round, now: datetime, without: Sequence[str] = ()
) -> dict[str, object]:
    """The contract's document, keys in its order; `without`: what it went without, and why."""
    books = uow.rounds.books(a_round.id)
    started = a_round.started_at or a_round.planned_at
    queued, published = uow.outbox.tally(started, a_round.finished_at or now)
    return {
        "round": a_round.id,
        "plan": a_round.plan,
        "scope": a_round.scope,
        "state": str(a_round.state),
        "reason": a_round.reason,
        "started_at": utc_text(a_round.started_at),
        "finished_at": utc_text(a_round.finished_at),
        "planned": books.planned,
        "seen": books.seen,
        "not_viewable": books.not_viewable,
        "missed": books.missed,
        "pending": books.pending,
        "refused": sum(a_round.refused.values()) - a_round.refused.get(IN_MAINTENANCE, 0),
        "in_maintenance": a_round.refused.get(IN_MAINTENANCE, 0),
        "refusals": dict(sorted(a_round.refused.items())),
        "failures": dict(sorted((books.failures or {}).items())),
        "pictures": books.pictures,
        "observations": books.observations,
        "findings": books.findings,
        "messages": {"queued": queued, "published": published},
        "wall_s": round(a_round.wall_s, 2),
        "cpu_s": round(a_round.cpu_s, 2),
        "peak_rss_mb": round(a_round.peak_rss_mb, 1),
        "without": list(without),
    }


def progress_facts(a_round: Round, books: RoundBooks) -> dict[str, object]:
    """What goes to `P/round/{plan}/latest` while the round is walked."""
    return {
        "round": a_round.id,
        "plan": a_round.plan,
        "state": str(a_round.state),
        "started_at": utc_text(a_round.started_at),
        "finish_by": utc_text(a_round.finish_by),
        "planned": books.planned,
        "seen": books.seen,
        "not_viewable": books.not_viewable,
        "pending": books.pending,
        "findings": books.findings,
    }


def utc_text(at: datetime | None) -> str | None:
    """`2026-11-22T01:00:00Z`."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
