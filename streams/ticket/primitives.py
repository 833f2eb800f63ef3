"""The closed list of operations by which ticket services sign requests and hide their answers.

A profile names these and nothing else: there are no expressions, so a profile that somebody sent
by mail cannot run code. Every operation takes and gives text; bytes are hex or Base64. Pure: time
and randomness come as arguments. RSA and AES need the package `cryptography` (extra `tickets`).
"""

import base64
import binascii
import hashlib
import hmac
import json
import struct
from collections.abc import Callable, Mapping
from enum import StrEnum, auto
from typing import Any, Final

from streams.errors import Unreadable

MAX_HIDDEN_BYTES: Final = 4 * 1024 * 1024  # of an encrypted answer


class Operation(StrEnum):
    """What one step of signing does; the value stands in profiles."""

    KV_JOIN = auto()  # a=1&b=2 in the order in which the parameters are written
    SORT_JOIN = auto()  # the same, sorted by name
    JSON_CANONICAL = auto()  # sorted names, no blanks
    CONCAT = auto()
    UPPER = auto()
    LOWER = auto()
    BASE64 = auto()
    NOW_S = auto()
    NOW_MS = auto()
    NONCE = auto()  # 32 hex digits
    MD5_HEX = auto()
    MD5_B64 = auto()
    SHA1_HEX = auto()
    SHA1_B64 = auto()
    SHA256_HEX = auto()
    SHA256_B64 = auto()
    HMAC_MD5_HEX = auto()
    HMAC_MD5_B64 = auto()
    HMAC_SHA1_HEX = auto()
    HMAC_SHA1_B64 = auto()
    HMAC_SHA256_HEX = auto()
    HMAC_SHA256_B64 = auto()
    XXTEA_HEX = auto()
    XXTEA_B64 = auto()
    AES_CBC_HEX = auto()
    AES_CBC_B64 = auto()


class Decryption(StrEnum):
    """How the hidden part of an answer is opened; the value stands in profiles."""

    XXTEA = auto()
    AES_CBC = auto()
    RSA_PKCS1_CHUNKS = auto()


JOINS: Final = frozenset({Operation.KV_JOIN, Operation.SORT_JOIN, Operation.JSON_CANONICAL})
GENERATED: Final = frozenset({Operation.NOW_S, Operation.NOW_MS, Operation.NONCE})
KEYED: Final = frozenset(
    operation for operation in Operation if operation.value.startswith(("hmac_", "xxtea_", "aes_"))
)
NEEDS_CRYPTOGRAPHY: Final = frozenset(
    {Operation.AES_CBC_HEX, Operation.AES_CBC_B64, Decryption.AES_CBC, Decryption.RSA_PKCS1_CHUNKS}
)


