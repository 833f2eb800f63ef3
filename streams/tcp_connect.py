"""Connect to a host by any of its addresses, the next one tried before the first has failed.

Happy eyeballs (RFC 8305): the addresses of a name are tried in turn, families alternating, each a
quarter of a second after the one before or as soon as that one fails; the first connection wins
and the others are closed. So a name whose first address is a black hole costs a quarter of a
second and not the whole time limit.
"""

import asyncio
import ipaddress
import itertools
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from typing import Final

from streams.address import TLS_SCHEMES, StreamAddress
from streams.errors import TLS_FAILED, Unreachable, Unreadable, os_error_text
from streams.target_policy import TargetPolicy
from streams.tls import CAMERA_TLS, tls_problem

ATTEMPT_DELAY_S: Final = 0.25  # RFC 8305 §5, "Connection Attempt Delay"
MAX_TARGETS: Final = 8  # of one name; a camera's has one or two

SocketTarget = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


async def connect_tcp(
    address: StreamAddress, timeout_s: float, policy: TargetPolicy | None = None
) -> socket.socket:
    """A connected, non-blocking socket, the caller's to close; where `policy` permits it.

    Raises Unreachable, TargetRefused.
    """
    try:
        async with asyncio.timeout(timeout_s):
            targets = await _resolve(address)
            if policy is not None:
                policy.check_all(address.host, (str(to[0]) for _, to in targets))
            return await _first_connected(targets)
    except OSError as exc:  # TimeoutError among them
        late = f"no TCP connection in {timeout_s:.1f} s"
        reason = os_error_text(exc) if exc.errno else late
        raise Unreachable(f"{address.authority}: {reason}") from None


async def open_streams(
    sock: socket.socket, address: StreamAddress, limit: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connected socket as streams, inside TLS where the scheme says so; closed where that fails.

    `limit`: the bytes that the reader takes ahead. Raises Unreadable (TLS), OSError.
    """
    try:
        context = CAMERA_TLS.context() if address.scheme in TLS_SCHEMES else None
        return await asyncio.open_connection(
            sock=sock,
            ssl=context,
            server_hostname=address.host if context else None,
            limit=limit,
        )
    except ssl.SSLError as exc:
        sock.close()
        seen = f"{address.authority}: {tls_problem(exc)}"
        raise Unreadable(seen, reason=TLS_FAILED) from None
    except BaseException:
        sock.close()
        raise


async def _first_connected(targets: Iterable[SocketTarget]) -> socket.socket:
    """Start the attempts one after the other; the first socket that connects. Raises OSError."""
    waiting = deque(targets)
    running: set[asyncio.Task[socket.socket]] = set()
    failures: list[OSError] = []
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(_connect(*waiting.popleft())))
            await asyncio.wait(
                running,
                timeout=ATTEMPT_DELAY_S if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in [attempt for attempt in running if attempt.done()]:
                running.remove(attempt)
                try:
                    return attempt.result()
                except OSError as exc:
                    failures.append(exc)
    finally:
        await _close_all(running)
    raise failures[-1]


async def _close_all(attempts: Iterable[asyncio.Task[socket.socket]]) -> None:
    """End attempts that came too late; one of them may have connected in the meantime."""
    attempts = list(attempts)
    for attempt in attempts:
        attempt.cancel()
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()


async def _connect(
    family: socket.AddressFamily, target: tuple[str, int] | tuple[str, int, int, int]
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)  # noqa: FBT003  the socket's own signature
    try:
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock


async def _resolve(address: StreamAddress) -> list[SocketTarget]:
    """The addresses of a host, never empty. Raises Unreachable."""
    try:
        version = ipaddress.ip_address(address.host).version
    except ValueError:
        pass
    else:
        family = socket.AF_INET if version == 4 else socket.AF_INET6  # noqa: PLR2004
        return [(family, (address.host, address.port))]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise Unreachable(f"{address.authority}: the name does not resolve") from exc
    targets: list[SocketTarget] = [(family, to) for family, _, _, _, to in found]  # type: ignore[misc]
    return alternate_families(targets)[:MAX_TARGETS]


def alternate_families(targets: Iterable[SocketTarget]) -> list[SocketTarget]:
    """The targets without repeats, one of each family in turn, the resolver's first one first."""
    by_family: dict[socket.AddressFamily, list[SocketTarget]] = {}
    for target in dict.fromkeys(targets):
        by_family.setdefault(target[0], []).append(target)
    turns = itertools.zip_longest(*by_family.values())
    return [target for turn in turns for target in turn if target is not None]
