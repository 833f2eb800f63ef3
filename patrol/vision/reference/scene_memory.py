"""The scene memory of one camera in one light: samples, reference and tracks as versioned bytes.

A few accepted samples (small JPEGs), the reference made of them, what usually differs at this
camera, and the changes that are followed from visit to visit. About 100 kB. Bytes that cannot be
read are refused with MemoryUnreadable: the caller (camera_memory.py) starts learning anew.
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

from patrol.domain.camera import Polygon, area_hash
from patrol.domain.observation import Box, Light
from patrol.pixels import decode_jpeg
from patrol.vision.reference.small_picture import Float, Mask, SmallPicture

SCENE_MEMORY_MAGIC = b"PSCN"
SCENE_MEMORY_VERSION = 1
BASELINE_STEP = 1 / 32  # fixed point of the map of usual differences
SAMPLE_QUALITY = 72  # JPEG; about 10 kB each
REFERENCE_QUALITY = 90


class MemoryUnreadable(Exception):
    """These bytes are no scene memory of a version that we know."""


class SceneState(StrEnum):
    """Whether pictures may be compared with the reference."""

    LEARNING = auto()  # too few accepted samples
    READY = auto()
    SUSPENDED = auto()  # the camera moved: no scene findings until a person re-approves


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceModel:
    """What the scene looks like when nothing is wrong."""

    jpeg: bytes  # the median of the samples, kept as it was first encoded: no wear
    picture: SmallPicture  # the same, decoded
    baseline_differences: Float  # differences that are normal here: foliage, sky, the clock
    sky: Mask
    points: Float  # corner points to align by, N×2


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTrack:
    """One changed place, followed over visits."""

    box: Box
    first_seen: datetime
    last_seen: datetime
    visits: int = 1
    missed: int = 0  # visits in a row that did not show it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneMemory:
    """The samples, the reference and the tracks of one camera; frozen, every change is a copy."""

    light: Light
    size: tuple[int, int]  # working (width, height)
    state: SceneState = SceneState.LEARNING
    samples: tuple[bytes, ...] = ()  # JPEG, oldest first
    accepted: int = 0  # samples in all
    learned_at: datetime | None = None  # when the model was last made
    sampled_at: datetime | None = None  # when the last sample was accepted
    expires_at: datetime | None = None
    model: ReferenceModel | None = None
    why: str = ""  # why it is suspended
    area: str = ""  # mark of the visible area that it was made in; "": before there were marks
    tracks: tuple[RegionTrack, ...] = field(default=())

    def usable(self, at: datetime) -> bool:
        """Whether changes may be measured against it now."""
        return self.state is SceneState.READY and self.comparable(at)

    def comparable(self, at: datetime) -> bool:
        """Whether there is a reference to measure against, approved just now or not.

        One that waits for a person does not expire: the camera's move would be forgotten.
        """
        fresh = self.expires_at is None or at < self.expires_at
        return self.model is not None and (fresh or self.state is SceneState.SUSPENDED)

    def holds_for(self, visible: Polygon | None) -> bool:
        """Whether it was made in this visible area, as far as is known."""
        return self.area in {"", area_hash(visible)}

    def to_bytes(self) -> bytes:
        """Versioned bytes for the store."""
        parts: list[bytes] = list(self.samples)
        head: dict[str, Any] = {
            "light": self.light, "size": self.size, "state": self.state,
            "accepted": self.accepted, "learned_at": _iso_text(self.learned_at),
            "taught_at": _iso_text(self.sampled_at), "expires_at": _iso_text(self.expires_at),
            "why": self.why, "area": self.area, "samples": len(parts),
            "tracks": [_track_to_json(t) for t in self.tracks],
        }  # fmt: skip
        if self.model is not None:
            head["points"] = len(self.model.points)
            parts += _model_to_bytes(self.model)
        head["parts"] = [len(part) for part in parts]
        text = json.dumps(head, separators=(",", ":")).encode()
        return b"".join(
            [SCENE_MEMORY_MAGIC, struct.pack("<HI", SCENE_MEMORY_VERSION, len(text)), text, *parts]
        )

    @classmethod
    def from_bytes(cls, blob: bytes) -> "SceneMemory":
        """Read it back. Raises MemoryUnreadable."""
        try:
            return _read_scene_memory(blob)
        except (ValueError, KeyError, TypeError, struct.error, zlib.error, cv2.error) as exc:
            raise MemoryUnreadable(
                f"not a scene memory of version {SCENE_MEMORY_VERSION}: {exc}"
            ) from exc


def decode_sample(jpeg: bytes) -> SmallPicture:
    """A stored sample or reference. Raises ValueError: no JPEG."""
    bgr = decode_jpeg(jpeg)
    if bgr is None:
        raise ValueError("a stored sample is no JPEG")
    return SmallPicture(bgr)


def _iso_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _parse_iso(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _track_to_json(track: RegionTrack) -> dict[str, Any]:
    return {
        "box": [round(v, 4) for v in track.box], "first": _iso_text(track.first_seen),
        "last": _iso_text(track.last_seen), "visits": track.visits, "missed": track.missed,
    }  # fmt: skip


def _track_from_json(row: Mapping[str, Any]) -> RegionTrack:
    x, y, w, h = (float(v) for v in row["box"])
    first, last = _parse_iso(row["first"]), _parse_iso(row["last"])
    if first is None or last is None:
        raise ValueError("a track without its times")
    return RegionTrack(
        box=(x, y, w, h), first_seen=first, last_seen=last,
        visits=int(row["visits"]), missed=int(row["missed"]),
    )  # fmt: skip


def _model_to_bytes(model: ReferenceModel) -> list[bytes]:
    baseline = np.clip(np.nan_to_num(model.baseline_differences) / BASELINE_STEP, 0, 255).astype(
        np.uint8
    )
    return [
        model.jpeg,
        zlib.compress(baseline.tobytes(), 6),
        zlib.compress(np.packbits(model.sky).tobytes(), 6),
        model.points.astype("<f4").tobytes(),
    ]


def _array(data: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = size
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, width)


def _model_from_bytes(parts: list[bytes], size: tuple[int, int], points: int) -> ReferenceModel:
    picture = decode_sample(parts[0])
    width, height = size
    if picture.size != size:
        raise ValueError(f"the reference is {picture.size}, its memory says {size}")
    sky = np.unpackbits(np.frombuffer(zlib.decompress(parts[2]), np.uint8), count=width * height)
    point_values = np.frombuffer(parts[3], "<f4").astype(np.float32)
    if not np.isfinite(point_values).all():
        raise ValueError("corner points are not numbers")
    return ReferenceModel(
        jpeg=parts[0],
        picture=picture,
        baseline_differences=_array(parts[1], size).astype(np.float32) * BASELINE_STEP,
        sky=sky.reshape(height, width).astype(bool),
        points=point_values.reshape(points, 2),
    )


def _read_scene_memory(blob: bytes) -> SceneMemory:
    if blob[:4] != SCENE_MEMORY_MAGIC:
        raise ValueError("wrong magic")
    version, length = struct.unpack_from("<HI", blob, 4)
    if version != SCENE_MEMORY_VERSION:
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
        model = _model_from_bytes(parts[samples:], (width, height), int(head["points"]))
    return SceneMemory(
        light=Light(head["light"]), size=(width, height), state=SceneState(head["state"]),
        samples=tuple(parts[:samples]), accepted=int(head["accepted"]),
        learned_at=_parse_iso(head["learned_at"]), sampled_at=_parse_iso(head["taught_at"]),
        expires_at=_parse_iso(head["expires_at"]), model=model, why=str(head["why"]),
        area=str(head.get("area", "")),
        tracks=tuple(_track_from_json(row) for row in head["tracks"]),
    )  # fmt: skip
