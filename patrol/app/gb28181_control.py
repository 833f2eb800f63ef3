"""The running service's answers to `patrol gb` and `patrol probe`, over a socket in its folder.

JSON lines over a Unix socket that only the service's own user may open: one request, then one or
more answers, the last with `end`. The same requests are carried out without a service, in the
command's own process (`answers`).
"""

import asyncio
import base64
import contextlib
import json
import os
import socket
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from patrol.app.gb28181 import Gb28181Service
from patrol.domain.errors import Failed
from patrol.files import make_folders
from streams.address import StreamAddress
from streams.errors import KINDS, StreamBusy, StreamError, Unreachable
from streams.gb28181.catalog import ODDITIES
from streams.gb28181.message_log import Redactor, log_entry
from streams.gb28181.transactions import Flow
from streams.model import (
    Codec,
    Freshness,
    KeyFrame,
    MediaClock,
    Sample,
    StreamFacts,
    VisitOptions,
    VisitStage,
    WallClock,
)

SOCKET_NAME: Final = "gb28181.sock"
MAX_REQUEST: Final = 4096
MAX_ANSWER: Final = 64 << 20  # the key frames of a probe
ANSWER_WITHIN_S: Final = 700.0
Answer = dict[str, Any]


class ServiceAway(Failed):
    """No service answers at the socket."""


def answers(service: Gb28181Service, request: Mapping[str, Any]) -> AsyncGenerator[Answer, None]:
    """Carry out one request in the service's loop."""
    match request.get("do"):
        case "state":
            return _state(service)
        case "sync":
            return _sync(service, str(request.get("peer", "")))
        case "record":
            return _record(service, float(request.get("seconds", 60.0)))
        case "probe":
            return _probe(service, request)
        case other:
            return _error(f"cannot do {other!r}")


async def _error(text: str) -> AsyncGenerator[Answer, None]:
    yield {"error": text, "end": True}


async def _state(service: Gb28181Service) -> AsyncGenerator[Answer, None]:
    yield {**await service.state(), "end": True}


async def _sync(service: Gb28181Service, peer: str) -> AsyncGenerator[Answer, None]:
    if peer not in service.settings.peers:
        yield {"error": f"no peer {peer!r} in sources.yaml", "end": True}
        return
    try:
        catalog = (await service.sync(peer)).catalog
    except (StreamError, TimeoutError) as exc:
        yield {"error": str(exc) or "no answer in time", "end": True}
        return
    yield {
        "peer": peer,
        "channels": len(catalog.items),
        "expected": catalog.expected,
        "complete": catalog.complete,
        **{name: getattr(catalog, name) for name in ODDITIES},
        "end": True,
    }


async def _record(service: Gb28181Service, seconds: float) -> AsyncGenerator[Answer, None]:
    """Every message that comes and goes, redacted, for so long."""
    queue: asyncio.Queue[tuple[str, Flow, bytes, float]] = asyncio.Queue(10_000)
    endpoint, redactor = service.endpoint, Redactor()
    began_s = endpoint.now_s

    def tap(direction: str, flow: Flow, data: bytes) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # the log has a gap then
            queue.put_nowait((direction, flow, data, endpoint.now_s - began_s))

    endpoint.taps.append(tap)
    try:
        while (left_s := began_s + seconds - endpoint.now_s) > 0:
            try:
                async with asyncio.timeout(left_s):
                    direction, flow, data, at_s = await queue.get()
            except TimeoutError:
                break
            yield {"log": log_entry(redactor, direction, flow, data, at_s)}
    finally:
        endpoint.taps.remove(tap)
    yield {"end": True}


async def _probe(
    service: Gb28181Service, request: Mapping[str, Any]
) -> AsyncGenerator[Answer, None]:
    """The stages of one visit, then its sample or its error."""
    queue: asyncio.Queue[Answer] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    def on_stage(stage: VisitStage) -> None:
        at_s = round(loop.time() - began_s, 3)
        queue.put_nowait({"stage": stage.name, "seen": stage.seen, "at_s": at_s})

    options = VisitOptions(
        pictures=2, spacing_s=0.5, visit_timeout_s=float(request["timeout_s"]), on_stage=on_stage
    )
    visit = asyncio.create_task(_visit(service, str(request["address"]), options))
    visit.add_done_callback(lambda _done: queue.put_nowait({}))
    try:
        while answer := await queue.get():
            yield answer
        yield {**visit.result(), "at_s": round(loop.time() - began_s, 3), "end": True}
    finally:
        visit.cancel()


