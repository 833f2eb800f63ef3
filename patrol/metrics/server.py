"""A small HTTP server for /metrics and /healthz; nothing else is answered."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from typing_extensions import override

from patrol.metrics.health import Check

SLOWEST_CLIENT_S: Final = 10.0
Checks = Callable[[], Sequence[Check]]


class MetricsFailed(Exception):
    """The port cannot be had; says why in one line."""


@contextmanager
def serve(host: str, port: int, registry: CollectorRegistry, checks: Checks) -> Iterator[int]:
    """Answer until the block is left; the port. Raises MetricsFailed."""
    try:
        server = _Server(host, port, registry, checks)
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, registry: CollectorRegistry, checks: Checks) -> None:
        self.registry, self.checks = registry, checks
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SLOWEST_CLIENT_S
    server_version, sys_version = "patrol", ""

    def do_GET(self) -> None:
        """Prometheus, or whoever watches."""
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
            "checks": {check.name: {"ok": check.ok, "words": check.words} for check in checks},
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
        """Scrapes are no news."""
