"""RTSP authentication of simulated cameras: challenges, and checks of answers.

Schemes (RFC 7617, RFC 2617, RFC 7616): none, basic, digest-md5 (the old kind, without qop),
digest-md5-qop, digest-sha256, digest-sha256-md5 (both offered, the better first), basic+digest.
"""

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final

from simulators.town.model import Login

REALM: Final = "IP Camera"
_PAIR: Final = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')
_HASHES: Final = {"MD5": "md5", "SHA-256": "sha256"}
_DIGESTS: Final[Mapping[str, tuple[tuple[str, bool], ...]]] = {
    # per scheme: algorithm, with qop
    "digest-md5": (("MD5", False),),
    "digest-md5-qop": (("MD5", True),),
    "digest-sha256": (("SHA-256", True),),
    "digest-sha256-md5": (("SHA-256", True), ("MD5", True)),
    "basic+digest": (("MD5", False),),
}
_WITH_BASIC: Final = frozenset({"basic", "basic+digest"})


def challenges(login: Login, nonce: str) -> list[str]:
    """The WWW-Authenticate headers of a 401."""
    basic = [f'Basic realm="{REALM}"'] if login.scheme in _WITH_BASIC else []
    digests = []
    for algorithm, qop in _DIGESTS.get(login.scheme, ()):
        text = f'Digest realm="{REALM}", nonce="{nonce}"'
        if qop or algorithm != "MD5":
            text += f", algorithm={algorithm}"
        digests.append(text + (', qop="auth"' if qop else ""))
    return [*basic, *digests]


def is_authorized(login: Login, header: str | None, method: str, nonce: str) -> bool:
    """Whether the Authorization header proves knowledge of the password."""
    if login.scheme == "none":
        return True
    scheme, _, rest = (header or "").partition(" ")
    if scheme.lower() == "basic":
        return login.scheme in _WITH_BASIC and _is_basic_valid(login, rest)
    if scheme.lower() != "digest":
        return False
    fields = {key.lower(): quoted or bare for key, quoted, bare in _PAIR.findall(rest)}
    return fields.get("nonce") == nonce and _is_digest_valid(login, fields, method)


def _is_basic_valid(login: Login, rest: str) -> bool:
    try:
        given = b64decode(rest.strip(), validate=True)
    except Base64Error:
        return False
    return hmac.compare_digest(given, f"{login.user}:{login.password}".encode())


def _is_digest_valid(login: Login, fields: Mapping[str, str], method: str) -> bool:
    algorithm = fields.get("algorithm", "MD5").upper()
    offered = dict(_DIGESTS.get(login.scheme, ()))
    if algorithm not in offered or fields.get("username") != login.user:
        return False
    if offered[algorithm] and fields.get("qop") != "auth":
        return False

    def hashed(text: str) -> str:
        return hashlib.new(_HASHES[algorithm], text.encode()).hexdigest()

    secret = hashed(f"{login.user}:{REALM}:{login.password}")
    request = hashed(f"{method}:{fields.get('uri', '')}")
    middle = fields.get("nonce", "")
    if offered[algorithm]:
        middle += f":{fields.get('nc', '')}:{fields.get('cnonce', '')}:auth"
    expected = hashed(f"{secret}:{middle}:{request}")
    return hmac.compare_digest(fields.get("response", ""), expected)
