"""`patrol probe`: a picture brought home, and failures that say whose move it is."""

import base64
import io
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typing_extensions import override

from patrol.cli.probe import advice_of
from patrol.cli.probe_advice import ADVICE, REASON_ADVICE
from patrol.store import open_store
from streams.errors import KINDS, LOGIN_REFUSED, RefusedUs, StreamBusy, StreamError

CliSite = Any  # conftest's


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of a moving gradient with structure: nothing is wrong with it."""
    path = tmp_path / "clip.avi"
    rng = np.random.default_rng(1)
    scene = cv2.resize(rng.integers(40, 220, (36, 64, 3), np.uint8), (640, 360))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 360))
    for shift in range(20):
        writer.write(np.roll(scene, shift * 3, axis=1))
    writer.release()
    return path


def test_a_clip_is_described_in_numbers_and_its_picture_kept(cli_site: CliSite, clip: Path) -> None:
    picture = cli_site.home / "seen.png"
    ended = cli_site("probe", str(clip), "--save", str(picture), "--json")
    assert ended.code == 0, ended.err
    found = ended.document
    assert (found["codec"], found["width"], found["height"]) == ("mjpeg", 640, 360)
    assert found["usable"] is True
    assert found["failure"] is None
    assert {reading["kind"] for reading in found["readings"]} >= {"black_screen", "blur", "noise"}
    assert cv2.imread(str(picture)).shape == (360, 640, 3)
    output = cli_site("probe", str(clip)).out
    assert "编码" in output
    assert "640×360" in output


@pytest.mark.parametrize("as_json", [True, False])
def test_nobody_there_is_one_and_says_whose_move_it_is(cli_site: CliSite, *, as_json: bool) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # bound, not listening: refused for sure
        url = f"rtsp://admin@127.0.0.1:{sock.getsockname()[1]}/live?token=hush"
        ended = cli_site("probe", url, *(["--json"] if as_json else []))
    assert ended.code == 1
    assert "hush" not in ended.out + ended.err
    if as_json:
        failure = ended.document["failure"]
        assert (failure["kind"], ended.document["ok"]) == ("unreachable", False)
        assert failure["whose"]["en"] == "network, maintainer"
        assert failure["next"]["zh"]
    else:
        assert "连接不上" in ended.err
        assert "ping" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ftp://u:s3cret@h/a"], "scheme 'ftp'"),
        (["rtsp://"], "no host"),
        (["/nowhere/clip.mp4"], "no such file: /nowhere/clip.mp4"),
        (["rtsp://h/a", "--save", "x.gif"], "--save: x.gif: give a name that ends in .jpg"),
        (["rtsp://h/a", "--save", "/nowhere/x.jpg"], "--save: /nowhere: no such directory"),
        (["rtsp://h/a", "--timeout", "0"], "--timeout"),
    ],
)
def test_what_cannot_be_probed_is_bad_input(
    cli_site: CliSite, arguments: list[str], message: str
) -> None:
    ended = cli_site("probe", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert "s3cret" not in ended.err


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    ("password", "fix"),
    [
        ("2026#Sec@", "%23"),
        ("2026?Sec@", "%3F"),
        ("2026/Sec", "%2F"),
        ("2026[Sec", "%5B"),
        ("2026]Sec", "%5D"),
        ("2026%Sec", "%25"),
        ("a@2026#Sec", "%23"),
        ("$CAM_2026Sec", "${NAME}"),
        ("2026 Sec", "%20"),
    ],
)
def test_a_password_that_is_not_encoded_is_found_with_its_fix(
    cli_site: CliSite, password: str, fix: str, *, as_json: bool
) -> None:
    url = f"rtsp://admin:{password}@127.0.0.1:9/live"
    ended = cli_site("probe", url, *(["--json"] if as_json else []))
    assert ended.code == 2
    assert fix in ended.out + ended.err
    assert "2026" not in ended.out + ended.err
    assert "Sec" not in ended.out + ended.err


def test_a_name_is_filled_in_from_the_environment(
    cli_site: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATROL_CAM_PW", "s3#cret")
    ended = cli_site("probe", "rtsp://admin:${PATROL_CAM_PW}@127.0.0.1:9/live")
    assert (ended.code, "%23" in ended.err) == (2, True)
    ended = cli_site("probe", "rtsp://admin:$PATROL_CAM_PW@127.0.0.1:9/live")
    assert (ended.code, "write ${PATROL_CAM_PW}" in ended.err) == (2, True)
    monkeypatch.setenv("PATROL_CAM_PW", "s3%23cret")
    ended = cli_site("probe", "rtsp://admin:${PATROL_CAM_PW}@127.0.0.1:9/live")
    assert (ended.code, "连接不上" in ended.err) == (1, True)


@pytest.mark.parametrize(
    ("exc", "named"),
    [
        (RefusedUs("401", reason=LOGIN_REFUSED), True),
        (RefusedUs("SETUP refused: 404 Not Found"), False),
        (StreamBusy("PLAY refused: 453", status=453), False),
    ],
)
def test_only_a_refused_login_if_granted_the_password(exc: StreamError, *, named: bool) -> None:
    advice = advice_of(exc)
    assert ("密码" in advice.next_zh, "password" in advice.next_en) == (named, named)


def test_every_kind_of_failure_has_its_advice() -> None:
    assert set(ADVICE) == {kind.kind for kind in KINDS}
    assert all(all(advice) for advice in [*ADVICE.values(), *REASON_ADVICE.values()])


def test_bytes_that_are_no_picture(cli_site: CliSite) -> None:
    path = cli_site.home / "noise.mp4"
    path.write_bytes(os.urandom(4096))
    ended = cli_site("probe", str(path), "--json")
    assert ended.code == 1
    assert ended.document["failure"]["kind"] == "unreadable"


@pytest.fixture
def asking_camera() -> Iterator[tuple[str, list[str]]]:
    """A camera that asks for Basic and refuses; its authority, and what it was told."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers.get("authorization", ""))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="r"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", told
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("way", ["file", "stdin", "asked"])
def test_the_password_comes_from_elsewhere_than_the_command(
    cli_site: CliSite,
    asking_camera: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    way: str,
) -> None:
    authority, told = asking_camera
    password = "s3#cret/@%"  # as it is: nothing is to be encoded here
    options = {"file": ["--password-file", str(tmp_path / "pw")], "stdin": ["--password-stdin"]}
    (tmp_path / "pw").write_text(f"{password}\n", "utf-8")
    stdin = io.StringIO(f"{password}\n")
    monkeypatch.setattr(stdin, "isatty", lambda: way == "asked")
    monkeypatch.setattr("patrol.cli.camera_address.sys.stdin", stdin)
    monkeypatch.setattr("patrol.cli.camera_address.getpass", lambda _prompt: password)
    ended = cli_site("probe", f"http://admin@{authority}/snap", *options.get(way, []))
    assert ended.code == 1
    assert base64.b64encode(f"admin:{password}".encode()).decode() in told[-1]
    assert password not in ended.out + ended.err
    assert "everybody" not in ended.err


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:s3cret@127.0.0.1:9/live",
        "http://admin:s3cret@127.0.0.1:9/snap",
        "rtsps://admin:s3cret@127.0.0.1:9/${PATROL_CAM_PATH}",  # a name, and not in its place
        "rtsp://admin:s3${PATROL_CAM_PATH}@127.0.0.1:9/live",
    ],
)
@pytest.mark.parametrize("verb", [("probe",), ("onvif", "probe")], ids=" ".join)
def test_a_password_in_the_command_is_refused(
    cli_site: CliSite, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...], url: str
) -> None:
    monkeypatch.setenv("PATROL_CAM_PATH", "cret")
    if verb[0] == "onvif":
        url = "onvif://" + url.partition("://")[2]
    ended = cli_site(*verb, url)
    assert (ended.code, "--password-file" in ended.err) == (2, True), ended.err
    assert "s3cret" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rtsp://127.0.0.1:9/live", "rtsp://USER@HOST"),
        ("rtsp://u:p@127.0.0.1:9/live", "://用户@主机"),
    ],
)
def test_a_password_needs_its_user_and_no_second_one(
    cli_site: CliSite, tmp_path: Path, url: str, said: str
) -> None:
    (tmp_path / "pw").write_text("x", "utf-8")
    ended = cli_site("probe", url, "--password-file", str(tmp_path / "pw"))
    assert (ended.code, said in ended.err) == (2, True), ended.err
    ended = cli_site("probe", "rtsp://u@127.0.0.1:9/live", "--password-file", "/nowhere/pw")
    assert (ended.code, "/nowhere/pw" in ended.err) == (2, True)


