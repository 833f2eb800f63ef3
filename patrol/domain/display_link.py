"""The link of a display (大屏): a wall screen that nobody logs in at. Pure.

A display's account has no password that anybody knows. Its link, `/display#TOKEN`, is signed with
the account's password hash: a new hash is a new link, and the old one opens nothing any more, as
none does of an account that is disabled or has another duty. web/pages/display.py opens links.
"""

from typing import Final

from patrol.domain.account import Account, AccountRole
from patrol.domain.picture_link import is_signature_hex, sign_hex

DISPLAY_PATH: Final = "/display"
DISPLAY_PURPOSE: Final = "display"
MAX_DISPLAY_TOKEN_CHARS: Final = 120  # of a name, `~` and a signature


class DisplayLinkInvalid(Exception):
    """The link was revoked, or was never signed; the answer does not say which."""


def display_token(account: Account) -> str:
    """The token of a display's link, good until the account's password hash is another."""
    return f"{account.name}~{_signature(account)}"


def display_address(base_url: str, account: Account) -> str:
    """The address to open on the screen; the token behind `#` is sent to no server by itself."""
    return f"{base_url.rstrip('/')}{DISPLAY_PATH}#{display_token(account)}"


def display_name_of(token: str) -> str:
    """The account that a token names, not checked yet."""
    return token.partition("~")[0]


def check_display_token(account: Account | None, token: str) -> Account:
    """The display that the token opens. Raises DisplayLinkInvalid."""
    _, _, signature = token.partition("~")
    if account is None or account.duty is not AccountRole.DISPLAY or account.disabled_at:
        raise DisplayLinkInvalid
    key = account.password.encode()
    if not is_signature_hex(signature, key, account.name.encode(), purpose=DISPLAY_PURPOSE):
        raise DisplayLinkInvalid
    return account


def _signature(account: Account) -> str:
    return sign_hex(account.password.encode(), account.name.encode(), purpose=DISPLAY_PURPOSE)
