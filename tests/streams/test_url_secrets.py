"""Secrets of URLs in any text: hidden, found again, and nothing else changed."""

import pytest

from streams.url_secrets import has_credentials, hide_credentials, hide_login_parameters

REVEALING = [
    "rtsp://admin:s3cret@192.0.2.7/live",
    "rtsp://s3cret@192.0.2.7/live",
    "rtsp://admin:s3c#ret@h/s3cret@192.0.2.7/live",
    'said "rtsp://admin:s3cret@192.0.2.7" and',
    "rtsp://192.0.2.7/user=admin&password=s3cret&channel=1.sdp?real_stream",
    "rtsp://192.0.2.7/user=admin_password=s3cret_channel=1",
    "http://192.0.2.7/snap?loginuse=admin&loginpas=s3cret",
    "http://192.0.2.7/snap?usr=admin&pwd=s3cret&x=1",
    "http://192.0.2.7/snap?authbasic=s3cret==",
    "https://h/live.flv?Token=s3cret",
    '{"url":"http://192.0.2.7/a?passwd=s3cret","n":1}',
]
ORDINARY = [
    "rtsp://192.0.2.7/live",
    "a@b.example said password=x",
    "https://x.test/a?page=2&for=round:7&until=9&sign=abcdef",
    "https://h/a?monkey=1",
    "http://192.0.2.7/snap?password=&user=admin",
]


@pytest.mark.parametrize("text", REVEALING)
def test_hidden_and_not_found_again(text: str) -> None:
    assert has_credentials(text)
    hidden = hide_credentials(text)
    assert "s3c" not in hidden
    assert "…" in hidden
    assert not has_credentials(hidden)
    assert hide_credentials(hidden) == hidden


@pytest.mark.parametrize("text", ORDINARY)
def test_what_is_no_secret_stays(text: str) -> None:
    assert not has_credentials(text)
    assert hide_credentials(text) == text


def test_a_log_line_without_a_url() -> None:
    line = "GET /snap.cgi?loginuse=a&loginpas=s3cret, password=s3cret key=1"
    assert hide_login_parameters(line) == "GET /snap.cgi?loginuse=a&loginpas=… password=… key=1"
