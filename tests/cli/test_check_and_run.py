"""What `patrol run` refuses to start with, `patrol check` finds before, in a line that names it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from patrol.app.reply_session import service_lock_path
from patrol.app.side_services import SideServices
from patrol.files import process_lock
from patrol.settings import load_site

pytest.importorskip("apprise")
pytest.importorskip("fastapi")
CliSite = Any  # conftest's
# One of Apprise's plugins imports it where it still exists.
pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


@pytest.fixture(autouse=True)
def service_only_makes_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`patrol run` without its threads: everything is opened and made, then it ends."""

    @contextmanager
    def no_signals() -> Iterator[threading.Event]:
        yield threading.Event()

    def make_parts(app: Any, stop: threading.Event, **_more: Any) -> None:
        with ExitStack() as stack:
            SideServices.create(app)._delivery_workers(stack)

    monkeypatch.setattr("patrol.cli.run.until_signalled", no_signals)
    monkeypatch.setattr("patrol.cli.run.run_service", make_parts)


def add(site: CliSite, text: str) -> None:
    path = site.home / "config" / "site.yaml"
    path.write_text(path.read_text("utf-8") + text.replace("HERE", str(path.parent)), "utf-8")


def put(site: CliSite, name: str, content: bytes, mode: int = 0o600) -> None:
    path = site.home / "config" / name
    path.write_bytes(content)
    path.chmod(mode)


def channel(site: CliSite, content: bytes) -> None:
    put(site, "addresses", content)
    add(site, "notify: {duty: {url_file: HERE/addresses}}\n")


def secret(site: CliSite) -> None:
    put(site, "secret", b"\xff" * 40)
    add(site, "webhooks: {a: {url: 'https://a.example/x', secret_file: HERE/secret}}\n")


def password(site: CliSite) -> None:
    put(site, "password", b"\xff\n")
    add(site, "canary: {username: c, password_file: HERE/password}\n")


def key(site: CliSite, content: bytes, mode: int) -> None:
    put(site, "site.key", content, mode)
    add(site, "keys: {file: HERE/site.key}\n")


def console_certificate(site: CliSite) -> None:
    put(site, "c.pem", b"no certificate\n")
    tls = "console: {port: 0, tls_certificate: HERE/c.pem, tls_key: HERE/c.pem}"
    site.spoil("site.yaml", "console: {port: 0}\n", "")
    add(site, f"{tls}\n")


KINDS: dict[str, tuple[Callable[[CliSite], object], str]] = {
    "an address of no service": (lambda s: channel(s, b"nonsense\n"), "notify.duty-1"),
    "addresses that are no text": (lambda s: channel(s, b"json://\xff\n"), "notify.duty.url_file"),
    "a secret that is no text": (secret, "webhooks.a.secret_file"),
    "a password that is no text": (password, "canary.password_file"),
    "pictures below a file": (lambda s: (s.home / "evidence").write_bytes(b"x"), "evidence"),
    "a key that others may read": (lambda s: key(s, b"x" * 64, 0o644), "keys.file"),
    "a key that is none": (lambda s: key(s, b"short\n", 0o600), "keys.file"),
    "a console's certificate that is none": (console_certificate, "console.tls_certificate"),
}


@pytest.mark.parametrize(("spoil", "field"), KINDS.values(), ids=KINDS)
def test_check_finds_what_run_refuses(
    cli_site: CliSite, spoil: Callable[[CliSite], object], field: str
) -> None:
    spoil(cli_site)
    refused, checked = cli_site("run"), cli_site("check", "--json")
    assert (refused.code in (1, 2), checked.code) == (True, 2)
    assert "Traceback" not in refused.err
    assert "内部错误" not in refused.err
    (problem,) = checked.document["problems"]
    assert problem["field"] == field
    assert f"{field}: " in checked.err


def test_a_port_that_somebody_else_has(cli_site: CliSite, taken_port: int) -> None:
    cli_site.spoil("site.yaml", "port: 0", f"port: {taken_port}")
    assert cli_site("run").code == 1
    (problem,) = cli_site("check", "--json").document["problems"]
    assert (problem["field"], str(taken_port) in problem["text"]) == ("console", True)
    lock = service_lock_path(load_site(cli_site.home / "config").settings)
    with process_lock(lock):
        assert cli_site("check").code == 0, "the service itself has it"


@pytest.mark.parametrize("section", ["camera_tls"])
def test_authorities_that_are_no_certificates(cli_site: CliSite, section: str) -> None:
    """The service starts with them, and then no camera over TLS is ever seen."""
    put(cli_site, "ca.pem", b"no certificate\n")
    add(cli_site, f"{section}: {{ca_file: HERE/ca.pem}}\n")
    (problem,) = cli_site("check", "--json").document["problems"]
    assert problem["field"] == f"{section}.ca_file"


def test_a_section_without_addresses(cli_site: CliSite) -> None:
    channel(cli_site, b"# none yet\n")
    (problem,) = cli_site("check", "--json").document["problems"]
    assert (problem["field"], "holds no address" in problem["text"]) == ("notify.duty", True)


def test_a_site_that_starts_passes(cli_site: CliSite) -> None:
    assert [cli_site(verb).code for verb in ("check", "run")] == [0, 0]
