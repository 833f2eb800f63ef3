"""Secrets and marks that the site makes for itself, once: one row a name, never shown.

`get_or_add` is for two processes that begin at once: the second waits for the first and gets the
same secret. A mark is a row whose secret is empty. Used for the key of one-time picture links
(store/pictures.py) and for the service's MQTT client id (app/reply_session.py).
"""

from typing import Final

from sqlalchemy import select

from patrol.store.schema_people import site_keys
from patrol.store.transaction import Transaction

_MARK: Final = b""
_FINGERPRINT: Final = "site_key_fingerprint"


class SiteKeyRepository:
    """Reads and adds the site's own keys; none is ever changed."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get_or_add(self, name: str, fresh: bytes) -> bytes:
        """The secret of this name; `fresh` becomes it where there is none yet."""
        known = self._get(name)
        if known is None:
            self._db.add_if_new(site_keys, {"name": name, "secret": fresh}, "name")
            known = self._get(name)
        return known or _MARK

    def is_marked(self, name: str) -> bool:
        """Whether `mark` was ever called with this name."""
        return self._get(name) is not None

    def mark(self, name: str) -> None:
        """Keep for good that something has happened once."""
        self.get_or_add(name, _MARK)

    def fingerprint(self) -> str:
        """By which the store knows the site's key, that is in a file; "" before the first one."""
        known = self._get(_FINGERPRINT)
        return "" if known is None else known.decode("ascii")

    def set_fingerprint(self, fingerprint: str) -> None:
        """Remember the first key's fingerprint for good."""
        self.get_or_add(_FINGERPRINT, fingerprint.encode("ascii"))

    def _get(self, name: str) -> bytes | None:
        secret = self._db.scalar(select(site_keys.c.secret).where(site_keys.c.name == name))
        return None if secret is None else bytes(secret)
