"""Pictures in Annex B: split into NAL units, key pictures known, missing parameter sets added.

Pure. Used for what comes out of libavformat (libav.py) and of MPEG streams (mpeg/).
"""

from hashlib import sha256
from typing import Final

from streams.rtsp.depacketizer import START_CODE, CodecFormat, NalRole

_START: Final = b"\x00\x00\x01"


def split_nals(data: bytes) -> list[bytes]:
    """The NAL units between the start codes."""
    return [nal for nal in (piece.rstrip(b"\x00") for piece in data.split(_START)[1:]) if nal]


def is_key_picture(nals: list[bytes], a_format: CodecFormat) -> bool:
    """Whether the NAL units begin a picture that can be decoded by itself."""
    slices = (n for n in nals if a_format.role(n) in {NalRole.KEY_SLICE, NalRole.OTHER_SLICE})
    first = next(slices, None)
    return (
        first is not None
        and a_format.role(first) is NalRole.KEY_SLICE
        and a_format.starts_picture(first)
    )


def slices_sha256(nals: list[bytes], a_format: CodecFormat) -> str:
    """SHA-256 of the slices alone, so that equal pictures are found without decoding."""
    digest = sha256()
    for nal in nals:
        if a_format.role(nal) in {NalRole.KEY_SLICE, NalRole.OTHER_SLICE}:
            digest.update(nal)
    return digest.hexdigest()


def with_parameter_sets(nals: list[bytes], extradata: bytes, a_format: CodecFormat) -> bytes:
    """One Annex B picture; parameter sets that it lacks are taken from `extradata`, in front."""
    present = {a_format.parameter_kind(nal) for nal in nals}
    missing = [
        nal
        for nal in split_nals(extradata)
        if a_format.role(nal) is NalRole.PARAMETERS and a_format.parameter_kind(nal) not in present
    ]
    return START_CODE + START_CODE.join([*missing, *nals])
