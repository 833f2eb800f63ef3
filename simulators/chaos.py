"""One run of chaos, replayable by its seed: `python -m simulators.chaos --seed S [--database URL]`.

A real service, store and Mosquitto; between service and broker a cable that can be pulled. The
service is killed with SIGKILL at seeded moments and started again, the disk fills up, the wall
clock steps by an hour, people say things twice, late and out of order. In the end everything is
healed, and: nothing was lost, nothing had effect twice, no state is illegal.
"""

import argparse
import contextlib
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml

from patrol.clock import SystemClock
from patrol.dispatch.wire import Wire
from patrol.domain.registry import Registry
from patrol.ports import Store
from patrol.settings import load_site
from patrol.store import open_store, upgrade
from simulators.chaos_books import problems_of
from simulators.chaos_town import Crowd, Operator
from simulators.mosquitto import Mosquitto
from simulators.proxy import Proxy
from simulators.town.build import build_town
from simulators.town.config import Place, write_config

STEPS: Final = 24  # things that happen in a run
CASES: Final = 8
HEALED_WITHIN_S: Final = 90.0  # after everything works again
HOUR_S: Final = 3600
LITTLE_ROOM: Final = 8192  # bytes that a file may still grow by
UNLIMITED: Final = resource.RLIM_INFINITY


@dataclass
class Service:
    """The child; `tend` starts it again when it is dead, as systemd does."""

    folder: Path
    offset: Path
    process: "subprocess.Popen[bytes] | None" = None
    starts: int = 0

    def tend(self) -> None:
        """Running, or started."""
        if self.process is not None and self.process.poll() is None:
            return
        self.starts += 1
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  ourselves
                [
                    sys.executable, "-m", "simulators.chaos_child",
                    str(self.folder), str(self.offset),
                ],
                stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """As a power cut does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def room(self, limit: int) -> None:
        """How large its files may grow: a full disk, for this process alone."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit, UNLIMITED))


@dataclass(kw_only=True)
class Run:
    """What one seed does."""

    seed: int
    rng: random.Random
    service: Service
    proxy: Proxy
    crowd: Crowd
    operator: Operator
    store: Store
    database: str
    happened: Counter[str] = field(default_factory=Counter)

    def wreak(self) -> None:
        """Seeded trouble between seeded pauses."""
        pause = threading.Event()
        deeds: dict[str, tuple[int, Callable[[], None]]] = {
            "kill": (4, self.service.kill),
            "cut": (4, self.proxy.cut),
            "heal": (5, self.proxy.heal),
            "clock": (2, self._step_clock),
            "disk full": (2, self._fill),
            "room again": (3, self._free),
            "speak": (12, lambda: self.crowd.speak(self.rng.randint(1, 12))),
            "verify": (4, self.operator.verify_all),
        }
        names = list(deeds)
        weights = [deeds[name][0] for name in names]
        confirm_at = set(self.rng.sample(range(STEPS), CASES))
        for step in range(STEPS):
            self.service.tend()
            if step in confirm_at:
                self.operator.confirm_one()
            name = self.rng.choices(names, weights)[0]
            self.happened[name] += 1
            deeds[name][1]()
            pause.wait(self.rng.choice([0.0, 0.05, 0.2, 0.6, 1.5]))

    def heal(self) -> list[str]:
        """Everything works again; answers what is wrong once it is quiet, or still is not."""
        clock, pause = SystemClock(), threading.Event()
        self.proxy.heal()
        self._free()
        until_s = clock.monotonic_s() + HEALED_WITHIN_S
        wrong = ["nothing was looked at"]
        while wrong and clock.monotonic_s() < until_s:
            self.service.tend()
            self.crowd.speak(1000)
            self.operator.verify_all()
            pause.wait(0.5)
            wrong = problems_of(self.store, self.crowd)
        return wrong

    def _step_clock(self) -> None:
        seconds = self.rng.choice([-HOUR_S, 0, HOUR_S])
        self.service.offset.write_text(f"{seconds}", "ascii")

    def _fill(self) -> None:
        if self.database.startswith("sqlite:///"):
            wal = Path(f"{self.database.removeprefix('sqlite:///')}-wal")
            size = wal.stat().st_size if wal.exists() else 0
            self.service.room(size + LITTLE_ROOM)

    def _free(self) -> None:
        self.service.room(UNLIMITED)


def site(folder: Path, database: str, port: int, seed: int) -> Registry:
    """A small town whose broker is behind the cable."""
    place = Place(
        url=lambda _camera, _sub: "rtsp://127.0.0.1:9/none",
        mqtt_url=f"mqtt://127.0.0.1:{port}",
        profile="bench",
    )
    today = SystemClock().now().date()
    write_config(folder, build_town(count=12, seed=seed, today=today, profile="bench"), place)
    file = folder / "site.yaml"
    plain = yaml.safe_load(file.read_text("utf-8"))
    plain |= {"database": database, "objects": False, "console": {"enabled": False}}
    plain |= {"office": {"always": True}}
    file.write_text(yaml.safe_dump(plain, allow_unicode=True), "utf-8")
    return load_site(folder).registry


def play(folder: Path, seed: int, database: str = "") -> dict[str, Any]:
    """One run; `problems` is empty when every promise held."""
    url = database or f"sqlite:///{folder / 'patrol.db'}"
    upgrade(url)
    rng = random.Random(f"chaos/{seed}")  # noqa: S311  it must repeat
    with ExitStack() as stack:
        (folder / "broker").mkdir()
        broker = Mosquitto(folder / "broker")
        broker.start()
        stack.callback(broker.stop)
        proxy = Proxy(broker.port)
        proxy.start()
        stack.callback(proxy.stop)
        registry = site(folder, url, proxy.port, seed)
        store = stack.enter_context(open_store(url))
        crowd = Crowd(broker.port, "shangba", rng)
        stack.callback(crowd.hang_up)
        wire = Wire(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=registry)
        offset = folder / "offset"
        offset.write_text("0", "ascii")
        service = Service(folder, offset)
        stack.callback(service.kill)
        run = Run(
            seed=seed,
            rng=rng,
            service=service,
            proxy=proxy,
            crowd=crowd,
            operator=Operator(store, registry, wire, rng),
            store=store,
            database=url,
        )
        run.wreak()
        problems = run.heal()
        return {
            "seed": seed,
            "problems": problems,
            "happened": dict(run.happened),
            "starts": service.starts,
            "said": len(crowd.said),
            "did": dict(run.operator.did),
        }


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="patrol-chaos-") as folder:
        yield Path(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """One seed; prints what happened and what is wrong."""
    parser = argparse.ArgumentParser(prog="simulators.chaos", description="one seed of chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="", help="an empty PostgreSQL; else SQLite")
    parser.add_argument("--out", type=Path, help="an empty folder to look into afterwards")
    given = parser.parse_args(arguments)
    with _folder(given.out) as folder:
        done = play(folder, given.seed, given.database)
    json.dump(done, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 1 if done["problems"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
