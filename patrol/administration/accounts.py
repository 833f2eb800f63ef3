"""Accounts with their passwords, and API keys: for the accounts page, `patrol user`, `patrol key`.

Every change writes its entry into the access log in the same transaction. Passwords are argon2id
hashes; this is the only importer of pwdlib.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from patrol.administration.work_queue import Busy, WorkQueue
from patrol.domain.account import (
    API_KEY_PREFIX,
    GRID_ACCOUNT_ROLES,
    Account,
    AccountRole,
    ApiKey,
    issue_api_key,
)
from patrol.domain.errors import BadInput
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.registry import Registry
from patrol.settings.site_settings import SiteInfo
from patrol.store import Store, UnitOfWork

if TYPE_CHECKING:
    from pwdlib import PasswordHash

MIN_PASSWORD_LENGTH: Final = 10
MAX_PASSWORD_LENGTH: Final = 256  # argon2 takes any length; nobody types more
# zxcvbn calls 10^8 safe from guessing online; `Admin@123456` and `woaini1314520` are beyond that.
MIN_GUESSES_LOG10: Final = 9.0
SHORTEST_NAME: Final = 3  # letters; shorter ones make no password weaker
SHORTEST_PLACE: Final = 2  # syllables of a name without its kind (镇, 村, 组)
ESTIMATED_CHARACTERS: Final = 72  # its time grows with the length
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class WeakPassword(BadInput, ValueError):
    """The password is too short or easily guessed; the text says which, Chinese first."""


class BadAccount(BadInput, ValueError):
    """The account cannot be made so; the text says what is wrong and what would be right."""


class PasswordChecksBusy(Busy):
    """So many passwords are being hashed that this one was not begun; try again later."""

    def __init__(self) -> None:
        super().__init__("too many passwords are being checked")


class HashingQueue(WorkQueue):
    """Lets few threads hash at a time: 64 MiB each, 60 logins are what a small machine has."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        super().__init__(at_once=at_once, waiting=waiting, busy=PasswordChecksBusy)


# A shift of ten logs in within a second; two hashes at a time are done with 18 of them in one.
HASHING: Final = HashingQueue(at_once=2, waiting=16)


@lru_cache(maxsize=1)
def _argon2() -> "PasswordHash":
    from pwdlib import PasswordHash  # noqa: PLC0415  an optional extra: API keys do without

    return PasswordHash.recommended()


def hash_password(password: str, *, name: str = "", known_names: Iterable[str] = ()) -> str:
    """The argon2id hash of a password. Raises WeakPassword, PasswordChecksBusy.

    `known_names`: what everybody there tries first (`guessable_names`).
    """
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise WeakPassword(f"a password has at least {MIN_PASSWORD_LENGTH} characters")
    if _guesses_log10(password, [name, "patrol", *known_names]) < MIN_GUESSES_LOG10:
        raise WeakPassword("too easy to guess, take some unrelated words")
    with HASHING:
        return _argon2().hash(password)


def guessable_names(site: SiteInfo, registry: Registry) -> list[str]:
    """Names that a guesser of this town begins with: its id, its places and people, in pinyin too.

    Each as written, as pinyin, and as pinyin's initials.
    """
    from pypinyin import lazy_pinyin  # noqa: PLC0415  an optional extra with large tables

    places = [grid.name for grid in registry.tree.grids.values()]
    written = dict.fromkeys([site.name, *places, *(one.name for one in registry.people.values())])
    found = [site.id, *written]
    for name in written:
        syllables = lazy_pinyin(name, errors="ignore")
        found += ["".join(syllables), "".join(syllable[0] for syllable in syllables)]
        if len(syllables) > SHORTEST_PLACE:  # 上坝镇: people say shangba
            found.append("".join(syllables[:-1]))
    return [name for name in dict.fromkeys(found) if len(name) >= SHORTEST_NAME]


def _guesses_log10(password: str, known_names: Sequence[str]) -> float:
    """How many guesses it takes by lists of common passwords, names, dates and keyboard walks."""
    from zxcvbn import zxcvbn  # noqa: PLC0415  an optional extra, and its lists take 50 ms

    guessed = zxcvbn(password[:ESTIMATED_CHARACTERS], user_inputs=list(known_names))
    return float(guessed["guesses_log10"])


def verify_password(password: str, hashed: str) -> bool:
    """Whether the password has this hash; takes some 50 ms on purpose, right or wrong.

    Raises PasswordChecksBusy.
    """
    if len(password) > MAX_PASSWORD_LENGTH:
        return False
    with HASHING:
        return _argon2().verify(password, hashed)


@lru_cache(maxsize=1)
def placeholder_hash() -> str:
    """A hash to verify against for unknown names, so that both cases take equally long."""
    with HASHING:
        return _argon2().hash("nobody has this password")


