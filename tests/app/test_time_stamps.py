"""Time stamps of the audit heads by a real authority: `openssl ts` behind an HTTP server."""

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from patrol.app import Application, build
from patrol.app.anchors import publish_anchor, stamp_anchors
from patrol.cli.audit_stamps import verify_stamps
from patrol.clock import SystemClock
from patrol.domain.audit_anchor import ChainHead, stamped_text
from patrol.integrations.timestamps import (
    MAX_ANSWER_BYTES,
    Authority,
    StampBroken,
    StampRefused,
    read_roots,
    request_stamp,
    verify_stamp,
)
from patrol.settings.site_integrations import TimestampSettings
from patrol.settings.site_keys import stamp_folder
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.small_files import write_small_site

DAY = timedelta(days=1)
TSA = """\
[tsa]
default_tsa = here
[here]
serial = {home}/serial
signer_cert = {home}/tsa.pem
signer_key = {home}/tsa.key
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
signer_digest = sha256
ess_cert_id_alg = sha256
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[stamper]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = name
[name]
"""


def openssl(home: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=home, check=True, capture_output=True, timeout=60)


@dataclass
class StampServer:
    """The authority; `answer`, where it is set, stands in its place."""

    home: Path
    url: str = ""
    answer: tuple[int, bytes] | None = None
    asked: list[bytes] = field(default_factory=list)

    def reply(self, query: bytes) -> tuple[int, bytes]:
        self.asked.append(query)
        if self.answer is not None:
            return self.answer
        (self.home / "q.tsq").write_bytes(query)
        openssl(self.home, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", "a")
        return 200, (self.home / "a").read_bytes()


@pytest.fixture(scope="module")
def authority_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tsa")
    (home / "tsa.cnf").write_text(TSA.format(home=home))
    (home / "serial").write_text("01\n")
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "tsa.cnf"]
    for name in ("ca", "other"):
        openssl(home, "req", "-x509", *ec, "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-days", "400", "-subj", f"/CN=test {name}", "-extensions", "ca")  # fmt: skip
    openssl(home, "req", "-new", *ec, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=tsa")
    openssl(home, "x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days",
            "300", "-CAcreateserial", "-extfile", "tsa.cnf", "-extensions", "stamper",
            "-out", "tsa.pem")  # fmt: skip
    return home


@pytest.fixture
def server(authority_home: Path) -> Iterator[StampServer]:
    authority = StampServer(authority_home)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["content-type"] == "application/timestamp-query"
            status, body = authority.reply(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        authority.url = f"http://127.0.0.1:{http.server_address[1]}/tsr"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield authority
        http.shutdown()
        thread.join()


def of(server: StampServer, name: str = "ca") -> Authority:
    return Authority(server.url, read_roots(server.home / f"{name}.pem"), timeout_s=20)


def test_a_stamp_holds_for_its_text_and_its_authority_alone(server: StampServer) -> None:
    stamp = request_stamp(of(server), b"heads of a day")
    assert b"heads" not in server.asked[0], "only its hash leaves"
    at = verify_stamp(of(server).roots, stamp, b"heads of a day")
    assert abs(at - SystemClock().now()) < timedelta(minutes=5)
    with pytest.raises(StampBroken):
        verify_stamp(of(server).roots, stamp, b"other heads")
    with pytest.raises(StampBroken):
        verify_stamp(of(server, "other").roots, stamp, b"heads of a day")
    with pytest.raises(StampRefused):
        request_stamp(of(server, "other"), b"heads of a day")


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (302, b""),
        (200, b""),
        (200, b"<html>no stamp</html>"),
        (200, b"\x30" * (MAX_ANSWER_BYTES + 1)),
        (200, bytes.fromhex("300530030201020a")),  # a rejection of RFC 3161, and a stray byte
    ],
)
def test_what_is_no_stamp_is_refused(server: StampServer, answer: tuple[int, bytes]) -> None:
    server.answer = answer
    with pytest.raises(StampRefused, match=server.url):
        request_stamp(of(server), b"x")


