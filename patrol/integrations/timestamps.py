"""RFC 3161 time stamps: a signed statement of an authority that a text existed at a time.

Asked for over HTTP (section 3.4: `application/timestamp-query`), checked against the certificates
that the site trusts before it is kept, and again by `patrol audit verify`. What leaves the centre
is a SHA-256 hash and a random number (RFC 3161, section 2.4.1); nothing of the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    Verifier,
    VerifierBuilder,
    decode_timestamp_response,
)

from patrol.domain.errors import BadInput, Failed

QUERY: Final = "application/timestamp-query"
MAX_ANSWER_BYTES: Final = 64 << 10  # a stamp with its chain is some 5 kB


class StampRefused(Failed):
    """No time stamp came, or not one that holds; the text says why."""


class StampBroken(Failed):
    """A time stamp that does not hold for the text."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A time-stamp authority: where it is asked, and what its stamps must lead to."""

    url: str
    roots: Sequence[x509.Certificate]
    timeout_s: float


def read_roots(file: Path) -> Sequence[x509.Certificate]:
    """The certificates of a PEM file. Raises BadInput."""
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as exc:
        raise BadInput(f"timestamp.ca_file: {file}: holds no certificate ({exc})") from None


def request_stamp(authority: Authority, data: bytes) -> bytes:
    """A verified time stamp of the data, as DER. Raises StampRefused."""
    request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
    answer = _post(authority, request.as_bytes())
    builder = VerifierBuilder.from_request(request)
    try:
        _verified_time(_with_roots(builder, authority.roots).build(), answer, data)
    except StampBroken as exc:
        raise StampRefused(f"{authority.url}: {exc}") from None
    return answer


def verify_stamp(roots: Sequence[x509.Certificate], stamp: bytes, data: bytes) -> datetime:
    """When the authority saw the data, UTC. Raises StampBroken."""
    return _verified_time(_with_roots(VerifierBuilder(), roots).build(), stamp, data)


def _with_roots(builder: VerifierBuilder, roots: Sequence[x509.Certificate]) -> VerifierBuilder:
    for root in dict.fromkeys(roots):
        builder = builder.add_root_certificate(root)
    return builder


def _verified_time(verifier: Verifier, stamp: bytes, data: bytes) -> datetime:
    try:
        response = decode_timestamp_response(stamp)
        verifier.verify_message(response, data)
        return response.tst_info.gen_time.astimezone(UTC)
    except (VerificationError, ValueError) as exc:
        raise StampBroken(" ".join(str(exc).split())[:200] or type(exc).__name__) from None


def _post(authority: Authority, body: bytes) -> bytes:
    """The authority's answer, at most MAX_ANSWER_BYTES; redirects are not followed."""
    answer = bytearray()
    try:
        with httpx.stream(
            "POST", authority.url, content=body, headers={"content-type": QUERY},
            timeout=authority.timeout_s, trust_env=False,
        ) as response:  # fmt: skip
            if response.status_code != httpx.codes.OK:
                raise StampRefused(f"{authority.url}: answers {response.status_code}")
            for part in response.iter_bytes():
                answer += part
                if len(answer) > MAX_ANSWER_BYTES:
                    raise StampRefused(f"{authority.url}: the answer is no time stamp")
    except httpx.HTTPError as exc:
        raise StampRefused(f"{authority.url}: {type(exc).__name__}") from None
    return bytes(answer)
