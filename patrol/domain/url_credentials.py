"""Credentials in URLs (`scheme://user:password@host`) within a text: found and hidden. Pure.

Used for log lines (patrol/logs.py) and for what is stored (patrol/store). Addresses that people
edit are masked otherwise, so that the mask can be undone (patrol/settings/cameras_csv.py).
"""

import re
from typing import Final

HIDDEN: Final = "…"
# To the last @ of the word: a password written without its percent signs may hold any of @ : /
_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s\"']*@")


def hide_credentials(text: str) -> str:
    """The text with `…@` in place of user and password in every URL."""
    return _CREDENTIALS.sub(f"{HIDDEN}@", text) if "://" in text else text


def has_credentials(text: str) -> bool:
    """Whether a URL in the text names a user (and perhaps a password)."""
    return any(match.group() != f"{HIDDEN}@" for match in _CREDENTIALS.finditer(text))
