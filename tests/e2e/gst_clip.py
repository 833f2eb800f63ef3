"""One clip over RTSP, by GStreamer's own server; run by the system's Python (gi).

/usr/bin/python3 gst_clip.py CLIP PORT     serves rtsp://127.0.0.1:PORT/clip, prints the port
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  after require_version

LINE = (
    "( filesrc location={clip} ! decodebin ! videoconvert ! videorate "
    "! video/x-raw,format=I420,framerate=10/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=1500 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def main() -> None:
    """Serve until killed."""
    clip, port = sys.argv[1], sys.argv[2]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LINE.format(clip=clip))
    factory.set_shared(False)  # everybody sees it from its beginning
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)  # noqa: T201  the port is the answer
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
