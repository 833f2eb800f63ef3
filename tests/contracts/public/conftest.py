"""The product seen from outside, for photographs of its public names.

Everything here goes through what a user has: `python -m patrol` in a process of its own, HTTP,
MQTT, the database. No module of the product is imported, so that modules may move freely.

    PATROL_PHOTOGRAPH=1 pytest tests/contracts/public

takes all photographs anew (golden/): only when a public name is meant to change, and the
difference is read before it is committed.
"""

import gzip
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
import pytest

ROOT: Final = Path(__file__).parents[3]
GOLDEN: Final = Path(__file__).parent / "golden"
PREVIOUS: Final = ROOT / "tests/store/data/previous"
TAKE_ANEW: Final = os.environ.get("PATROL_PHOTOGRAPH") == "1"
NOBODY: Final = "json://127.0.0.1:9/nobody-listens-there"  # a channel's address, and a long secret
PLAIN: Final = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "LANG": "en_US.UTF-8",
                "TZ": "UTC", "LOGNAME": "tester"}  # fmt: skip
WAIT_S: Final = 40.0

# Many command lines in one process: `python -m patrol` each time, its imports once.
COMMANDS: Final = """
import io, json, runpy, sys
from contextlib import redirect_stderr, redirect_stdout
answers = []
for line in json.load(sys.stdin):
    sys.argv, sys.stdin = ["patrol", *line], io.StringIO("a password of nobody 7\\n")
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            runpy.run_module("patrol", run_name="__main__", alter_sys=True)
        except SystemExit as exc:
            code = exc.code or 0
    answers.append([code, out.getvalue(), err.getvalue()])
json.dump(answers, sys.stdout)
"""
# `patrol run`, with an eye on which web applications it makes.
SERVICE: Final = """
import json, runpy, sys, threading, time
from pathlib import Path
import fastapi
made, make = [], fastapi.FastAPI.__init__
def noted(self, *args, **more):
    make(self, *args, **more)
    made.append(self)
fastapi.FastAPI.__init__ = noted
def tell():
    while not Path("ask").exists():
        time.sleep(0.05)
    web = [app for app in made if app.openapi_url is None]  # the other one tells its own
    routes = [[sorted(word.upper() for word in words), path]
              for app in web for path, words in app.openapi()["paths"].items()]
    routes += [[["MOUNT"], r.path] for app in web for r in app.routes if hasattr(r, "app")
               and not hasattr(r, "methods")]
    Path("routes.part").write_text(json.dumps(routes))
    Path("routes.part").rename("routes.json")
threading.Thread(target=tell, daemon=True).start()
sys.argv = ["patrol", "-c", "config", "run"]
runpy.run_module("patrol", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Ended:
    """How one command line ended."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "PYTHONPATH")}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH", ""))))
    return {**kept, **PLAIN, "PYTHONPATH": path, **more}


@dataclass
class Site:
    """A copy of the small site of tests/store/data/previous, upgraded; commands run in it."""

    home: Path
    env: Mapping[str, str] = field(default_factory=environment)

    @classmethod
    def copied_to(cls, home: Path) -> "Site":
        (home / "config").mkdir(parents=True)
        for file in (PREVIOUS / "config").iterdir():
            (home / "config" / file.name).write_bytes(file.read_bytes())
        packed = (PREVIOUS / "previous.sqlite.gz").read_bytes()
        (home / "config/patrol.db").write_bytes(gzip.decompress(packed))
        (home / "config/files").mkdir()
        (home / "config/files/secret").write_text(f"{NOBODY}\n")
        site = cls(home)
        (upgraded,) = site.run(["db", "upgrade"])  # it may be of an earlier revision
        assert upgraded.code == 0, upgraded.err
        return site

    def edit(self, pattern: str, by: str, file: str = "site.yaml") -> None:
        path = self.home / "config" / file
        text, changed = re.subn(pattern, lambda _: by, path.read_text("utf-8"))
        assert changed, f"{pattern} is not in {file}"
        path.write_text(text, "utf-8")

    def run(self, *lines: list[str]) -> list[Ended]:
        """These command lines, one after the other."""
        asked = json.dumps([["-c", "config", *line] for line in lines])
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS], input=asked, cwd=self.home, env=self.env,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [Ended(*answer) for answer in json.loads(done.stdout)]

    def ask(self, *line: str) -> Any:
        """The document of one command line with --json."""
        (ended,) = self.run([*line, "--json"])
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / "config/patrol.db")) as connection:
            return connection.execute(query).fetchall()