def test_an_answer_to_another_question_is_refused(server: StampServer) -> None:
    server.answer = (200, request_stamp(of(server), b"x"))  # the same text, an older random number
    with pytest.raises(StampRefused):
        request_stamp(of(server), b"x")


@pytest.fixture
def app(tmp_path: Path, server: StampServer) -> Iterator[Application]:
    site = replace(write_small_site(tmp_path), registry=small_site.registry())
    stamps = TimestampSettings(url=server.url, ca_file=server.home / "ca.pem")
    settings = site.settings.model_copy(update={"timestamp": stamps})
    now = SystemClock().now()
    with build(replace(site, settings=settings), clock=ManualClock(now)) as built:
        with built.store.begin() as uow:
            uow.access.append(
                at=now - DAY, who="op", what="view_picture", camera=small_site.CAMERA, why="x"
            )
            uow.commit()
        assert publish_anchor(built) is not None
        yield built


def checked(app: Application, given: Any = None) -> list[dict[str, Any]]:
    return [one.document() for one in verify_stamps(app.site, app.store, given or {})]


def test_a_days_heads_are_stamped_once_and_verified(app: Application, server: StampServer) -> None:
    server.answer = (503, b"")
    assert stamp_anchors(app) == 0, "asked again at the next turn"
    server.answer = None
    assert (stamp_anchors(app), stamp_anchors(app), len(server.asked)) == (1, 0, 2)
    (line,) = checked(app)
    assert (line["ok"], line["late"]) == (True, False)
    folder = stamp_folder(app.site.settings)
    (stamp,), (text,) = folder.glob("*.tsr"), folder.glob("*.txt")
    assert (stamp.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    openssl(server.home, "ts", "-verify", "-data", str(text), "-in", str(stamp), "-CAfile",
            "ca.pem")  # fmt: skip
    other = {stamp.stem: {"access_log": ChainHead(1, "0" * 64)}}
    assert [one["ok"] for one in checked(app, other)] == [False], "heads that the outside kept"
    stamp.write_bytes(request_stamp(of(server), stamped_text(stamp.stem, other[stamp.stem])))
    assert [one["ok"] for one in checked(app)] == [False], "a stamp of other heads"


def test_a_stamp_made_long_after_its_day_is_said_to_be_late(
    app: Application, server: StampServer
) -> None:
    folder, heads = stamp_folder(app.site.settings), {"access_log": ChainHead(1, "0" * 64)}
    folder.mkdir()
    day = (SystemClock().now() - 9 * DAY).date().isoformat()
    (folder / f"{day}.tsr").write_bytes(request_stamp(of(server), stamped_text(day, heads)))
    (line,) = checked(app, {day: heads})
    assert (line["ok"], line["late"]) == (True, True)
    (gone,) = checked(app)
    assert not gone["ok"], "its anchor is nowhere"


def test_the_verb_names_a_stamp_that_does_not_hold(
    app: Application, server: StampServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from patrol.cli import audit  # noqa: PLC0415

    assert stamp_anchors(app) == 1
    said: list[Any] = []
    monkeypatch.setattr(audit, "site_for_lists", lambda _context: app.site)
    monkeypatch.setattr(audit, "print_json", said.append)
    audit.verify(SimpleNamespace(), as_json=True)  # type: ignore[arg-type]  # only passed on
    assert (said[-1]["ok"], [one["ok"] for one in said[-1]["stamps"]]) == (True, [True])
    (stamp,) = stamp_folder(app.site.settings).glob("*.tsr")
    outside = {"day": stamp.stem, "heads": {"access_log": {"number": 0, "hash": "0" * 64}}}
    (tmp_path / "kept.json").write_text(json.dumps(outside))
    with pytest.raises(Exception, match="1"):
        audit.verify(SimpleNamespace(), anchor=[str(tmp_path / "kept.json")], as_json=True)  # type: ignore[arg-type]
    assert any("时间戳与该日锚点不符" in line for line in said[-1]["problems"])
    assert server.asked
