"""Measure one county process over many towns of 624 cameras: wall, CPU and memory of each command.

    python -m tests.long.county.measure --towns 25 --days 30

One town's history is written (or taken: `--history DIR`), and its real API is served over HTTP
under the ids of all towns, by a process of its own. Then `patrol county pull` reads everything,
reads again when nothing changed, `county status` and `county month` are made, each a process whose
rusage is printed; the towns' side is the CPU of the serving process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import psutil
from fastapi import FastAPI

from patrol.administration.accounts import add_api_key
from patrol.app import Application
from patrol.clock import SystemClock
from patrol.settings import Site, load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.store import open_store
from patrol.web.api.app import create_api
from patrol.web.server import serve_app
from simulators.town.history import write_history

MIB: Final = 1 << 20


def serve(history: Path, towns: int) -> None:
    """Serve the town's API under every id; print the address, then wait until stdin closes."""
    site, clock = load_site(history), SystemClock()
    with ExitStack() as stack:
        store = stack.enter_context(open_store(site.settings.database))
        app = FastAPI()
        for number in range(towns):
            named = _named(site, f"town-{number:02}")
            stand_in = SimpleNamespace(
                store=store, clock=clock, site=named, registry=named.registry
            )
            app.mount(f"/{number:02}/api/v1", create_api(cast("Application", stand_in)))
        with store.begin() as uow:
            _, secret = add_api_key(
                uow, name="county", scopes=["county:read"], by="measure", now=clock.now()
            )
            uow.commit()
        address = stack.enter_context(serve_app(app, ConsoleSettings(port=0)))
        print(json.dumps({"url": address.url, "key": secret}), flush=True)  # noqa: T201
        sys.stdin.read()


def _named(site: Site, ident: str) -> Site:
    info = site.settings.site.model_copy(update={"id": ident})
    return replace(site, settings=site.settings.model_copy(update={"site": info}))


def measure(folder: Path, history: Path, towns: int, month: str) -> list[dict[str, Any]]:
    """What each command of the county costs, and what it cost the towns meanwhile."""
    server = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, "--serve", str(history), "--towns", str(towns)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        served = json.loads(server.stdout.readline())
        _write_county(folder, served["url"], served["key"], towns)
        found = [
            _command(folder, server.pid, *line)
            for line in (
                ("pull", "--json"), ("pull", "--json"), ("status", "--json"),
                ("month", month, "--json"),
                ("month", month, "--format", "xlsx", "--out", str(folder / "month.xlsx")),
            )
        ]  # fmt: skip
        found.append(_running(folder))
        return found
    finally:
        server.stdin.close()
        server.wait(60)


def _write_county(folder: Path, url: str, key: str, towns: int) -> None:
    (folder / "key").write_text(key, "ascii")
    entries = "".join(
        f"  - {{id: town-{n:02}, name: 第{n:02}镇, url: '{url}/{n:02}', key_file: key}}\n"
        for n in range(towns)
    )
    (folder / "county.yaml").write_text(
        f"county: {{id: county, name: 测试县}}\nserve: {{port: 0}}\nmetrics: {{port: 0}}\n"
        "pull: {timeout_s: 300}\n"  # one process serves all towns here
        f"towns:\n{entries}",
        "utf-8",
    )


def _command(folder: Path, server: int, *line: str) -> dict[str, Any]:
    clock, towns = SystemClock(), psutil.Process(server)
    towns_before = sum(towns.cpu_times()[:2])
    began_s = clock.monotonic_s()
    command = [sys.executable, "-m", "patrol", "-c", str(folder), "county", *line]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "command": " ".join(line[:1]),
        "exit": process.returncode,
        "wall_s": round(clock.monotonic_s() - began_s, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss * 1024 / MIB, 1),
        "towns_cpu_s": round(sum(towns.cpu_times()[:2]) - towns_before, 2),
    }


def _running(folder: Path) -> dict[str, Any]:
    """The resident service, page and metrics included, behind its first turn."""
    command = [sys.executable, "-m", "patrol", "-c", str(folder), "county", "run"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    timer = threading.Timer(300, process.kill)
    timer.start()
    try:
        for line in process.stderr:
            if '"towns read"' in line:
                break
        memory = psutil.Process(process.pid).memory_info().rss
    finally:
        timer.cancel()
        process.terminate()
        process.wait(60)
    return {"command": "run", "exit": process.returncode, "rss_mib": round(memory / MIB, 1)}


def main() -> None:
    """Print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--towns", type=int, default=25)
    parser.add_argument("--cameras", type=int, default=624)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--history", type=Path)
    parser.add_argument("--serve", type=Path)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve, given.towns)
        return
    with tempfile.TemporaryDirectory() as folder:
        now = SystemClock().now()
        history = given.history or Path(folder) / "town"
        if given.history is None:
            history.mkdir()
            write_history(history, cameras=given.cameras, days=given.days, now=now, seed=11)
        county = Path(folder) / "county"
        county.mkdir()
        found = measure(county, history, given.towns, f"{now:%Y-%m}")
    print(json.dumps({"towns": given.towns, "commands": found}, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
