"""The console's figures, in a real browser: `patrol bench console`.

Console and headless Chromium share this machine's cores, as a small site's do. A month of 624
cameras is written first, with the backlog of a bad week: 606 leads wait, 293 cases are open. Every
figure is the median of several runs, beside its limit. With
`python -m patrol.bench.console --dir DIR` the month is kept for the next time.
"""

import argparse
import json
import os
import statistics
import subprocess  # nosec B404
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psutil

from patrol.administration.accounts import BadAccount, add_account
from patrol.app import Application, build
from patrol.bench.child_process import ReportProgress
from patrol.domain.account import AccountRole
from patrol.domain.case import CaseState
from patrol.settings import load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.server import serve

CHROMIUM: Final = os.environ.get("PATROL_CHROMIUM", "/usr/bin/chromium")
PASSWORD: Final = "bench-only-9-words"  # noqa: S105  of a throw-away store
CAMERAS: Final = 624
DAYS: Final = 30
WAITING: Final = 606  # leads that nobody has decided: one a camera
OPEN_CASES: Final = 293
RUNS: Final = 5
PAGES: Final = 12  # open at once for the memory figure
POLL_MS: Final = 20
WAIT_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleFigure:
    """One measured number beside its limit."""

    what: str
    median: float
    worst: float
    limit: float
    unit: str

    @property
    def is_within_limit(self) -> bool:
        """Whether the median is within the limit."""
        return self.median <= self.limit


def run(*, report: ReportProgress, config_dir: Path | None = None) -> dict[str, Any]:
    """All figures beside their limits. Raises RuntimeError: no browser to measure in."""
    if find_spec("playwright") is None or not Path(CHROMIUM).exists():
        raise RuntimeError(f"needs playwright and a browser at {CHROMIUM} (PATROL_CHROMIUM)")
    with _town_dir(config_dir) as town:
        report(f"a month of {CAMERAS} cameras is written first" if not town.exists() else f"{town}")
        _write_month(town)
        figures = measure(town)
    return {
        "cameras": CAMERAS,
        "days": DAYS,
        "waiting": WAITING,
        "open_cases": OPEN_CASES,
        "figures": [{**asdict(one), "kept": one.is_within_limit} for one in figures],
        "kept": all(one.is_within_limit for one in figures),
    }


