"""What a sample says of the whole: shares with Wilson's interval, and the machine's miss rate."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from patrol.domain.finding import Finding, FindingState, Origin

Z95: Final = 1.959964
RIGHT: Final = (FindingState.CONFIRMED, FindingState.MERGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Of leads of one origin that people decided: how many were real."""

    real: int
    decided: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %; everything is possible while nothing was decided."""
        return wilson(self.real, self.decided)


def judged(findings: Iterable[Finding], origin: Origin) -> Judged:
    """What people said of the leads of one origin; what was doubted or aged is no verdict."""
    mine = [finding for finding in findings if finding.origin is origin]
    real = sum(finding.state in RIGHT for finding in mine)
    none = sum(finding.state is FindingState.DISMISSED for finding in mine)
    return Judged(real=real, decided=real + none)


def wilson(part: int, whole: int, z: float = Z95) -> tuple[float, float]:
    """The interval of a share that stays within 0..1 and is honest about small numbers."""
    if whole == 0:
        return 0.0, 1.0
    share, z2 = part / whole, z * z
    middle = share + z2 / (2 * whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    scale = 1 + z2 / whole
    low, high = (middle - reach) / scale, (middle + reach) / scale
    return (0.0 if part == 0 else max(0.0, low)), (1.0 if part == whole else min(1.0, high))
