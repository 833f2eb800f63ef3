"""An HTTP server on loopback for tests: keeps what was posted and answers with set statuses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from typing_extensions import override


class ReceivedRequest(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class HttpReceiver(ThreadingHTTPServer):
    """Answers with `next_statuses` first, then always with `status`; `requests` keeps all."""

    daemon_threads = True

    def __init__(self, status: int = 204) -> None:
        super().__init__(("127.0.0.1", 0), _PostHandler)
        self.status = status
        self.next_statuses: list[int] = []
        self.requests: list[ReceivedRequest] = []
        self.arrived = threading.Condition()

    def wait_for(
        self, wanted: Callable[[ReceivedRequest], bool], timeout_s: float = 30.0
    ) -> ReceivedRequest:
        """Return the first request that `wanted` accepts, once it came. Raises TimeoutError."""

        def found() -> ReceivedRequest | None:
            return next((one for one in self.requests if wanted(one)), None)

        with self.arrived:
            posted = self.arrived.wait_for(found, timeout_s)
        if posted is None:
            raise TimeoutError(f"it never came, of {len(self.requests)}")
        return posted


@contextmanager
def running_receiver(status: int = 204) -> Iterator[HttpReceiver]:
    """A receiver that listens while the block runs."""
    server = HttpReceiver(status)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _PostHandler(BaseHTTPRequestHandler):
    server: HttpReceiver

    def do_POST(self) -> None:
        """Keep the request and answer it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.arrived:
            self.server.requests.append(ReceivedRequest(self.path, headers, body))
            status = (
                self.server.next_statuses.pop(0)
                if self.server.next_statuses
                else self.server.status
            )
            self.server.arrived.notify_all()
        self.send_response(status)
        if status in (301, 307):
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
