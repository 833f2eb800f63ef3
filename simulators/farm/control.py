"""The control channel: JSON lines over loopback TCP, one request and one answer per line.

    {"do": "scene", "camera": ID, "scene": "clean" | NAME}   what it shows; a variant's bare name will do
    {"do": "fault", "camera": ID, "fault": NAME | "none"}
    {"do": "truth", "camera": ID}                            of one camera, or of all without it
    {"do": "stats"}
Answers: {"ok": true, …} or {"ok": false, "error": "…"}.
"""  # noqa: E501 a table reads better unbroken

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Self

Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
_MOST_BYTES: Final = 4096


class ControlError(Exception):
    """The farm could not do what was asked; the words say why."""


async def serve_control(host: str, port: int, handler: Handler) -> asyncio.Server:
    """Listen; `handler` raises ControlError for what it cannot do."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _answer(line, handler)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # hung up, or a line without end
            pass
        finally:
            writer.close()

    return await asyncio.start_server(talk, host, port, limit=_MOST_BYTES)


async def _answer(line: bytes, handler: Handler) -> dict[str, Any]:
    try:
        request = json.loads(line)
        if isinstance(request, dict):
            return {"ok": True, **await handler(request)}
    except (ControlError, ValueError) as error:
        return {"ok": False, "error": str(error)}
    return {"ok": False, "error": "a request is a JSON object"}


class FarmControl:
    """A blocking client, for simulated leaders and for tests."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout_s: float = 60.0) -> None:
        self._socket = socket.create_connection((host, port), timeout=timeout_s)
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def scene(self, camera: str, scene: str = "clean") -> None:
        """Let the camera show something else, from its next key frame on."""
        self._ask({"do": "scene", "camera": camera, "scene": scene})

    def fault(self, camera: str, fault: str = "none") -> None:
        """Break or mend it."""
        self._ask({"do": "fault", "camera": camera, "fault": fault})

    def truth(self, camera: str) -> dict[str, Any]:
        """What it shows just now."""
        truth: dict[str, Any] = self._ask({"do": "truth", "camera": camera})["truth"]
        return truth

    def all_truth(self) -> dict[str, dict[str, Any]]:
        """Of every camera, by id."""
        cameras: dict[str, dict[str, Any]] = self._ask({"do": "truth"})["cameras"]
        return cameras

    def stats(self) -> dict[str, Any]:
        """Connections, sessions, bytes: see farm.desk.Counts."""
        return self._ask({"do": "stats"})

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ControlError("the farm hung up")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise ControlError(answer["error"])
        return answer
