"""Shares of decided findings with Wilson's score interval (95 %). Pure; used by reports."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from patrol.domain.finding import REAL_STATES, Finding, FindingState, Origin

Z95: Final = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedShare:
    """How many of the decided findings of one origin were real."""

    real: int
    decided: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval, 95 %; 0 to 1 while nothing was decided."""
        return wilson_interval(self.real, self.decided)


def decided_share(findings: Iterable[Finding], origin: Origin) -> DecidedShare:
    """Decisions of people on findings of one origin; unsure and expired ones do not count."""
    mine = [finding for finding in findings if finding.origin is origin]
    real = sum(finding.state in REAL_STATES for finding in mine)
    none = sum(finding.state is FindingState.DISMISSED for finding in mine)
    return DecidedShare(real=real, decided=real + none)


def wilson_interval(hits: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of `hits` in `trials`, within 0..1, also for small numbers."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = hits / trials, z * z
    middle = share + z2 / (2 * trials)
    half_width = z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    scale = 1 + z2 / trials
    low, high = (middle - half_width) / scale, (middle + half_width) / scale
    return (0.0 if hits == 0 else max(0.0, low)), (1.0 if hits == trials else min(1.0, high))
