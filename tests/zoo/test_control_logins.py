"""Cameras that ask for a login in their own way."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from streams.errors import LOGIN_REFUSED, RefusedUs, StreamError, Unreachable, WentSilent
from tests.zoo.control_camera import LOGIN, QUICK, Answer, Asked, ControlCamera, visit
from tests.zoo.control_media import CODECS, control_camera

LONGER = replace(QUICK, pictures=2, spacing_s=0.9)


@pytest.fixture(params=CODECS)
def camera(request: pytest.FixtureRequest) -> ControlCamera:
    made = control_camera(request.param)
    made.login = True
    return made


def test_a_hang_up_behind_the_401_is_its_answer(camera: ControlCamera) -> None:
    camera.closes_after_401 = True
    assert visit(camera).key_frames
    assert camera.connections == 2
    assert [(a.method, a.connection) for a in camera.asked if "authorization" in a.headers][:2] == [
        ("DESCRIBE", 2),
        ("SETUP", 2),
    ]


def closing_401(camera: ControlCamera, method: str) -> Callable[[Asked], Answer]:
    """The first request of this method is answered 401, though an earlier one was let in."""

    def answer(asked: Asked) -> Answer:
        del camera.answers[method]
        return camera.challenge(asked)

    return answer


@pytest.mark.parametrize("method", ["SETUP", "PLAY"])
@pytest.mark.parametrize("login", [True, False])
def test_a_hang_up_behind_a_later_401(camera: ControlCamera, method: str, *, login: bool) -> None:
    """Also of a server that describes itself to anybody."""
    camera.login, camera.closes_after_401 = login, True
    camera.answers[method] = closing_401(camera, method)

    def visit_with_login() -> None:
        camera.login = True
        if not login:
            camera.answers["DESCRIBE"] = lambda asked: camera.reply(asked, body=camera.sdp)
        assert visit(camera).key_frames

    visit_with_login()
    assert camera.connections in {2, 3}


def test_a_nonce_that_dies_with_its_connection_ends_soon(camera: ControlCamera) -> None:
    """Nobody can log in to a server that does so: a few connections, then a plain error."""
    camera.closes_after_401, camera.nonce_for_each = True, "connection"
    with pytest.raises(RefusedUs, match="not accepted"):
        visit(camera)
    assert camera.connections <= 4


def test_a_hang_up_on_the_login_itself_ends_soon(camera: ControlCamera) -> None:
    def answer(asked: Asked) -> Answer:
        return "close" if "authorization" in asked.headers else camera.challenge(asked)

    camera.answers["DESCRIBE"] = answer
    with pytest.raises(StreamError) as caught:
        visit(camera)
    assert isinstance(caught.value, WentSilent | Unreachable)
    assert camera.connections <= 4


def test_a_new_nonce_for_each_request_without_a_word_of_stale(camera: ControlCamera) -> None:
    camera.nonce_for_each = "request"
    assert visit(camera).key_frames
    assert camera.methods()[:6] == ["DESCRIBE", "DESCRIBE", "SETUP", "SETUP", "PLAY", "PLAY"]


def test_a_new_nonce_at_keep_alive(camera: ControlCamera) -> None:
    camera.nonce_for_each, camera.session, camera.media_pause_s = "request", "s1;timeout=1", 0.1
    assert len(visit(camera, options=LONGER).key_frames) == 2
    methods = camera.methods()
    assert methods.count("OPTIONS") == 2  # without and with the new nonce
    assert "GET_PARAMETER" in methods


def test_a_401_at_keep_alive_that_nothing_satisfies_ends_no_stream(camera: ControlCamera) -> None:
    camera.session, camera.media_pause_s = "s1;timeout=1", 0.1
    for method in ("OPTIONS", "GET_PARAMETER"):
        camera.answers[method] = camera.challenge
    assert len(visit(camera, options=LONGER).key_frames) == 2


def test_a_wrong_password_is_tried_twice_and_named(camera: ControlCamera) -> None:
    """Twice, as each 401 brings a new nonce; more would lock the account."""
    with pytest.raises(RefusedUs, match="not accepted") as caught:
        visit(camera, login="admin:wrong@")
    assert caught.value.reason == LOGIN_REFUSED
    assert camera.methods() == ["DESCRIBE"] * 3
    assert "wrong" not in str(caught.value)


def test_a_wrong_password_is_tried_once_where_the_nonce_stays(camera: ControlCamera) -> None:
    def challenge(asked: Asked) -> Answer:
        text = 'Digest realm="cam", nonce="always the same"'
        return camera.reply(asked, "401 Unauthorized", WWW_Authenticate=text)

    camera.answers["DESCRIBE"] = challenge
    with pytest.raises(RefusedUs, match="not accepted"):
        visit(camera)
    assert camera.methods() == ["DESCRIBE"] * 2


def test_a_server_whose_every_nonce_is_stale_is_left(camera: ControlCamera) -> None:
    def challenge(asked: Asked) -> Answer:
        text = f'Digest realm="cam", nonce="{len(camera.asked)}", stale=TRUE'
        return camera.reply(asked, "401 Unauthorized", WWW_Authenticate=text)

    camera.answers["DESCRIBE"] = challenge
    with pytest.raises(RefusedUs):
        visit(camera)
    assert len(camera.asked) <= 5


@pytest.mark.parametrize("closes", [True, False])
def test_basic(camera: ControlCamera, *, closes: bool) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.headers.get("authorization", "").startswith("Basic "):
            return camera.reply(asked, body=camera.sdp)
        return camera.reply(asked, "401 Unauthorized", WWW_Authenticate='Basic realm="cam"')

    camera.answers["DESCRIBE"] = answer
    camera.closes_after_401 = closes
    camera.is_let_in = lambda asked: "authorization" in asked.headers  # type: ignore[method-assign]
    assert visit(camera).key_frames
    assert camera.connections == (2 if closes else 1)


def test_no_password_at_all(camera: ControlCamera) -> None:
    camera.closes_after_401 = True
    with pytest.raises(StreamError, match="are wanted") as caught:
        visit(camera, login="")
    assert isinstance(caught.value, RefusedUs)
    assert camera.connections == 1
    assert LOGIN not in str(caught.value)
