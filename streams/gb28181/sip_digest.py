"""Digest authentication of GB/T 28181's REGISTER, as the server sees it. Pure.

Challenges name realm, qop and algorithm (some devices do not answer one without algorithm).
Answers with qop (RFC 2617) and without (RFC 2069) are both taken; the `uri` is hashed as the
client wrote it, its `nc` as it stands. Nonces are signed with a key of the process and expire, so
that nothing is kept for a device that only asks. The client's side: streams.rtsp.digest_auth.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

from streams.rtsp.digest_auth import read_challenges

NONCE_LIFE_S: Final = 300.0
_INPUTS: Final = ("username", "realm", "uri", "algorithm", "qop", "nc", "cnonce", "nonce")
_HASHES: Final = {"": "md5", "MD5": "md5", "SHA-256": "sha256"}


class LoginResult(StrEnum):
    """What an Authorization header is worth."""

    MISSING = auto()
    STALE = auto()  # the nonce is not ours, or too old: ask again
    WRONG = auto()
    RIGHT = auto()


@dataclass(frozen=True, slots=True)
class DigestServer:
    """Challenges and checks; `key` is random for each process."""

    realm: str
    key: bytes = field(repr=False)

    def challenge(self, now_s: float, *, stale: bool = False) -> str:
        """The value of WWW-Authenticate."""
        again = ",stale=true" if stale else ""
        nonce = self._nonce(now_s)
        return f'Digest realm="{self.realm}",qop="auth",nonce="{nonce}",algorithm=MD5{again}'

    def check(
        self, authorization: str, method: str, *, user: str, password: str, now_s: float
    ) -> LoginResult:
        """Check one answer; an empty `user` takes any name that the client gives."""
        found = read_challenges([authorization[:4096]]) if authorization else []
        given = found[0].parameters if found and found[0].scheme == "digest" else None
        if given is None or "response" not in given:
            return LoginResult.MISSING
        if not self._is_fresh(given.get("nonce", ""), now_s):
            return LoginResult.STALE
        algorithm = _HASHES.get(given.get("algorithm", "").upper())
        if algorithm is None or (user and given.get("username") != user):
            return LoginResult.WRONG
        expected = expected_response(given, method, password, algorithm)
        right = hmac.compare_digest(expected.encode(), given["response"].lower().encode())
        return LoginResult.RIGHT if right else LoginResult.WRONG

    def _nonce(self, now_s: float) -> str:
        stamp = f"{int(now_s):x}"
        mark = hmac.new(self.key, stamp.encode(), hashlib.sha256).hexdigest()[:24]
        return f"{stamp}-{mark}"

    def _is_fresh(self, nonce: str, now_s: float) -> bool:
        stamp, _, mark = nonce.partition("-")
        expected = hmac.new(self.key, stamp.encode(), hashlib.sha256).hexdigest()[:24]
        if not hmac.compare_digest(mark.encode(), expected.encode()):
            return False
        return -1.0 <= now_s - int(stamp, 16) <= NONCE_LIFE_S  # the mark proves that we wrote it


def digest_inputs(authorization: str) -> str:
    """What a client hashed beside its password, for a person who compares; not its answer."""
    found = read_challenges([authorization[:4096]]) if authorization else []
    given = found[0].parameters if found else {}
    return " ".join(f"{name}={given[name][:80]!r}" for name in _INPUTS if name in given)


def expected_response(
    parameters: Mapping[str, str], method: str, password: str, algorithm: str = "md5"
) -> str:
    """What the client must answer, by its own realm, uri, nonce and counts (RFC 2617 §3.2.2)."""

    def digest(text: str) -> str:
        return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()

    user, realm = parameters.get("username", ""), parameters.get("realm", "")
    secret = digest(f"{user}:{realm}:{password}")
    what = digest(f"{method}:{parameters.get('uri', '')}")
    nonce, qop = parameters.get("nonce", ""), parameters.get("qop", "")
    if not qop:
        return digest(f"{secret}:{nonce}:{what}")
    middle = f"{nonce}:{parameters.get('nc', '')}:{parameters.get('cnonce', '')}:{qop}"
    return digest(f"{secret}:{middle}:{what}")
