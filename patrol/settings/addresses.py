"""Camera addresses as people may see them in a file that travels: passwords masked. Pure.

`rtsp://admin:***@192.0.2.7/1`. What stands as `${NAME}` is no secret and stays. A masked address
that comes back means the one that it was made from, also after its host or path was corrected.
"""

import re
from typing import Final

MASK: Final = "***"
_USERINFO: Final = re.compile(
    r"^(?P<head>[A-Za-z][\w+.-]*://[^/@:]*:)(?P<secret>[^@/]*)(?P<rest>@.*)$"
)
_TICKET: Final = re.compile(
    r"(?P<head>[?&][^=&]*(?:pass|pwd|token|secret|sign|auth|key|ticket)[^=&]*=)(?P<secret>[^&]*)",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(r"\$\{[A-Za-z_]\w*\}", re.ASCII)


class Unknowable(ValueError):
    """A mask whose secret nobody knows."""


def masked(url: str) -> str:
    """The address without what is secret in it."""
    hidden = _USERINFO.sub(lambda m: f"{m['head']}{_hidden(m['secret'])}{m['rest']}", url)
    return _TICKET.sub(lambda m: f"{m['head']}{_hidden(m['secret'])}", hidden)


def unmasked(url: str, known: str) -> str:
    """The address that was meant, where `known` is the present one. Raises Unknowable."""
    if MASK not in url:
        return url
    if url == masked(known):
        return known
    new, old = _USERINFO.match(url), _USERINFO.match(known)
    if new and old and new["secret"] == MASK and new["head"] == old["head"]:
        url = f"{new['head']}{old['secret']}{new['rest']}"
    if MASK in url:
        raise Unknowable(f"holds {MASK} in the place of a secret, write the whole address")
    return url


def _hidden(secret: str) -> str:
    return secret if not secret or _NAMED.fullmatch(secret) else MASK