# -- the household's say --------------------------------------------------------------------------

HOME_OF_2 = "rtsp://127.0.0.1:9/b"  # of a camera that is indoors
HOME_OF_1 = "rtsp://127.0.0.1:9/a"


def access_log(cli_site: CliSite) -> list[tuple[str, str, str]]:
    with open_store(cli_site.database) as store, store.begin_read() as uow:
        return [(e.who, e.what, e.why) for e in uow.access.entries()]


@pytest.mark.parametrize(
    "url", [HOME_OF_2, f"{HOME_OF_2}/", f"{HOME_OF_2}?x=1", "rtsp://someone@127.0.0.1:9/b"]
)
def test_a_camera_indoors_is_never_probed(cli_site: CliSite, url: str) -> None:
    ended = cli_site("probe", url, "--reason", "the household is at hand")
    assert (ended.code, "000002" in ended.err) == (1, True)
    assert access_log(cli_site) == []


def test_a_household_that_withdrew_is_never_probed(cli_site: CliSite) -> None:
    cli_site("consent", "withdraw", "000001", "--by", "desk")
    ended = cli_site("probe", f"{HOME_OF_1}", "--reason", "just a look")
    assert ended.code == 1
    assert "不可试看" in ended.err
    assert [what for _, what, _ in access_log(cli_site)] == ["consent withdrawn"]


