"""The console's books in memory; same contract tests as the real ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from patrol.domain.account import Account, ApiKey, CasePhoto, Claim, Session
from patrol.domain.ids import CaseId, FindingId, GridCode, MessageKey
from patrol.domain.picture_link import Opening
from simulators.store_rows import Journal, Rows


class MemoryAccounts:
    """Fulfils ports.Accounts."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[str, Account] = Rows(journal)

    def get(self, name: str) -> Account:
        """See the port."""
        return self._rows[name]

    def put(self, account: Account) -> None:
        """See the port."""
        self._rows[account.name] = account

    def all(self) -> Sequence[Account]:
        """See the port."""
        return sorted(self._rows.values(), key=lambda account: account.name)


class MemorySessions:
    """Fulfils ports.Sessions."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[str, Session] = Rows(journal)

    def add(self, session: Session) -> None:
        """See the port."""
        self._rows[session.id] = session

    def get(self, session_id: str, now: datetime) -> Session | None:
        """See the port."""
        session = self._rows.get(session_id)
        return session if session is not None and session.ends_at > now else None

    def of(self, account: str | None, now: datetime) -> Sequence[Session]:
        """See the port."""
        standing = [s for s in self._rows.values() if s.ends_at > now]
        mine = [s for s in standing if account in (None, s.account)]
        return sorted(sorted(mine, key=lambda s: s.id), key=lambda s: s.begun_at, reverse=True)

    def end(self, session_id: str) -> None:
        """See the port."""
        self._rows.pop(session_id)

    def end_all(self, account: str) -> int:
        """See the port."""
        return self._drop(lambda session: session.account == account)

    def sweep(self, now: datetime) -> int:
        """See the port."""
        return self._drop(lambda session: session.ends_at <= now)

    def _drop(self, wanted: Callable[[Session], bool]) -> int:
        gone = [session.id for session in self._rows.values() if wanted(session)]
        for session_id in gone:
            self._rows.pop(session_id)
        return len(gone)


class MemoryClaims:
    """Fulfils ports.Claims."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[FindingId, Claim] = Rows(journal)

    def take(self, claim: Claim, now: datetime) -> bool:
        """See the port."""
        known = self._rows.get(claim.finding)
        if known is not None and known.holder != claim.holder and known.until > now:
            return False
        self._rows[claim.finding] = claim
        return True

    def standing(self, now: datetime) -> Mapping[FindingId, Claim]:
        """See the port."""
        return {claim.finding: claim for claim in self._rows.values() if claim.until > now}

    def drop(self, finding: FindingId) -> None:
        """See the port."""
        self._rows.pop(finding)

    def drop_all(self, holder: str) -> None:
        """See the port."""
        for claim in self._rows.values():
            if claim.holder == holder:
                self._rows.pop(claim.finding)


class MemoryApiKeys:
    """Fulfils ports.ApiKeys."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[str, ApiKey] = Rows(journal)

    def add(self, key: ApiKey) -> None:
        """See the port."""
        self._rows[key.id] = key

    def by_secret(self, secret: str) -> ApiKey | None:
        """See the port."""
        standing = (key for key in self._rows.values() if key.revoked_at is None)
        return next((key for key in standing if key.secret == secret), None)

    def revoke(self, key_id: str, now: datetime) -> bool:
        """See the port."""
        key = self._rows.get(key_id)
        if key is None or key.revoked_at is not None:
            return False
        self._rows[key_id] = replace(key, revoked_at=now)
        return True

    def all(self) -> Sequence[ApiKey]:
        """See the port."""
        in_order = sorted(self._rows.values(), key=lambda key: key.id)
        return sorted(in_order, key=lambda key: key.made_at, reverse=True)


class MemoryCasePhotos:
    """Fulfils ports.CasePhotos."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[MessageKey, CasePhoto] = Rows(journal)

    def add(self, photo: CasePhoto) -> bool:
        """See the port."""
        if photo.key in self._rows:
            return False
        self._rows[photo.key] = photo
        return True

    def of_case(self, case_id: CaseId) -> Sequence[CasePhoto]:
        """See the port."""
        mine = [photo for photo in self._rows.values() if photo.case == case_id]
        return sorted(mine, key=lambda photo: (photo.at, photo.key))


class MemoryPictureLinks:
    """Fulfils ports.PictureLinks."""

    def __init__(self, journal: Journal) -> None:
        self._keys: Rows[str, bytes] = Rows(journal)
        self._rows: Rows[tuple[CaseId, GridCode, int], Opening] = Rows(journal)

    def key(self, fresh: bytes) -> bytes:
        """See the port."""
        if "picture_links" not in self._keys:
            self._keys["picture_links"] = fresh
        return self._keys["picture_links"]

    def open(self, opening: Opening) -> bool:
        """See the port."""
        key = (opening.case, opening.grid, opening.revision)
        if key in self._rows:
            return False
        self._rows[key] = opening
        return True

    def openings(self, case_id: CaseId, grid: GridCode) -> Sequence[Opening]:
        """See the port."""
        mine = [o for o in self._rows.values() if (o.case, o.grid) == (case_id, grid)]
        return sorted(mine, key=lambda opening: opening.revision)
