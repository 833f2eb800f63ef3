"""Which of several services leads a site: a session advisory lock on PostgreSQL, watched.

One leads, the others wait in `hold`. The lock ends with its session: at once after kill -9. A
leader that is frozen, or cut off without a word, keeps its session; so it also writes a heartbeat
through it, and a standby that sees none for `STALE_S` ends that session and takes the lock. Before
that the old leader has fenced itself: without a heartbeat that the database took for `FENCE_S` it
calls `on_lost`, which ends the process. Everything resumes from the store.
"""

import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import structlog

from patrol import __version__
from patrol.cluster.queue import queue_conninfo
from patrol.files import ProcessBusy
from patrol.logs import LastReason
from patrol.ports import Clock
from patrol.store import StoreUnavailable
from patrol.store.connection_problems import connection_problem

if TYPE_CHECKING:
    from psycopg import Connection

log = structlog.get_logger(__name__)

BEAT_EVERY_S: Final = 2.0
FENCE_S: Final = 8.0  # without a heartbeat that was taken, the leader ends itself
STALE_S: Final = 14.0  # a standby takes over from a leader that was silent for so long
WATCH_EVERY_S: Final = 0.5
TRY_EVERY_S: Final = 1.0
_SERVER_SIDE: Final = (  # the server notices a machine that is gone, and frees its lock
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
    " -c statement_timeout=5000 -c search_path=public"
)
_BEAT: Final = """
INSERT INTO cluster_leaders (site, holder, host, version, backend, led_at, beat_at)
VALUES (%(site)s, %(holder)s, %(host)s, %(version)s, pg_backend_pid(), now(), now())
ON CONFLICT (site) DO UPDATE SET holder = excluded.holder, host = excluded.host,
    version = excluded.version, backend = excluded.backend, beat_at = excluded.beat_at,
    led_at = CASE WHEN cluster_leaders.holder = excluded.holder
        THEN cluster_leaders.led_at ELSE excluded.led_at END
"""
_STALE: Final = """
SELECT pg_terminate_backend(activity.pid) FROM pg_stat_activity AS activity
JOIN cluster_leaders AS leader ON activity.application_name = 'patrol ' || leader.holder
WHERE leader.site = %(site)s AND leader.beat_at < now() - make_interval(secs => %(stale_s)s)
"""
PROCESS_ID: Final = secrets.token_hex(8)  # in the name of each session that holds a lock
_HAS_TABLE: Final = "SELECT to_regclass('public.cluster_leaders') IS NOT NULL"


