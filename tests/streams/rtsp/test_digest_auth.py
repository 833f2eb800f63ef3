"""Authentication against the RFCs' own examples."""

import hashlib
from typing import Any

import pytest

from streams.address import StreamAddress
from streams.rtsp.digest_auth import (
    DigestAuthenticator,
    authenticator_for,
    read_challenges,
    strongest,
)

MUFASA = {
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
}


@pytest.mark.parametrize("algorithm", MUFASA)
def test_the_example_of_rfc_7616(algorithm: str) -> None:
    login = DigestAuthenticator(
        "Mufasa",
        "Circle of Life",
        make_cnonce=lambda: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    challenge = f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}'
    challenge += ', nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
    challenge += ', opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    assert login.accept_challenges([challenge])
    header = login.authorization("GET", "/dir/index.html") or ""
    assert f'response="{MUFASA[algorithm]}"' in header
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in header
    assert "qop=auth, nc=00000001" in header
    assert "nc=00000002" in (login.authorization("GET", "/other") or "")


def test_the_example_of_rfc_2617_without_qop() -> None:
    """RFC 2069 servers: no qop, no cnonce, no count."""
    login = DigestAuthenticator("Mufasa", "Circle Of Life")
    login.accept_challenges(
        ['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"']
    )
    header = login.authorization("GET", "/dir/index.html") or ""
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in header
    assert "cnonce" not in header
    assert "nc=" not in header


def test_md5_sess_hashes_nonce_and_cnonce_in() -> None:
    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    login = DigestAuthenticator("u", "p", make_cnonce=lambda: "c")
    login.accept_challenges(['Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth"'])
    secret = md5(f"{md5('u:r:p')}:n:c")
    expected = md5(f"{secret}:n:00000001:c:auth:{md5('PLAY:rtsp://h/x?y=1')}")
    assert f'response="{expected}"' in (login.authorization("PLAY", "rtsp://h/x?y=1") or "")


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        pytest.param(['Basic realm="r"'], ("basic", "MD5"), id="basic alone"),
        pytest.param(
            ['Basic realm="r"', 'Digest realm="r", nonce="n"'], ("digest", "MD5"), id="two headers"
        ),
        pytest.param(
            ['Digest realm="a, b", nonce="n", Digest realm="r", nonce="m", algorithm=SHA-256'],
            ("digest", "SHA-256"),
            id="two in one header, a comma in quotes",
        ),
        pytest.param(['Negotiate, Basic realm="r"'], ("basic", "MD5"), id="a scheme we lack"),
        pytest.param(['Digest realm="r", nonce="n", algorithm=WHIRL'], None, id="unknown hash"),
        pytest.param(['Digest realm="r"'], None, id="no nonce"),
        pytest.param(['Digest realm="r", nonce="n", qop="x-other"'], None, id="unknown qop"),
        pytest.param(["", "=", ',,"'], None, id="nonsense"),
    ],
)
def test_the_strongest_challenge_is_taken(headers: list[str], chosen: Any) -> None:
    best = strongest(read_challenges(headers))
    assert (None if best is None else (best.scheme, best.algorithm)) == chosen


def test_no_login_where_a_redirect_led_elsewhere() -> None:
    home = StreamAddress.parse("rtsp://u:p@camera.example/live")
    elsewhere = authenticator_for(home, StreamAddress.parse("rtsp://other.example/live"))
    assert not elsewhere.accept_challenges(['Basic realm="r"', 'Digest realm="r", nonce="n"'])
    assert "not sent" in elsewhere.refusal_text()
    again = authenticator_for(home, StreamAddress.parse("rtsp://camera.example:10554/live"))
    assert again.accept_challenges(['Basic realm="r"'])


def test_basic_is_utf_8() -> None:
    login = DigestAuthenticator("u", "ö:")
    login.accept_challenges(["Basic"])
    assert login.authorization("GET", "/") == "Basic dTrDtjo="


def test_quotes_are_escaped_and_nextnonce_is_taken() -> None:
    login = DigestAuthenticator('a"b', "p", make_cnonce=lambda: "c")
    login.accept_challenges([r'Digest realm="x \"y\"", nonce="n", qop="auth"'])
    header = login.authorization("GET", "/") or ""
    assert r'username="a\"b"' in header
    assert r'realm="x \"y\""' in header
    login.renew('qop=auth, nextnonce="n2", nc=00000001')
    assert 'nonce="n2"' in (login.authorization("GET", "/") or "")


def test_the_password_is_not_in_the_repr() -> None:
    login = DigestAuthenticator("u", "s3cret")
    login.accept_challenges(['Digest realm="r", nonce="n"'])
    login.authorization("GET", "/")
    assert "s3cret" not in repr(login)
    assert login._secret not in repr(login)
