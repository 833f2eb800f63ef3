"""The exchange: pictures and references between workers and the recorder, named by their content.

Never through the job queue. A directory, an fsspec store (s3://… and the like) or, from a worker,
the town's own console over HTTPS. Two folders: `references` (the service puts, workers read) and
`results` (workers put, the service reads and deletes). Every blob is sealed with the cluster's key
(AES-256-GCM, its name authenticated with it): a store that others run holds nothing that can be
looked at. `get` checks the hash of what arrived. A blob's name begins with its camera's tag, so
that all of a household is found without opening anything (exchange_pixels.py).
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum, auto
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from typing_extensions import override

from patrol.domain.errors import BadInput
from patrol.domain.ids import Sha256
from patrol.encryption import SiteKey
from patrol.encryption.site_key import SealBroken
from patrol.files import PRIVATE_MODE, make_folders, write_atomically
from patrol.ports import PictureStoreFull

PURPOSE: Final = "cluster exchange"
TOKEN_PURPOSE: Final = "cluster exchange token"  # noqa: S105  of a derived key
KEY_PURPOSE: Final = "cluster"  # the cluster's key is derived from the site's for this
CAMERA_PURPOSE: Final = "cluster exchange camera"
NAME: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
TAG_CHARACTERS: Final = 16  # 64 bits: no two cameras of a town have the same
MAX_BLOB_BYTES: Final = (
    16 * 1024 * 1024
)  # what the console takes; a picture of 32 megapixels is some 5 MB
HTTP_TIMEOUT_S: Final = 20.0  # of one try; a village's uplink carries a picture in a second
TRIES: Final = 3
_WEB: Final = ("http", "https")


class Folder(StrEnum):
    """Who put a blob there."""

    REFERENCES = auto()
    RESULTS = auto()


class BlobOwner(NamedTuple):
    """Whose a blob is: a camera's, in a visit of a round, or as its reference."""

    camera: str
    round: str = ""  # empty: of no visit


class ListedBlob(NamedTuple):
    """A blob as its store lists it."""

    folder: Folder
    name: str
    bytes: int
    written_at: datetime | None  # None: the store does not say


class ExchangeRefused(PictureStoreFull):
    """The exchange cannot be reached or takes nothing; the shard ends, and is tried again."""


class BlobMissing(KeyError):
    """There is no such blob, or it is not what its name says."""


class Exchange(ABC):
    """Sealed blobs by folder and name; subclasses move bytes."""

    def __init__(self, key: SiteKey, place: str) -> None:
        self._key = key
        self.place = place  # for logs; no secret in it

    def put(self, folder: Folder, plain: bytes, owner: BlobOwner | None = None) -> Sha256:
        """Seal and keep it; its hash. Raises ExchangeRefused.

        `owner`: None of what is no household's; the same bytes of two owners (a "no signal" slide)
        are two blobs, so that one can be deleted without the other.
        """
        sha256 = Sha256(hashlib.sha256(plain).hexdigest())
        name = self.blob_name(sha256, owner)
        sealed = self._key.seal(plain, purpose=PURPOSE, about=f"{folder}/{name}")
        self.write(folder, name, sealed)
        return sha256

    def get(self, folder: Folder, sha256: str, owner: BlobOwner | None = None) -> bytes:
        """The owner's blob of this hash, checked. Raises BlobMissing, ExchangeRefused."""
        name = self.blob_name(sha256, owner)
        about = f"{folder}/{name}"
        try:
            plain = self._key.open(self.read(folder, name), purpose=PURPOSE, about=about)
        except SealBroken as exc:
            raise BlobMissing(str(exc)) from None
        if hashlib.sha256(plain).hexdigest() != sha256:
            raise BlobMissing(f"{about}: its content is not what its name says")
        return plain

    def discard(
        self, folder: Folder, sha256s: Iterable[str], owner: BlobOwner | None = None
    ) -> None:
        """Delete the owner's blobs; what cannot be deleted now, a sweep takes later."""
        for sha256 in sha256s:
            with suppress(ExchangeRefused, BlobMissing):
                self.delete(folder, self.blob_name(sha256, owner))

    def camera_tag(self, camera: str) -> str:
        """What the names of a camera's blobs begin with; says nothing to who has not the key."""
        return self._key.mac(CAMERA_PURPOSE, camera.encode())[:TAG_CHARACTERS]

    def blob_name(self, sha256: str, owner: BlobOwner | None) -> str:
        """The name of an owner's blob, as long as a hash. Raises BlobMissing."""
        checked = checked_name(sha256)
        if owner is None:
            return checked
        text = f"{owner.round}|{owner.camera}|{checked}"
        rest = hashlib.sha256(text.encode()).hexdigest()[TAG_CHARACTERS:]
        return self.camera_tag(owner.camera) + rest

    def written_before(self, folder: Folder, before: datetime) -> Iterator[ListedBlob]:
        """Blobs older than that. Raises ExchangeRefused."""
        for blob in self.listed(folder):
            if blob.written_at is not None and blob.written_at < before:
                yield blob

    @abstractmethod
    def write(self, folder: Folder, name: str, sealed: bytes) -> None:
        """Keep sealed bytes under a name. Raises ExchangeRefused."""

    @abstractmethod
    def read(self, folder: Folder, name: str) -> bytes:
        """Sealed bytes. Raises BlobMissing, ExchangeRefused."""

    @abstractmethod
    def has(self, folder: Folder, name: str) -> bool:
        """Whether it is there. Raises ExchangeRefused."""

    @abstractmethod
    def delete(self, folder: Folder, name: str) -> None:
        """Remove it; nothing happens where there is none. Raises ExchangeRefused."""

    @abstractmethod
    def listed(self, folder: Folder) -> Iterator[ListedBlob]:
        """Every blob of a folder. Raises ExchangeRefused."""


