"""Stream addresses: what is read, what is refused with its fix, what is printed."""

import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.address import StreamAddress
from streams.errors import BadAddress


@pytest.mark.parametrize(
    ("text", "user", "password", "host", "port"),
    [
        ("rtsp://admin:p%40ss%2F@192.0.2.7/live", "admin", "p@ss/", "192.0.2.7", 554),
        ("rtsp://admin:p@ss@camera.example:8554/live", "admin", "p@ss", "camera.example", 8554),
        ("rtsp://admin:a:b@[2001:db8::7]:8554/live", "admin", "a:b", "2001:db8::7", 8554),
        ("rtsp://admin:$ecret!*'(),;=&+@h/live", "admin", "$ecret!*'(),;=&+", "h", 554),
        ("rtsp://admin:口令@h/live", "admin", "口令", "h", 554),
        ("rtsp://admin@h", "admin", "", "h", 554),
        ("rtsp://admin:@h", "admin", "", "h", 554),
        ("RTSP://H/live", "", "", "h", 554),
        ("https://h:8443", "", "", "h", 8443),
    ],
)
def test_what_is_read(text: str, user: str, password: str, host: str, port: int) -> None:
    address = StreamAddress.parse(text)
    assert (address.user, address.password, address.host, address.port) == (
        user,
        password,
        host,
        port,
    )
    assert StreamAddress.parse(address.with_credentials) == address


DELIMITERS = {"#": "%23", "?": "%3F", "/": "%2F", "[": "%5B", "]": "%5D", "%": "%25"}


@pytest.mark.parametrize("character", DELIMITERS)
@pytest.mark.parametrize(
    "password",
    ["2026{}Sec@", "2026{}Sec", "{}x2026", "Sec{}", "a@b{}c", "{}@{}", "12{}x34", "x@192{}q0"],
)
@pytest.mark.parametrize("tail", ["@192.0.2.7/live", "@camera.example:554", "@[::1]/a?b=c"])
@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtsps"])
def test_a_password_that_is_not_encoded_is_refused_with_its_fix(
    character: str, password: str, tail: str, scheme: str
) -> None:
    secret = password.replace("{}", character)
    with pytest.raises(BadAddress) as caught:
        StreamAddress.parse(f"{scheme}://admin:{secret}{tail}")
    seen = caught.value.seen
    assert f"write {DELIMITERS[character]}" in seen or f", {DELIMITERS[character]}" in seen
    assert not {"2026", "Sec", "12", "192"} & set(seen.replace("*", " ").replace("%", " ").split())


@settings(max_examples=300, deadline=None)
@given(
    secret=st.text(
        st.sampled_from("Zq7#?/[]@%:$&=+~!'\"\\|<>^`{} \t口＃＠："), min_size=2, max_size=12
    ),
    host=st.sampled_from(["192.0.2.7", "[2001:db8::1]", "camera.example"]),
)
def test_nothing_of_a_password_becomes_a_host_or_is_printed(secret: str, host: str) -> None:
    marked = f"S3CR{secret}ET7"
    try:
        address = StreamAddress.parse(f"rtsp://admin:{marked}@{host}/live")
    except BadAddress as exc:
        printed = "".join(traceback.format_exception(exc))
        printed = printed.partition("streams.errors.BadAddress")[2]
    else:
        assert address.host == host.strip("[]")
        printed = f"{address} {address!r} {address.request_uri}"
    assert "S3CR" not in printed
    assert "ET7" not in printed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("admin:s3cret@192.0.2.7/live", "no scheme before user and password"),
        ("rtsp:admin:s3cret@192.0.2.7/live", "no scheme before user and password"),
        ("rtsp:/admin:s3cret@192.0.2.7/live", "no scheme before user and password"),
        ("rtsp://:s3cret@192.0.2.7/live", "without a user"),
        ("rtsp://admin:s3cret@", "no host"),
        ("rtsp://admin:s3cret@/live", "no host"),
        ("rtsp://admin:s3cret@h:port/live", "cannot be read"),
        ("rtsp://admin:s3cret@h:0/live", "cannot be read"),
        ("rtsp://admin:s3cret@h:65536/live", "cannot be read"),
        ("rtsp://admin:s3cret@[::1/live", "cannot be read"),
        ("rtsp://admin:s3cret@[nonsense]/live", "cannot be read"),
        ("rtsp://admin:s3cret@ho$t/live", "cannot be read"),
        ("rtsp://admin：s3cret＠192.0.2.7/live", "full-width ：, ＠"),
        ("rtsp://admin:s3 cret@h/live", "write %20"),
        ("rtsp://admin:s3\ncret@h/live", "control character"),
        ("rtsp://192.0.2.7/live#s3cret", "write %23"),
        ("rtsp://camera/user=admin&password=s3cret@1", "write"),
        ("s3cret://h/live", "not one of"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadAddress, match=reason) as caught:
        StreamAddress.parse(text)
    assert "\n" not in caught.value.seen
    if not text.startswith("s3cret"):
        assert "s3cret" not in caught.value.seen


PARAMETERS = [
    "password=", "passwd=", "pwd=", "PWD=", "loginpas=", "authbasic=", "token=", "auth=", "pw=",
    "psw=", "secret=", "access_key=", "sign=", "ticket=", "p=", "user_pass=", "口令=",
]  # fmt: skip
PLACES = [
    "rtsp://192.0.2.7/user=admin&{}&channel=1&stream=0.sdp",
    "rtsp://192.0.2.7/user=admin_{}_channel=1_stream=0.sdp",
    "rtsp://192.0.2.7/{}",
    "rtsp://192.0.2.7/live?user=admin&{}",
    "http://192.0.2.7/snap.cgi?{}&user=admin",
    "http://192.0.2.7/videostream.cgi;{}",
    "file:///srv/{}/clip.mp4",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("secret", ["s3cret", "s3cret==", "s3c/s3cret", "s3c@s3cret"])
def test_a_secret_parameter_does_not_print(place: str, parameter: str, secret: str) -> None:
    address = StreamAddress.parse(place.replace("{}", parameter + secret))
    assert "s3c" not in str(address)
    assert "s3c" in address.request_uri
    assert StreamAddress.parse("rtsp://192.0.2.7/user=a&page=2/x").path in str(
        StreamAddress.parse("rtsp://192.0.2.7/user=a&page=2/x")
    )