def add_account(
    store: Store,
    *,
    name: str,
    duty: AccountRole,
    password: str,
    registry: Registry,
    now: datetime,
    shown_as: str = "",
    grid: str | None = None,
    person: str | None = None,
    by: str = "admin",
    known_names: Iterable[str] = (),
) -> Account:
    """Add an account. Raises BadAccount, WeakPassword. `known_names`: see `hash_password`."""
    account = Account(
        name=_checked_name(name),
        duty=duty,
        shown_as=shown_as or name,
        password=hash_password(password, name=name, known_names=known_names),
        grid=_checked_grid(duty, grid, person, registry),
        person=_checked_person(person, registry),
        created_at=now,
    )
    with store.begin() as uow:
        if any(known.name == name for known in uow.accounts.all()):
            raise BadAccount(f"{name!r} exists")
        uow.accounts.put(account)
        uow.access.append(at=now, who=by, what="add_account", camera=None, why=f"{name} as {duty}")
        uow.commit()
    return account


def change_password(
    store: Store,
    *,
    name: str,
    password: str,
    now: datetime,
    by: str = "admin",
    known_names: Iterable[str] = (),
) -> None:
    """Set a password and end every session of the account. Raises KeyError, WeakPassword.

    `known_names`: see `hash_password`.
    """
    hashed = hash_password(password, name=name, known_names=known_names)
    with store.begin() as uow:
        account = uow.accounts.get(name)
        uow.accounts.put(replace(account.logged_in(), password=hashed))
        uow.sessions.end_all(name)
        uow.access.append(at=now, who=by, what="change_password", camera=None, why=name)
        uow.commit()


def change_duty(
    store: Store,
    *,
    name: str,
    duty: AccountRole,
    registry: Registry,
    now: datetime,
    person: str | None = None,
    by: str = "admin",
) -> None:
    """Set another duty and end every session of the account. Raises KeyError, BadAccount."""
    with store.begin() as uow:
        account = uow.accounts.get(name)
        who = _checked_person(person or account.person, registry)
        grid = _checked_grid(duty, None, who, registry)
        uow.accounts.put(replace(account, duty=duty, grid=grid, person=who))
        uow.sessions.end_all(name)
        why = f"{name}: {account.duty} → {duty}"
        uow.access.append(at=now, who=by, what="change_duty", camera=None, why=why)
        uow.commit()


def set_disabled(
    store: Store, *, name: str, disabled: bool, now: datetime, by: str = "admin"
) -> None:
    """Disable or enable an account; disabling ends its sessions. Raises KeyError."""
    with store.begin() as uow:
        account = uow.accounts.get(name)
        uow.accounts.put(replace(account, disabled_at=now if disabled else None))
        if disabled:
            uow.sessions.end_all(name)
        what = "disable_account" if disabled else "enable_account"
        uow.access.append(at=now, who=by, what=what, camera=None, why=name)
        uow.commit()


def unlock(store: Store, *, name: str, now: datetime, by: str = "admin") -> None:
    """Forgive the wrong passwords of an account, at every address. Raises KeyError."""
    with store.begin() as uow:
        uow.accounts.put(uow.accounts.get(name).logged_in())
        uow.access.append(at=now, who=by, what="unlock_account", camera=None, why=name)
        uow.commit()


def log_out_everywhere(store: Store, *, name: str, now: datetime, by: str) -> None:
    """End every session of the account. Raises KeyError."""
    with store.begin() as uow:
        ended = uow.sessions.end_all(uow.accounts.get(name).name)
        why = f"{name}, {ended} sessions"
        uow.access.append(at=now, who=by, what="end_session", camera=None, why=why)
        uow.commit()


def add_api_key(
    uow: UnitOfWork, *, name: str, scopes: Iterable[str], by: str, now: datetime
) -> tuple[ApiKey, str]:
    """A new key and its secret, of which only a hash is kept. Raises ValueError."""
    secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
    key = issue_api_key(name=name, scopes=scopes, by=by, now=now, secret=secret)
    uow.api_keys.add(key)
    why = f"{key.id} {key.name}: {' '.join(sorted(key.scopes))}"
    uow.access.append(at=now, who=by, what="add_key", camera=None, why=why)
    return key, secret


def revoke_api_key(uow: UnitOfWork, key_id: str, *, by: str, now: datetime) -> bool:
    """End a key at once; False when no such key is in force."""
    if not uow.api_keys.revoke(key_id, now):
        return False
    uow.access.append(at=now, who=by, what="revoke_key", camera=None, why=key_id)
    return True


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadAccount(f"{name!r}: use 1 to 64 letters, digits, '_', '.', '-'")
    return name


def _checked_person(person: str | None, registry: Registry) -> PersonId | None:
    if not person:
        return None
    if person not in registry.people:
        raise BadAccount(f"{person!r} is nobody in people.csv")
    return PersonId(person)


def _checked_grid(
    duty: AccountRole, grid: str | None, person: str | None, registry: Registry
) -> GridCode | None:
    if duty not in GRID_ACCOUNT_ROLES:
        return None
    known = registry.people.get(PersonId(person)) if person else None
    code = grid or (known.grid if known else None)
    if code not in registry.tree.grids:
        raise BadAccount(
            f"a {duty} answers for a grid: give a grid_code of grids.csv, not {code!r}"
        )
    return GridCode(str(code))
