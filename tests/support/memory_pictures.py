"""A picture store in memory for tests; passes the contract tests of FilePictureStore."""

import hashlib
from datetime import datetime
from threading import Lock

from patrol.domain.ids import Sha256
from patrol.ports import PictureStoreFull


class MemoryPictureStore:
    """A `patrol.ports.PictureStore`; `capacity_bytes` makes it full."""

    def __init__(self, capacity_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self._pictures: dict[Sha256, bytes] = {}
        self._lock = Lock()

    def put(self, jpeg: bytes, *, until: datetime | None = None) -> Sha256:
        """Keep the picture under its hash; encrypts nothing. Raises PictureStoreFull."""
        del until
        sha256 = Sha256(hashlib.sha256(jpeg).hexdigest())
        with self._lock:
            if sha256 not in self._pictures:
                used = sum(map(len, self._pictures.values()))
                if self.capacity_bytes is not None and used + len(jpeg) > self.capacity_bytes:
                    raise PictureStoreFull(f"memory: {self.capacity_bytes} bytes are all there are")
                self._pictures[sha256] = bytes(jpeg)
        return sha256

    def get(self, sha256: Sha256) -> bytes:
        """The picture's bytes. Raises KeyError."""
        with self._lock:
            return self._pictures[sha256]

    def delete(self, sha256: Sha256) -> bool:
        """Remove the picture; False when there was none."""
        with self._lock:
            return self._pictures.pop(sha256, None) is not None

    def __len__(self) -> int:
        return len(self._pictures)
