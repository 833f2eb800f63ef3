"""A TCP proxy on loopback that tests can cut: the network between a client and its broker."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field

HOST = "127.0.0.1"
CHUNK = 65536


@dataclass
class TcpProxy:
    """`start`, `cut` (connections end, new ones are refused), `heal`, `stop`; the port stays.

    `hang`: nothing gets through and nobody is told, as where a cable is pulled behind a switch.
    """

    target: int
    port: int = 0
    _is_up: bool = True
    _pairs: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _flows: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Listen and forward to the target port."""
        self._flows.set()
        self._listener = socket.create_server((HOST, self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut(self) -> int:
        """End all connections and refuse new ones; return how many were open."""
        with self._lock:
            self._is_up = False
            pairs, self._pairs = self._pairs, []
        open_pairs = _count_open_pairs(pairs)
        for end in pairs:
            _close_socket(end)
        return open_pairs

    @property
    def connections(self) -> int:
        """How many connections are open just now."""
        with self._lock:
            return _count_open_pairs(self._pairs)

    def hang(self) -> None:
        """Keep all connections open, take new ones, and forward nothing."""
        self._flows.clear()

    def heal(self) -> None:
        """Accept connections and forward again."""
        with self._lock:
            self._is_up = True
        self._flows.set()

    def stop(self) -> None:
        """Cut, and stop listening for good."""
        self._flows.set()
        self.cut()
        _close_socket(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._connect_pair(near)

    def _connect_pair(self, near: socket.socket) -> None:
        with self._lock:
            if not self._is_up:
                _close_socket(near)
                return
            try:
                far = socket.create_connection((HOST, self.target), timeout=5)
            except OSError:
                _close_socket(near)
                return
            far.settimeout(None)
            self._pairs += [near, far]
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_forward, args=(one, other, self._flows), daemon=True).start()


def _count_open_pairs(pairs: list[socket.socket]) -> int:
    return sum(end.fileno() >= 0 for end in pairs) // 2


def _forward(one: socket.socket, other: socket.socket, flows: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while chunk := one.recv(CHUNK):
            flows.wait()
            other.sendall(chunk)
    _close_socket(one)
    _close_socket(other)


def _close_socket(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
