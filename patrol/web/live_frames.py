"""Frames of live views, kept in memory for a while, so that a person may file what was on screen.

A live view stores nothing. A person who files a finding from it names the frame by the hash that
stood in its head; only frames that this server sent to this very login session are known, so that
nobody can file a picture of their own making. The newest frames of a session are kept, for two
minutes.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from patrol.domain.ids import CameraId, Sha256

MAX_FRAMES: Final = 24  # of one session: some 24 s of a camera that sends one each second
KEPT_FOR: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFrame:
    """One frame as it was sent: masked, of which camera, when it was taken."""

    camera: CameraId
    jpeg: bytes = field(repr=False)
    taken_at: datetime
    sent_at: datetime


@dataclass
class LiveFrames:
    """The newest frames of every session; every method may be called from any thread."""

    _by_session: dict[str, OrderedDict[Sha256, SentFrame]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remember(self, session: str, frame: SentFrame) -> Sha256:
        """Keep a frame that is being sent; its hash."""
        digest = Sha256(sha256(frame.jpeg).hexdigest())
        with self._lock:
            self._forget_old(frame.sent_at)
            frames = self._by_session.setdefault(session, OrderedDict())
            frames[digest] = frame
            frames.move_to_end(digest)
            while len(frames) > MAX_FRAMES:
                frames.popitem(last=False)
        return digest

    def find(self, session: str, digest: str, now: datetime) -> SentFrame | None:
        """The frame that this session was sent; None: another's, too old, or never sent."""
        with self._lock:
            self._forget_old(now)
            return self._by_session.get(session, OrderedDict()).get(Sha256(digest))

    def forget_camera(self, camera: CameraId) -> None:
        """Drop every frame of a camera: its household withdrew."""
        with self._lock:
            for frames in self._by_session.values():
                for digest in [d for d, frame in frames.items() if frame.camera == camera]:
                    del frames[digest]

    def forget(self) -> None:
        """Drop every frame: a household's pictures were deleted."""
        with self._lock:
            self._by_session.clear()

    def forget_old(self, now: datetime) -> None:
        """Drop what is older than `KEPT_FOR`; called each second, also when nobody looks."""
        with self._lock:
            self._forget_old(now)

    def _forget_old(self, now: datetime) -> None:
        for session, frames in list(self._by_session.items()):
            for digest in [d for d, frame in frames.items() if now - frame.sent_at > KEPT_FOR]:
                del frames[digest]
            if not frames:
                del self._by_session[session]