@dataclass(slots=True)
class Leadership:
    """One service's claim to lead a site."""

    url: str
    site: str
    clock: Clock
    on_lost: Callable[[str], None]  # ends the process; called in a thread
    host: str = field(default_factory=socket.gethostname)
    holder: str = PROCESS_ID
    _session: "Connection[Any] | None" = None
    _beat_s: float = 0.0  # monotonic: the last heartbeat that the database took
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def hold(
        self, stop: threading.Event, *, on_standby: Callable[[str], None] = lambda _why: None
    ) -> Iterator[bool]:
        """Wait for the advisory lock and keep it for the block; False: `stop` came first.

        `on_standby` is told why it waits, whenever that changes.
        """
        if not self._wait(stop, on_standby):
            yield False
            return
        threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("lead", self._beat_forever), ("watch the lead", self._watch))
        ]
        for thread in threads:
            thread.start()
        try:
            yield True
        finally:
            self._over.set()
            threads[0].join(BEAT_EVERY_S)
            self._close()

    def _wait(self, stop: threading.Event, on_standby: Callable[[str], None]) -> bool:
        why = LastReason()
        while not stop.is_set():
            try:
                if self._try():
                    self._beat_s = self.clock.monotonic_s()
                    return True
                reason = "another service leads"
            except StoreUnavailable as exc:
                reason = str(exc)
            if why.changes_to(reason):
                on_standby(reason)
            stop.wait(TRY_EVERY_S)
        return False

    def _try(self) -> bool:
        """Take the lock, if it is free; end the session of a leader that was silent too long."""
        from psycopg import Error  # noqa: PLC0415  of the extra `postgres`

        try:
            session = self._session or self._connect()
            (won,) = session.execute(
                "SELECT pg_try_advisory_lock(%s)", (self._key,)
            ).fetchone() or (False,)
            if won:
                self._write_beat(session)
            elif self._has_table(session):
                values = {"site": self.site, "stale_s": STALE_S}
                if session.execute(_STALE, values).fetchone():
                    log.warning("a silent leader's session was ended", site=self.site)
        except Error as exc:
            self._close()
            reason = connection_problem(" ".join(str(exc).split()))
            raise StoreUnavailable(reason) from exc
        self._session = session
        return bool(won)

    def _beat_forever(self) -> None:
        """Write heartbeats; after a lost session take the lock again, if nobody else has it."""
        lost = LastReason()
        while not self._over.wait(BEAT_EVERY_S):
            try:
                if self._session is None:
                    if not self._try():
                        self.on_lost("another service leads")
                        return
                else:
                    self._write_beat(self._session)
                self._beat_s = self.clock.monotonic_s()
                lost.changes_to("")
            except Exception as exc:  # noqa: BLE001  psycopg's, and StoreUnavailable: the watch decides
                self._close()
                if lost.changes_to(str(exc)):
                    log.warning("the lead's session is lost", reason=str(exc))

    def _watch(self) -> None:
        """Fence: the other thread may hang in a cut connection, or the process was frozen."""
        while not self._over.wait(WATCH_EVERY_S):
            silent_s = self.clock.monotonic_s() - self._beat_s
            if silent_s > FENCE_S:
                self.on_lost(f"no heartbeat reached the database for {silent_s:.0f} s")
                return

    def _write_beat(self, session: "Connection[Any]") -> None:
        if not self._has_table(session):
            return  # before the first upgrade of a new database
        session.execute(
            _BEAT,
            {
                "site": self.site,
                "holder": self.holder,
                "host": self.host,
                "version": __version__,
            },
        )

    def _has_table(self, session: "Connection[Any]") -> bool:
        (there,) = session.execute(_HAS_TABLE).fetchone() or (False,)
        return bool(there)

    def _connect(self) -> "Connection[Any]":
        return _lock_session(self.url, self.holder)

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):
                session.close()

    @property
    def _key(self) -> int:
        return _lock_number(f"lead {self.site}")


@contextmanager
def advisory_lock(url: str, name: str, holder: str = PROCESS_ID) -> Iterator[None]:
    """Hold a lock of this name over all machines for the block.

    Raises ProcessBusy at once when another has it, StoreUnavailable.
    """
    from psycopg import Error  # noqa: PLC0415  of the extra `postgres`

    try:
        session = _lock_session(url, holder)
        taken = session.execute("SELECT pg_try_advisory_lock(%s)", (_lock_number(name),)).fetchone()
    except Error as exc:
        raise StoreUnavailable(" ".join(str(exc).split())) from exc
    try:
        if taken is None or not taken[0]:
            raise ProcessBusy(f"another patrol process is at it (it holds {name})")
        yield
    finally:
        with suppress(Exception):
            session.close()


def _lock_session(url: str, holder: str) -> "Connection[Any]":
    """A session that dies with its machine, whose name tells whose it is."""
    import psycopg  # noqa: PLC0415  of the extra `postgres`

    conninfo = queue_conninfo(
        url, options=_SERVER_SIDE, tcp_user_timeout="6000", application_name=f"patrol {holder}"
    )
    session: Connection[Any] = psycopg.connect(conninfo, autocommit=True)
    return session


def _lock_number(name: str) -> int:
    """63 bits of the lock's name."""
    return int.from_bytes(sha256(f"patrol {name}".encode()).digest()[:8]) >> 1
