"""Signatures under addresses."""

import pytest

from patrol.domain.signed_token import is_signature, is_signature_hex, sign, sign_hex

KEY, PAYLOAD = b"key", b"C000001|1|1900000000"


def test_a_signature_holds_for_its_key_purpose_and_payload_alone() -> None:
    made = sign(KEY, PAYLOAD, purpose="picture-link")
    assert is_signature(made, KEY, PAYLOAD, purpose="picture-link")
    assert not is_signature(made, b"another", PAYLOAD, purpose="picture-link")
    assert not is_signature(made, KEY, PAYLOAD + b"0", purpose="picture-link")
    assert not is_signature(made, KEY, PAYLOAD, purpose="welcome")
    assert not is_signature(b"", KEY, PAYLOAD, purpose="picture-link")


@pytest.mark.parametrize("text", ["", "é", "0" * 40])
def test_nonsense_is_no_signature(text: str) -> None:
    assert not is_signature_hex(text, KEY, PAYLOAD, purpose="welcome")


def test_addresses_that_were_handed_out_stay_valid() -> None:
    link = "5af0d11d95fc938af9abfe0b577012e6e8537672b1efcf5c462decd7f0b71565"
    assert sign(KEY, PAYLOAD, purpose="picture-link").hex() == link
    assert (
        sign_hex(KEY, b"wang|1900000000", purpose="welcome")
        == "7a57e8e63de9220741ad7174775b15b43fba41e3"
    )
    assert (
        sign_hex(KEY, b"ab|thumb|round:R1|1900000000", purpose="")
        == "9f781b2ebab211c31381263f167b6f79d337cfcb"
    )