async def _visit(service: Gb28181Service, address: str, options: VisitOptions) -> Answer:
    try:
        sample = await service.capture(StreamAddress.parse(address), options)
    except StreamError as exc:
        status = exc.status if isinstance(exc, StreamBusy) else None
        return {"failure": exc.kind, "text": exc.seen, "reason": exc.reason, "status": status}
    return {"sample": sample_document(sample)}


def sample_document(sample: Sample) -> Answer:
    """A sample as JSON."""
    return {
        "facts": asdict(sample.facts),
        "freshness": sample.freshness,
        "key_frames": [
            {
                "codec": frame.codec,
                "data": base64.b64encode(frame.data).decode(),
                "taken_at": frame.taken_at.isoformat(),
                "media_time_s": frame.media_time_s,
                "sha256": frame.sha256,
            }
            for frame in sample.key_frames
        ],
    }


def read_sample(document: Mapping[str, Any]) -> Sample:
    """A sample out of JSON."""
    facts = dict(document["facts"])
    facts["wall_clock"] = WallClock(facts["wall_clock"])
    facts["media_clock"] = MediaClock(facts["media_clock"])
    frames = [
        KeyFrame(
            codec=Codec(frame["codec"]),
            data=base64.b64decode(frame["data"]),
            taken_at=datetime.fromisoformat(frame["taken_at"]),
            media_time_s=frame["media_time_s"],
            sha256=frame["sha256"],
        )
        for frame in document["key_frames"]
    ]
    return Sample(
        key_frames=tuple(frames),
        facts=StreamFacts(**facts),
        freshness=Freshness(document["freshness"]),
    )


def read_failure(answer: Mapping[str, Any]) -> StreamError:
    """The error that a probe ended with."""
    if answer["failure"] == StreamBusy.kind:
        return StreamBusy(answer["text"], status=answer["status"])
    kinds = {kind.kind: kind for kind in KINDS}
    return kinds.get(answer["failure"], Unreachable)(answer["text"], reason=answer["reason"])


# -- the socket ---------------------------------------------------------------------------------


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """The socket's path by way of the folder's descriptor: 107 characters are the limit."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


async def serve_control(service: Gb28181Service, folder: Path) -> asyncio.Server:
    """Answer requests at the socket in `folder`, in the running loop."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            async with contextlib.aclosing(answers(service, request)) as found:
                async for answer in found:
                    writer.write(json.dumps(answer).encode() + b"\n")
                    await writer.drain()
        except (ConnectionError, ValueError, KeyError, AttributeError):  # hung up, or no request
            pass
        finally:
            writer.close()

    return await asyncio.start_unix_server(handle, sock=_listening(folder), limit=MAX_REQUEST)


def _listening(folder: Path) -> socket.socket:
    """The socket, bound anew: one that an earlier run left behind is replaced."""
    make_folders(folder)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(folder) as path:
            Path(path).unlink(missing_ok=True)
            sock.bind(path)
            Path(path).chmod(0o600)
        sock.setblocking(False)  # noqa: FBT003  the socket's own signature
    except BaseException:
        sock.close()
        raise
    return sock


def ask_service(folder: Path, request: Mapping[str, Any]) -> Iterator[Answer]:
    """The answers of the running service. Raises ServiceAway where none runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(ANSWER_WITHIN_S)
        try:
            with _short_path(folder) as path:
                sock.connect(path)
        except OSError:
            raise ServiceAway("no service answers: `patrol run` is not up") from None
        sock.sendall(json.dumps(dict(request)).encode() + b"\n")
        lines = sock.makefile("rb")
        while line := lines.readline(MAX_ANSWER):
            answer: Answer = json.loads(line)
            ended = answer.pop("end", False)
            yield answer
            if ended:
                return
        raise ServiceAway("the service ended in the middle of its answer")