def test_without_consent_yet_a_reason_is_needed_and_logged(cli_site: CliSite) -> None:
    cli_site.spoil("cameras.csv", "yes,granted", "yes,pending")
    refused = cli_site("probe", HOME_OF_1)
    assert (refused.code, "--reason" in refused.err) == (1, True)
    assert access_log(cli_site) == []
    tried = cli_site("probe", HOME_OF_1, "--reason", "安装调试,农户在场", "--by", "fitter")
    assert "连接不上" in tried.err  # it was tried: nothing listens there
    assert access_log(cli_site) == [("fitter", "probe", "安装调试,农户在场")]


def test_a_registered_camera_with_consent_is_probed_and_logged(cli_site: CliSite) -> None:
    cli_site("probe", HOME_OF_1, "--by", "fitter")
    assert access_log(cli_site) == [("fitter", "probe", "patrol probe")]


def test_another_path_at_a_household_s_own_camera_is_its_camera(cli_site: CliSite) -> None:
    cli_site.spoil("cameras.csv", "rtsp://127.0.0.1:9/b,no", "rtsp://192.0.2.8/b,no")
    for url in ("rtsp://192.0.2.8/other", "http://192.0.2.8:8080/snap.jpg", "rtsp://192.0.2.8./b"):
        assert cli_site("probe", url, "--reason", "x").code == 1
    assert access_log(cli_site) == []


def test_an_address_that_nobody_registered_is_just_probed(cli_site: CliSite) -> None:
    assert "连接不上" in cli_site("probe", "rtsp://127.0.0.2:9/new").err
    assert access_log(cli_site) == []
