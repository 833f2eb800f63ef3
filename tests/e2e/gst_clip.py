"""One clip over RTSP, by GStreamer's own server; run by the system's Python (gi).

/usr/bin/python3 gst_clip.py CLIP PORT     serves rtsp://127.0.0.1:PORT/clip, prints the port
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  after require_version

LINE = (
    "( filesrc location={clip} ! decodebin ! videoconvert ! videobalance brightness={brightness} "
    "! videoconvert ! videorate "
    "! video/x-raw,format=I420,framerate=10/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=1500 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


class ClipFactory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]  # gi has no types
    """The clip from its beginning for each viewer, each time a shade brighter.

    No real camera sends the same picture twice; a source that does proves nothing at a recheck.
    """

    clip = ""
    viewers = 0

    def do_create_element(self, _url: object) -> object:
        """Called by the server for each viewer."""
        self.viewers += 1
        line = LINE.format(clip=self.clip, brightness=0.004 * (self.viewers % 10))
        return Gst.parse_launch(line)


def main() -> None:
    """Serve until killed."""
    clip, port = sys.argv[1], sys.argv[2]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = ClipFactory()
    factory.clip = clip
    factory.set_shared(False)  # everybody sees it from its beginning
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)  # noqa: T201  the port is the answer
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
