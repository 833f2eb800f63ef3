"""Run a command in a network namespace that has loopback and nothing else, and watch its sockets.

`python -m tests.support.loopback_only COMMAND…` ends with the command's code, or with 3 where
something listened elsewhere than on loopback or dialled elsewhere. A dial without a route never
shows as a socket; the kernel counts it (RFC 2011, ipOutNoRoutes; RFC 4293 for IPv6). Ends with 4
where this machine allows no namespace (it takes root, or user namespaces).
"""

import ctypes
import fcntl
import ipaddress
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWNET: Final = 0x4000_0000
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 1
LISTENS: Final = "0A"  # include/net/tcp_states.h
LOOK_EVERY_S: Final = 0.05
ELSEWHERE, NO_NAMESPACE = 3, 4


def enter_namespace() -> None:
    """Leave all networks but a loopback of our own. Raises OSError where that is not allowed."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | (CLONE_NEWUSER if user else 0)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if user:  # stay who we are
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", "ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def dials_elsewhere() -> int:
    """How many packets and connections of this namespace found no route."""
    lines = Path("/proc/net/snmp").read_text("ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Ip:"))
    count = int(values[names.index("OutNoRoutes")])
    sixth = Path("/proc/net/snmp6")
    if sixth.exists():
        pairs = (line.split() for line in sixth.read_text("ascii").splitlines())
        count += sum(int(value) for name, value in pairs if name == "Ip6OutNoRoutes")
    return count


def sockets_elsewhere() -> set[str]:
    """Sockets of this namespace that listen or are bound or connected elsewhere than loopback."""
    found = set()
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        table = Path("/proc/net") / kind
        for line in table.read_text("ascii").splitlines()[1:] if table.exists() else ():
            _, local, remote, state, *_ = line.split()
            near, far = _address(local), _address(remote)
            if not near.is_loopback and (state == LISTENS or not kind.startswith("tcp")):
                found.add(f"{kind} listens on {near}")
            if not (far.is_loopback or far.is_unspecified):
                found.add(f"{kind} is connected to {far}")
    return found


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address of /proc/net: numbers of 32 bits, each in this machine's order."""
    raw = bytes.fromhex(text.partition(":")[0])
    numbers = struct.unpack(f"={len(raw) // 4}I", raw)
    address = ipaddress.ip_address(struct.pack(f"!{len(numbers)}I", *numbers))
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def watched(command: list[str]) -> tuple[int, set[str]]:
    """Run the command; its code, and what its processes did elsewhere."""
    seen, over = set[str](), threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            seen.update(sockets_elsewhere())

    before = dials_elsewhere()
    looking = threading.Thread(target=look)
    looking.start()
    code = subprocess.run(command, check=False).returncode
    over.set()
    looking.join()
    if count := dials_elsewhere() - before:
        seen.add(f"{count} dials elsewhere")
    return code, seen


def main() -> int:
    """As the module says."""
    try:
        enter_namespace()
    except OSError as exc:
        sys.stderr.write(f"no network namespace here: {exc}\n")
        return NO_NAMESPACE
    code, elsewhere = watched(sys.argv[1:])
    for one in sorted(elsewhere):
        sys.stderr.write(f"elsewhere: {one}\n")
    return ELSEWHERE if elsewhere and code == 0 else code


if __name__ == "__main__":
    raise SystemExit(main())
