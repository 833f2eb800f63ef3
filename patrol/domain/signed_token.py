"""HMAC-SHA256 signatures of links that the service hands out, bound to a purpose. Pure.

A signature made for one purpose does not hold for another one under the same key. The signed
payload is readable in the link; the store keeps nothing about it.
"""

import hmac
from typing import Final

HEX_CHARS: Final = 40  # of 64: 160 bits; short enough for an address that is drawn as a QR code


def sign(key: bytes, payload: bytes, *, purpose: str) -> bytes:
    """The signature (32 bytes). `purpose` is empty for a key that serves nothing else."""
    prefix = f"{purpose}|".encode() if purpose else b""
    return hmac.digest(key, prefix + payload, "sha256")


def is_signature(signature: bytes, key: bytes, payload: bytes, *, purpose: str) -> bool:
    """Whether `sign` made it, compared in constant time."""
    return hmac.compare_digest(sign(key, payload, purpose=purpose), signature)


def sign_hex(key: bytes, payload: bytes, *, purpose: str) -> str:
    """The signature as the first 40 of its hexadecimal digits."""
    return sign(key, payload, purpose=purpose).hex()[:HEX_CHARS]


def is_signature_hex(signature: str, key: bytes, payload: bytes, *, purpose: str) -> bool:
    """Whether `sign_hex` made it, compared in constant time."""
    made = sign_hex(key, payload, purpose=purpose)
    return hmac.compare_digest(made.encode(), signature.encode("utf-8", "replace"))
