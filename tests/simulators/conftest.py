"""A small farm with every fault in it, served from a thread of the test process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from simulators.farm.control import FarmControl
from simulators.farm.options import FarmInfo, FarmOptions
from simulators.farm.serve import serve
from simulators.faults import Fault

START_S = 120


@dataclass
class RunningFarm:
    """What the tests know of it."""

    info: FarmInfo
    control: FarmControl
    urls: dict[str, str]  # camera id → main stream
    sub_urls: dict[str, str]
    truth: dict[str, dict[str, object]] = field(default_factory=dict)

    def with_fault(self, fault: Fault) -> str:
        """The id of a camera that has it."""
        return next(i for i, truth in self.truth.items() if truth["fault"] == fault)


@contextmanager
def running(options: FarmOptions) -> Iterator[FarmInfo]:
    """Serve in a thread until the block ends; whatever broke it is raised here."""
    ready = threading.Event()
    infos: list[FarmInfo] = []
    stops: list[Callable[[], None]] = []
    errors: list[BaseException] = []

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))

        def say(info: FarmInfo) -> None:
            infos.append(info)
            ready.set()

        await serve(options, say, stop)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 handed to the test's thread
            errors.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="farm")
    thread.start()
    try:
        assert ready.wait(START_S), "the farm did not come up"
        if errors:
            raise errors[0]
        yield infos[0]
    finally:
        for stop in stops:
            stop()
        thread.join(20)
        assert not thread.is_alive(), "the farm did not stop"
    if errors:
        raise errors[0]


@pytest.fixture(scope="session")
def stream_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encoded once for all tests."""
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory, stream_cache: Path) -> Iterator[RunningFarm]:
    """Three cameras of every fault, and as many without."""
    out = tmp_path_factory.mktemp("town")
    options = FarmOptions(
        count=3 * len(Fault),
        out=out,
        faults="each",
        profile="tiny",
        light="morning",
        cache=stream_cache,
        session_timeout_s=4,
    )
    with running(options) as info, FarmControl(info.control_port) as control:
        rows = (out / "cameras.csv").read_text("utf-8").splitlines()
        cells = [row.split(",") for row in rows[1:]]
        yield RunningFarm(
            info=info,
            control=control,
            urls={row[0]: row[4] for row in cells},
            sub_urls={row[0]: row[5] for row in cells},
            truth=control.all_truth(),
        )