class DirectoryExchange(Exchange):
    """A directory of this machine: what the console serves to workers, or a shared file system.

    Not flushed to the disk: a blob that a power cut takes is asked for again (round_execution.py).
    """

    def __init__(self, key: SiteKey, root: Path) -> None:
        super().__init__(key, str(root))
        self._root = root

    @override
    def write(self, folder: Folder, name: str, sealed: bytes) -> None:
        path = self._path(folder, name)
        try:
            make_folders(path.parent, mode=0o700)
            write_atomically(path, sealed, mode=PRIVATE_MODE, durable=False)
        except OSError as exc:
            raise ExchangeRefused(f"{path}: {exc.strerror or exc}") from exc

    @override
    def read(self, folder: Folder, name: str) -> bytes:
        try:
            return self._path(folder, name).read_bytes()
        except FileNotFoundError:
            raise BlobMissing(f"{folder}/{name}: is not in {self.place}") from None
        except OSError as exc:
            raise ExchangeRefused(f"{self.place}: {exc.strerror or exc}") from exc

    @override
    def has(self, folder: Folder, name: str) -> bool:
        return self._path(folder, name).is_file()

    @override
    def delete(self, folder: Folder, name: str) -> None:
        try:
            self._path(folder, name).unlink(missing_ok=True)
        except OSError as exc:
            raise ExchangeRefused(f"{self.place}: {exc.strerror or exc}") from exc

    @override
    def listed(self, folder: Folder) -> Iterator[ListedBlob]:
        for path in (self._root / folder).glob("[0-9a-f][0-9a-f]/*"):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise ExchangeRefused(f"{self.place}: {exc.strerror or exc}") from exc
            if NAME.fullmatch(path.name):
                written = datetime.fromtimestamp(found.st_mtime, UTC)
                yield ListedBlob(folder, path.name, found.st_size, written)

    def _path(self, folder: Folder, name: str) -> Path:
        return self._root / folder / checked_name(name)[:2] / name


class FsspecExchange(Exchange):
    """An object store through fsspec; credentials come from its own environment or files."""

    def __init__(self, key: SiteKey, url: str) -> None:
        super().__init__(key, url)
        self._files, self._root = _fsspec_files(url)

    @override
    def write(self, folder: Folder, name: str, sealed: bytes) -> None:
        path = self._path(folder, name)
        try:
            with _as_refusal(self.place):
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(path, sealed)
        except FileNotFoundError as exc:  # so stores say that there is no such bucket
            raise ExchangeRefused(f"{self.place}: {exc.strerror or exc}") from exc

    @override
    def read(self, folder: Folder, name: str) -> bytes:
        try:
            with _as_refusal(self.place):
                return bytes(self._files.cat_file(self._path(folder, name)))
        except FileNotFoundError:
            raise BlobMissing(f"{folder}/{name}: is not in {self.place}") from None

    @override
    def has(self, folder: Folder, name: str) -> bool:
        with _as_refusal(self.place):
            return bool(self._files.exists(self._path(folder, name)))

    @override
    def delete(self, folder: Folder, name: str) -> None:
        try:
            with _as_refusal(self.place):
                self._files.rm_file(self._path(folder, name))
        except FileNotFoundError:
            return

    @override
    def listed(self, folder: Folder) -> Iterator[ListedBlob]:
        try:
            with _as_refusal(self.place):
                found = self._files.find(f"{self._root}/{folder}", detail=True)
        except FileNotFoundError:
            return
        for path, about in found.items():
            name = path.rpartition("/")[2]
            if NAME.fullmatch(name):
                yield ListedBlob(folder, name, int(about.get("size") or 0), _written_at(about))

    def _path(self, folder: Folder, name: str) -> str:
        return f"{self._root}/{folder}/{checked_name(name)[:2]}/{name}"


