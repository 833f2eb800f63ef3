"""`patrol notify test`: one message and one line a notifier, no address on the screen."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.http_receiver import HttpReceiver, running_receiver

pytest.importorskip("apprise")
# One of Apprise's plugins imports it where it still exists.
pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")
CliSite = Any  # conftest's
SetUp = Callable[..., CliSite]


@pytest.fixture
def gateway() -> Iterator[HttpReceiver]:
    with running_receiver(status=200) as server:
        yield server


@pytest.fixture
def notified(cli_site: CliSite) -> SetUp:
    """The site with these sections of `notify:`, each a file of these addresses."""

    def set_up(**addresses: str) -> CliSite:
        lines = ["notify:"]
        for name, text in addresses.items():
            cli_site.write(f"notify.{name}", text)
            lines.append(f"  {name}: {{url_file: {cli_site.home}/config/notify.{name}}}")
        path = cli_site.home / "config" / "site.yaml"
        path.write_text(path.read_text("utf-8") + "\n".join(lines) + "\n", "utf-8")
        return cli_site

    return set_up


def outcomes(document: Any) -> dict[str, str]:
    return {one["notifier"]: one["outcome"] for one in document["notifiers"]}


def test_each_notifier_gets_one_message_and_a_line(notified: SetUp, gateway: HttpReceiver) -> None:
    port = gateway.server_port
    site = notified(
        duty=f"json://u:s3cret@127.0.0.1:{port}/a\n# second\njson://127.0.0.1:{port}/b\n",
        chat=f"json://127.0.0.1:{port}/c\n",
    )
    (site.home / "patrol.db").unlink()
    ended = site("notify", "test", "--by", "老王")
    assert (ended.code, ended.err) == (0, "")
    lines = [f"✓ {name}：已送交" for name in ("duty-1", "duty-2", "chat-1")]
    assert ended.out.splitlines() == lines
    assert sorted(one.path for one in gateway.requests) == ["/a", "/b", "/c"]
    body = json.loads(gateway.requests[0].body)
    assert "测试" in body["title"]
    assert "老王" in body["message"]
    assert not (site.home / "patrol.db").exists(), "no database is needed, none is made"


def test_one_that_fails_ends_with_1_and_the_others_are_sent(
    notified: SetUp, gateway: HttpReceiver
) -> None:
    site = notified(
        bad="json://u:s3cret@127.0.0.1:9/x\n", good=f"json://127.0.0.1:{gateway.server_port}/y\n"
    )
    ended = site("notify", "test", "--json")
    assert (ended.code, ended.document["ok"]) == (1, False)
    assert outcomes(ended.document) == {"bad-1": "failed", "good-1": "sent"}
    ended = site("notify", "test")
    assert ended.err.startswith("bad-1：未送达")
    assert "s3cret" not in ended.out + ended.err
    assert site("notify", "test", "good").code == site("notify", "test", "good-1").code == 0
    assert len(gateway.requests) == 4


def test_a_text_message_needs_somebody_s_number(notified: SetUp, gateway: HttpReceiver) -> None:
    site = notified(sms=f"json://127.0.0.1:{gateway.server_port}/sms/{{phone}}\n")
    ended = site("notify", "test", "--json")
    assert (ended.code, outcomes(ended.document)) == (1, {"sms-1": "skipped"})
    assert "--person" in ended.document["notifiers"][0]["problem"]
    assert gateway.requests == []
    assert site("notify", "test", "--person", "nobody").code == 2
    assert site("notify", "test", "--person", "L1").code == 2, "has no number"
    site.spoil("people.csv", "203001,L1,,", "203001,L1,13800000001,")
    assert site("notify", "test", "--person", "L1").code == 0
    assert gateway.requests[0].path == "/sms/13800000001"


@pytest.mark.parametrize(
    ("text", "outcome"), [("nonsense\n", "unusable"), ("# none yet\n", "unusable")]
)
def test_what_can_never_work_ends_with_2(notified: SetUp, text: str, outcome: str) -> None:
    ended = notified(duty=text)("notify", "test", "--json")
    assert (ended.code, set(outcomes(ended.document).values())) == (2, {outcome})


def test_none_configured_and_a_name_that_is_none(cli_site: CliSite, notified: SetUp) -> None:
    ended = cli_site("notify", "test")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "notify" in ended.err
    ended = notified(duty="json://127.0.0.1:9\n")("notify", "test", "dutty")
    assert (ended.code, "duty-1" in ended.err) == (2, True)
