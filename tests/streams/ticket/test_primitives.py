"""The closed list of operations, by vectors that are not ours."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import Unreadable
from streams.ticket import primitives
from streams.ticket.primitives import Decryption, Operation

# Of the XXTEA libraries' own README; RFC 1321 A.5, RFC 2202 2, RFC 4231 4.3, FIPS 180.
XXTEA_VECTORS = [
    ("Hello World! 你好，中国🇨🇳！", "D4t0rVXUDl3bnWdERhqJmFIanfn/6zAxAY9jD6n9MSMQNoD8TOS4rHHcGuE="),
    ("Hello World! 你好，中国！", "QncB1C0rHQoZ1eRiPM4dsZtRi9pNrp7sqvX76cFXvrrIHXL6"),
]
VECTORS = [
    (Operation.MD5_HEX, "abc", "", "900150983cd24fb0d6963f7d28e17f72"),
    (Operation.SHA1_HEX, "abc", "", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (Operation.SHA256_B64, "abc", "", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
    (Operation.HMAC_MD5_HEX, "what do ya want for nothing?", "Jefe",
     "750c783e6ab0b503eaa86e310a5db738"),
    (Operation.HMAC_SHA1_HEX, "what do ya want for nothing?", "Jefe",
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    (Operation.HMAC_SHA256_HEX, "what do ya want for nothing?", "Jefe",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (Operation.UPPER, "aé", "", "AÉ"),
    (Operation.LOWER, "AÉ", "", "aé"),
    (Operation.BASE64, "路口", "", "6Lev5Y+j"),
    (Operation.CONCAT, "ab", "", "ab"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "text", "key", "made"), VECTORS)
def test_vectors(operation: Operation, text: str, key: str, made: str) -> None:
    assert primitives.apply(operation, text, key) == made


def test_every_hash_agrees_with_the_standard_library() -> None:
    for name in ("md5", "sha1", "sha256"):
        wanted = hmac.new(b"k", b"text", name).digest()
        made = primitives.apply(Operation(f"hmac_{name}_b64"), "text", "k")
        assert made == base64.b64encode(wanted).decode()
        plain = primitives.apply(Operation(f"{name}_b64"), "text")
        assert base64.b64decode(plain) == hashlib.new(name, b"text").digest()


@pytest.mark.parametrize(("text", "hidden"), XXTEA_VECTORS)
def test_xxtea_is_that_of_the_common_libraries(text: str, hidden: str) -> None:
    assert primitives.apply(Operation.XXTEA_B64, text, "1234567890") == hidden
    assert primitives.decrypt(Decryption.XXTEA, hidden, "1234567890") == text


@given(st.binary(max_size=300), st.binary(max_size=24))
def test_xxtea_comes_back(data: bytes, key: bytes) -> None:
    hidden = primitives.xxtea_encrypt(data, key)
    assert primitives.xxtea_decrypt(hidden, key) == data
    assert len(hidden) == 0 if not data else len(hidden) % 4 == 0


def test_joins() -> None:
    parameters = {"b": "2", "a": "1", "路": "口"}
    join = primitives.join_parameters
    assert join(Operation.KV_JOIN, parameters) == "b=2&a=1&路=口"
    assert join(Operation.SORT_JOIN, parameters, "", "") == "a1b2路口"
    assert join(Operation.JSON_CANONICAL, parameters) == '{"a":"1","b":"2","路":"口"}'


def test_what_no_text_goes_into() -> None:
    assert primitives.generate(Operation.NOW_S, 1_764_500_000_123, "n") == "1764500000"
    assert primitives.generate(Operation.NOW_MS, 1_764_500_000_123, "n") == "1764500000123"
    assert primitives.generate(Operation.NONCE, 1, "n") == "n"


KEY, IV = "0123456789abcdef", "fedcba9876543210"


@pytest.mark.parametrize("operation", [Operation.AES_CBC_HEX, Operation.AES_CBC_B64])
def test_aes_comes_back(operation: Operation) -> None:
    hidden = primitives.apply(operation, "路口 and more than one block", KEY, IV)
    assert primitives.decrypt(Decryption.AES_CBC, hidden, KEY, IV).startswith("路口 and")
    with pytest.raises(Unreadable, match="16, 24 or 32 bytes"):
        primitives.apply(operation, "x", "short", IV)


@pytest.mark.parametrize(
    ("how", "text", "key"),
    [
        (Decryption.XXTEA, "abcd", "k-1"), (Decryption.XXTEA, "zz zz!", "k-1"),
        (Decryption.XXTEA, "00" * 12, "a-key-of-16-byte"), (Decryption.AES_CBC, "00" * 15, KEY),
        (Decryption.AES_CBC, "00" * 16, KEY), (Decryption.RSA_PKCS1_CHUNKS, "00" * 16, "no key"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_one_error_without_the_text(
    how: Decryption, text: str, key: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        primitives.decrypt(how, text, key, IV)
    assert text not in caught.value.seen
    assert key not in caught.value.seen
