"""Good media and descriptions for the cameras of test_control_*.py, H.264 and H.265."""

from functools import cache

from tests.streams.conftest import Clip, Sender, encode, sdp_of
from tests.zoo.control_camera import ControlCamera

CODECS = ("H264", "H265")


@cache
def clip(codec: str) -> Clip:
    return encode("libx264" if codec == "H264" else "libx265")


@cache
def key_frames(codec: str, count: int = 40) -> tuple[bytes, ...]:
    """Interleaved packets, one key picture each; the sets are in the description alone."""
    sender = Sender(h265=codec == "H265")
    return tuple(sender.framed(sender.picture(clip(codec).key)) for _ in range(count))


def description(codec: str, control: str = "trackID=1", session_control: str = "*") -> str:
    text = sdp_of(clip(codec), h265=codec == "H265", control=control)
    if not session_control:
        return text.replace("a=control:*\r\n", "")
    return text.replace("a=control:*", f"a=control:{session_control}")


def control_camera(
    codec: str, control: str = "trackID=1", session_control: str = "*"
) -> ControlCamera:
    """A camera with good manners; the test gives it its bad ones."""
    return ControlCamera(sdp=description(codec, control, session_control), media=key_frames(codec))
