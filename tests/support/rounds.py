"""Round totals for tests: the sum that every round's stored visits have to give."""

from patrol.domain.round import RoundTotals


def is_balanced(totals: RoundTotals) -> bool:
    """Whether planned = pending + seen + not viewable + missed."""
    written = totals.pending + totals.seen + totals.not_viewable + totals.missed
    return totals.planned == written
