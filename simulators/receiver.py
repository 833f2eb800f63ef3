"""Somebody else's HTTP server: keeps what was posted to it and answers as it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from typing_extensions import override


class Posted(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Receiver(ThreadingHTTPServer):
    """On loopback, any free port; `answers` first, then `status`."""

    daemon_threads = True

    def __init__(self, status: int = 204) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.answers: list[int] = []
        self.got: list[Posted] = []
        self.news = threading.Condition()

    def wait_for(self, wanted: Callable[[Posted], bool], timeout_s: float = 30.0) -> Posted:
        """The first that is wanted, once it came. Raises TimeoutError."""

        def found() -> Posted | None:
            return next((one for one in self.got if wanted(one)), None)

        with self.news:
            posted = self.news.wait_for(found, timeout_s)
        if posted is None:
            raise TimeoutError(f"it never came, of {len(self.got)}")
        return posted


@contextmanager
def receiving(status: int = 204) -> Iterator[Receiver]:
    """One that listens for as long as the block lasts."""
    server = Receiver(status)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Keep it, answer."""
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.news:
            self.server.got.append(Posted(self.path, headers, body))
            status = self.server.answers.pop(0) if self.server.answers else self.server.status
            self.server.news.notify_all()
        self.send_response(status)
        if status in (301, 307):
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """A test reads `got`."""
