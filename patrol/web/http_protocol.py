"""The HTTP/1.1 protocol of the console's server: uvicorn's, with deadlines and a connection limit.

uvicorn waits for ever for the rest of a request. Here the headers of a request must be complete
within `HEADERS_S` of its first byte (of a new connection: of its beginning), and its body within
the route's `body_s`; then the connection is answered 408 and closed. A body that nobody reads any
more (the answer was given: 401, 413) is thrown away for `DISCARD_S`, so that the client can read
the answer. h11 itself refuses more than 64 KiB of headers.
"""

import asyncio
from collections.abc import Iterable
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from patrol.web.request_limits import limit_of

HEADERS_S: Final = 15.0
DISCARD_S: Final = 5.0
MAX_CONNECTIONS: Final = 400  # a process has 1,024 descriptors, and a round wants 200 of them
MAX_PER_ADDRESS: Final = 200  # a whole office behind one address; a trusted proxy may have all
_REQUEST_TIMEOUT: Final = b"408 Request Timeout"
_UNAVAILABLE: Final = b"503 Service Unavailable\r\nRetry-After: 5"


def _is_among(host: str, proxies: Iterable[str]) -> bool:
    """Whether the address is one of these addresses and networks."""
    try:
        return any(ip_address(host) in ip_network(proxy, strict=False) for proxy in proxies)
    except ValueError:
        return False


class AwaitedPart(Enum):
    """The part of a request that the server waits for."""

    HEADERS = auto()
    BODY = auto()
    DISCARDED_BODY = auto()  # the answer was given without it


class BoundedH11Protocol(H11Protocol):
    """One connection: waits for every part of a request for a limited time only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaited: AwaitedPart | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._is_one_too_many():
            self._answer_and_close(_UNAVAILABLE)
            return
        self._update_deadline()

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._update_deadline()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._update_deadline()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        super().connection_lost(exc)

    def _is_one_too_many(self) -> bool:
        if len(self.connections) > MAX_CONNECTIONS:
            return True
        host = self.client[0] if self.client else ""
        if self.config.proxy_headers and _is_among(host, self.config.forwarded_allow_ips or ()):
            return False
        clients = (getattr(one, "client", None) for one in self.connections)
        same = [client for client in clients if client is not None and client[0] == host]
        return len(same) > MAX_PER_ADDRESS

    def _awaited_part(self) -> AwaitedPart | None:
        if self.cycle is None:
            return AwaitedPart.HEADERS
        if self.cycle.more_body:
            answered = self.cycle.response_complete
            return AwaitedPart.DISCARDED_BODY if answered else AwaitedPart.BODY
        begun = self.cycle.response_complete and self.conn.trailing_data[0]
        return AwaitedPart.HEADERS if begun else None

    def _update_deadline(self) -> None:
        awaited = None if self.transport.is_closing() else self._awaited_part()
        if awaited is self._awaited:
            return
        self._cancel_deadline()
        self._awaited = awaited
        if awaited is not None:
            limit_s = self._limit_s(awaited)
            self._deadline = self.loop.call_later(limit_s, self._on_deadline, awaited)

    def _limit_s(self, awaited: AwaitedPart) -> float:
        if awaited is AwaitedPart.BODY:
            return limit_of(self.scope["path"]).body_s
        return HEADERS_S if awaited is AwaitedPart.HEADERS else DISCARD_S

    def _on_deadline(self, awaited: AwaitedPart) -> None:
        if awaited is AwaitedPart.DISCARDED_BODY or self._answer_has_begun():
            self.transport.close()
        else:
            self._answer_and_close(_REQUEST_TIMEOUT)

    def _answer_has_begun(self) -> bool:
        cycle = self.cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete

    def _answer_and_close(self, status: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        self.transport.close()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline, self._awaited = None, None
