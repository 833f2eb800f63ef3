"""What site.yaml says of metrics, canary, webhooks and second channels."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from patrol.settings import load_site

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return file


def test_what_is_not_written_works(town: Any) -> None:
    outward = load_site(town.directory, {}).settings.integrations
    assert (outward.metrics.host, outward.metrics.enabled) == ("127.0.0.1", True)
    assert outward.canary.every == timedelta(hours=1)
    assert (outward.webhooks, outward.notify) == ({}, {})


def test_everything_written(town: Any, secret: Path) -> None:
    text = (
        "webhooks:\n"
        f"  county: {{url: 'https://${{PATROL_HOST}}/hook', secret_file: {secret}, tries: 3,"
        " events: [case.opened]}\n"
        f"notify: {{duty: {{url_file: {secret}, events: [alarm]}}}}\n"
        "canary: {every_min: 30, within_s: 20}\n"
        "metrics: {port: 9000}\n"
    )
    town.write("site.yaml", (town.directory / "site.yaml").read_text("utf-8") + text)
    outward = load_site(town.directory, {"PATROL_HOST": "county.example"}).settings.integrations
    hook = outward.webhooks["county"]
    assert (hook.url, hook.tries) == ("https://county.example/hook", 3)
    assert hook.events == {"case.opened"}
    assert outward.notify["duty"].events == {"alarm"}
    assert outward.canary.every == timedelta(minutes=30)
    assert outward.metrics.port == 9000
    assert "county.example" not in repr(outward)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("webhooks: {a: {url: 'http://example.org/', secret_file: SECRET}}", "unencrypted"),
        ("webhooks: {a: {url: 'ftp://example.org/', secret_file: SECRET}}", "https://HOST/PATH"),
        ("webhooks: {a: {url: 'https://u:p@example.org/', secret_file: SECRET}}", "credentials"),
        ("webhooks: {a: {url: 'https://x/', secret_file: /none}}", "no such file: /none"),
        ("webhooks: {a: {url: 'https://x/', secret_file: SHORT}}", "is too short"),
        ("webhooks: {a: {url: 'https://x/', secret_file: SECRET, events: [all]}}", "is unknown"),
        (
            "webhooks: {a: {url: 'https://${PATROL_NOPE}/', secret_file: SECRET}}",
            "has no PATROL_NOPE",
        ),
        ("notify: {a: {url_file: /none}}", "no such file: /none"),
        ("canary: {every_min: 0}", "out of range"),
        ("metrics: {port: 70000}", "out of range"),
        ("metrics: {hots: 127.0.0.1}", "did you mean"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(
    town: Any, secret: Path, tmp_path: Path, text: str, reported: str
) -> None:
    short = tmp_path / "short"
    short.write_text("s3cret")
    before = (town.directory / "site.yaml").read_text("utf-8")
    line = before.count("\n") + 1
    text = text.replace("SECRET", str(secret)).replace("SHORT", str(short))
    town.write("site.yaml", f"{before}{text}\n")
    (problem,) = town.complaints()
    assert reported in problem
    assert f"site.yaml:{line}: " in problem
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("text", "noticed"),
    [
        pytest.param("", False, id="all on one machine"),
        pytest.param("mqtt: {url: 'mqtts://broker.example'}", True, id="telephones elsewhere"),
        pytest.param(
            "mqtt: {url: 'mqtts://broker.example'}\nlinks: {base_url: 'https://p.example/'}",
            False,
            id="and they are told where",
        ),
        pytest.param(
            "mqtt: {url: 'mqtts://broker.example'}\nconsole: {enabled: false}", False, id="no pages"
        ),
    ],
)
def test_links_that_no_telephone_can_open_are_noticed(
    town: Any, text: str, *, noticed: bool
) -> None:
    written = (town.directory / "site.yaml").read_text("utf-8").splitlines()
    kept = [line for line in written if not (text and line.startswith("mqtt:"))]
    town.write("site.yaml", "\n".join([*kept, text, ""]))
    site = load_site(town.directory, {})
    assert any(notice.field == "links.base_url" for notice in site.notices) == noticed
    if "base_url" in text:
        assert site.settings.integrations.links.base_url == "https://p.example"
