"""Files encrypted to a recipient, in the age format (age-encryption.org/v1, X25519).

Writing one needs the public half alone (`age1…`); the identity `AGE-SECRET-KEY-…` that opens it
stays away from the machine. Any age program reads and makes these files and keys. Both ways work on
streams: the tar itself never lies on the disk in plain text.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from patrol.domain.errors import BadInput, Failed

if TYPE_CHECKING:
    from pyrage import x25519

AGE_HEADER: Final = b"age-encryption.org/v1"


class BadRecipient(BadInput, ValueError):
    """No recipient or identity of the age format, or none that opens the file."""


class EncryptionFailed(Failed):
    """The stream could not be encrypted to its end."""


def check_recipients(texts: Sequence[str]) -> None:
    """Raise BadRecipient unless each is an age recipient."""
    _recipients(texts)


@contextmanager
def encrypted_to(target: BinaryIO, texts: Sequence[str]) -> Iterator[BinaryIO]:
    """A file to write to; what is written arrives encrypted in `target`. Raises BadRecipient."""
    from pyrage import encrypt_io  # noqa: PLC0415  an optional extra

    recipients = _recipients(texts)
    reader, writer = _pipe()
    work = _Worker(lambda: encrypt_io(reader, target, recipients), reader)
    with work.checked(EncryptionFailed, "the backup could not be encrypted"), writer:
        yield writer


@contextmanager
def decrypted(source: BinaryIO, identity: Path) -> Iterator[BinaryIO]:
    """A file to read from: the plain text of `source`. Raises BadRecipient."""
    from pyrage import decrypt_io  # noqa: PLC0415  an optional extra

    identities = _identities(identity)
    reader, writer = _pipe()
    work = _Worker(lambda: decrypt_io(source, writer, identities), writer)
    with work.checked(BadRecipient, f"{identity}: does not open this file"), reader:
        yield reader


def is_encrypted(path: Path) -> bool:
    """Whether the file is in the age format. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(AGE_HEADER)) == AGE_HEADER


class _Worker:
    """Runs one end of a pipe on a thread; keeps what it raised."""

    def __init__(self, work: Callable[[], Any], end: BinaryIO) -> None:
        self._work, self._end = work, end
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="age", daemon=True)

    @contextmanager
    def checked(self, kind: type[Exception], text: str) -> Iterator[None]:
        """Start it; when the block is left, wait for its end.

        Raises `kind` where the work failed, whatever the block made of that; a reader that had
        enough is no failure.
        """
        self._thread.start()
        try:
            yield
        finally:
            self._thread.join()
            if self._error is not None and not isinstance(self._error, BrokenPipeError):
                raise kind(f"{text}: {self._error}") from None

    def _run(self) -> None:
        try:
            self._work()
        except Exception as exc:  # noqa: BLE001  whatever the library raises, for the caller
            self._error = exc
        finally:
            with suppress(OSError):
                self._end.close()


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    reader, writer = os.pipe()
    return os.fdopen(reader, "rb"), os.fdopen(writer, "wb")


def _recipients(texts: Sequence[str]) -> "list[x25519.Recipient]":
    try:
        from pyrage import RecipientError, x25519  # noqa: PLC0415  an optional extra
    except ImportError:
        raise BadRecipient(
            "encrypting a backup needs pyrage; pip install 'patrol[sealed-backup]'"
        ) from None
    found = []
    for text in texts:
        try:
            found.append(x25519.Recipient.from_str(text.strip()))
        except RecipientError:
            raise BadRecipient(f"{text[:20]!r} is no recipient; give age1…") from None
    return found


def _identities(path: Path) -> "list[x25519.Identity]":
    try:
        from pyrage import IdentityError, x25519  # noqa: PLC0415  an optional extra
    except ImportError:
        raise BadRecipient(
            "opening this backup needs pyrage; pip install 'patrol[sealed-backup]'"
        ) from None
    try:
        lines = path.read_text("utf-8").splitlines()
        texts = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        found = [x25519.Identity.from_str(text) for text in texts]
    except (OSError, UnicodeDecodeError, IdentityError):
        raise BadRecipient(f"{path}: holds no identity; it has a line AGE-SECRET-KEY-…") from None
    if not found:
        raise BadRecipient(f"{path}: holds no identity; it has a line AGE-SECRET-KEY-…")
    return found
