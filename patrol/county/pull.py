"""Reads the towns to the end of what they tell: page after page behind each one's cursor.

A town that cannot be read is noted with the reason and tried again at the next turn; the others do
not wait for it. Nothing is skipped: the cursor moves only with what was stored. After a cut of a
day the pages of that day follow, in the order of the town's log.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog

from patrol.county.settings import TownSection
from patrol.county.store import CountyStore, PulledElsewhere
from patrol.county.town_client import TownAccess, TownClient, TownFailed, TownProblem
from patrol.logs import LastReason
from patrol.ports import Clock
from patrol.settings.config_file import first_line
from patrol.store.engine import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

MAX_PAGES: Final = 10_000  # a town of 600 cameras has some 70 a year
READ: Final = "read"  # the result of a pull that read everything
ClientMaker = Callable[[TownSection], TownClient]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullResult:
    """One town's turn: what was read, and why it ended early."""

    town: str
    pages: int = 0
    rounds: int = 0
    days: int = 0
    restarted: bool = False
    problem: TownProblem | None = None
    text: str = ""


def town_access(town: TownSection) -> TownAccess:
    """The town with its key, read anew each time: it may have been renewed. Raises TownFailed."""
    try:
        key = first_line(town.key_file).strip()
    except (OSError, UnicodeDecodeError):
        text = f"{town.key_file} cannot be read"
        raise TownFailed(TownProblem.KEY_REFUSED, text) from None
    return TownAccess(id=town.id, url=town.url, key=key, ca_file=town.ca_file)


class Puller:
    """Pulls towns into the store; `pull_all` a turn of all, some at a time."""

    def __init__(
        self,
        store: CountyStore,
        clock: Clock,
        make_client: ClientMaker,
        *,
        changes_at_once: int,
        at_once: int,
    ) -> None:
        self._store, self._clock, self._make_client = store, clock, make_client
        self._changes_at_once, self._at_once = changes_at_once, at_once
        self._reasons: dict[str, LastReason] = {}
        self._lock = threading.Lock()
        self.counts: Counter[tuple[str, str]] = Counter()  # (town, result), for the metrics
        self.contacted_s: dict[str, float] = {}  # by the monotonic clock, which nobody sets

    def pull_all(
        self, towns: Sequence[TownSection], stop: threading.Event | None = None
    ) -> list[PullResult]:
        """One turn over the towns, in their order; those not begun when `stop` is set are left."""
        ended = stop or threading.Event()

        def one(town: TownSection) -> PullResult | None:
            return None if ended.is_set() else self.pull(town, ended)

        with ThreadPoolExecutor(self._at_once, thread_name_prefix="pull") as threads:
            return [result for result in threads.map(one, towns) if result is not None]

    def pull(self, town: TownSection, stop: threading.Event) -> PullResult:
        """Read one town to the end of its log, then what is so now. Never raises for the town."""
        try:
            result = self._read(town, stop)
        except TownFailed as exc:
            result = PullResult(town=town.id, problem=exc.problem, text=str(exc))
        except PulledElsewhere as exc:
            result = PullResult(town=town.id, problem=TownProblem.OWN_STORE, text=str(exc))
        except (StoreUnavailable, StoreFull) as exc:
            result = PullResult(town=town.id, problem=TownProblem.OWN_STORE, text=str(exc))
        self._note(result)
        return result

    def _read(self, town: TownSection, stop: threading.Event) -> PullResult:
        """Raises TownFailed, PulledElsewhere, StoreUnavailable, StoreFull."""
        state, client = self._store.state(town.id), self._make_client(town)
        pages = rounds = days = 0
        restarted = False
        try:
            for _ in range(MAX_PAGES):
                page = client.changes(state.cursor, limit=self._changes_at_once)
                if page.more and page.cursor == state.cursor:
                    text = "changes: the cursor stands still, and more is said to follow"
                    raise TownFailed(TownProblem.BAD_ANSWER, text)
                if page.restarted:
                    restarted = True
                    log.warning(
                        "the town's log began anew: it is read from the start", town=town.id
                    )
                now = self._clock.now()
                state = self._store.save_changes(town.id, state.cursor, page, now)
                pages, rounds, days = pages + 1, rounds + len(page.rounds), days + len(page.days)
                if not page.more or stop.is_set():
                    break
            self._store.save_now(town.id, client.now(), self._clock.now())
        finally:
            client.close()
        return PullResult(town=town.id, pages=pages, rounds=rounds, days=days, restarted=restarted)

    def _note(self, result: PullResult) -> None:
        """Count the turn, log a story that changes, and store a failure where that is possible."""
        outcome = result.problem or READ
        with self._lock:
            self.counts[result.town, outcome] += 1
            changed = self._reasons.setdefault(result.town, LastReason()).changes_to(
                result.problem or ""
            )
            if result.problem is None:
                self.contacted_s[result.town] = self._clock.monotonic_s()
        if result.problem is None:
            if changed:
                log.info("the town is heard again", town=result.town)
            return
        if changed:
            log.warning(
                "the town is not heard", town=result.town, problem=outcome, reason=result.text
            )
        if result.problem is TownProblem.OWN_STORE:
            return
        try:
            self._store.note_failure(result.town, outcome, result.text, self._clock.now())
        except (StoreUnavailable, StoreFull) as exc:
            log.warning("not noted", town=result.town, reason=str(exc))
