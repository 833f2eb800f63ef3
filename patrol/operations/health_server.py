"""Heartbeats of the service's threads, and the HTTP server of /metrics and /healthz.

A thread that has not called its heartbeat within the agreed time is stuck, and /healthz answers
503. Nothing else is served.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from typing_extensions import override

from patrol.domain.errors import Failed

SLOWEST_CLIENT_S: Final = 10.0
Checks = Callable[[], Sequence["HealthCheck"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One check of /healthz and its result."""

    name: str
    ok: bool
    message: str
    ago_s: float | None = None  # since its last heartbeat; None: it has none


@dataclass(slots=True)
class _ExpectedHeartbeat:
    within_s: float
    last_s: float


class Heartbeats:
    """Keeps the last heartbeat of each thread. Safe to call from any of them."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._now_s = monotonic_s
        self._threads: dict[str, _ExpectedHeartbeat] = {}
        self._lock = threading.Lock()

    def expect(self, name: str, max_silence_s: float) -> Callable[[], None]:
        """Expect one at least every `max_silence_s`; returns what the thread calls."""
        with self._lock:
            self._threads[name] = _ExpectedHeartbeat(max_silence_s, self._now_s())
        return lambda: self.beat(name)

    def beat(self, name: str) -> None:
        """The thread is alive."""
        with self._lock:
            self._threads[name].last_s = self._now_s()

    def checks(self) -> list[HealthCheck]:
        """One check per thread."""
        now_s = self._now_s()
        with self._lock:
            return [
                HealthCheck(
                    name=name,
                    ok=now_s - beat.last_s <= beat.within_s,
                    message=f"{now_s - beat.last_s:.0f} s ago, {beat.within_s:.0f} s are allowed",
                    ago_s=now_s - beat.last_s,
                )
                for name, beat in self._threads.items()
            ]


class MetricsFailed(Failed):
    """The port cannot be opened; says why in one line."""


@contextmanager
def serve_metrics(
    host: str, port: int, registry: CollectorRegistry, checks: Checks
) -> Iterator[int]:
    """Serve until the block is left; yields the port. Raises MetricsFailed."""
    try:
        server = _MetricsServer(host, port, registry, checks)
    except OSError as exc:
        raise MetricsFailed(f"metrics {host}:{port}: {exc.strerror}") from exc
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(2.0)
        server.server_close()


class _MetricsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, registry: CollectorRegistry, checks: Checks) -> None:
        self.registry, self.checks = registry, checks
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _MetricsHandler)


class _MetricsHandler(BaseHTTPRequestHandler):
    server: _MetricsServer
    timeout = SLOWEST_CLIENT_S
    server_version, sys_version = "patrol", ""

    def do_GET(self) -> None:
        """Answer /metrics and /healthz."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("accept", ""))
            self._answer(HTTPStatus.OK, content_type, encode(self.server.registry))
        elif path == "/healthz":
            self._health()
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics, /healthz\n")

    def _health(self) -> None:
        checks = self.server.checks()
        ok = all(check.ok for check in checks)
        body = {
            "ok": ok,
            "checks": {check.name: {"ok": check.ok, "words": check.message} for check in checks},
        }
        status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
        document = json.dumps(body, ensure_ascii=False, indent=1).encode() + b"\n"
        self._answer(status, "application/json", document)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass  # scrapes are not worth a log line
