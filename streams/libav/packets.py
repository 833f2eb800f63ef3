"""libav's packets of one stream, turned into pictures as KeyFrame wants them; and its errors."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import av.error
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streams import annexb
from streams.model import Codec

_TO_ANNEX_B: Final = {Codec.H264: "h264_mp4toannexb", Codec.H265: "hevc_mp4toannexb"}


class Gone(Exception):
    """libav gave up. Its own exception is not kept as the cause: it may quote the password."""

    def __init__(self, code: type[Exception], words: str) -> None:
        super().__init__(words)
        self.code = code


class Shape:
    """Turns libav's packets of one stream into pictures as KeyFrame wants them."""

    def __init__(self, codec: Codec, stream: VideoStream) -> None:
        self.extradata = stream.codec_context.extradata or b""
        self._format = annexb.FORMATS.get(codec)
        self._filter: BitStreamFilterContext | None = None
        # ISO 14496-15 records (MP4, FLV) begin with version 1; Annex B begins with zeros.
        if self._format is not None and self.extradata[:1] == b"\x01":
            self._filter = BitStreamFilterContext(_TO_ANNEX_B[codec], stream)

    def picture(self, packets: "list[Packet[VideoStream]]") -> tuple[bytes, str] | None:
        """(data, sha256 of the slices); None when its beginning is missing."""
        a_format = self._format
        if a_format is None:
            data = b"".join(map(bytes, packets))
            return data, sha256(data).hexdigest()
        if self._filter is not None:
            packets = [part for packet in packets for part in self._filter.filter(packet)]
        nals = [nal for packet in packets for nal in annexb.split(bytes(packet))]
        if not annexb.is_key_picture(nals, a_format):
            return None
        data = annexb.with_parameter_sets(nals, self.extradata, a_format)
        return data, annexb.slices_sha256(nals, a_format)

    def size_px(self, data: bytes) -> tuple[int, int] | None:
        """Width and height, from the sequence parameter set."""
        if self._format is None:
            return None
        kind, a_format = self._format.size_kind, self._format
        sets = (nal for nal in annexb.split(data) if a_format.parameter_kind(nal) == kind)
        return next((a_format.size_px(nal) for nal in sets), None)


def packets_of(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """Until the stream ends. Raises Gone."""
    demuxed = container.demux(stream)
    gone: Gone | None = None
    while gone is None:
        try:
            packet = next(demuxed)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            gone = as_gone(exc)
        else:
            if packet.size:
                yield packet
    raise gone


def as_gone(exc: Exception) -> Gone:
    """The code of an error in words; never its own words, which quote the URL."""
    if isinstance(exc, av.error.ExitError):
        return Gone(type(exc), "no answer in time")
    words = getattr(exc, "strerror", None) or type(exc).__name__
    return Gone(type(exc), str(words).lower())
