"""The session description of a camera (RFC 4566), one video and one PCMA audio track."""

from base64 import b64encode
from collections.abc import Sequence

from simulators.farm.packets import AUDIO_TYPE, VIDEO_TYPE
from simulators.farm.payload import nal_type
from simulators.farm.vendors import Vendor
from simulators.scenes.catalogue import Format


def describe(
    vendor: Vendor, stream: Format, sets: Sequence[bytes], *, base: str, session: int
) -> str:
    """The SDP; `base` is the stream's URL, for makers that write control URLs out in full."""
    prefix = f"{base}/" if vendor.absolute_control else ""
    video = _video(vendor, stream, sets, f"{prefix}{vendor.video_control}")
    audio = _audio(f"{prefix}{vendor.audio_control}")
    media = [*audio, *video] if vendor.audio_first else [*video, *audio]
    lines = [
        "v=0",
        f"o=- {session} 1 IN IP4 127.0.0.1",
        "s=Media Presentation",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        f"a=control:{base if vendor.absolute_control else '*'}",
        "a=range:npt=now-",
        *media,
    ]
    return "\r\n".join(lines) + "\r\n"


def _video(vendor: Vendor, stream: Format, sets: Sequence[bytes], control: str) -> list[str]:
    name = "H264" if stream.codec == "h264" else "H265"
    parameters = _fmtp(stream.codec, sets, written=vendor.sets_in_sdp)
    return [
        f"m=video 0 RTP/AVP {VIDEO_TYPE}",
        f"b=AS:{stream.kbit_s}",
        f"a=rtpmap:{VIDEO_TYPE} {name}/90000",
        *([f"a=fmtp:{VIDEO_TYPE} {parameters}"] if parameters else []),
        f"a=framerate:{stream.frames_per_s}",
        f"a=control:{control}",
    ]


def _fmtp(codec: str, sets: Sequence[bytes], *, written: bool) -> str:
    texts = {nal_type(codec, unit): b64encode(unit).decode() for unit in sets}
    if codec == "h264":
        sps = next(unit for unit in sets if nal_type(codec, unit) == 7)  # noqa: PLR2004 SPS
        profile = f"packetization-mode=1;profile-level-id={sps[1:4].hex().upper()}"
        return f"{profile};sprop-parameter-sets={texts[7]},{texts[8]}" if written else profile
    if not written:
        return ""
    return f"sprop-vps={texts[32]};sprop-sps={texts[33]};sprop-pps={texts[34]}"


def _audio(control: str) -> list[str]:
    return [
        f"m=audio 0 RTP/AVP {AUDIO_TYPE}",
        "b=AS:64",
        f"a=rtpmap:{AUDIO_TYPE} PCMA/8000",
        f"a=control:{control}",
    ]
