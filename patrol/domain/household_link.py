"""Signed links to a household's own page: one camera each, without a login. Pure.

The token is the link's id and an HMAC-SHA256 signature (domain/picture_link.py), so that nothing
is read from the store before the signature is right. Which camera a link is for, and whether it
still stands, the store knows; the same link can be printed again until it is revoked.
"""

import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from patrol.domain.picture_link import is_signature_hex, sign_hex

HOUSEHOLD_PATH: Final = "/h/"
HOUSEHOLD_LINK_KEY: Final = "household_links"  # of site_keys
ID_BYTES: Final = 9
_PURPOSE: Final = "household-link"
_TOKEN: Final = re.compile(r"([A-Za-z0-9_-]{12})\.([0-9a-f]{40})", re.ASCII)


def new_link_id() -> str:
    """A fresh id: 72 random bits, 12 characters."""
    return secrets.token_urlsafe(ID_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdLinkSigner:
    """Makes and reads the links of one site, with its key."""

    base_url: str  # where phones reach the console; empty: nobody knows
    key: bytes = field(repr=False)

    def address(self, ident: str) -> str:
        """The whole address of the link; empty when nobody knows where phones reach the console."""
        return f"{self.base_url}{self.path(ident)}" if self.base_url else ""

    def path(self, ident: str) -> str:
        """The address without the host."""
        signature = sign_hex(self.key, ident.encode(), purpose=_PURPOSE)
        return f"{HOUSEHOLD_PATH}{ident}.{signature}"

    def read(self, token: str) -> str | None:
        """The id of a token; None unless we signed it, compared in constant time."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        ident, signature = match.groups()
        good = is_signature_hex(signature, self.key, ident.encode(), purpose=_PURPOSE)
        return ident if good else None
