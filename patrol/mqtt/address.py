"""The broker's address and our credentials for it; a password never prints."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from typing_extensions import override

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class Protocol(StrEnum):
    """The MQTT version to speak; AUTO tries 5 first and falls back to 3.1.1."""

    AUTO = "auto"
    V311 = "3.1.1"
    V5 = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """A broker, as site.yaml names it."""

    host: str
    port: int
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None  # None with TLS: the system's own certificates
    protocol: Protocol = Protocol.AUTO

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        username: str = "",
        password_file: Path | None = None,
        ca_file: Path | None = None,
        protocol: Protocol = Protocol.AUTO,
    ) -> Self:
        """Read `mqtt://host[:port]` or `mqtts://…`. Raises ValueError (bad URL), OSError (file).

        The errors never quote a password. What `username` and `password_file` say goes before
        what the URL says.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("not a URL: the host or the port cannot be read") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("give mqtt://host[:port] or mqtts://host[:port]")
        if ca_file is not None and not ca_file.is_file():
            raise FileNotFoundError(2, "no such file", str(ca_file))
        password = unquote(parts.password or "")
        if password_file is not None:
            password = password_file.read_text("utf-8").strip("\r\n")
        return cls(
            host=parts.hostname,
            port=PORTS[parts.scheme] if port is None else port,
            tls=parts.scheme == "mqtts",
            username=username or unquote(parts.username or ""),
            password=password,
            ca_file=ca_file,
            protocol=protocol,
        )

    def tls_context(self) -> ssl.SSLContext | None:
        """What to check the broker's certificate with; None without TLS."""
        if not self.tls:
            return None
        return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)

    @override
    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"
