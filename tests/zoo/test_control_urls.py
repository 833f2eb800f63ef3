"""Cameras that name themselves wrongly: the track is found all the same.

Each knows its track by one URL alone, and answers any other with an error, or with a 401, because
it signs the URL that it expects. The visit must reach the picture, whatever else it tries.
"""

import pytest

from streams.errors import LOGIN_REFUSED, RefusedUs
from tests.zoo.control_camera import visit
from tests.zoo.control_media import CODECS, control_camera

HERE = "rtsp://{authority}/live"
BASES = {
    "none": (None, f"{HERE}/trackID=1"),
    "as asked": (f"{HERE}/", f"{HERE}/trackID=1"),
    "no scheme, an inner address": ("192.168.1.10:554/stream0/", f"{HERE}/trackID=1"),
    "no scheme, believed": ("{authority}/stream0/", "rtsp://{authority}/stream0/trackID=1"),
    "no scheme, no port": ("192.168.1.10/stream0/", f"{HERE}/trackID=1"),
    "no scheme, a name": ("camera.local:554/stream0/", f"{HERE}/trackID=1"),
    "scheme twice": ("rtsp://rtsp://{authority}/stream1/", f"{HERE}/trackID=1"),
    "scheme twice, believed": (
        "rtsp://rtsp://{authority}/stream1/", "rtsp://{authority}/stream1/trackID=1",
    ),
    "scheme thrice": ("rtsp://rtsp://rtsp://h/", f"{HERE}/trackID=1"),
    "one slash": ("rtsp:/{authority}/stream1/", f"{HERE}/trackID=1"),
    "a name": ("rtsp://camera.local/stream1/", f"{HERE}/trackID=1"),
    "a name, believed": ("rtsp://camera.local/stream1/", "rtsp://camera.local/stream1/trackID=1"),
    "a name, its path here": (
        "rtsp://camera.local/stream1/", "rtsp://{authority}/stream1/trackID=1",
    ),
    "another host": ("rtsp://10.9.8.7:8554/live/", f"{HERE}/trackID=1"),
    "all interfaces": ("rtsp://0.0.0.0/", f"{HERE}/trackID=1"),
    "an open bracket": ("rtsp://[x/live/", f"{HERE}/trackID=1"),
    "an open bracket without scheme": ("//[x", f"{HERE}/trackID=1"),
    "an impossible port": ("rtsp://h:99999/live/", f"{HERE}/trackID=1"),
    "a web page": ("http://h/live/", f"{HERE}/trackID=1"),
    "a path": ("/other/", f"{HERE}/trackID=1"),
    "a path, believed": ("/other/", "rtsp://{authority}/other/trackID=1"),
    "a word": ("stream0", f"{HERE}/trackID=1"),
    "in brackets": ("<rtsp://camera.local/stream1/>", f"{HERE}/trackID=1"),
}  # fmt: skip
WRONG = ["404 Not Found", "400 Bad Request", "454 Session Not Found", "451 No", "401 Unauthorized"]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("wrong", WRONG)
def test_content_base(base: str, codec: str, wrong: str) -> None:
    camera = control_camera(codec)
    camera.base, camera.known = BASES[base]
    camera.wrong_url_status, camera.login = wrong, wrong.startswith("401")
    assert visit(camera).key_frames
    assert camera.connections == 1


CONTROLS = {
    "relative to an absolute session": (
        "trackID=1", "rtsp://{authority}/deep/stream", "rtsp://{authority}/deep/stream/trackID=1",
    ),
    "the same with a slash": (
        "trackID=1", "rtsp://{authority}/deep/", "rtsp://{authority}/deep/trackID=1",
    ),
    "a session control at an inner address": (
        "trackID=1", "rtsp://10.0.0.1/deep/", "rtsp://{authority}/deep/trackID=1",
    ),
    "a session control of two schemes": ("trackID=1", "rtsp://rtsp://h/x", f"{HERE}/trackID=1"),
    "a broken session control": ("trackID=1", "rtsp://[x", f"{HERE}/trackID=1"),
    "a relative session control": ("trackID=1", "stream/", f"{HERE}/trackID=1"),
    "no session control": ("trackID=1", "", f"{HERE}/trackID=1"),
    "absolute": ("rtsp://{authority}/abs/track1", "*", "rtsp://{authority}/abs/track1"),
    "absolute at an inner address": (
        "rtsp://0.0.0.0/abs/track1", "*", "rtsp://{authority}/abs/track1",
    ),
    "absolute, scheme twice": (
        "rtsp://rtsp://{authority}/abs/t", "*", "rtsp://{authority}/abs/t",
    ),
    "absolute without a scheme": ("{authority}/abs/t", "*", "rtsp://{authority}/abs/t"),
    "a broken one": ("control://[x", "*", f"{HERE}/control://[x"),
    "from the root": ("/root/t", "*", "rtsp://{authority}/root/t"),
    "from the root, appended": ("/t", "*", f"{HERE}//t"),
    "none at all": ("", "*", HERE),
    "with a blank": ("track 1", "*", f"{HERE}/track%201"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("base", [None, "192.168.1.10:554/stream0/", f"{HERE}/"])
def test_controls(name: str, codec: str, base: str | None) -> None:
    control, session_control, known = CONTROLS[name]
    camera = control_camera(codec, control, session_control)
    camera.base, camera.known = base, known
    if base == f"{HERE}/" and known == HERE:
        camera.known = f"{HERE}/"
    assert visit(camera).key_frames


def test_a_relative_control_resolves_against_an_absolute_session_control_first() -> None:
    camera = control_camera("H264", "trackID=1", "rtsp://{authority}/deep/stream")
    camera.base = f"{HERE}/"
    assert visit(camera).key_frames
    setup = next(asked for asked in camera.asked if asked.method == "SETUP")
    assert setup.uri == f"rtsp://{camera.authority}/deep/stream/trackID=1"


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_url_is_never_called_a_wrong_password(wrong: str) -> None:
    camera = control_camera("H264")
    camera.base, camera.known, camera.login = "192.168.1.10:554/s/", "rtsp://nobody/knows", True
    camera.wrong_url_status = wrong
    with pytest.raises(RefusedUs, match=f"SETUP refused: {wrong[:3]}") as caught:
        visit(camera)
    assert caught.value.reason != LOGIN_REFUSED
    assert camera.methods().count("SETUP") <= 16
