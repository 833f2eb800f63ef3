"""Serve the console and the API: a uvicorn server in a thread, up for the length of a block."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from patrol.app import Application
from patrol.domain.account import FIRST_ACCOUNT_COMMAND
from patrol.domain.errors import Failed
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.app import create_app
from patrol.web.context import WebContext
from patrol.web.http_protocol import BoundedH11Protocol

log = structlog.get_logger(__name__)

START_WITHIN_S: Final = 20.0
STARTUP_POLL_S: Final = 0.02
GRACEFUL_STOP_S: Final = 2  # for requests that are being answered when the server stops
KEEP_ALIVE_S: Final = (
    20  # longer than clients keep an idle connection (httpx: 5 s): they close first
)


class ConsoleFailed(Failed):
    """The console cannot be served; the text says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleAddress:
    """The address at which the console was started."""

    url: str
    port: int


@contextmanager
def serve(app: Application, console: ConsoleSettings | None = None) -> Iterator[ConsoleAddress]:
    """Serve until the block is left; settings default to the site's.

    Raises ConsoleFailed: the port is taken, the certificate cannot be read.
    """
    console = console or app.site.settings.console
    context = WebContext.build(app, console)

    def start() -> None:
        context.start()
        if context.has_no_account():
            log.warning("nobody can log in: there is no account", make_one=FIRST_ACCOUNT_COMMAND)

    # `stop` ends the open event streams first: they would keep the server waiting.
    with serve_app(create_app(context), console, start=start, stop=context.stop) as address:
        yield address


@contextmanager
def serve_app(
    web_app: FastAPI,
    console: ConsoleSettings,
    *,
    start: Callable[[], None] = lambda: None,
    stop: Callable[[], None] = lambda: None,
) -> Iterator[ConsoleAddress]:
    """Serve an application until the block is left, between `start` and `stop` of its own threads.

    Raises ConsoleFailed: the port is taken, the certificate cannot be read.
    """
    listening = _listen(console)
    port = int(listening.getsockname()[1])
    try:
        server = uvicorn.Server(_server_config(web_app, console))
    except ConsoleFailed:
        listening.close()
        raise
    start()
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listening])), name="console", daemon=True
    )
    thread.start()
    try:
        _wait_until_up(server, thread)
        shown = f"[{console.host}]" if ":" in console.host else console.host
        scheme = "https" if console.tls_certificate else "http"
        yield ConsoleAddress(url=f"{scheme}://{shown}:{port}", port=port)
    finally:
        stop()
        server.should_exit = True
        thread.join(GRACEFUL_STOP_S + 5)
        listening.close()


def _listen(console: ConsoleSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in console.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((console.host, console.port))
        listening.listen(256)
    except OSError as exc:
        listening.close()
        where = f"console {console.host}:{console.port}"
        raise ConsoleFailed(f"{where}: {exc.strerror}, give it another address or port") from exc
    listening.setblocking(False)  # noqa: FBT003  the socket module's own
    return listening


def _server_config(web_app: FastAPI, console: ConsoleSettings) -> uvicorn.Config:
    """Raises ConsoleFailed: the certificate cannot be read."""
    proxies = console.trusted_proxies
    config = uvicorn.Config(
        web_app,
        http=BoundedH11Protocol,
        log_config=None,
        access_log=False,  # addresses of pictures belong in no log
        server_header=False,
        ssl_certfile=str(console.tls_certificate) if console.tls_certificate else None,
        ssl_keyfile=str(console.tls_key) if console.tls_key else None,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies) or None,
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="none",
        lifespan="off",
    )
    try:
        config.load()  # here: an error in the server's thread would reach no caller
    except (ssl.SSLError, OSError) as exc:
        files = f"{console.tls_certificate} with {console.tls_key}"
        raise ConsoleFailed(f"console: certificate {files} cannot be read: {exc}") from exc
    return config


def _wait_until_up(server: uvicorn.Server, thread: threading.Thread) -> None:
    """Wait for the server's own start-up; the socket accepts connections already."""
    waited = threading.Event()
    for _ in range(int(START_WITHIN_S / STARTUP_POLL_S)):
        if server.started:
            return
        if not thread.is_alive():
            break
        waited.wait(STARTUP_POLL_S)
    raise ConsoleFailed("the console's server did not start; its log says why")
