"""`python -m tests.long.steady.run_rounds`: many rounds of one process, its size after each.

`clock`: the scheduler starts them, as in `patrol run`; `hand`: a person does, one after the other,
while the service runs. Prints a JSON line a round: resident kB, files of the database and other
descriptors after it.
"""

import argparse
import json
import re
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from patrol.app import Application, build
from patrol.app.service import run_service
from patrol.rounds.runner import RoundRunner
from patrol.settings import load_site

READY_WITHIN_S: Final = 120.0
ROUND_WITHIN_S: Final = 600.0
_RSS: Final = re.compile(r"VmRSS:\s+(\d+) kB")


def _descriptors() -> list[str]:
    """What each leads to; one that closes meanwhile is left out."""
    opened = []
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            opened.append(str(one.readlink()))
    return opened


def print_size(number: int) -> None:
    found = _RSS.search(Path("/proc/self/status").read_text("ascii"))
    assert found is not None
    opened = _descriptors()
    database = sum(".db" in target for target in opened)
    others = len(opened) - database
    line = {"round": number, "kb": int(found[1]), "descriptors": others, "database": database}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class CountedRounds:
    """Counts the rounds that a runner ends; wakes who waits for them."""

    def __init__(self, *, shows: bool) -> None:
        self.count = 0
        self._shows = shows
        self._ended = threading.Condition()

    def watch(self) -> None:
        """From now on every round of this process."""
        plain = RoundRunner.run

        def run(runner: RoundRunner, *arguments: Any, **named: Any) -> Any:
            ended = plain(runner, *arguments, **named)
            with self._ended:
                self.count += 1
                if self._shows:
                    print_size(self.count)
                self._ended.notify_all()
            return ended

        RoundRunner.run = run  # type: ignore[method-assign,assignment]  # any arguments

    def wait_for(self, count: int) -> None:
        with self._ended:
            for number in range(1, count + 1):  # each has its own time
                assert self._ended.wait_for(partial(self._has, number), ROUND_WITHIN_S)

    def _has(self, count: int) -> bool:
        return self.count >= count


def by_hand(app: Application, rounds: int) -> None:
    """Start each when the one before has ended, and measure when its thread is gone."""
    plan = next(iter(app.site.settings.calendar.all_plans))
    for number in range(1, rounds + 1):
        app.start_round(plan, by="test")
        for thread in threading.enumerate():
            if thread.name == "round":
                thread.join(ROUND_WITHIN_S)
        print_size(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("how", choices=("clock", "hand"))
    parser.add_argument("config", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    asked = parser.parse_args()
    counted = CountedRounds(shows=asked.how == "clock")
    counted.watch()
    stop, ready = threading.Event(), threading.Event()
    with build(load_site(asked.config), config_dir=asked.config) as app:
        # A plan of a whole day has one round: as many plans as rounds.
        assert len(app.site.settings.calendar.all_plans) >= asked.rounds or asked.how == "hand"
        assert app.site.settings.calendar.all_plans
        service = threading.Thread(
            target=run_service,
            args=(app, stop),
            kwargs={"ready": ready.set, "with_rounds": asked.how == "clock"},
        )
        service.start()
        try:
            assert ready.wait(READY_WITHIN_S)
            if asked.how == "hand":
                by_hand(app, asked.rounds)
            counted.wait_for(asked.rounds)
        finally:
            stop.set()
            service.join(timedelta(minutes=2).total_seconds())


if __name__ == "__main__":
    main()