def main() -> int:
    """`--dir DIR` keeps the month, or takes the one that is there; 1: a limit was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, help="a month that is there, or where to write one")
    result = run(
        report=lambda text: print(text, file=sys.stderr),  # noqa: T201  progress
        config_dir=parser.parse_args().dir,
    )
    print(json.dumps(result, indent=2))  # noqa: T201  its answer
    return 0 if result["kept"] else 1


def measure(config_dir: Path) -> list[ConsoleFigure]:
    """All figures of the console of this configuration directory."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  a development dependency

    with build(load_site(config_dir)) as app:
        _accounts(app)
        with (
            serve(app, ConsoleSettings(port=0)) as at,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            bench = _BrowserBench(app, at.url, browser)
            figures = [
                bench.today(), bench.wall(), bench.board(), bench.review(), bench.live(),
                *bench.month_print(), bench.memory(),
            ]  # fmt: skip
            browser.close()
    return figures


class _BrowserBench:
    def __init__(self, app: Application, url: str, browser: Any) -> None:
        self._app = app
        self._url = url
        self._browser = browser
        context = self._context()
        page = context.new_page()
        page.goto(f"{url}/login")
        page.fill("input[name=name]", "bench")
        page.fill("input[name=password]", PASSWORD)
        page.click("button.strong")
        page.wait_for_url(f"{url}/")
        self._state = context.storage_state()
        context.close()

    def today(self) -> ConsoleFigure:
        """From navigation to numbers that can be read and links that can be followed."""

        def once(page: Any) -> float:
            return self._until(
                page, "/", "document.readyState !== 'loading' && !!document.querySelector"
                "('.plan .big') && document.getElementById('clock').textContent !== ''",
            )  # fmt: skip

        return self._figure("Today interactive", 1.5, "s", once)

    def wall(self) -> ConsoleFigure:
        """From navigation to all tiles in the page, and every picture on the screen shown."""
        with self._app.store.begin_read() as uow:
            newest = uow.rounds.of_plan("afternoon", limit=1)[0]
            tiles = len(uow.rounds.visits(newest.id))
        ready = (
            f"document.querySelectorAll('.tile').length === {tiles} && "
            "[...document.querySelectorAll('.tile')].filter((t) => "
            "t.getBoundingClientRect().top < innerHeight).every((t) => [...t.querySelectorAll"
            "('img')].every((p) => p.complete && p.naturalWidth)) "
            "&& document.getElementById('shown').value !== ''"
        )

        def once(page: Any) -> float:
            return self._until(page, f"/rounds/{newest.id}", ready)

        return self._figure(f"round wall of {tiles}, screen full of pictures", 2.5, "s", once)

    def board(self) -> ConsoleFigure:
        """From navigation to every column of the cases' board, with its first cards."""
        ready = "!!document.querySelector('.board .case-card') && document.readyState !== 'loading'"
        return self._figure(
            "board of cases", 1.5, "s", lambda page: self._until(page, "/cases", ready)
        )

    def month_print(self) -> list[ConsoleFigure]:
        """From the request to the whole print version of the fullest month; its size."""
        with self._app.store.begin_read() as uow:
            days = [one.day for one in uow.rounds.of_plan("afternoon", limit=DAYS)]
        month = Counter(f"{day:%Y-%m}" for day in days).most_common(1)[0][0]
        context = self._context()
        spans, sizes = [], []
        for _ in range(RUNS):
            began = time.perf_counter()
            answer = context.request.get(f"{self._url}/reports/file.html?month={month}")
            sizes.append(len(answer.body()) / 1e6)
            spans.append(time.perf_counter() - began)
        context.close()
        return [
            _figure("print version of a month", spans, 2.0, "s"),
            _figure("print version of a month, size", sizes, 2.0, "MB"),
        ]

    def review(self) -> ConsoleFigure:
        """From the key to the next picture, decoded and shown."""
        context = self._context()
        page = context.new_page()
        page.goto(f"{self._url}/review")
        self._once_true(page, "document.querySelectorAll('#stage .item').length >= 3")
        page.wait_for_timeout(1500)
        for _ in range(RUNS):
            page.keyboard.press("n")
            page.wait_for_timeout(900)
        spans = page.evaluate(
            "performance.getEntriesByName('next-picture').slice(1).map((one) => one.duration)"
        )
        context.close()
        return _figure("next review item", [float(span) for span in spans], 100, "ms")

    def live(self) -> ConsoleFigure:
        """From the leader's reply at the inbox to the changed line on Today."""
        context = self._context()
        page = context.new_page()
        page.goto(f"{self._url}/")
        page.wait_for_selector("#line.on", state="attached")
        page.wait_for_timeout(1500)
        site, spans = self._app.site.settings.site, []
        for number in range(RUNS):
            with self._app.store.begin_read() as uow:
                case = next(
                    one for one in uow.cases.list(open_only=True)
                    if one.state in (CaseState.DISPATCHED, CaseState.ACKNOWLEDGED)
                )  # fmt: skip
            body = {
                "v": 1, "key": f"bench-{time.monotonic_ns()}-{number}", "type": "feedback",
                "result": "in_progress", "person": case.policy.ladder[0].person,
            }  # fmt: skip
            before = page.inner_text(".notices")
            topic = f"patrol/v1/{site.id}/grid/{case.grid}/reply/{case.id}"
            began = time.perf_counter()
            self._app.handle_reply(topic, json.dumps(body).encode())
            self._once_true(
                page, f"document.querySelector('.notices').innerText !== {json.dumps(before)}"
            )
            spans.append(time.perf_counter() - began)
            page.wait_for_timeout(1100)
        context.close()
        return _figure("live update visible", spans, 1.0, "s")

    def memory(self) -> ConsoleFigure:
        """Server memory of one more open page: Today with its live updates."""
        process = psutil.Process()
        contexts: list[Any] = []
        for _ in range(2):  # warm
            self._open(contexts)
        before = process.memory_info().rss
        for _ in range(PAGES):
            self._open(contexts)
        grown = (process.memory_info().rss - before) / 2**20 / PAGES
        for context in contexts:
            context.close()
        return _figure("server memory per open page", [max(0.0, grown)], 5, "MB")

    def _open(self, contexts: list[Any]) -> None:
        contexts.append(self._context())
        page = contexts[-1].new_page()
        page.goto(f"{self._url}/")
        page.wait_for_selector("#line.on", state="attached")

    def _figure(
        self, what: str, limit: float, unit: str, once: Callable[[Any], float]
    ) -> ConsoleFigure:
        spans = []
        for _ in range(RUNS):
            context = self._context()  # a fresh browser cache each time
            spans.append(once(context.new_page()))
            context.close()
        return _figure(what, spans, limit, unit)

    def _until(self, page: Any, path: str, ready: str) -> float:
        began = time.perf_counter()
        page.goto(f"{self._url}{path}", wait_until="commit")
        self._once_true(page, ready)
        return time.perf_counter() - began

    def _once_true(self, page: Any, expression: str) -> None:
        """Not wait_for_function: it evaluates text in the page, which our CSP forbids."""
        for _ in range(int(WAIT_TIMEOUT_S * 1000 / POLL_MS)):
            if page.evaluate(expression):
                return
            page.wait_for_timeout(POLL_MS)
        raise TimeoutError(expression)

    def _context(self) -> Any:
        state = getattr(self, "_state", None)
        return self._browser.new_context(
            viewport={"width": 1920, "height": 1080}, storage_state=state
        )


def _figure(what: str, spans: list[float], limit: float, unit: str) -> ConsoleFigure:
    return ConsoleFigure(
        what=what, median=round(statistics.median(spans), 3), worst=round(max(spans), 3),
        limit=limit, unit=unit,
    )  # fmt: skip


def _accounts(app: Application) -> None:
    try:
        add_account(
            app.store, name="bench", duty=AccountRole.OPERATOR, password=PASSWORD,
            registry=app.registry, now=app.clock.now(),
        )  # fmt: skip
    except BadAccount:
        return  # of an earlier run


@contextmanager
def _town_dir(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="patrol-bench-console-") as made:
        yield Path(made) / "town"


def _write_month(config_dir: Path) -> None:
    """Written by the simulators in a process of their own, whose memory is not the console's."""
    if (config_dir / "site.yaml").exists():
        return
    command = [
        sys.executable, "-m", "simulators.town.history", "--out", str(config_dir),
        "--cameras", str(CAMERAS), "--days", str(DAYS),
        "--waiting", str(WAITING), "--open", str(OPEN_CASES),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  our own module  # nosec B603


if __name__ == "__main__":
    sys.exit(main())
