"""What is remembered of one camera's scene in one light, as plain bytes with a version.

A few accepted samples (small JPEGs), the reference made of them, what usually differs at this
camera, and the changes that are being followed from visit to visit. About 100 kB. Bytes that
cannot be read are refused with MemoryUnreadable: the caller starts learning anew.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum, auto
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box, Light
from patrol.domain.zone import Polygon, area_mark
from patrol.vision.reference.working import Float, Mask, Working
from streams.model import BgrImage

MAGIC = b"PSCN"
VERSION = 1
USUAL_STEP = 1 / 32  # fixed point of the map of usual differences
SAMPLE_QUALITY = 72  # JPEG; about 10 kB each
REFERENCE_QUALITY = 90


class MemoryUnreadable(Exception):
    """These bytes are no scene memory of a version that we know."""


class SceneState(StrEnum):
    """Whether the reference may be believed."""

    LEARNING = auto()  # too few accepted samples
    READY = auto()
    SUSPENDED = auto()  # the camera moved: no scene findings until a person re-approves


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """What the scene looks like when nothing is wrong."""

    jpeg: bytes  # the median of the samples, kept as it was first encoded: no wear
    picture: Working  # the same, decoded
    usual: Float  # differences that are normal here: foliage, sky, the clock
    sky: Mask
    points: Float  # corner points to align by, N×2


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One changed place, followed over visits."""

    box: Box
    first_seen: datetime
    last_seen: datetime
    visits: int = 1
    missed: int = 0  # visits in a row that did not show it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneMemory:
    """Frozen; every change is a new one."""

    light: Light
    size: tuple[int, int]  # working (width, height)
    state: SceneState = SceneState.LEARNING
    samples: tuple[bytes, ...] = ()  # JPEG, oldest first
    accepted: int = 0  # samples in all
    learned_at: datetime | None = None  # when the model was last made
    taught_at: datetime | None = None  # when the last sample was accepted
    expires_at: datetime | None = None
    model: Model | None = None
    why: str = ""  # why it is suspended
    area: str = ""  # mark of the visible area that it was made in; "": before there were marks
    tracks: tuple[Track, ...] = field(default=())

    def usable(self, at: datetime) -> bool:
        """Whether changes may be measured against it now."""
        return self.state is SceneState.READY and self.comparable(at)

    def comparable(self, at: datetime) -> bool:
        """Whether there is a reference that has not expired, approved just now or not."""
        fresh = self.expires_at is None or at < self.expires_at
        return self.model is not None and fresh

    def holds_for(self, visible: Polygon | None) -> bool:
        """Whether it was made in this visible area, as far as is known."""
        return self.area in {"", area_mark(visible)}

    def to_bytes(self) -> bytes:
        """Versioned bytes for the store."""
        parts: list[bytes] = list(self.samples)
        head: dict[str, Any] = {
            "light": self.light, "size": self.size, "state": self.state,
            "accepted": self.accepted, "learned_at": _said(self.learned_at),
            "taught_at": _said(self.taught_at), "expires_at": _said(self.expires_at),
            "why": self.why, "area": self.area, "samples": len(parts),
            "tracks": [_track_out(t) for t in self.tracks],
        }  # fmt: skip
        if self.model is not None:
            head["points"] = len(self.model.points)
            parts += _model_out(self.model)
        head["parts"] = [len(part) for part in parts]
        text = json.dumps(head, separators=(",", ":")).encode()
        return b"".join([MAGIC, struct.pack("<HI", VERSION, len(text)), text, *parts])

    @classmethod
    def from_bytes(cls, blob: bytes) -> "SceneMemory":
        """Read it back. Raises MemoryUnreadable."""
        try:
            return _read(blob)
        except (ValueError, KeyError, TypeError, struct.error, zlib.error, cv2.error) as exc:
            raise MemoryUnreadable(f"not a scene memory of version {VERSION}: {exc}") from exc


def encode(bgr: BgrImage, quality: int) -> bytes:
    """JPEG bytes."""
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError("the picture could not be encoded")
    return data.tobytes()


def decode(jpeg: bytes) -> Working:
    """A stored sample."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("a stored sample is no JPEG")
    return Working(bgr.astype(np.uint8, copy=False))


def _said(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _heard(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _track_out(track: Track) -> dict[str, Any]:
    return {
        "box": [round(v, 4) for v in track.box], "first": _said(track.first_seen),
        "last": _said(track.last_seen), "visits": track.visits, "missed": track.missed,
    }  # fmt: skip


def _track_in(row: Mapping[str, Any]) -> Track:
    x, y, w, h = (float(v) for v in row["box"])
    first, last = _heard(row["first"]), _heard(row["last"])
    if first is None or last is None:
        raise ValueError("a track without its times")
    return Track(
        box=(x, y, w, h), first_seen=first, last_seen=last,
        visits=int(row["visits"]), missed=int(row["missed"]),
    )  # fmt: skip


def _model_out(model: Model) -> list[bytes]:
    usual = np.clip(np.nan_to_num(model.usual) / USUAL_STEP, 0, 255).astype(np.uint8)
    return [
        model.jpeg,
        zlib.compress(usual.tobytes(), 6),
        zlib.compress(np.packbits(model.sky).tobytes(), 6),
        model.points.astype("<f4").tobytes(),
    ]


def _array(data: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = size
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, width)


def _model_in(parts: list[bytes], size: tuple[int, int], points: int) -> Model:
    picture = decode(parts[0])
    width, height = size
    if picture.size != size:
        raise ValueError(f"the reference is {picture.size}, its memory says {size}")
    sky = np.unpackbits(np.frombuffer(zlib.decompress(parts[2]), np.uint8), count=width * height)
    places = np.frombuffer(parts[3], "<f4").astype(np.float32)
    if not np.isfinite(places).all():
        raise ValueError("corner points are not numbers")
    return Model(
        jpeg=parts[0],
        picture=picture,
        usual=_array(parts[1], size).astype(np.float32) * USUAL_STEP,
        sky=sky.reshape(height, width).astype(bool),
        points=places.reshape(points, 2),
    )


def _read(blob: bytes) -> SceneMemory:
    if blob[:4] != MAGIC:
        raise ValueError("wrong magic")
    version, length = struct.unpack_from("<HI", blob, 4)
    if version != VERSION:
        raise ValueError(f"version {version}")
    start = 10 + length
    head = json.loads(blob[10:start])
    parts: list[bytes] = []
    for size in head["parts"]:
        parts.append(blob[start : start + size])
        start += size
    if start != len(blob):
        raise ValueError(f"{len(blob)} bytes where {start} were announced")
    width, height = (int(v) for v in head["size"])
    samples = int(head["samples"])
    model = None
    if len(parts) > samples:
        model = _model_in(parts[samples:], (width, height), int(head["points"]))
    return SceneMemory(
        light=Light(head["light"]), size=(width, height), state=SceneState(head["state"]),
        samples=tuple(parts[:samples]), accepted=int(head["accepted"]),
        learned_at=_heard(head["learned_at"]), taught_at=_heard(head["taught_at"]),
        expires_at=_heard(head["expires_at"]), model=model, why=str(head["why"]),
        area=str(head.get("area", "")),
        tracks=tuple(_track_in(row) for row in head["tracks"]),
    )  # fmt: skip
