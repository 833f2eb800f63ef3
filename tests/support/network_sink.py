"""Run a command where only loopback exists, and list what it sends or asks elsewhere.

`run_isolated` starts this module as a program in a network namespace of its own (`unshare`; a user
namespace as well where the caller is not root). There every address leads to loopback, so that a
packet for another machine is refused at once and seen here, whatever sent it: Python, a C++ thread
of a library, a child process. Queries to a name server on loopback are answered by nobody and
listed, too.
"""

import ctypes
import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ALL_PROTOCOLS: Final = 0x0003  # ETH_P_ALL
IPV4, IPV6 = 0x0800, 0x86DD
TRANSPORTS: Final = {6: "tcp", 17: "udp"}
ETHERNET_BYTES, IPV6_BYTES = 14, 40
SO_ATTACH_FILTER: Final = 26
DNS_PORT: Final = 53
DNS_HEADER_BYTES: Final = 12
# Classic BPF (linux/filter.h): code, jump if true, jump if false, operand. Lets IPv4 through that
# is not for 127.0.0.0/8, and IPv6 whose address does not end like ::1: no camera's stream.
FOREIGN_PACKETS: Final = (
    (0x28, 0, 0, 12),  # the Ethernet type
    (0x15, 0, 2, IPV4),
    (0x30, 0, 0, 30),  # the first byte of the IPv4 destination
    (0x15, 4, 3, 127),
    (0x15, 0, 3, IPV6),
    (0x20, 0, 0, 50),  # the last four bytes of the IPv6 destination
    (0x15, 1, 0, 1),
    (0x06, 0, 0, 128),  # take so many bytes
    (0x06, 0, 0, 0),  # leave it
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedRun:
    """How a command ended that ran with loopback alone, and what it wanted beyond."""

    code: int
    output: str
    foreign: Sequence[str]  # `tcp 192.0.2.1:443`, `dns example.org`


def run_isolated(
    command: Sequence[str], env: Mapping[str, str], scratch: Path, within_s: float
) -> IsolatedRun:
    """Run the command to its end in a network namespace with loopback alone."""
    report = scratch / "foreign.json"
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--net", *as_root, sys.executable, "-m", __name__, str(report), *command],
        env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=within_s, check=False,
    )  # fmt: skip
    foreign = json.loads(report.read_text("utf-8")) if report.exists() else ["no report"]
    return IsolatedRun(code=done.returncode, output=done.stdout, foreign=foreign)


def can_isolate() -> bool:
    """Whether this user may make a network namespace."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    try:
        tried = subprocess.run(
            ["unshare", "--net", *as_root, "ip", "link", "set", "lo", "up"],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


def destination(frame: bytes) -> str | None:
    """`transport address:port` of a captured TCP or UDP frame; None for anything else."""
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == IPV4:
        protocol, address = frame[23], frame[30:34]
        transport_at = ETHERNET_BYTES + (frame[14] & 0x0F) * 4
    else:
        protocol, address = frame[20], frame[38:54]
        transport_at = ETHERNET_BYTES + IPV6_BYTES
    transport = TRANSPORTS.get(protocol)
    to = ipaddress.ip_address(address)
    if transport is None or to.is_loopback:
        return None
    (port,) = struct.unpack_from("!H", frame, transport_at + 2)
    return f"{transport} {to}:{port}"


def queried_name(query: bytes) -> str:
    """The name that a DNS query asks for (RFC 1035, 4.1.2)."""
    labels, at = [], DNS_HEADER_BYTES
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    return ".".join(labels)


def _main(report: Path, command: Sequence[str]) -> int:
    for arguments in (
        "link set lo up",
        "route add local default dev lo",
        "-6 route add local default dev lo",
    ):
        # Without IPv6 the third has nothing to do.
        subprocess.run(["ip", *arguments.split()], check="-6" not in arguments)
    foreign: set[str] = set()
    packets = _packet_socket()
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("0.0.0.0", DNS_PORT))  # noqa: S104  of a namespace where only loopback exists
    for watch in (_watch_packets, _watch_names):
        source = packets if watch is _watch_packets else names
        threading.Thread(target=watch, args=(source, foreign), daemon=True).start()
    ended = subprocess.run(command, check=False)
    # What was sent before the end lies in the sockets by now: sending on loopback is receiving.
    _watch_packets(packets, foreign, wait=False)
    _watch_names(names, foreign, wait=False)
    report.write_text(json.dumps(sorted(foreign)), "utf-8")
    return ended.returncode


def _packet_socket() -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in FOREIGN_PACKETS)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HL", len(FOREIGN_PACKETS), ctypes.addressof(kept))
    packets.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    packets.bind(("lo", 0))
    return packets


def _watch_packets(packets: socket.socket, foreign: set[str], *, wait: bool = True) -> None:
    while (frame := _received(packets, wait=wait)) is not None:
        if (to := destination(frame)) is not None:
            foreign.add(to)


def _watch_names(names: socket.socket, foreign: set[str], *, wait: bool = True) -> None:
    while (query := _received(names, wait=wait)) is not None:
        foreign.add(f"dns {queried_name(query)}")


def _received(source: socket.socket, *, wait: bool) -> bytes | None:
    try:
        return source.recv(2048, 0 if wait else socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2:]))
