"""Simulated grid leaders over real MQTT: `python -m simulators.people.leaders -c DIR`.

They know only what docs/mqtt.md documents: topics, payloads, keys. One connection serves all
phones of the town. Its session is persistent, and after every new connection, and whenever the
centre says that it is online, it repeats, under the old keys, the replies that the centre has not
acknowledged (`received_replies` of the retained case); so broker and centre may be killed at any
time, and a broker may lose its sessions. What a leader handles is really removed from the scene
through the farm's control channel, where there is one. Used by `patrol demo` and end-to-end tests.
"""

import argparse
import csv
import heapq
import itertools
import json
import logging
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

import yaml
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from patrol.clock import SystemClock
from simulators.people.reply_profile import (
    EQUIPMENT,
    OBEDIENT,
    PlannedReply,
    ReplyProfile,
    awaits_reply,
    plan_replies,
)
from simulators.rtsp_farm.control import ControlError, FarmControl

log = logging.getLogger(__name__)

ProblemRemover = Callable[[Mapping[str, Any]], None]  # a case message → the problem is gone
VILLAGE_DIGITS: Final = 12  # of a grid's code, before the number of the group
MAX_WAIT_S: Final = 1.0
MAINTAINER: Final = "maintainer"  # `rung.role` of a case message


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySimulatorOptions:
    """Where the simulated leaders connect, and how many times faster than ours their time runs."""

    host: str
    port: int
    site: str
    username: str = ""
    password: str = field(default="", repr=False)
    profile: ReplyProfile = field(default_factory=ReplyProfile)
    speed: float = 1.0  # their minutes pass so many times faster than ours
    seed: int = 1


@dataclass(order=True)
class _DueReply:
    at_s: float
    number: int
    topic: str = field(compare=False)
    case: Mapping[str, Any] = field(compare=False)
    planned: PlannedReply = field(compare=False)


