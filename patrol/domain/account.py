"""Accounts of the console and keys of the JSON API: who may log in, as what, for which grids. Pure.

What a role may do is one table (PERMISSIONS), which every page, picture and API call checks. A
permission that is not in the table does not exist; administrators get no pictures, and auditors
change nothing.

An API key is `patrol_` and 256 random bits; the store has its SHA-256. A slow hash would protect
nothing: nobody guesses 256 bits, and every request would pay for it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.attention import AttentionChoice
from patrol.domain.ids import CaseId, FindingId, GridCode, MessageKey, PersonId, PictureId, Sha256

MAX_LOGIN_FAILURES: Final = 5  # wrong passwords in a row before a name is locked for an address
FIRST_LOCKOUT: Final = timedelta(minutes=5)  # doubled by each further lock of a day …
MAX_LOCKOUT: Final = timedelta(hours=4)  # … up to this


class AccountRole(StrEnum):
    """Duty of an account: the role that its permissions (`PERMISSIONS`) follow from."""

    OPERATOR = auto()
    SHIFT_SUPERVISOR = "duty_lead"
    VILLAGE_CADRE = auto()  # the village and its groups
    GRID_LEADER = auto()  # the own grid
    HELPER = auto()  # 群防群治, 联动巡防: what is open to helpers in the own grid, own patrols
    MAINTAINER = auto()  # camera faults
    AUDITOR = auto()  # who looked at what
    ADMIN = auto()  # accounts, never pictures
    DISPLAY = auto()  # a wall screen that nobody logs in at: the day's numbers, never pictures


# How a site without accounts gets the one that makes all others; log and login page say it.
FIRST_ACCOUNT_COMMAND: Final = f"patrol user add NAME --duty {AccountRole.ADMIN}"


class Permission(StrEnum):
    """One permission, which a page, a picture or an API call requires."""

    TODAY = auto()  # numbers of the day, no pictures
    ROUND = auto()  # the pictures of a round
    START_ROUND = auto()
    PATROL = auto()  # work human patrols: their pictures, and what is said of each camera
    REVIEW = auto()  # judge findings
    FILE_FINDING = auto()  # file what the own eyes saw, or a caller reported
    CASES = auto()  # read cases within the own scope
    MOVE_CASES = auto()  # an operator's own moves: verify, reassign
    SETTLE = auto()  # end a case without a reply, or reopen it
    SUPERVISE = auto()  # urge (催办) and put under supervision (督办), with reason and clock
    TAG_CASES = auto()  # free tags (四网融合 and the like) on cases and grids
    HAND_OFF = auto()  # give a case to another department (警格联动)
    BROADCAST = auto()  # ask for a broadcast (大喇叭)
    MEETINGS = auto()  # packs for meetings, of the own scope
    GROUND = auto()  # reply for a grid: the phone page
    HELP = auto()  # help with cases that are open to helpers; report, and see what became of it
    GROUND_PATROL = auto()  # walk the own patrols on the ground: check in
    ROSTER = auto()  # see all patrols on the ground, enter what was telephoned
    SHIFT = auto()  # sign the hand-over, read what is stopped
    STOP = auto()  # enter what is not patrolled for a while
    TROUBLES = auto()  # the maintenance queue
    CAMERAS = auto()  # the registry
    AREAS = auto()  # draw what may be seen, and accept what is normal there
    CONSENT = auto()  # enter what a household says: withdrawal, pause, hours; print its slip
    LIVE = auto()  # look through a camera now, for a finding, a case or a round
    REGISTRY = auto()  # download cameras.csv, people and grids, and upload them changed
    PEOPLE = auto()  # who does what for which grid, with telephones; enter their leave
    GRID = auto()
    REPORTS = auto()
    AUDIT = auto()  # the access log
    SUPPRESSIONS = auto()  # what is not proposed again, after dismissals
    SYSTEM = auto()  # the state of the application itself
    ACCOUNTS = auto()  # who may log in, which programs have a key


_ROLE, _MAY = AccountRole, Permission
_OPERATOR_PERMISSIONS: Final = frozenset(
    {_MAY.TODAY, _MAY.ROUND, _MAY.START_ROUND, _MAY.PATROL, _MAY.REVIEW, _MAY.FILE_FINDING,
     _MAY.CASES, _MAY.MOVE_CASES, _MAY.TAG_CASES, _MAY.HAND_OFF, _MAY.BROADCAST, _MAY.MEETINGS,
     _MAY.CAMERAS, _MAY.GRID, _MAY.REPORTS, _MAY.SHIFT, _MAY.TROUBLES, _MAY.LIVE, _MAY.CONSENT,
     _MAY.ROSTER}
)  # fmt: skip
PERMISSIONS: Final[Mapping[AccountRole, frozenset[Permission]]] = {
    _ROLE.OPERATOR: _OPERATOR_PERMISSIONS,
    _ROLE.SHIFT_SUPERVISOR: _OPERATOR_PERMISSIONS
    | {
        _MAY.SETTLE,
        _MAY.SUPERVISE,
        _MAY.AREAS,
        _MAY.STOP,
        _MAY.SUPPRESSIONS,
        _MAY.SYSTEM,
        _MAY.PEOPLE,
    },
    _ROLE.VILLAGE_CADRE: frozenset(
        {_MAY.CASES, _MAY.GROUND, _MAY.SUPERVISE, _MAY.MEETINGS, _MAY.GROUND_PATROL}
    ),
    _ROLE.GRID_LEADER: frozenset({_MAY.GROUND, _MAY.GROUND_PATROL}),
    _ROLE.HELPER: frozenset({_MAY.HELP, _MAY.GROUND_PATROL}),
    _ROLE.MAINTAINER: frozenset(
        {_MAY.TODAY, _MAY.CASES, _MAY.CAMERAS, _MAY.TROUBLES, _MAY.STOP, _MAY.SYSTEM, _MAY.GROUND}
    ),
    _ROLE.AUDITOR: frozenset({_MAY.TODAY, _MAY.AUDIT, _MAY.REPORTS}),
    _ROLE.DISPLAY: frozenset({_MAY.TODAY}),
    _ROLE.ADMIN: frozenset(
        {
            _MAY.TODAY,
            _MAY.CAMERAS,
            _MAY.REGISTRY,
            _MAY.PEOPLE,
            _MAY.GRID,
            _MAY.AUDIT,
            _MAY.ACCOUNTS,
            _MAY.SUPPRESSIONS,
            _MAY.SYSTEM,
        }
    ),
}
GRID_ACCOUNT_ROLES: Final = (
    AccountRole.VILLAGE_CADRE,
    AccountRole.GRID_LEADER,
    AccountRole.HELPER,
)  # these need a grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A login of the console. `password` is a hash and does not print."""

    name: str
    duty: AccountRole
    shown_as: str
    password: str = field(repr=False)
    grid: GridCode | None = None
    person: PersonId | None = None  # in people.csv
    language: str = "zh"
    created_at: datetime
    disabled_at: datetime | None = None
    failures: int = 0  # wrong passwords since the last right one
    locked_until: datetime | None = None
    attention: AttentionChoice | None = None  # how it wants to be called; None: as the site says

    def __post_init__(self) -> None:
        if self.duty in GRID_ACCOUNT_ROLES and not self.grid:
            raise ValueError(f"account {self.name!r}: a {self.duty} answers for a grid, give one")

    def has_permission(self, permission: Permission) -> bool:
        """Whether it is not disabled and its role has the permission."""
        return self.disabled_at is None and permission in PERMISSIONS[self.duty]

    def wanting(self, attention: AttentionChoice) -> "Account":
        """The account when it is to be called so."""
        return replace(self, attention=attention)

    def is_locked(self, now: datetime) -> bool:
        """Whether it is locked after wrong passwords."""
        return self.locked_until is not None and now < self.locked_until

    def locked(self, until: datetime) -> "Account":
        """The account while wrong passwords lock it, for some addresses at least."""
        return replace(self, failures=self.failures + MAX_LOGIN_FAILURES, locked_until=until)

    def logged_in(self) -> "Account":
        """The account without wrong passwords and without a lock."""
        return replace(self, failures=0, locked_until=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSession:
    """A login of one browser; the store has only the hash of its cookie's secret."""

    id: str = field(repr=False)  # SHA-256 of the cookie's secret
    account: str
    begun_at: datetime
    ends_at: datetime
    device: str = ""  # what the browser called itself, shortened

    @property
    def short_id(self) -> str:
        """The first digits of its hash, by which a page names it."""
        return self.id[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingClaim:
    """A person's lease of a finding to decide, until its end or the decision."""

    finding: FindingId
    holder: str  # session and account
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A program's key to the JSON API; the store has only the hash of its secret."""

    id: str
    name: str
    secret: str = field(repr=False)  # SHA-256
    scopes: frozenset[str]
    made_by: str
    made_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePhoto:
    """A photo that came with a reply from the ground."""

    key: MessageKey  # given by the phone: a repeat is dropped
    case: CaseId
    sha256: Sha256
    by: str
    at: datetime
    picture: PictureId | None = None  # in the index; None: deleted before pictures had ids


API_KEY_PREFIX: Final = "patrol_"
MAX_SCOPE_SHOWN: Final = 40  # characters of an unknown one in the refusal
API_SCOPES: Final = (
    "rounds:read", "findings:read", "findings:decide", "cases:read", "cameras:read", "reports:read",
    "findings:file", "rounds:work", "cases:move", "meetings:read", "holds:read", "holds:write",
    "consents:change", "county:read", "people:read", "people:write", "cases:settle",
)  # fmt: skip


def issue_api_key(
    *, name: str, scopes: Iterable[str], by: str, now: datetime, secret: str
) -> ApiKey:
    """A new key for `secret` (API_KEY_PREFIX and 256 random bits). Raises ValueError."""
    wanted = frozenset(scopes)
    unknown = sorted(wanted - set(API_SCOPES))
    if unknown:
        first = unknown[0][:MAX_SCOPE_SHOWN]
        raise ValueError(f"{first!r} is unknown, give of: {', '.join(API_SCOPES)}")
    if not wanted:
        raise ValueError(f"a key opens something, give of: {', '.join(API_SCOPES)}")
    if not name.strip():
        raise ValueError("a key has a name: who uses it")
    hashed = hash_api_secret(secret)
    return ApiKey(
        id=f"K{hashed[:8]}", name=name.strip(), secret=hashed, scopes=wanted, made_by=by,
        made_at=now,
    )  # fmt: skip


def hash_api_secret(secret: str) -> str:
    """The hash that the store keeps of a key's secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