@dataclass
class Service:
    """`patrol run` on a site: a broker inside, a round under way, nobody behind any address."""

    site: Site
    console: str
    metrics: str
    broker: tuple[str, int]
    api_key: str

    def get(self, url: str) -> str:
        return self.post(url, None)

    def post(self, url: str, document: object) -> str:
        """The answer; without a document it is only asked for."""
        data = None if document is None else json.dumps(document).encode()
        head = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(url, data=data, headers=head)  # noqa: S310  on loopback
        with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
            return str(answer.read().decode())

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait; whoever asked looks at what there is then."""
        wait_for(condition)

    def routes(self) -> list[tuple[list[str], str]]:
        (self.site.home / "ask").touch()
        told = self.site.home / "routes.json"
        assert wait_for(told.exists), "the service did not tell its routes"
        return [(methods, path) for methods, path in json.loads(told.read_text())]

    def heard(self, enough: Callable[[dict[str, bytes]], bool]) -> dict[str, bytes]:
        """What a client that hears everything is told, by topic."""
        heard: dict[str, bytes] = {}
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="listener")
        client.on_connect = lambda c, *_: c.subscribe("patrol/v1/#", qos=1)

        def note(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
            heard.setdefault(message.topic, message.payload)

        client.on_message = note
        client.connect(*self.broker)
        client.loop_start()
        wait_for(lambda: enough(dict(heard)))
        client.disconnect()
        client.loop_stop()
        return heard

    def say(self, topic: str, payload: str) -> None:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="leader")
        client.connect(*self.broker)
        client.loop_start()
        client.publish(topic, payload, qos=1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()


def wait_for(condition: Callable[[], bool], most_s: float = WAIT_S) -> bool:
    """Ask again and again."""
    nap = threading.Event()
    for _ in range(int(most_s / 0.1)):
        if condition():
            return True
        nap.wait(0.1)
    return condition()


def noon_zone() -> str:
    """A zone in which it is about noon, so that a round of the whole day is due."""
    east = 12 - datetime.now(UTC).hour  # noqa: TID251  the service has the machine's clock
    return f"Etc/GMT{-east:+d}" if east else "Etc/GMT"


@pytest.fixture(scope="session")
def copied() -> Callable[[Path], Site]:
    """Makes copies of the small site."""
    return Site.copied_to


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The commands' site."""
    return Site.copied_to(tmp_path_factory.mktemp("public") / "site")


@dataclass
class Starting:
    """A service that is on its way, while other photographs are taken."""

    site: Site
    process: subprocess.Popen[str]
    api_key: str


@pytest.fixture(scope="session", autouse=True)
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starting]:
    """The service on a site of its own, on which all that it can say falls due at once."""
    site = Site.copied_to(tmp_path_factory.mktemp("public") / "service")
    site.edit("timezone: [A-Za-z/]+", f"timezone: {noon_zone()}")
    site.edit(r"mqtt: \{.*\}", "mqtt: embedded")
    site.edit(r"morning: \{.*\}", 'whole_day: {start: "06:00", finish_by: "23:00"}')
    site.edit(r"afternoon: \{.*\}", 'afternoon: {start: "23:10", finish_by: "23:30"}')
    site.edit("offline_after_visits: 2", "offline_after_visits: 1")
    site.edit("group_share: 0.8, group_least: 3", "group_share: 0.5, group_least: 2")
    site.edit("v20[1-4]-nvr01", "v201-nvr01", "cameras.csv")  # behind one link, all silent
    site.edit(r", username: canary, password_file: files/secret", "")
    scopes = ("rounds:read", "findings:read", "cases:read", "findings:decide")
    wanted = [word for scope in scopes for word in ("--scope", scope)]
    (made,) = site.run(["key", "add", "photographer", *wanted, "--by", "x", "--json"])
    # A site that is refused is `service`'s failure, and not that of tests which need no service.
    secret = str(json.loads(made.out)["secret"]) if made.code == 0 else ""
    with (site.home / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE], cwd=site.home, env=dict(site.env), text=True,
            stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
        yield Starting(site, process, secret)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="session")
def service(starting: Starting) -> Service:
    """The running service."""
    site = starting.site
    wait_for(lambda: "ready, Ctrl-C" in said(site) or starting.process.poll() is not None)
    assert starting.process.poll() is None, said(site)
    return Service(
        site=site,
        console=found(r"console: (http://[0-9.:]+)", site),
        metrics=found(r'"url": "(http://[^"]+/metrics)"', site),
        broker=("127.0.0.1", int(found(r"mqtt://127\.0\.0\.1:(\d+)", site))),
        api_key=starting.api_key,
    )


def said(site: Site) -> str:
    return (site.home / "log").read_text("utf-8")


def found(pattern: str, site: Site) -> str:
    hit = re.search(pattern, said(site))
    assert hit, said(site)
    return hit[1]


@pytest.fixture(scope="session")
def photograph() -> Callable[[str, str], None]:
    """Compare with golden/NAME, or take it anew."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        text = text.rstrip("\n") + "\n"
        if TAKE_ANEW:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        assert file.exists(), f"no photograph {name}: PATROL_PHOTOGRAPH=1 takes it"
        assert text.splitlines() == file.read_text("utf-8").splitlines(), (
            f"public names of golden/{name} moved; if that is meant: PATROL_PHOTOGRAPH=1"
        )

    return compare


def verbs_in(text: str) -> list[str]:
    """The verbs that a help lists: the first words of its panel of commands."""
    _, _, panel = text.partition("─ Commands ─")
    return re.findall(r"^│ ([a-z][a-z0-9-]*) ", panel, re.MULTILINE)


@pytest.fixture(scope="session")
def helps(site: Site) -> dict[str, str]:
    """Help by verb, from the top down."""
    found: dict[str, str] = {}
    level: list[list[str]] = [[]]
    while level:
        texts = [ended.out for ended in site.run(*([*verb, "--help"] for verb in level))]
        found |= {" ".join(verb): text for verb, text in zip(level, texts, strict=True)}
        level = [
            [*verb, word]
            for verb, text in zip(level, texts, strict=True)
            for word in verbs_in(text)
        ]
    return found
