"""The books of the console: accounts, sessions, claims, API keys, photos from the ground."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from patrol.domain.account import Account, ApiKey, CasePhoto, Duty, FindingClaim, LoginSession
from patrol.domain.ids import CaseId, FindingId
from patrol.store.schema_people import accounts, api_keys, case_photos, claims, sessions
from patrol.store.transaction import Transaction


class AccountRepository:
    """Who may log in to the console."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, name: str) -> Account:
        """Locked for this unit of work where the database can. Raises KeyError."""
        found = self._db.locked(select(accounts).where(accounts.c.name == name))
        row = self._db.first(found)
        if row is None:
            raise KeyError(name)
        return _account(row)

    def put(self, account: Account) -> None:
        """Add or replace; accounts are disabled, never deleted."""
        self._db.put(accounts, _account_row(account), "name")

    def all(self) -> Sequence[Account]:
        """By name."""
        return [_account(row) for row in self._db.all(select(accounts).order_by(accounts.c.name))]


class LoginSessionRepository:
    """Who is logged in."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, session: LoginSession) -> None:
        """Append."""
        row = {
            "id": session.id,
            "account": session.account,
            "begun_at": session.begun_at,
            "ends_at": session.ends_at,
            "device": session.device,
        }
        self._db.add(sessions, [row])

    def get(self, session_id: str, now: datetime) -> LoginSession | None:
        """None when it never was, has ended or was ended."""
        mine = sessions.c.id == session_id, sessions.c.ends_at > now
        row = self._db.first(select(sessions).where(*mine))
        return None if row is None else _session(row)

    def of_account(self, account: str | None, now: datetime) -> Sequence[LoginSession]:
        """Those that stand, newest first; None: everybody's."""
        not_ended = select(sessions).where(sessions.c.ends_at > now)
        mine = not_ended if account is None else not_ended.where(sessions.c.account == account)
        newest = mine.order_by(sessions.c.begun_at.desc(), sessions.c.id)
        return [_session(row) for row in self._db.all(newest)]

    def end(self, session_id: str) -> None:
        """Log out; twice is once."""
        self._db.run(sessions.delete().where(sessions.c.id == session_id))

    def end_all(self, account: str) -> int:
        """Log the account out everywhere; how many ended."""
        return self._db.changed(sessions.delete().where(sessions.c.account == account))

    def sweep(self, now: datetime) -> int:
        """Drop those whose time is over; how many."""
        return self._db.changed(sessions.delete().where(sessions.c.ends_at <= now))


class ClaimRepository:
    """Which finding is before which person just now; two never get the same one."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def acquire(self, claim: FindingClaim, now: datetime) -> bool:
        """Take it, or renew one's own; False while somebody else holds it."""
        free = claims.c.holder == claim.holder, claims.c.until <= now
        statement = self._db.insert(claims)
        mine = statement.on_conflict_do_update(
            index_elements=["finding"],
            set_={"holder": statement.excluded.holder, "until": statement.excluded.until},
            where=free[0] | free[1],
        )
        row = {"finding": claim.finding, "holder": claim.holder, "until": claim.until}
        return self._db.changed(mine, row) == 1

    def active(self, now: datetime) -> Mapping[FindingId, FindingClaim]:
        """All that hold now."""
        rows = self._db.all(select(claims).where(claims.c.until > now))
        return {
            row.finding: FindingClaim(finding=row.finding, holder=row.holder, until=row.until)
            for row in rows
        }

    def drop(self, finding: FindingId) -> None:
        """Give it back: decided, or passed on."""
        self._db.run(claims.delete().where(claims.c.finding == finding))

    def drop_all(self, holder: str) -> None:
        """Give back whatever this holder has."""
        self._db.run(claims.delete().where(claims.c.holder == holder))


class ApiKeyRepository:
    """Programs that may ask."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, key: ApiKey) -> None:
        """Append."""
        row = {
            "id": key.id,
            "name": key.name,
            "secret": key.secret,
            "scopes": sorted(key.scopes),
            "made_by": key.made_by,
            "made_at": key.made_at,
            "revoked_at": key.revoked_at,
        }
        self._db.add(api_keys, [row])

    def by_secret(self, secret: str) -> ApiKey | None:
        """The one with this hash that is not revoked."""
        mine = api_keys.c.secret == secret, api_keys.c.revoked_at.is_(None)
        row = self._db.first(select(api_keys).where(*mine))
        return None if row is None else _key(row)

    def revoke(self, key_id: str, now: datetime) -> bool:
        """False when there is none, or it is revoked already."""
        not_revoked = api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)
        return self._db.changed(api_keys.update().where(*not_revoked).values(revoked_at=now)) == 1

    def all(self) -> Sequence[ApiKey]:
        """Newest first, revoked ones too."""
        newest = select(api_keys).order_by(api_keys.c.made_at.desc(), api_keys.c.id)
        return [_key(row) for row in self._db.all(newest)]


class CasePhotoRepository:
    """Pictures that came with words from the ground."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, photo: CasePhoto) -> bool:
        """Keep it; False when its key was kept before."""
        row = {
            "key": photo.key,
            "case": photo.case,
            "sha256": photo.sha256,
            "by": photo.by,
            "at": photo.at,
        }
        return self._db.add_if_new(case_photos, row, "key")

    def of_case(self, case_id: CaseId) -> Sequence[CasePhoto]:
        """Oldest first."""
        mine = select(case_photos).where(case_photos.c.case == case_id)
        return [
            CasePhoto(key=row.key, case=row.case, sha256=row.sha256, by=row.by, at=row.at)
            for row in self._db.all(mine.order_by(case_photos.c.at, case_photos.c.key))
        ]


def _account_row(account: Account) -> Mapping[str, Any]:
    return {
        "name": account.name,
        "duty": account.duty,
        "shown_as": account.shown_as,
        "password": account.password,
        "grid": account.grid,
        "person": account.person,
        "language": account.language,
        "created_at": account.created_at,
        "disabled_at": account.disabled_at,
        "failures": account.failures,
        "locked_until": account.locked_until,
    }


def _account(row: Row[Any]) -> Account:
    return Account(**{**row._asdict(), "duty": Duty(row.duty)})


def _session(row: Row[Any]) -> LoginSession:
    return LoginSession(**row._asdict())


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(**{**row._asdict(), "scopes": frozenset(row.scopes)})
