"""Answer a 401: Digest (RFC 2617, RFC 7616) and Basic (RFC 7617).

Pure: challenges in, the value of an Authorization header out. The password stays inside and never
prints. Serves RTSP and HTTP alike.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.address import StreamAddress

# Possessive throughout: a token is found or not in one pass, whatever a server sends.
_CHALLENGE_TOKEN: Final = re.compile(
    r"""[\s,]*+(?:
        (?P<name>[A-Za-z0-9_*.-]++)\s*+=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<token>[^\s,"]*+))
        |(?P<scheme>[A-Za-z][A-Za-z0-9_-]*+)(?=\s|,|$)
    )""",
    re.VERBOSE,
)
MAX_CHALLENGES: Final = 16  # a real answer has one to three
MAX_PARAMETERS: Final = 64  # names and schemes of one header; Digest knows ten
MAX_STALE_NONCES: Final = 3  # in a row: a server whose every nonce is stale asks for ever
# Strongest first; what is not here cannot be answered.
_HASHES: Final[Mapping[str, str]] = {
    "SHA-512-256": "sha512_256",
    "SHA-256": "sha256",
    "MD5": "md5",
}


@dataclass(frozen=True, slots=True)
class AuthChallenge:
    """One authentication scheme that a server offers, with its parameters."""

    scheme: str  # lower case
    parameters: Mapping[str, str]

    @property
    def algorithm(self) -> str:
        """`MD5` where none is named (RFC 7616 §3.3)."""
        return self.parameters.get("algorithm", "MD5").upper()

    @property
    def stale(self) -> bool:
        """The nonce was too old; the password may be right."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def qops(self) -> frozenset[str]:
        """The qualities of protection offered; empty for RFC 2069 servers."""
        return frozenset(q.strip().lower() for q in self.parameters.get("qop", "").split(",")) - {
            ""
        }

    @property
    def strength(self) -> int:
        """0 when it cannot be answered; higher is better."""
        if self.scheme == "basic":
            return 1
        if self.scheme != "digest" or "nonce" not in self.parameters:
            return 0
        if self.qops and not self.qops & {"auth", "auth-int"}:
            return 0
        names = list(_HASHES)
        base = self.algorithm.removesuffix("-SESS")
        if base not in names or _hash(base) is None:
            return 0
        return 2 + len(names) - names.index(base)


def read_challenges(values: Sequence[str]) -> list[AuthChallenge]:
    """All challenges of all WWW-Authenticate headers; one header may carry several."""
    found: list[AuthChallenge] = []
    for value in values:
        parameters: dict[str, str] = {}
        position = 0
        tokens = 0
        while match := _CHALLENGE_TOKEN.match(value, position):
            position, tokens = match.end(), tokens + 1
            if tokens > MAX_PARAMETERS or len(found) > MAX_CHALLENGES:
                return found
            if match["scheme"]:
                parameters = {}
                found.append(AuthChallenge(match["scheme"].lower(), parameters))
            else:
                parameters[match["name"].lower()] = _unquoted(match)
    return found


def strongest(challenges: Sequence[AuthChallenge]) -> AuthChallenge | None:
    """The strongest challenge that can be answered; None without one."""
    best = max(challenges, key=lambda challenge: challenge.strength, default=None)
    return best if best is not None and best.strength else None


def authenticator_for(home: StreamAddress, target: StreamAddress) -> "DigestAuthenticator":
    """The authenticator of a redirect's target, which `home` led to: empty-handed elsewhere."""
    known = home.with_login_for(target)
    return DigestAuthenticator(
        known.user, known.password, withheld=bool(home.user) and not known.user
    )


@dataclass(slots=True)
class DigestAuthenticator:
    """Signs requests once a challenge was taken; counts the uses of a nonce."""

    user: str
    password: str = field(repr=False)
    withheld: bool = False  # a redirect led to where the address's login is not sent
    make_cnonce: Callable[[], str] = field(default=lambda: secrets.token_hex(8), repr=False)
    _challenge: AuthChallenge | None = field(default=None, repr=False)
    _unaccepted: int = 0  # signatures not known to be accepted, the present one included
    _uses: int = 0
    _cnonce: str = field(default="", repr=False)  # one per nonce: "-sess" hashes the first one
    _qop: str = ""
    _hash: Callable[[str], str] = field(default=str, repr=False)
    _secret: str = field(default="", repr=False)  # A1 hashed, the same for every request

    @property
    def answered(self) -> bool:
        """Whether a challenge was answered."""
        return self._challenge is not None

    def refusal_text(self) -> str:
        """Why a 401 stands, for a person."""
        if self.withheld:
            return "redirected to where the login of the camera's address is not sent"
        if not self.user:
            return "a user and a password are wanted, the address has none"
        if self.answered:
            return "the user or the password is not accepted"
        return "it asks for a way in that we do not have"

    def confirm(self) -> None:
        """Note that a request was let in: the password is right, whatever a later 401 asks."""
        self._unaccepted = 1 if self.answered else 0

    def accept_challenges(self, values: Sequence[str]) -> bool:
        """Take the challenges of a 401; False when none can be answered (again)."""
        challenge = strongest(read_challenges(values))
        if challenge is None or not self.user:
            return False
        if self._challenge is not None and not self._worth_another(challenge):
            return False
        self._start(challenge)
        self._unaccepted += 1
        return True

    def renew_nonce(self, values: Sequence[str]) -> None:
        """Take the nonce of a 401 for the next request, where this one is not to be repeated."""
        challenge = strongest(read_challenges(values))
        if challenge is not None and challenge.scheme == "digest":
            self._start(challenge)
            self._unaccepted = 2

    def _start(self, challenge: AuthChallenge) -> None:
        self._challenge, self._uses, self._cnonce = challenge, 0, self.make_cnonce()
        if challenge.scheme == "basic":
            return
        given = challenge.parameters
        base = challenge.algorithm.removesuffix("-SESS")
        self._qop, self._hash = _chosen_qop(challenge), _hash(base) or str
        self._secret = self._hash(f"{self.user}:{given.get('realm', '')}:{self.password}")
        if base != challenge.algorithm:
            self._secret = self._hash(f"{self._secret}:{given['nonce']}:{self._cnonce}")

    def _worth_another(self, challenge: AuthChallenge) -> bool:
        """Whether a 401 to a signed request may be about the nonce and not about the password.

        Many cameras change the nonce without saying that the old one was stale: once more then.
        """
        if challenge.scheme != "digest" or self._challenge is None:
            return False
        if challenge.stale:
            return self._unaccepted < MAX_STALE_NONCES
        is_new = challenge.parameters["nonce"] != self._challenge.parameters.get("nonce")
        return is_new and self._unaccepted < 2  # noqa: PLR2004  the first answer, and once more

    def renew(self, authentication_info: str) -> None:
        """Take the `nextnonce` of an Authentication-Info header, where there is one."""
        if self._challenge is None or "nextnonce" not in authentication_info:
            return
        found = read_challenges([f"Digest {authentication_info}"])
        if found and "nextnonce" in found[0].parameters:
            renewed = {**self._challenge.parameters, "nonce": found[0].parameters["nextnonce"]}
            self._start(AuthChallenge("digest", renewed))

    def authorization(self, method: str, uri: str) -> str | None:
        """The value of the Authorization header; None before a challenge was taken."""
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            pair = f"{self.user}:{self.password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        self._uses += 1
        return self._digest(self._challenge, method, uri)

    def _digest(self, challenge: AuthChallenge, method: str, uri: str) -> str:
        given, digest, qop = challenge.parameters, self._hash, self._qop
        realm, nonce, count = given.get("realm", ""), given["nonce"], f"{self._uses:08x}"
        what = f"{method}:{uri}"
        what += f":{digest('')}" if qop == "auth-int" else ""  # our requests have no body
        middle = f"{nonce}:{count}:{self._cnonce}:{qop}" if qop else nonce
        response = digest(f"{self._secret}:{middle}:{digest(what)}")
        hashed = given.get("userhash", "").lower() == "true"
        user = digest(f"{self.user}:{realm}") if hashed else self.user
        quoted = [("username", user), ("realm", realm), ("nonce", nonce), ("uri", uri)]
        quoted += [("response", response)]
        if "opaque" in given:
            quoted.append(("opaque", given["opaque"]))
        if qop or challenge.algorithm.endswith("-SESS"):
            quoted.append(("cnonce", self._cnonce))
        # These stand without quotes (RFC 7616 §3.4).
        bare = [("algorithm", given["algorithm"])] if "algorithm" in given else []
        bare += [("qop", qop), ("nc", count)] if qop else []
        bare += [("userhash", "true")] if hashed else []
        parts = [f'{name}="{_quoted(value)}"' for name, value in quoted]
        parts += [f"{name}={value}" for name, value in bare]
        return "Digest " + ", ".join(parts)


def _chosen_qop(challenge: AuthChallenge) -> str:
    if not challenge.qops:
        return ""
    return "auth" if "auth" in challenge.qops else "auth-int"


def _hash(name: str) -> Callable[[str], str] | None:
    library_name = _HASHES[name]
    if library_name not in hashlib.algorithms_available:
        return None
    return lambda text: hashlib.new(library_name, text.encode(), usedforsecurity=False).hexdigest()


def _unquoted(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return re.sub(r"\\(.)", r"\1", match["quoted"])
    return match["token"] or ""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
