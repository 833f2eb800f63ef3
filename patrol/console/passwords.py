"""Passwords: argon2id hashes, and what is no password at all. The only importer of pwdlib."""

from functools import lru_cache
from typing import Final

from pwdlib import PasswordHash

SHORTEST: Final = 10
LONGEST: Final = 256  # argon2 takes any length; nobody types more


class WeakPassword(ValueError):
    """Says what is wrong with it, Chinese first."""


@lru_cache(maxsize=1)
def _argon2() -> PasswordHash:
    return PasswordHash.recommended()


def hash_password(password: str, *, name: str = "") -> str:
    """Raises WeakPassword."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPassword(
            f"密码至少 {SHORTEST} 位 (a password has at least {SHORTEST} characters)"
        )
    if password.casefold() == name.casefold() or len(set(password)) < 4:  # noqa: PLR2004  aaaaaaaaaa
        raise WeakPassword("密码太容易猜 (too easy to guess)")
    return _argon2().hash(password)


def is_right(password: str, hashed: str) -> bool:
    """Takes some 50 ms on purpose, whatever the answer."""
    if len(password) > LONGEST:
        return False
    return _argon2().verify(password, hashed)


@lru_cache(maxsize=1)
def nobodys_hash() -> str:
    """Checked for names that do not exist, so that both take as long."""
    return _argon2().hash("nobody has this password")
