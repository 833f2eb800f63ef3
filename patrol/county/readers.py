"""Who may read the county's page and API: those with a key of `serve.keys_file`.

Programs send `Authorization: Bearer KEY`; browsers ask their user and send it as the password of
HTTP Basic (RFC 7617), under any name. Everything is read-only, so there is no session and no form.
Without a file of keys only this machine is served (settings.py sees to that).
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request

from patrol.county.settings import read_reader_keys

CHALLENGE: Final = 'Basic realm="patrol county", charset="UTF-8"'


class NoReaderKey(Exception):
    """The request has no key of a reader."""


class Readers:
    """Checks the key of a request; read anew from its file when that changed."""

    def __init__(self, keys_file: Path | None) -> None:
        self._file = keys_file
        self._read_at_ns = 0
        self._keys: Mapping[str, str] = {}

    def check(self, request: Request) -> None:
        """Raises NoReaderKey."""
        if self._file is None:
            return
        given = _key_of(request.headers.get("authorization", "")).encode()
        # Every key is compared, so that the time taken says nothing.
        if not sum(hmac.compare_digest(given, key.encode()) for key in self._current()):
            raise NoReaderKey

    def _current(self) -> Mapping[str, str]:
        """The keys by now; those known before where the file cannot be read or is half written."""
        assert self._file is not None  # noqa: S101  see check  # nosec B101
        try:
            changed_at_ns = self._file.stat().st_mtime_ns
            if changed_at_ns != self._read_at_ns:
                self._keys = read_reader_keys(self._file)
                self._read_at_ns = changed_at_ns
        except (OSError, ValueError):
            return self._keys
        return self._keys


def _key_of(header: str) -> str:
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            pair = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return pair.partition(":")[2]
    return ""
