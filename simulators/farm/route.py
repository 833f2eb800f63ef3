"""From a request's URL to the camera, the stream and the track that it means. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from simulators.farm.camera import FarmCamera
from simulators.farm.vendors import Vendor


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a URL leads."""

    camera: FarmCamera
    sub: bool | None  # None: the URL does not say
    track: str | None  # "video" or "audio"; None: the whole presentation


def find_route(url: str, cameras: Mapping[str, FarmCamera]) -> Route | None:
    """None when there is no such camera; a path that it lacks leads to no stream and no track."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    ident, _, rest = parts.path.lstrip("/").partition("/")
    camera = cameras.get(ident)
    if camera is None:
        return None
    path = f"{rest}?{parts.query}" if parts.query else rest
    path = path.rstrip("/")
    vendor = camera.vendor
    return Route(camera=camera, sub=_stream(vendor, path), track=_track(vendor, path))


def _track(vendor: Vendor, path: str) -> str | None:
    last = path.rpartition("/")[2]
    controls = {vendor.video_control: "video", vendor.audio_control: "audio"}
    return controls.get(last)


def _stream(vendor: Vendor, path: str) -> bool | None:
    for sub, start in ((False, vendor.main), (True, vendor.sub)):
        if path == start or path.startswith(f"{start}/"):
            return sub
    return None