def join_parameters(
    operation: Operation, parameters: Mapping[str, Any], separator: str = "&", equals: str = "="
) -> str:
    """The text of a call's parameters that is signed or encrypted."""
    if operation is Operation.JSON_CANONICAL:
        return json.dumps(parameters, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    items = sorted(parameters.items()) if operation is Operation.SORT_JOIN else parameters.items()
    return separator.join(f"{name}{equals}{value}" for name, value in items)


def apply(operation: Operation, text: str, key: str = "", iv: str = "") -> str:
    """One step on a text. Raises Unreadable where the key does not fit."""
    plain = _PLAIN.get(operation)
    if plain is not None:
        return plain(text)
    name, _, encoding = operation.value.rpartition("_")
    data = _bytes_of(name, text.encode(), key, iv)
    return data.hex() if encoding == "hex" else base64.b64encode(data).decode()


_PLAIN: Final[Mapping[Operation, Callable[[str], str]]] = {
    Operation.CONCAT: str,
    Operation.UPPER: str.upper,
    Operation.LOWER: str.lower,
    Operation.BASE64: lambda text: base64.b64encode(text.encode()).decode(),
}


def _bytes_of(name: str, data: bytes, key: str, iv: str) -> bytes:
    if name == "xxtea":
        return xxtea_encrypt(data, key.encode())
    if name == "aes_cbc":
        return _aes_cbc(data, key, iv, decrypt=False)
    if name.startswith("hmac_"):
        return hmac.new(key.encode(), data, name.removeprefix("hmac_")).digest()
    return hashlib.new(name, data, usedforsecurity=False).digest()


def generate(operation: Operation, now_ms: int, nonce: str) -> str:
    """A value that no text goes into: the time of the service's clock, or the nonce."""
    if operation is Operation.NONCE:
        return nonce
    return str(now_ms if operation is Operation.NOW_MS else now_ms // 1000)


def decrypt(how: Decryption, text: str, key: str, iv: str = "") -> str:
    """The hidden text of an answer, hex or Base64. Raises Unreadable, without quoting any of it."""
    data = _encoded_bytes(text)
    try:
        if how is Decryption.XXTEA:
            return xxtea_decrypt(data, key.encode()).decode()
        if how is Decryption.AES_CBC:
            return _aes_cbc(data, key, iv, decrypt=True).decode()
        return _rsa_chunks(data, key).decode()
    except (ValueError, struct.error):
        raise Unreadable(f"the answer cannot be decrypted ({how}): is the key right?") from None


def _encoded_bytes(text: str) -> bytes:
    compact = "".join(text.split())
    if len(compact) > 2 * MAX_HIDDEN_BYTES:
        raise Unreadable(f"an encrypted answer of more than {MAX_HIDDEN_BYTES >> 20} MB")
    try:
        return bytes.fromhex(compact)
    except ValueError:
        pass
    try:
        padded = compact + "=" * (-len(compact) % 4)
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("the encrypted answer is neither hex nor Base64") from None


# -- XXTEA (Wheeler and Needham, "Correction to xtea", 1998) --------------------------------------

_DELTA: Final = 0x9E3779B9
_MASK: Final = 0xFFFF_FFFF


def xxtea_encrypt(data: bytes, key: bytes) -> bytes:
    """Little endian, the length as the last number, the key cut or filled with zeros to 16 bytes.

    As the common libraries of that name do it.
    """
    if not data:
        return b""
    v = [*_numbers(data), len(data)]
    return _packed(_xxtea_rounds(v, _key_numbers(key)))


def xxtea_decrypt(data: bytes, key: bytes) -> bytes:
    """The reverse. Raises ValueError where the length shows that the key is another."""
    if not data:
        return b""
    if len(data) % 4 or len(data) < 8:  # noqa: PLR2004  two numbers at least
        raise ValueError("not a whole number of words")
    v = _xxtea_reverse(_numbers(data), _key_numbers(key))
    size = v.pop()
    if not 4 * len(v) - 3 <= size <= 4 * len(v):
        raise ValueError("the length does not fit")
    return _packed(v)[:size]


def _numbers(data: bytes) -> list[int]:
    padded = data + b"\0" * (-len(data) % 4)
    return list(struct.unpack(f"<{len(padded) // 4}I", padded))


def _packed(numbers: list[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _key_numbers(key: bytes) -> list[int]:
    return _numbers(key[:16].ljust(16, b"\0"))


def _mix(z: int, y: int, total: int, k: int) -> int:
    shifted = ((z >> 5) ^ (y << 2)) + ((y >> 3) ^ (z << 4))
    return (shifted ^ ((total ^ y) + (k ^ z))) & _MASK


def _xxtea_rounds(v: list[int], k: list[int]) -> list[int]:
    n = len(v)
    z, total = v[-1], 0
    for _ in range(6 + 52 // n):
        total = (total + _DELTA) & _MASK
        e = (total >> 2) & 3
        for p in range(n):
            y = v[(p + 1) % n]
            z = v[p] = (v[p] + _mix(z, y, total, k[(p & 3) ^ e])) & _MASK
    return v


def _xxtea_reverse(v: list[int], k: list[int]) -> list[int]:
    n = len(v)
    rounds = 6 + 52 // n
    y, total = v[0], (rounds * _DELTA) & _MASK
    for _ in range(rounds):
        e = (total >> 2) & 3
        for p in range(n - 1, -1, -1):
            z = v[p - 1]
            y = v[p] = (v[p] - _mix(z, y, total, k[(p & 3) ^ e])) & _MASK
        total = (total - _DELTA) & _MASK
    return v


# -- AES and RSA, by `cryptography` ---------------------------------------------------------------


def _aes_cbc(data: bytes, key: str, iv: str, *, decrypt: bool) -> bytes:
    """AES-CBC with PKCS#7 padding; key and iv are their UTF-8 bytes. Raises ValueError."""
    from cryptography.hazmat.primitives import padding  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    try:
        cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode()))
    except ValueError:
        raise Unreadable("AES wants a key of 16, 24 or 32 bytes and an iv of 16") from None
    pkcs7 = padding.PKCS7(128)
    if decrypt:
        decryptor, unpadder = cipher.decryptor(), pkcs7.unpadder()
        padded = decryptor.update(data) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    encryptor, padder = cipher.encryptor(), pkcs7.padder()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def _rsa_chunks(data: bytes, key: str) -> bytes:
    """RSA with PKCS#1 v1.5, block by block. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_der_private_key,
        load_pem_private_key,
    )

    if "-----BEGIN" in key:
        private = load_pem_private_key(key.encode(), password=None)
    else:  # as consoles show it: Base64 of the DER alone
        private = load_der_private_key(base64.b64decode("".join(key.split())), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    size = private.key_size // 8
    if not data or len(data) % size:
        raise ValueError("not a whole number of blocks")
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(private.decrypt(block, padding.PKCS1v15()) for block in blocks)
