"""A uvicorn server in a thread: up when the block is entered, gone when it is left."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from patrol.console.doors import ConsoleDoors, ConsoleOptions
from patrol.console.web import Console

log = structlog.get_logger(__name__)

START_WITHIN_S: Final = 20.0
LAST_ANSWERS_S: Final = 2  # whoever is still answered when we stop


class ConsoleFailed(Exception):
    """It cannot be served; says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleAddress:
    """Where it can be opened."""

    url: str
    port: int


@contextmanager
def serve(
    doors: ConsoleDoors,
    options: ConsoleOptions | None = None,
    mounts: Mapping[str, ASGIApp] | None = None,
) -> Iterator[ConsoleAddress]:
    """Serve the console until the block is left. Raises ConsoleFailed (port, certificate).

    `mounts`: other applications, by path.
    """
    options = options or ConsoleOptions()
    listening = _listen(options)
    port = int(listening.getsockname()[1])
    console = Console(doors, options, mounts)
    try:
        server = uvicorn.Server(_config(console, options))
    except ConsoleFailed:
        listening.close()
        raise
    console.start()
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listening])), name="console", daemon=True
    )
    thread.start()
    try:
        _wait_until_up(server, thread)
        shown = f"[{options.host}]" if ":" in options.host else options.host
        scheme = "https" if options.tls_certificate else "http"
        yield ConsoleAddress(url=f"{scheme}://{shown}:{port}", port=port)
    finally:
        console.stop()  # ends the live lines first: they would keep the server waiting
        server.should_exit = True
        thread.join(LAST_ANSWERS_S + 5)
        listening.close()


def _listen(options: ConsoleOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((options.host, options.port))
        listening.listen(256)
    except OSError as exc:
        listening.close()
        where = f"console {options.host}:{options.port}"
        raise ConsoleFailed(f"{where}: {exc.strerror}, give it another address or port") from exc
    listening.setblocking(False)  # noqa: FBT003  the socket module's own
    return listening


def _config(console: Console, options: ConsoleOptions) -> uvicorn.Config:
    """Raises ConsoleFailed: the certificate cannot be read."""
    proxies = options.trusted_proxies
    config = uvicorn.Config(
        console.app,
        log_config=None,
        access_log=False,  # addresses of pictures are nobody's business
        server_header=False,
        ssl_certfile=str(options.tls_certificate) if options.tls_certificate else None,
        ssl_keyfile=str(options.tls_key) if options.tls_key else None,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies) or None,
        timeout_graceful_shutdown=LAST_ANSWERS_S,
        ws="none",
        lifespan="off",
    )
    try:
        config.load()  # here, and not in the server's thread, where nobody would hear of it
    except (ssl.SSLError, OSError) as exc:
        files = f"{options.tls_certificate} with {options.tls_key}"
        raise ConsoleFailed(f"console: certificate {files} cannot be read: {exc}") from exc
    return config


def _wait_until_up(server: uvicorn.Server, thread: threading.Thread) -> None:
    """The socket already listens; this only makes sure that the server did not fall over."""
    waited = threading.Event()
    for _ in range(int(START_WITHIN_S / 0.02)):
        if server.started:
            return
        if not thread.is_alive():
            break
        waited.wait(0.02)
    raise ConsoleFailed("the console's server did not start; its log says why")
