"""The site's key: 32 random bytes in a file of mode 0600 or a systemd credential, never in a row.

The database, its copies and the pictures' disk are worth nothing without it. It encrypts
nothing itself: each purpose has its own key, derived with HKDF. A sealed value is
`PTS1`, 12 bytes nonce, AES-256-GCM of the text; what the value belongs to (table, camera) is
authenticated with it, so that a row's value opens in no other row.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

from patrol.domain.errors import BadInput
from patrol.files import PRIVATE_MODE, create_once, make_folders

KEY_BYTES: Final = 32
CREDENTIAL: Final = "patrol.key"  # systemd: LoadCredential=patrol.key:… or …Encrypted=
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
SEAL_MARK: Final = b"PTS1"
_NONCE_BYTES: Final = 12  # SP 800-38D, 8.2.2: random; far below 2^32 values under one key
_OTHERS: Final = 0o077


class KeyProblem(BadInput):
    """The key's file is missing, unreadable, open to others, or of another site."""


class SealBroken(BadInput):
    """A sealed value does not open: under another key, changed, or moved to another row."""


@dataclass(frozen=True, slots=True)
class SiteKey:
    """The key and where it came from; prints as its place alone."""

    secret: bytes = field(repr=False)
    place: str = ""

    def derive(self, purpose: str) -> bytes:
        """The 32-byte key of one purpose (HKDF, RFC 5869 §2)."""
        return _derive(self.secret, purpose)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits by which a store recognises its key; tells nothing of it."""
        return self.derive("fingerprint")[:8].hex()

    def seal(self, plain: bytes, *, purpose: str, about: str) -> bytes:
        """The sealed value; `about` must be the same when it is opened."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  30 ms

        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = AESGCM(self.derive(purpose))
        return SEAL_MARK + nonce + cipher.encrypt(nonce, plain, about.encode())

    def open(self, sealed: bytes, *, purpose: str, about: str) -> bytes:
        """What was sealed. Raises SealBroken."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  see seal
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        start = len(SEAL_MARK)
        nonce, text = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
        key = self.derive(purpose) if is_sealed(sealed) else bytes(KEY_BYTES)  # opens nothing
        try:
            return AESGCM(key).decrypt(nonce, text, about.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(
                f"{about}: does not open with the key of {self.place}; put the right key back"
            ) from None

    def mac(self, purpose: str, text: bytes) -> str:
        """HMAC with SHA-256 under the purpose's key, as hex."""
        return hmac.digest(self.derive(purpose), text, "sha256").hex()

    def as_text(self) -> str:
        """The key as its file holds it."""
        return base64.b64encode(self.secret).decode() + "\n"

    @classmethod
    def from_text(cls, text: str, *, place: str) -> Self:
        """The key of a file's text: base64 of 32 bytes in one line. Raises KeyProblem."""
        try:
            secret = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != KEY_BYTES:
            raise KeyProblem(f"{place}: is no key; it holds base64 of {KEY_BYTES} bytes in a line")
        return cls(secret, place)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key of a file: base64 of 32 bytes in its first line. Raises KeyProblem."""
        try:
            mode = path.stat().st_mode
            text = path.read_text("ascii")
        except FileNotFoundError:
            raise KeyProblem(f"{path}: there is no key file; put the site's key back") from None
        except OSError as exc:
            raise KeyProblem(f"{path}: the key cannot be read: {exc.strerror}") from None
        except UnicodeError:
            raise KeyProblem(f"{path}: is no key; it holds base64 in one line") from None
        if mode & _OTHERS:
            raise KeyProblem(f"{path}: others may read the key (mode {mode & 0o777:o}); chmod 600")
        return cls.from_text(text, place=str(path))

    @classmethod
    def make(cls, path: Path, secret: bytes | None = None) -> Self:
        """The key of the file; where there is none, `secret` or a new one, for this user alone.

        Of two processes that begin at once both get the same. Raises KeyProblem.
        """
        fresh = cls(secret or secrets.token_bytes(KEY_BYTES)).as_text().encode()
        try:
            make_folders(path.parent, mode=0o700)
            create_once(path, fresh, mode=PRIVATE_MODE)
        except OSError as exc:
            raise KeyProblem(f"{path}: no key can be made here: {exc.strerror}") from None
        return cls.read(path)


def credential_path(environment: Mapping[str, str]) -> Path | None:
    """Where systemd put the key for this service; None where it did not."""
    folder = environment.get(CREDENTIALS_VARIABLE, "")
    path = Path(folder) / CREDENTIAL
    return path if folder and path.exists() else None


@lru_cache(maxsize=64)  # a chained line or a picture asks each time; a process has one key
def _derive(secret: bytes, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  see seal
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    info = f"patrol {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret)


def is_sealed(value: bytes) -> bool:
    """Whether the bytes were made by `seal`."""
    return value.startswith(SEAL_MARK)
