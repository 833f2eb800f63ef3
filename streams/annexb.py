"""Annex B byte streams (H.264, H.265): split, hash, complete with parameter sets."""

import hashlib
import re
from typing import Final

from streams.model import Codec
from streams.rtsp import h264, h265
from streams.rtsp.payload import START_CODE, Format, Role

_START: Final = re.compile(b"\x00{2,3}\x01")
FORMATS: Final[dict[Codec, Format]] = {Codec.H264: h264.FORMAT, Codec.H265: h265.FORMAT}


def split(data: bytes) -> list[bytes]:
    """The NAL units between the start codes."""
    return [nal for nal in (part.rstrip(b"\x00") for part in _START.split(data)[1:]) if nal]


def is_key_picture(nals: list[bytes], a_format: Format) -> bool:
    """Whether a picture begins here that needs no other."""
    slices = (n for n in nals if a_format.role(n) in {Role.KEY_SLICE, Role.OTHER_SLICE})
    first = next(slices, None)
    return (
        first is not None
        and a_format.role(first) is Role.KEY_SLICE
        and a_format.starts_picture(first)
    )


def slices_sha256(nals: list[bytes], a_format: Format) -> str:
    """Of the slice data alone, so that equal pictures are found without decoding."""
    digest = hashlib.sha256()
    for nal in nals:
        if a_format.role(nal) in {Role.KEY_SLICE, Role.OTHER_SLICE}:
            digest.update(nal)
    return digest.hexdigest()


def with_parameter_sets(nals: list[bytes], extradata: bytes, a_format: Format) -> bytes:
    """One Annex B picture; sets that it lacks are put in front, as far as `extradata` has them."""
    present = {a_format.parameter_kind(nal) for nal in nals}
    missing = [
        nal
        for nal in split(extradata)
        if a_format.role(nal) is Role.PARAMETERS and a_format.parameter_kind(nal) not in present
    ]
    return START_CODE + START_CODE.join([*missing, *nals])
