"""Addresses in a file that travels: no password goes out, none is lost on the way back."""

import pytest

from patrol.settings.cameras_csv import (
    MaskedSecretUnknown,
    check_names_stay,
    mask_url,
    unmask_url,
)

KNOWN = "rtsp://admin:s3cret@192.0.2.7:554/Streaming/Channels/101"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param(KNOWN, "rtsp://admin:***@192.0.2.7:554/Streaming/Channels/101", id="password"),
        pytest.param("rtsp://u:p%40ss:w@h/1", "rtsp://u:***@h/1", id="escaped"),
        pytest.param("rtsp://u:${CAM}@h/1", "rtsp://u:${CAM}@h/1", id="a name is no secret"),
        pytest.param("rtsp://u:x${CAM}@h/1", "rtsp://u:***@h/1", id="a name with a secret beside"),
        pytest.param("rtsp://u:@h/1", "rtsp://u:@h/1", id="empty"),
        pytest.param("rtsp://h/1", "rtsp://h/1", id="none"),
        pytest.param("", "", id="nothing"),
        pytest.param("file:///srv/a.mp4", "file:///srv/a.mp4", id="file"),
        pytest.param(
            "http://h/live.flv?id=7&token=abc&x=1", "http://h/live.flv?id=7&token=***&x=1",
            id="ticket",
        ),
        pytest.param(
            "rtsp://h/user=a&password=b@c&channel=1.sdp",
            "rtsp://h/user=a&password=***&channel=1.sdp", id="path",
        ),
        pytest.param("rtsp://u:s3#cr/et@192.0.2.7/1", "rtsp://u:***@192.0.2.7/1", id="not encoded"),
        pytest.param("rtsp://u:s3@s3cret@h/1", "rtsp://u:***@h/1", id="an @ in it"),
        pytest.param("rtsp://u:pw@192.0.2.7/x?m=a@b", "rtsp://u:***@192.0.2.7/x?m=a@b", id="mail"),
        pytest.param(
            "http://h/snap?loginuse=a&loginpas=b", "http://h/snap?loginuse=a&loginpas=***", id="pas"
        ),
        pytest.param("rtsp://h/a?pwd=${CAM}", "rtsp://h/a?pwd=${CAM}", id="a name in the query"),
        pytest.param(
            "http://h/snap?user=a&password=b", "http://h/snap?user=a&password=***", id="query"
        ),
    ],
)  # fmt: skip
def test_what_people_see(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    assert unmask_url(shown, url) == url
    assert "s3cret" not in mask_url(url)


@pytest.mark.parametrize(
    ("came", "meant"),
    [
        pytest.param(
            "rtsp://admin:***@192.0.2.7/101", "rtsp://admin:s3cret@192.0.2.7/101", id="path"
        ),
        pytest.param("rtsp://admin:new@192.0.2.7/1", "rtsp://admin:new@192.0.2.7/1", id="new"),
    ],
)
def test_a_mask_means_the_present_password(came: str, meant: str) -> None:
    assert unmask_url(came, KNOWN) == meant


@pytest.mark.parametrize(
    ("came", "known"),
    [
        pytest.param("rtsp://admin:***@192.0.2.7/1", "", id="a new camera has none"),
        pytest.param("rtsp://other:***@192.0.2.7/1", KNOWN, id="another user"),
        pytest.param("http://h/b.flv?token=***", "http://h/a.flv?token=1", id="another ticket"),
    ],
)
def test_a_mask_that_nobody_can_lift_is_told(came: str, known: str) -> None:
    with pytest.raises(MaskedSecretUnknown, match=r"\*\*\*"):
        unmask_url(came, known)


@pytest.mark.parametrize(
    ("came", "known"),
    [
        pytest.param("rtsp://admin:***@192.0.2.9:554/Streaming/Channels/101", KNOWN, id="host"),
        pytest.param("rtsp://admin:***@192.0.2.7:8554/Streaming/Channels/101", KNOWN, id="port"),
        pytest.param("rtsp://admin:***@192.0.2.7.example.com/1", KNOWN, id="a longer host"),
        pytest.param("rtsp://admin:***@evil.example/x@192.0.2.7/1", KNOWN, id="host in the path"),
        pytest.param("rtsp://admin:***@192.0.2.9#@192.0.2.7/1", KNOWN, id="host in the fragment"),
        pytest.param("rtsp://u:***@h:322/2", "rtsps://u:s3cret@h:322/1", id="TLS is lost"),
        pytest.param("http://u:***@h:443/2", "https://u:s3cret@h/1", id="https is lost"),
        pytest.param("http://admin:***@192.0.2.7:554/1", KNOWN, id="another protocol"),
        pytest.param("rtsp://u:***@192.0.2.9/1", "rtsp://u:s3#cr/et@192.0.2.7/1", id="not encoded"),
        pytest.param("rtsp://evil/a?token=***", "rtsp://h/a?token=s3cret", id="ticket"),
        pytest.param("rtsp://evil/user=a&pwd=***", "rtsp://h/user=a&pwd=s3cret", id="in the path"),
    ],
)
def test_a_kept_secret_goes_nowhere_else(came: str, known: str) -> None:
    with pytest.raises(MaskedSecretUnknown) as caught:
        unmask_url(came, known)
    assert "s3c" not in str(caught.value)


NAMED = "rtsp://viewer:${PATROL_CAM_A}@192.0.2.7/1"


@pytest.mark.parametrize(
    ("url", "known"),
    [
        pytest.param(NAMED, NAMED, id="unchanged"),
        pytest.param("rtsp://viewer:${PATROL_CAM_A}@192.0.2.7/2", "", id="a camera at its host"),
        pytest.param("rtsp://viewer:word@192.0.2.9/2", NAMED, id="a word elsewhere"),
    ],
)
def test_a_name_stays_with_its_host(url: str, known: str) -> None:
    check_names_stay(url, known, [NAMED])


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://viewer:${PATROL_CAM_A}@192.0.2.9/1",
        "rtsp://viewer:${PATROL_CAM_A}@192.0.2.7:8554/1",
        "rtsp://192.0.2.9/${PATROL_CAM_A}",
        "http://192.0.2.9/?a=${PATROL_CAM_A}",
        "rtsp://viewer:${PATROL_CAM_B}@192.0.2.7/1",
        "rtsp://${PATROL_CAM_A}/1",
    ],
)
def test_a_name_is_not_sent_elsewhere(url: str) -> None:
    with pytest.raises(MaskedSecretUnknown, match="PATROL_CAM_"):
        check_names_stay(url, NAMED, [NAMED])
