"""Decode a compressed key frame into a picture, on the calling thread.

Every thread keeps one decoder per codec and flushes it between two key frames, which come from
different cameras. Each decoder works on the calling thread alone: the callers are parallel.

A damaged picture is still returned, marked `corrupt`: libavcodec marks what it concealed in H.264;
of other codecs it says nothing, so there a first attempt stops at any error and a second conceals.
(H.265 has few illegal bits: damage in mid-picture may pass as a picture; see patrol.vision.) A
decoder that met damage is thrown away: it would conceal a little in the next picture as well.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, cast

import av
import av.error
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from streams.errors import PICTURE_TOO_LARGE, Unreadable
from streams.image_header import read_image_header
from streams.model import BgrImage, Codec, DecodedFrame, KeyFrame, Picture, YuvPlanes
from streams.picture_limits import DECODE_GATE, PictureTooLarge
from streams.rtsp.depacketizer import split_glued
from streams.rtsp.session import CODEC_FORMATS

_CONCEALING: Final = {"flags": "+output_corrupt", "flags2": "+showall"}
_STRICT: Final = {"err_detect": "explode"}
_PLANAR_420: Final = frozenset({"yuv420p", "yuvj420p"})  # what nearly every camera sends
_BT709: Final = 1  # ITU-T H.273 table 4
_MATRICES: Final = frozenset({_BT709, 2, 5, 6})  # ... not told, and the two names of BT.601

_thread = threading.local()


def decode(key_frame: KeyFrame) -> Picture:
    """The picture in BGR, width × height in pixels as coded. Raises Unreadable.

    Waits for the room that pictures of its size take (picture_limits.py); one beyond the limit is
    refused by its header, or by libavcodec where only the decoder finds the size.
    """
    with _within_limits(key_frame):
        return _decode(key_frame).picture()


def decode_frame(key_frame: KeyFrame) -> DecodedFrame:
    """The frame as the decoder left it, where that is 8-bit 4:2:0: no copy, no conversion.

    Waits and refuses as `decode` does. Raises Unreadable, also for what does not convert to BGR.
    """
    with _within_limits(key_frame):
        frame = _decode(key_frame)
        if frame.planes is not None:
            return frame
        bgr = frame.to_bgr()
        return replace(frame, to_bgr=lambda: bgr)


@contextmanager
def _within_limits(key_frame: KeyFrame) -> Iterator[None]:
    width_px, height_px = announced_size_px(key_frame) or (0, 0)
    try:
        with DECODE_GATE.decoding(width_px, height_px):
            yield
    except PictureTooLarge as exc:
        raise Unreadable(str(exc), reason=PICTURE_TOO_LARGE) from None


def announced_size_px(key_frame: KeyFrame) -> tuple[int, int] | None:
    """The largest size that its headers announce; None where they are not read here."""
    if key_frame.codec is Codec.MJPEG:
        header = read_image_header(key_frame.data)
        return (header.width_px, header.height_px) if header else None
    a_format = CODEC_FORMATS.get(key_frame.codec)
    if a_format is None:
        return key_frame.size_px
    sizes = (
        a_format.size_px(nal)
        for nal in split_glued(key_frame.data, zero_is_padding=False)
        if a_format.parameter_kind(nal) == a_format.size_kind
    )
    return max(filter(None, sizes), key=lambda size: size[0] * size[1], default=None)


def _decode(key_frame: KeyFrame) -> DecodedFrame:
    attempts = [_STRICT, _CONCEALING]
    if key_frame.codec is Codec.H264:
        attempts = [_CONCEALING]
    failed = False
    for options in attempts:
        frame = _first_frame(key_frame, options)
        if frame is not None:
            return DecodedFrame(
                planes=_planes(frame),
                to_bgr=partial(_to_bgr, frame),
                taken_at=key_frame.taken_at,
                media_time_s=key_frame.media_time_s,
                corrupt=failed or frame.is_corrupt,
            )
        failed = True
    size = len(key_frame.data)
    raise Unreadable(f"{size} bytes of {_libav_name(key_frame)} do not decode to a picture")


def _first_frame(key_frame: KeyFrame, options: Mapping[str, str]) -> VideoFrame | None:
    decoder = _decoder(key_frame, options)
    frames: list[VideoFrame] = []
    try:
        frames += decoder.decode(Packet(key_frame.data))
        frames += decoder.decode(None)
    except (av.error.FFmpegError, ValueError, MemoryError):
        frames = []
    if frames and not frames[0].is_corrupt:
        decoder.flush_buffers()
    else:
        _thread_decoders().clear()
    return frames[0] if frames else None


def _thread_decoders() -> dict[tuple[str, bool], VideoCodecContext]:
    """This thread's decoders."""
    decoders: dict[tuple[str, bool], VideoCodecContext] = _thread.__dict__.setdefault("kept", {})
    return decoders


def _to_bgr(frame: VideoFrame) -> BgrImage:
    try:
        picture = frame.to_ndarray(format="bgr24", threads=1)
    except (av.error.FFmpegError, ValueError, MemoryError) as exc:
        message = f"a {frame.width}×{frame.height} {frame.format.name} picture does not convert"
        raise Unreadable(message) from exc
    return cast("BgrImage", np.ascontiguousarray(picture))


def _planes(frame: VideoFrame) -> YuvPlanes | None:
    if frame.format.name not in _PLANAR_420 or frame.colorspace not in _MATRICES:
        return None
    luma, cb, cr = (_plane_view(plane) for plane in frame.planes)
    full_range = frame.format.name == "yuvj420p" or frame.color_range == ColorRange.JPEG
    return YuvPlanes(
        luma=luma, cb=cb, cr=cr, full_range=full_range, bt709=frame.colorspace == _BT709
    )


def _plane_view(plane: VideoPlane) -> NDArray[np.uint8]:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def _libav_name(key_frame: KeyFrame) -> str:
    return key_frame.codec_name if key_frame.codec is Codec.OTHER else key_frame.codec.value


def _decoder(key_frame: KeyFrame, options: Mapping[str, str]) -> VideoCodecContext:
    """This thread's decoder for these options; a new one where it depends on the key frame."""
    name = _libav_name(key_frame)
    if key_frame.codec is Codec.OTHER:
        return _make_decoder(name, options, key_frame)
    kept = _thread_decoders()
    key = (name, options is _STRICT)
    if key not in kept:
        kept[key] = _make_decoder(name, options, None)
    return kept[key]


def _make_decoder(
    name: str, options: Mapping[str, str], hints: KeyFrame | None
) -> VideoCodecContext:
    try:
        decoder = CodecContext.create(name, "r")
        if not isinstance(decoder, VideoCodecContext):
            raise Unreadable(f"{name} is no video")
        decoder.thread_count = 1
        decoder.options = {**options, "max_pixels": str(DECODE_GATE.max_px)}
        if hints is not None and hints.extradata:
            decoder.extradata = hints.extradata
        if hints is not None and hints.size_px is not None:
            decoder.width, decoder.height = hints.size_px
        decoder.open()
    except (av.error.FFmpegError, ValueError) as exc:
        raise Unreadable(f"no decoder for {name!r}") from exc
    return decoder
