"""Addresses in a file that travels: no password goes out, none is lost on the way back."""

import pytest

from patrol.settings.cameras_csv import MaskedSecretUnknown, mask_url, unmask_url

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
            "rtsp://admin:***@192.0.2.9/101", "rtsp://admin:s3cret@192.0.2.9/101", id="host"
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
