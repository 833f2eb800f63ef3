"""The RTSP dialects of five camera makers.

None is wrong by RFC 2326; clients that were tried against one maker only fail with the others.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One maker's dialect."""

    server: str  # the Server header
    main: str  # path of the main stream, after the camera's own segment
    sub: str
    video_control: str
    audio_control: str
    absolute_control: bool = False  # control URLs in the SDP are whole URLs
    content_base: bool = True  # DESCRIBE says Content-Base; otherwise the request's URL counts
    sets_in_sdp: bool = True  # parameter sets in the SDP (sprop-…)
    sets_in_band: bool = True  # parameter sets before each key frame
    aggregate: bool = False  # small NAL units travel together (STAP-A, AP)
    own_channels: bool = False  # answers a request for channels 0-1 with others
    audio_first: bool = False  # the SDP describes audio before video
    rtp_info: bool = True  # PLAY says where the timeline stands


VENDORS: Final = (
    Vendor(
        server="HKSRV/4.1",
        main="Streaming/Channels/101",
        sub="Streaming/Channels/102",
        video_control="trackID=1",
        audio_control="trackID=2",
    ),
    Vendor(
        server="RTSP Server/3.0",
        main="cam/realmonitor?channel=1&subtype=0",
        sub="cam/realmonitor?channel=1&subtype=1",
        video_control="trackID=0",
        audio_control="trackID=1",
        aggregate=True,
    ),
    Vendor(
        server="TP-RTSP/1.0",
        main="stream1",
        sub="stream2",
        video_control="track1",
        audio_control="track2",
        content_base=False,
        sets_in_band=False,
        audio_first=True,
    ),
    Vendor(
        server="Onvif Media Server",
        main="live/main",
        sub="live/sub",
        video_control="video",
        audio_control="audio",
        absolute_control=True,
        sets_in_sdp=False,
        own_channels=True,
        rtp_info=False,
    ),
    Vendor(
        server="CT-Gateway/2.6",
        main="media/video1",
        sub="media/video2",
        video_control="streamid=0",
        audio_control="streamid=1",
        aggregate=True,
        sets_in_sdp=False,
    ),
)