class ReplySimulator:
    """MQTT client that replies for all leaders; `received` and `sent` count messages by kind."""

    def __init__(
        self,
        options: ReplySimulatorOptions,
        now: Callable[[], datetime],
        monotonic_s: Callable[[], float],
        clear: ProblemRemover | None = None,
    ) -> None:
        self.received: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.unanswered: Collection[str] = frozenset()  # cases that nobody answers
        self._options, self._now, self._monotonic_s = options, now, monotonic_s
        self._clear = clear or (lambda _case: None)
        self._prefix = f"patrol/v1/{options.site}/grid"
        self._status = f"patrol/v1/{options.site}/centre/status"
        self._was_connected = False
        self._keys: set[str] = set()
        self._latest: dict[str, Mapping[str, Any]] = {}
        self._planned: set[tuple[str, int, int]] = set()
        self._rework_counts: Counter[str] = Counter()
        self._sent_replies: defaultdict[str, list[bytes]] = defaultdict(list)
        self._due: list[_DueReply] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._send_loop, name="leaders", daemon=True)

    def start(self) -> None:
        """Connect in the background and reconnect until `stop`."""
        self._client.connect_async(self._options.host, self._options.port, keepalive=30)
        self._client.loop_start()
        self._thread.start()

    def stop(self) -> None:
        """Disconnect; replies that were planned and not sent are dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(5)
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def handle_message(self, topic: str, payload: bytes) -> None:
        """Take one message of a case topic and plan the replies that it calls for."""
        if not payload:
            self._latest.pop(topic, None)
            self._sent_replies.pop(topic, None)
            self.received["cleared"] += 1
            return
        case = json.loads(payload)
        if case["key"] in self._keys:
            self.received["repeated"] += 1
            return
        self._keys.add(case["key"])
        self.received["case"] += 1
        self._drop_acknowledged(topic, case.get("received_replies", ()))
        self._latest[topic] = case
        if awaits_reply(case):
            self._plan_replies(topic, case)

    def _drop_acknowledged(self, topic: str, keys: Sequence[str]) -> None:
        """Forget the replies that the centre says it has."""
        with self._changed:
            waiting = self._sent_replies.get(topic, [])
            left = [payload for payload in waiting if json.loads(payload)["key"] not in keys]
            self.received["acknowledged"] += len(waiting) - len(left)
            if waiting:
                self._sent_replies[topic] = left

    def _repeat_unacknowledged(self) -> None:
        for case_topic, payloads in list(self._sent_replies.items()):
            for payload in list(payloads):
                self._client.publish(case_topic.replace("/case/", "/reply/"), payload, qos=1)
                self.sent["repeated"] += 1

    def _plan_replies(self, topic: str, case: Mapping[str, Any]) -> None:
        rung = case.get("rung") or {}
        if ("/equipment/" in topic) is not (rung.get("role") == MAINTAINER):
            return  # maintainers hear of cases on topics of their own, and answer there
        number = int(rung.get("number", 0))
        turn = self._rework_counts[topic]
        if (topic, number, turn) in self._planned:
            return
        self._planned.add((topic, number, turn))
        reply = topic.replace("/case/", "/reply/")
        start_s = self._monotonic_s()
        with self._changed:
            for planned in plan_replies(case, self._options.profile, self._options.seed):
                at_s = start_s + planned.after_s / self._options.speed
                heapq.heappush(
                    self._due, _DueReply(at_s, next(self._numbers), reply, case, planned)
                )
            self._changed.notify_all()

    def _send_loop(self) -> None:
        while (due := self._next()) is not None:
            try:
                self._send_reply(due)
            except (OSError, ControlError) as exc:
                log.warning("a leader could not do it: %s", exc)

    def _next(self) -> _DueReply | None:
        with self._changed:
            while not self._stopping:
                wait_s = self._due[0].at_s - self._monotonic_s() if self._due else MAX_WAIT_S
                if self._due and wait_s <= 0:
                    return heapq.heappop(self._due)
                self._changed.wait(min(wait_s, MAX_WAIT_S))
        return None

    def _send_reply(self, due: _DueReply) -> None:
        case_topic = due.topic.replace("/reply/", "/case/")
        body = dict(due.planned.body)
        if case_topic not in self._latest or due.case["case"] in self.unanswered:
            return  # closed meanwhile, or nobody answers it
        if body.get("result") == "handled":
            self._rework_counts[case_topic] += 1
        if due.planned.removes_problem:
            self._clear(due.case)
        at = f"{self._now():%Y-%m-%dT%H:%M:%SZ}"
        payload = json.dumps({"v": 1, "at": at, "client_at": at, **body}).encode()
        with self._changed:
            self._sent_replies[case_topic].append(payload)
        for _ in range(2 if due.planned.sent_twice else 1):
            self._client.publish(due.topic, payload, qos=1)
        self.sent[str(body.get("result") or body["type"])] += 1

    def _make_client(self) -> Client:
        options = self._options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"leaders-{options.site}-{options.seed}",
            clean_session=False,
        )
        if options.username:
            client.username_pw_set(options.username, options.password or None)
        client.reconnect_delay_set(1, 5)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: Client, _data: Any, flags: Any, *_details: Any) -> None:
        if self._was_connected and not flags.session_present:
            self.received["session_lost"] += 1
            log.warning("the broker has lost the leaders' session: replies are sent again")
        self._was_connected = True
        filters = (f"{self._prefix}/+/case/+", f"{self._prefix}/+/equipment/case/+", self._status)
        client.subscribe([(name, 1) for name in filters])
        self._repeat_unacknowledged()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            if message.topic == self._status:
                if json.loads(message.payload)["state"] == "online":
                    self._repeat_unacknowledged()
                return
            self.handle_message(message.topic, bytes(message.payload))
        except (ValueError, KeyError, TypeError):
            self.received["unreadable"] += 1


class SceneClearer:
    """Removes what a case is about from the farm: the scene, or the camera's fault."""

    def __init__(self, control: FarmControl, cameras_csv: Path) -> None:
        self._control = control
        with cameras_csv.open(encoding="utf-8-sig", newline="") as file:
            rows = [(row["camera_id"], row["grid_code"]) for row in csv.DictReader(file)]
        self._by_last6: dict[str, list[tuple[str, str]]] = {}
        for camera, grid in rows:
            self._by_last6.setdefault(camera[-6:], []).append((grid, camera))

    def __call__(self, case: Mapping[str, Any]) -> None:
        """Find the camera by its last six digits and the case's grid; clear its scene or fault."""
        camera = self._camera_of(case)
        if camera is None:
            return
        if case["category"]["code"] == EQUIPMENT:
            self._control.fault(camera, "none")
        else:
            self._control.scene(camera, "clean")

    def _camera_of(self, case: Mapping[str, Any]) -> str | None:
        """Where several end alike: the case's grid, else its village, to which it may have gone."""
        alike, grid = self._by_last6.get(case.get("camera_last6") or "", []), case["grid"]["code"]
        of_grid = [camera for code, camera in alike if code == grid]
        of_village = [
            camera for code, camera in alike if code[:VILLAGE_DIGITS] == grid[:VILLAGE_DIGITS]
        ]
        candidates = of_grid or of_village or [camera for _, camera in alike]
        return candidates[0] if len(candidates) == 1 else None


def load_options(
    folder: Path, *, profile: ReplyProfile, speed: float, seed: int
) -> ReplySimulatorOptions:
    """Read where the broker is from a configuration directory. Raises OSError, ValueError."""
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    broker = urlsplit(site["mqtt"]["url"])
    return ReplySimulatorOptions(
        host=broker.hostname or "127.0.0.1",
        port=broker.port or 1883,
        site=site["site"]["id"],
        username=unquote(broker.username or ""),
        password=unquote(broker.password or ""),
        profile=profile,
        speed=speed,
        seed=seed,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulated leaders until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="simulators.people.leaders", description="simulated leaders"
    )
    parser.add_argument("-c", "--config", type=Path, default=Path("config"))
    parser.add_argument("--speed", type=float, default=600.0, help="how much faster their time is")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--obedient", action="store_true", help="everybody answers, and well")
    parser.add_argument("--farm-control", type=int, help="port: what is handled is really gone")
    given = parser.parse_args(arguments)
    profile = OBEDIENT if given.obedient else ReplyProfile()
    options = load_options(given.config, profile=profile, speed=given.speed, seed=given.seed)
    clear = None
    if given.farm_control:
        clear = SceneClearer(FarmControl(given.farm_control), given.config / "cameras.csv")
    clock, stop = SystemClock(), threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    simulator = ReplySimulator(options, clock.now, clock.monotonic_s, clear)
    with simulator:
        stop.wait()
    log.info("received %s, sent %s", dict(simulator.received), dict(simulator.sent))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
