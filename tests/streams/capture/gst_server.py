"""GStreamer's RTSP server as a camera that is not ours; run by the system's Python (gi).

Prints its port when it serves. Mounts: /h264, /h265, /av (with an audio track), /jpeg, /lone (no
audio, one slice per packet group), /vtest (a file given by --file). Options choose the login and
the transports for all of them.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  after require_version

VIDEO = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1"
X264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=8 bitrate=300"
X265 = "x265enc speed-preset=ultrafast tune=zerolatency key-int-max=8 bitrate=300 log-level=none"
AUDIO = "audiotestsrc is-live=true ! audio/x-raw,rate=8000 ! alawenc ! rtppcmapay name=pay1 pt=8"


def mounts(file: str) -> dict[str, str]:
    """The launch line of each path."""
    lines = {
        "/h264": f"{VIDEO} ! {X264} ! rtph264pay name=pay0 pt=96 config-interval=-1",
        "/no-sdp-sets": f"{VIDEO} ! {X264} ! rtph264pay name=pay0 pt=96 config-interval=-1",
        "/sdp-sets-only": f"{VIDEO} ! {X264} ! rtph264pay name=pay0 pt=96 config-interval=0",
        "/stap": f"{VIDEO} ! {X264} ! rtph264pay name=pay0 pt=96 aggregate-mode=max-stap",
        "/small": f"{VIDEO} ! {X264} sliced-threads=true ! rtph264pay name=pay0 pt=96 mtu=200",
        "/h265": f"{VIDEO} ! {X265} ! rtph265pay name=pay0 pt=96 config-interval=-1",
        "/h265-ap": f"{VIDEO} ! {X265} ! rtph265pay name=pay0 pt=96 aggregate-mode=max mtu=300",
        "/av": f"{VIDEO} ! {X264} ! rtph264pay name=pay0 pt=96 {AUDIO}",
        "/jpeg": f"{VIDEO},format=I420 ! jpegenc ! rtpjpegpay name=pay0 pt=26",
        "/audio": AUDIO.replace("pay1", "pay0"),
    }
    if file:
        lines["/vtest"] = (
            f"filesrc location={file} ! decodebin ! videorate ! videoconvert ! {X264} "
            "! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=1"
        )
    return lines


def login(server: GstRtspServer.RTSPServer, scheme: str, user: str, password: str) -> None:
    """Ask everybody for the password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if scheme == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    server.set_auth(auth)


def encrypt(server: GstRtspServer.RTSPServer, certificate: str) -> None:
    """Speak TLS, and nothing else."""
    auth = server.get_auth()
    if auth is None:
        auth, everybody = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
        everybody.set_string("media.factory.role", "viewer")
        auth.set_default_token(everybody)
    auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(certificate))
    server.set_auth(auth)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--auth", choices=["basic", "digest"])
    parser.add_argument("--tls", default="", metavar="PEM")
    parser.add_argument("--udp-only", action="store_true")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--file", default="")
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(arguments.address)
    server.set_service("0")
    for path, line in mounts(arguments.file).items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {line} )")
        factory.set_shared(not arguments.udp_only)  # a shared one refuses while it is put away
        if arguments.udp_only:
            factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
        if arguments.auth or arguments.tls:
            factory.add_role_from_structure(
                Gst.Structure.from_string(
                    "viewer,media.factory.access=true,media.factory.construct=true"
                )[0]
            )
        server.get_mount_points().add_factory(path, factory)
    if arguments.auth:
        login(server, arguments.auth, "viewer", "s3cret:word")
    if arguments.tls:
        encrypt(server, arguments.tls)
    server.attach(None)
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
