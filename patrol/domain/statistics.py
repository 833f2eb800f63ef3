"""What a sample says of the whole: shares with Wilson's interval, and the machine's miss rate."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from patrol.domain.finding import Finding, FindingState, Origin

Z95: Final = 1.959964
REAL_STATES: Final = (FindingState.CONFIRMED, FindingState.MERGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedShare:
    """Of leads of one origin that people decided: how many were real."""

    real: int
    decided: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %; everything is possible while nothing was decided."""
        return wilson_interval(self.real, self.decided)


def decided_share(findings: Iterable[Finding], origin: Origin) -> DecidedShare:
    """What people said of the leads of one origin; what was doubted or aged is no verdict."""
    mine = [finding for finding in findings if finding.origin is origin]
    real = sum(finding.state in REAL_STATES for finding in mine)
    none = sum(finding.state is FindingState.DISMISSED for finding in mine)
    return DecidedShare(real=real, decided=real + none)


def wilson_interval(hits: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """The interval of a share that stays within 0..1 and is honest about small numbers."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = hits / trials, z * z
    middle = share + z2 / (2 * trials)
    half_width = z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    scale = 1 + z2 / trials
    low, high = (middle - half_width) / scale, (middle + half_width) / scale
    return (0.0 if hits == 0 else max(0.0, low)), (1.0 if hits == trials else min(1.0, high))
