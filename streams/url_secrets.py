"""Secrets in URLs, found and hidden in one place: user and password, and parameters.

Cameras and platforms put passwords and tickets into queries (`?loginuse=a&loginpas=b`) and into
paths (`/user=a&password=b&channel=1.sdp`, `/user=a_password=b_channel=1.sdp`). Used for what an
address prints (address.py), log lines (patrol/logs.py), what is stored (patrol/store) and the table
that people edit (patrol/settings/cameras_csv.py). Pure; every pattern reads a text once, however
long it is and whatever stands in it.
"""

import re
from collections.abc import Callable
from typing import Final

HIDDEN: Final = "…"
MASKS: Final = frozenset({"", HIDDEN, "***"})  # in the place of a secret: none is there

_URL_LIKE: Final = re.compile(r"[^\s\"']++")
# Parts of a parameter's name that make its value a secret, in logs and rows as well.
_LOGIN_NAMES: Final = "pass|pwd|psw|loginpas|secret|token|ticket|auth|credential|口令|密码"
# Those that are too common there, and secret in a camera's address all the same.
_ADDRESS_NAMES: Final = f"{_LOGIN_NAMES}|sign|key"
_SHORT_NAMES: Final = "p|pw|pas|sid|sig"


def _parameter(names: str, short_names: str) -> re.Pattern[str]:
    """`NAME=VALUE` with such a name; the value ends at `&`, or at `_NAME=`."""
    return re.compile(
        rf"(?<![\w.-])(?P<name>(?:(?=[\w.-]{{0,60}}?(?:{names}))[\w.-]{{1,80}}+"
        rf"|(?:[\w.-]{{0,60}}_)?(?:{short_names}))=)"
        r"(?P<secret>(?:(?!_[A-Za-z]{2,20}=)[^&\s\"'<>])*+)",
        re.IGNORECASE,
    )


_LOGIN_PARAMETER: Final = _parameter(_LOGIN_NAMES, "pw|pas")
_ADDRESS_PARAMETER: Final = _parameter(_ADDRESS_NAMES, _SHORT_NAMES)


def hide_credentials(text: str) -> str:
    """The text with `…` in place of user, password and secret parameters in every URL."""
    return _URL_LIKE.sub(lambda match: _hide_in_url(match[0]), text) if "://" in text else text


def has_credentials(text: str) -> bool:
    """Whether a URL in the text names a user (and perhaps a password) or a secret parameter."""
    return "://" in text and any(_is_revealing(match[0]) for match in _URL_LIKE.finditer(text))


def hide_login_parameters(text: str) -> str:
    """The text with `…` in place of the values of `password=`, `token=` and their like."""
    return _masked(_LOGIN_PARAMETER, text, _hide) if "=" in text else text


def mask_parameters(text: str, mask: Callable[[str], str] | None = None) -> str:
    """A URL's path or query with its secret parameters masked, by `…` where no mask is given."""
    return _masked(_ADDRESS_PARAMETER, text, mask or _hide) if "=" in text else text


def _masked(pattern: re.Pattern[str], text: str, mask: Callable[[str], str]) -> str:
    return pattern.sub(lambda match: f"{match['name']}{mask(match['secret'])}", text)


def _hide(secret: str) -> str:
    return HIDDEN if secret else ""


def _hide_in_url(url: str) -> str:
    # To the last @ of the word: a password written without its percent signs may hold any of @ : /
    head, mark, rest = url.partition("://")
    if not mark:
        return url
    before, at, behind = rest.rpartition("@")
    return f"{head}{mark}{HIDDEN if before or at else ''}{at}{hide_login_parameters(behind)}"


def _is_revealing(url: str) -> bool:
    _, mark, rest = url.partition("://")
    before, at, behind = rest.rpartition("@")
    if not mark:
        return False
    parameters = _LOGIN_PARAMETER.finditer(behind)
    return (at and before != HIDDEN) or any(p["secret"] not in MASKS for p in parameters)