class HttpsExchange(Exchange):
    """The town's console, as a worker reaches it: puts results, reads references, no more."""

    def __init__(self, key: SiteKey, url: str, *, ca_file: Path | None = None) -> None:
        import httpx  # noqa: PLC0415  0.1 s that a site without workers saves

        super().__init__(key, url)
        self._failures = (httpx.HTTPError,)
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {exchange_token(key)}"},
            timeout=HTTP_TIMEOUT_S,
            verify=_tls_context(ca_file),
            trust_env=False,
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    @override
    def write(self, folder: Folder, name: str, sealed: bytes) -> None:
        status = self._ask("PUT", folder, name, sealed)[0]
        if status not in (200, 201, 204):
            raise ExchangeRefused(f"{self.place}: refuses pictures (HTTP {status})")

    @override
    def read(self, folder: Folder, name: str) -> bytes:
        status, content = self._ask("GET", folder, name)
        if status == 404:  # noqa: PLR2004  RFC 9110 §15.5.5
            raise BlobMissing(f"{folder}/{name}: is not at {self.place}")
        if status != 200:  # noqa: PLR2004  RFC 9110 §15.3.1
            raise ExchangeRefused(f"{self.place}: refuses references (HTTP {status})")
        return content

    @override
    def has(self, folder: Folder, name: str) -> bool:
        return self._ask("HEAD", folder, name)[0] == 200  # noqa: PLR2004  RFC 9110 §15.3.1

    @override
    def delete(self, folder: Folder, name: str) -> None:
        raise ExchangeRefused(f"{self.place}: a worker deletes nothing")

    @override
    def listed(self, folder: Folder) -> Iterator[ListedBlob]:
        raise ExchangeRefused(f"{self.place}: a worker lists nothing of {folder}")

    def _ask(
        self, method: str, folder: Folder, name: str, content: bytes | None = None
    ) -> tuple[int, bytes]:
        """Status and content; a connection that breaks is tried again. Raises ExchangeRefused."""
        path, left = f"/exchange/{folder}/{checked_name(name)}", TRIES
        while True:
            left -= 1
            try:
                response = self._client.request(method, path, content=content)
            except self._failures as exc:
                if left:
                    continue
                why = f"{type(exc).__name__}: {exc}"
                raise ExchangeRefused(f"{self.place}: cannot be reached: {why}") from exc
            return response.status_code, response.content


def open_exchange(url: str, key: SiteKey, own: Path, *, ca_file: Path | None = None) -> Exchange:
    """The exchange that `cluster.pictures` names; `own`: the directory where it names none.

    Raises BadInput where a library for the address is missing.
    """
    scheme = urlsplit(url).scheme
    if not url:
        return DirectoryExchange(key, own)
    if scheme in _WEB:
        return HttpsExchange(key, url, ca_file=ca_file)
    return FsspecExchange(key, url)


def exchange_token(key: SiteKey) -> str:
    """The bearer token of this cluster's workers, derived from its key."""
    return key.mac(TOKEN_PURPOSE, b"worker")


def cluster_key(site_key: SiteKey) -> SiteKey:
    """The cluster's key: derived from the site's, so that a standby has the same."""
    return SiteKey(site_key.derive(KEY_PURPOSE), f"{site_key.place} (cluster)")


def visit_owner(round_id: str, camera: str) -> BlobOwner:
    """The owner of what one visit of a round put."""
    return BlobOwner(camera, round_id)


def checked_name(name: str) -> str:
    """The name, if it is one: no other ever becomes a path. Raises BlobMissing."""
    if not NAME.fullmatch(name):
        raise BlobMissing(f"{name!r} names no blob")
    return name


def _tls_context(ca_file: Path | None) -> Any:
    import ssl  # noqa: PLC0415  see HttpsExchange

    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _fsspec_files(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415  of the extra `cluster`

        files, root = url_to_fs(url)
    except (ImportError, ValueError) as exc:
        raise BadInput(f"cluster.pictures: {url}: {exc}; pip install 'patrol[cluster]'") from None
    return files, str(root).rstrip("/")


@contextmanager
def _as_refusal(place: str) -> Iterator[None]:
    """Whatever an fsspec store raises is a refusal, but that a file is not there."""
    try:
        yield
    except (FileNotFoundError, BlobMissing):
        raise
    except Exception as exc:
        raise ExchangeRefused(f"{place}: {type(exc).__name__}: {exc}") from exc


def _written_at(about: Any) -> datetime | None:
    """When fsspec says that a file was written; stores differ in how they say it."""
    for key in ("LastModified", "mtime", "created", "last_modified"):
        value = about.get(key)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
    return None
