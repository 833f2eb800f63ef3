"""Finding (线索): proposed from observations by the machine, decided by a person. Pure.

Entered by rounds/recorder.py, rounds/weather.py and the blind sample; decided by
review/decisions.py through `FINDING_TRANSITIONS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto
from typing import Final

from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId, CaseId, FindingId, GridCode, PictureId, RoundId
from patrol.domain.observation import Box, Subject
from patrol.domain.priority import Level
from patrol.domain.timestamps import rfc3339_or_none


class FindingState(StrEnum):
    """State of a finding; the values are public: in the API and the store."""

    CANDIDATE = auto()
    UNSURE = auto()  # rechecked, then another person decides
    CONFIRMED = auto()
    DISMISSED = auto()
    MERGED = auto()  # same camera and category as an open case: counted there
    AGED = auto()  # nobody decided in time; a later round finds it anew if it is still there


REAL_STATES: Final = (FindingState.CONFIRMED, FindingState.MERGED)  # a person found it real


class Origin(StrEnum):
    """Origin of a finding: hidden until it is decided, or the blind sample would not be blind."""

    MACHINE = auto()
    SAMPLE = auto()  # drawn blindly from what the machine found normal
    PROBE = auto()  # a known positive (review/known_positives.py); in no statistics


class Decision(StrEnum):
    """Decisions on a finding: of a person, of a merge, of expiry."""

    CONFIRM = auto()
    DISMISS = auto()
    UNSURE = auto()
    MERGE = auto()
    AGE = auto()


_S, _D = FindingState, Decision
FINDING_TRANSITIONS: Mapping[tuple[FindingState, Decision], FindingState] = {
    (_S.CANDIDATE, _D.CONFIRM): _S.CONFIRMED,
    (_S.CANDIDATE, _D.DISMISS): _S.DISMISSED,
    (_S.CANDIDATE, _D.UNSURE): _S.UNSURE,
    (_S.CANDIDATE, _D.MERGE): _S.MERGED,
    (_S.CANDIDATE, _D.AGE): _S.AGED,
    (_S.UNSURE, _D.CONFIRM): _S.CONFIRMED,
    (_S.UNSURE, _D.DISMISS): _S.DISMISSED,
    (_S.UNSURE, _D.MERGE): _S.MERGED,
    (_S.UNSURE, _D.AGE): _S.AGED,
}


class DismissReason(StrEnum):
    """Why a finding was dismissed; the reason decides what is suppressed afterwards."""

    SHADOW = auto()
    ANIMAL = auto()
    KNOWN_OBJECT = auto()
    WEATHER = auto()
    CAMERA_FAULT = auto()
    DUPLICATE = auto()
    NOT_A_PROBLEM = auto()
    OTHER = auto()


class AlreadyDecided(Failed):
    """The finding was decided before; the text names the state, who and when."""

    def __init__(self, finding: "Finding") -> None:
        super().__init__(
            f"finding {finding.id} was already {finding.state} by {finding.decided_by}"
            f" at {rfc3339_or_none(finding.decided_at)}"
        )
        self.finding = finding


class KnownPositive(AlreadyDecided):
    """A known positive was confirmed: recognised as it should be, and no case is made of it."""

    def __init__(self, finding: "Finding") -> None:
        zh = f"{finding.id} 是已知阳性测试件,看得准;不另立案"
        en = f"{finding.id} was a known positive, well seen; no case is made"
        Exception.__init__(self, f"{zh} / {en}")
        self.finding = finding


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecheck:
    """What a fresh visit showed after an "unsure"; without a picture the visit failed."""

    at: datetime  # UTC
    why: str  # text, Chinese first
    picture: PictureId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding; immutable, `decide` gives the next state."""

    id: FindingId
    camera: CameraId
    grid: GridCode
    round: RoundId | None
    subject: Subject
    kind: str
    score: float
    found_at: datetime  # UTC
    why: str  # text, Chinese first
    level: Level
    category: str  # of the case, unless the operator chooses another
    picture: PictureId | None = None
    box: Box | None = None
    zone: str = ""
    count: int = 1  # visits that showed it while it waited
    unreviewed_ok: bool = False  # the site's rules name it urgent
    state: FindingState = FindingState.CANDIDATE
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""
    case: CaseId | None = None
    origin: Origin = Origin.MACHINE
    recheck: FindingRecheck | None = None  # after an "unsure"

    def decide(self, decision: Decision, *, by: str, now: datetime, reason: str = "") -> "Finding":
        """The finding after `decision`, moved by the table. Raises AlreadyDecided."""
        target = FINDING_TRANSITIONS.get((self.state, decision))
        if target is None:
            raise AlreadyDecided(self)
        return replace(self, state=target, decided_by=by, decided_at=now, reason=reason)

    @property
    def is_open(self) -> bool:
        """Whether it still waits for a decision."""
        return self.state in (FindingState.CANDIDATE, FindingState.UNSURE)
