"""The console in the store: accounts, login sessions, claims, API keys, photos from the ground."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from patrol.domain.account import Account, ApiKey, CasePhoto, FindingClaim, LoginSession
from patrol.domain.ids import CaseId, FindingId
from patrol.store.rows import RowMapper
from patrol.store.schema_people import accounts, api_keys, case_photos, claims, sessions
from patrol.store.transaction import Transaction

_ACCOUNTS = RowMapper(Account)
_SESSIONS = RowMapper(LoginSession)
_CLAIMS = RowMapper(FindingClaim)
_API_KEYS = RowMapper(ApiKey)
_CASE_PHOTOS = RowMapper(CasePhoto)


class AccountRepository:
    """Reads and writes the accounts of the console."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, name: str) -> Account:
        """Locked for this unit of work where the database can. Raises KeyError."""
        found = self._db.locked(select(accounts).where(accounts.c.name == name))
        row = self._db.first(found)
        if row is None:
            raise KeyError(name)
        return _ACCOUNTS.from_row(row)

    def put(self, account: Account) -> None:
        """Add or replace; accounts are disabled, never deleted."""
        self._db.put(accounts, _ACCOUNTS.to_row(account), "name")

    def all(self) -> Sequence[Account]:
        """By name."""
        return [
            _ACCOUNTS.from_row(row)
            for row in self._db.all(select(accounts).order_by(accounts.c.name))
        ]


class LoginSessionRepository:
    """Reads and writes login sessions."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, session: LoginSession) -> None:
        """Append."""
        self._db.add(sessions, [_SESSIONS.to_row(session)])

    def get(self, session_id: str, now: datetime) -> LoginSession | None:
        """The session; None when it is unknown or over."""
        mine = sessions.c.id == session_id, sessions.c.ends_at > now
        row = self._db.first(select(sessions).where(*mine))
        return None if row is None else _SESSIONS.from_row(row)

    def of_account(self, account: str | None, now: datetime) -> Sequence[LoginSession]:
        """Sessions that are not over, newest first; None: of all accounts."""
        not_ended = select(sessions).where(sessions.c.ends_at > now)
        mine = not_ended if account is None else not_ended.where(sessions.c.account == account)
        newest = mine.order_by(sessions.c.begun_at.desc(), sessions.c.id)
        return [_SESSIONS.from_row(row) for row in self._db.all(newest)]

    def in_force(self, session_ids: Collection[str], now: datetime) -> frozenset[str]:
        """Those of these sessions that are not over and whose account is not disabled."""
        statement = (
            select(sessions.c.id)
            .join(accounts, accounts.c.name == sessions.c.account)
            .where(sessions.c.id.in_(session_ids), sessions.c.ends_at > now)
            .where(accounts.c.disabled_at.is_(None))
        )
        return frozenset(row.id for row in self._db.all(statement))

    def end(self, session_id: str) -> None:
        """Log out; nothing happens when it is over already."""
        self._db.run(sessions.delete().where(sessions.c.id == session_id))

    def end_all(self, account: str) -> int:
        """Log the account out everywhere; how many ended."""
        return self._db.changed(sessions.delete().where(sessions.c.account == account))

    def sweep(self, now: datetime) -> int:
        """Delete expired sessions; returns how many."""
        return self._db.changed(sessions.delete().where(sessions.c.ends_at <= now))


class ClaimRepository:
    """Reads and writes claims: leases of a finding by the one person who decides it."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def acquire(self, claim: FindingClaim, now: datetime) -> bool:
        """Claim the finding, or renew the holder's claim; False while another person holds it."""
        free = claims.c.holder == claim.holder, claims.c.until <= now
        statement = self._db.insert(claims)
        mine = statement.on_conflict_do_update(
            index_elements=["finding"],
            set_={"holder": statement.excluded.holder, "until": statement.excluded.until},
            where=free[0] | free[1],
        )
        return self._db.changed(mine, _CLAIMS.to_row(claim)) == 1

    def active(self, now: datetime) -> Mapping[FindingId, FindingClaim]:
        """Claims that have not expired."""
        rows = self._db.all(select(claims).where(claims.c.until > now))
        return {row.finding: _CLAIMS.from_row(row) for row in rows}

    def drop(self, finding: FindingId) -> None:
        """Delete the claim of a finding that was decided or skipped."""
        self._db.run(claims.delete().where(claims.c.finding == finding))

    def drop_all(self, holder: str) -> None:
        """Release every claim of the holder."""
        self._db.run(claims.delete().where(claims.c.holder == holder))


class ApiKeyRepository:
    """Reads and writes the keys of the JSON API."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, key: ApiKey) -> None:
        """Append."""
        self._db.add(api_keys, [_API_KEYS.to_row(key)])

    def by_secret(self, secret: str) -> ApiKey | None:
        """The key with this hash of its secret, unless it is revoked; None for none."""
        mine = api_keys.c.secret == secret, api_keys.c.revoked_at.is_(None)
        row = self._db.first(select(api_keys).where(*mine))
        return None if row is None else _API_KEYS.from_row(row)

    def revoke(self, key_id: str, now: datetime) -> bool:
        """False when there is none, or it is revoked already."""
        not_revoked = api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)
        return self._db.changed(api_keys.update().where(*not_revoked).values(revoked_at=now)) == 1

    def all(self) -> Sequence[ApiKey]:
        """Newest first, revoked ones too."""
        newest = select(api_keys).order_by(api_keys.c.made_at.desc(), api_keys.c.id)
        return [_API_KEYS.from_row(row) for row in self._db.all(newest)]


class CasePhotoRepository:
    """Reads and writes photos that came with replies from the ground."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, photo: CasePhoto) -> bool:
        """Store the photo; False when its key was stored before."""
        return self._db.add_if_new(case_photos, _CASE_PHOTOS.to_row(photo), "key")

    def of_case(self, case_id: CaseId) -> Sequence[CasePhoto]:
        """Oldest first."""
        mine = select(case_photos).where(case_photos.c.case == case_id)
        oldest = mine.order_by(case_photos.c.at, case_photos.c.key)
        return [_CASE_PHOTOS.from_row(row) for row in self._db.all(oldest)]
