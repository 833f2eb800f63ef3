"""`python -m tests.long.memory.attack_entrance NAME`: one attack on an entrance, memory limited.

Everything is imported and started first; then the process may have ADDED_MB of address space more
(RLIMIT_AS), and the attack is made, by a client in the same process. Prints a JSON object: what the
entrance said, and by how much the resident memory rose at its highest.
"""

import json
import resource
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from patrol.administration.accounts import hash_password, placeholder_hash
from patrol.administration.camera_table import COLUMNS
from patrol.app import build
from patrol.domain.account import Account, AccountRole
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.auth import csrf_token
from patrol.web.server import serve
from patrol.web.thumbnails import normalized_photo
from simulators import small_site
from streams.decode import decode
from streams.errors import Unreadable
from streams.model import Codec, KeyFrame
from tests.support import hostile_pictures as hostile
from tests.support.clock import ManualClock
from tests.support.small_files import write_small_site

ADDED_MB: Final = 768  # threads' stacks and the allocator's arenas reserve most of it
MIB: Final = 1 << 20
STACK_BYTES: Final = 512 << 10
PASSWORD: Final = "correct-horse-9"
BAD_ROW: Final = b"a," * 40 + b"b\n"
PART: Final = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'
LOGINS: Final = 60
Attack = Callable[[], Any]


def status_mb(name: str) -> float:
    """A figure of proc_pid_status(5)."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(name)


def made_under_limit(attack: Attack) -> dict[str, Any]:
    """Make the attack with so much address space more; what came of it."""
    limit = int(status_mb("VmSize") + ADDED_MB) * MIB
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        bytearray((ADDED_MB + 64) * MIB)
    except MemoryError:
        Path("/proc/self/clear_refs").write_text("5")
        resident = status_mb("VmRSS")
        return {"said": attack(), "added_mb": status_mb("VmHWM") - resident}
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    raise AssertionError("the limit does not hold")


def upload_png() -> Attack:
    """A leader's photo of 130 kB that is 32,700 pixels square."""
    data = hostile.png(32_700, 32_700, depth=1)

    def attack() -> str:
        try:
            normalized_photo(data)
        except ValueError as exc:
            return str(exc)
        return "decoded"

    return attack


def camera_jpeg() -> Attack:
    """A camera's picture of 16,000 pixels square."""
    frame = KeyFrame(
        codec=Codec.MJPEG, data=hostile.jpeg(16_000, 16_000), taken_at=datetime.now(UTC),  # noqa: TID251  a camera has its own clock
        media_time_s=None, sha256="",
    )  # fmt: skip

    def attack() -> str:
        try:
            decode(frame)
        except Unreadable as exc:
            return str(exc)
        return "decoded"

    return attack


def zeros(megabytes: int, head: bytes = b"") -> Iterator[bytes]:
    """A body of so many megabytes, of no announced length."""
    yield head
    chunk = b" " * MIB
    for _ in range(megabytes):
        yield chunk


@contextmanager
def console() -> Iterator[httpx.Client]:
    """A console in this process, and its administrator's browser."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        site = replace(write_small_site(home), registry=small_site.registry())
        with build(site, clock=ManualClock(small_site.NOON), config_dir=home) as app:
            with app.store.begin() as uow:
                uow.accounts.put(
                    Account(
                        name="admin", duty=AccountRole.ADMIN, shown_as="admin",
                        password=hash_password(PASSWORD), created_at=small_site.NOON,
                    )
                )  # fmt: skip
                uow.commit()
            with serve(app, ConsoleSettings(port=0)) as at:
                client = httpx.Client(base_url=at.url, timeout=120)
                form = {"name": "admin", "password": PASSWORD}
                assert client.post("/login", data=form).status_code == 303
                client.headers["x-patrol-csrf"] = csrf_token(client.cookies["patrol_session"])
                yield client
                client.close()


def post_json(client: httpx.Client) -> int:
    """300 MB of JSON from nobody."""
    headers = {"content-type": "application/json"}
    at = f"{client.base_url}/api/v1/findings/x/confirm"
    return httpx.post(at, content=zeros(300), headers=headers, timeout=120).status_code


def post_multipart(client: httpx.Client) -> int:
    """600 MB of a form from the administrator."""
    headers = {"content-type": "multipart/form-data; boundary=b"}
    at = "/api/cameras/import/check"
    return client.post(at, content=zeros(600, PART), headers=headers).status_code


def post_bad_csv(client: httpx.Client) -> dict[str, int]:
    """A table of 7 MB in which every row is wrong, or as much of it as the route takes."""
    head = ",".join(COLUMNS).encode() + b"\n"
    rows = (7 * MIB - len(head)) // len(BAD_ROW)
    files = {"file": ("cameras.csv", head + BAD_ROW * rows, "text/csv")}
    answer = client.post("/api/cameras/import/check", files=files)
    return {"status": answer.status_code, "bytes": len(answer.content)}


def post_logins(client: httpx.Client) -> list[int]:
    """Sixty passwords to check at once."""
    placeholder_hash()

    def log_in(number: int) -> int:
        form = {"name": f"nobody{number}", "password": "wrong-password"}
        origin = {"x-forwarded-for": f"10.77.0.{number}"}
        at = f"{client.base_url}/login"
        return httpx.post(at, data=form, headers=origin, timeout=120).status_code

    with ThreadPoolExecutor(LOGINS) as pool:
        return list(pool.map(log_in, range(LOGINS)))


DECODERS: Final = {"png": upload_png, "jpeg": camera_jpeg}
REQUESTS: Final = {
    "json": post_json, "multipart": post_multipart, "csv": post_bad_csv, "logins": post_logins,
}  # fmt: skip


def main() -> None:
    """Make the attack that is named."""
    (name,) = sys.argv[1:]
    threading.stack_size(STACK_BYTES)
    if name in DECODERS:
        made = made_under_limit(DECODERS[name]())
    else:
        with console() as client:
            made = made_under_limit(lambda: REQUESTS[name](client))
    sys.stdout.write(f"{json.dumps(made)}\n")


if __name__ == "__main__":
    main()
