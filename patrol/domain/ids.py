"""Identifiers with their shapes. Sources: GB/T 28181 (device code), the town's grid code book.

Plain strings at run time, different types for the checker. The `*_problem` functions answer with
a reason, or None when the text is well formed.
"""

import re
from typing import NewType

CameraId = NewType(
    "CameraId", str
)  # 20 digits: division 8 + industry 2 + type 3 + net 1 + serial 6
GridCode = NewType("GridCode", str)  # 15 digits: village code 12 + group 3
PersonId = NewType("PersonId", str)
LinkId = NewType("LinkId", str)  # a network link that cameras share: a village uplink, an NVR
ServerId = NewType("ServerId", str)  # 16 hex digits for the host and port of a stream server
RoundId = NewType("RoundId", str)  # 20261122-morning-1
FindingId = NewType("FindingId", str)  # F000123
CaseId = NewType("CaseId", str)  # C20261122-0007
MessageKey = NewType("MessageKey", str)  # idempotency key of a message on the wire
Sha256 = NewType("Sha256", str)  # 64 lower-case hex digits
PictureId = NewType("PictureId", str)  # one picture of one look (domain/round.py); as Sha256 looks

_CAMERA = re.compile(r"[0-9]{20}", re.ASCII)
_GRID = re.compile(r"[0-9]{15}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


def camera_id_problem(text: str) -> str | None:
    """Why `text` is no camera id."""
    if _CAMERA.fullmatch(text):
        return None
    return f"{text!r} is not a GB/T 28181 device code, give 20 digits"


def grid_code_problem(text: str) -> str | None:
    """Why `text` is no grid code."""
    if _GRID.fullmatch(text):
        return None
    return f"{text!r} is not a grid code, give 15 digits"


def plain_id_problem(text: str) -> str | None:
    """Why `text` cannot name a person, a link or a site (it becomes part of MQTT topics)."""
    if _PLAIN.fullmatch(text):
        return None
    return f"{text!r} is not an identifier, use 1 to 64 letters, digits, '_', '.', '-'"
