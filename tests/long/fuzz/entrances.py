"""Every way by which bytes of others come in, each with good samples and its own errors.

MQTT's come from the subscribed topics, the site's from the list of its files: a new one is tried
without a line here. `covers` names the functions behind an entrance; test_fuzz.py holds that every
public function that takes bytes is behind one, or is named in `NOT_FROM_OUTSIDE` with the reason.
Bodies of HTTP routes are tried where a server runs: tests/web/test_hostile_values.py.
"""

import asyncio
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import xlsxwriter

from patrol.app.ground_service import read_check_in
from patrol.domain.ground_patrol import CheckInRefused
from patrol.domain.outbox import payload_object
from patrol.domain.picture_link import read_token
from patrol.encryption.recipients import BadRecipient
from patrol.messaging import topics
from patrol.messaging.reply_parser import parse_message
from patrol.messaging.topics import CheckInTopic
from patrol.mqtt.access_proxy import read_packet
from patrol.mqtt.packets import MalformedPacket, PacketKind, parse_connect, parse_publish
from patrol.operations.backup import MANIFEST, MANIFEST_HASH, BackupDamaged, verify
from patrol.settings import CONFIG_FILES, load_site
from patrol.settings.config_file import ConfigProblems
from patrol.settings.zones_editor import NotEditable, camera_areas, remove_cameras, replace_camera
from patrol.web.thumbnails import masked_jpeg, normalized_photo, shrunk_jpeg
from streams.address import StreamAddress
from streams.errors import BadAddress, StreamError
from streams.image_header import read_image_header
from streams.jpeg import JpegReader, size_px
from streams.rtsp import h264, h265
from streams.rtsp.control_url import control_url_candidates
from streams.rtsp.digest_auth import DigestAuthenticator, read_challenges
from streams.rtsp.message import read_message, read_retry_after
from streams.rtsp.rtp import read_rtp, read_sender_report
from streams.rtsp.sdp import read_description
from streams.rtsp.session import RtspSession
from streams.url_secrets import hide_credentials, hide_login_parameters
from tests.long.fuzz.device_entrances import device_entrances
from tests.long.fuzz.entrance import Entrance

CONFIG: Final = Path(__file__).parents[3] / "config"
NOON: Final = datetime(2026, 11, 22, 4, tzinfo=UTC)
SITE: Final = "shangba"
AREA: Final = "[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]"
ZONES: Final = f"""
# drawn at the desk
"62090204011327000001":
  visible: {AREA}
  zones:
    - {{name: 渠边, kind: canal_level, polygon: {AREA}}}
""".encode()
MODELS: Final = f"""
models:
  ours:
    path: ours.onnx
    sha256: {"ab" * 32}
    licence: MIT
    layout: yolox
    labels: [person, car]
    rename: {{car: truck}}
    input: {{size: [416, 416]}}
    min_score: 0.3
""".encode()
LEAVE = b"person_id,from,until,substitute,note\nT-02,2026-11-22,2026-11-24 18:00,T-01,x\n"
POINTS = (
    "point_id,name,kind,grid_code\nW-1,渠口,grid,620902104200000\n".encode()
)  # fmt: skip
SOURCES: Final = b"""
vendors:
  telecom:
    profile: ezviz
    secrets: {app_key: k, app_secret: s}
    allow: [10.8.0.0/16]
    sessions: 6
gateways:
  hall: {kind: wvp, url: "http://10.0.0.5:18080/", user: u, password: p, media: zlm-1,
    owns_streams: true}
  zlm-1: {kind: zlm, url: "https://zlm.example:8443", secret: s, protocols: [flv, rtsp],
    rewrite_host: "[fd00::1]"}
"""
OUTLINES: Final = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"grid_code": "620902104200000"},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[98.7, 39.6], [98.8, 39.6], [98.8, 39.7], [98.7, 39.6]]],
                },
            }
        ],
    }
).encode()
ANSWERS: Final = (
    (
        b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="a", nonce="0f", '
        b'algorithm=MD5, qop="auth"\r\n\r\n'
    ),
    (
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 1234;timeout=60\r\n"
        b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=1234\r\n\r\n"
    ),
    b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://192.0.2.8/x\r\nRetry-After: 5\r\n\r\n",
    b"OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n",
)
SPS: Final = bytes.fromhex("6742c01fda0280f6c0440000030004000003007840f8b11c")
PPS: Final = bytes.fromhex("68ce3c80")
SDP: Final = (
    b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=camera\r\nt=0 0\r\na=control:*\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    b"a=fmtp:96 packetization-mode=1; "
    b"sprop-parameter-sets=Z0LAH9oCgPbARAAAAwAEAAADAHhA+LEc,aM48gA==\r\n"
    b"a=control:trackID=1\r\nm=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)
RTP: Final = bytes.fromhex("80600001000003e800001234")
REPORT: Final = bytes.fromhex("80c8000600001234e0000000800000000000ffff0000000a00000400")


@contextmanager
def all_entrances() -> Iterator[tuple[Entrance, ...]]:
    """Every entrance; the files that some of them need live for the block."""
    with tempfile.TemporaryDirectory(prefix="patrol-fuzz-") as scratch:
        folder = Path(scratch)
        yield (
            *picture_entrances(), *rtsp_entrances(), *text_entrances(), *mqtt_entrances(),
            *site_entrances(folder), *backup_entrances(folder), *device_entrances(),
        )  # fmt: skip


def _picture_samples() -> tuple[bytes, ...]:
    blocks = np.random.default_rng(7).integers(0, 255, (8, 10, 3), np.uint8)
    picture = blocks.repeat(6, axis=0).repeat(6, axis=1)
    kinds = [(".jpg", []), (".png", []), (".webp", []), (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])]
    return tuple(bytes(cv2.imencode(kind, picture, how)[1]) for kind, how in kinds)


def picture_entrances() -> Iterator[Entrance]:
    """Photos of phones and snapshots of cameras."""
    samples = _picture_samples()

    def multipart(data: bytes) -> None:
        reader = JpegReader()
        for start in range(0, len(data), 1400):
            for picture in reader.feed(data[start : start + 1400]):
                size_px(picture)
        assert len(reader.unfinished) <= len(data)

    def photo(data: bytes) -> None:
        read_image_header(data)
        normalized_photo(data, longest_px=64)
        shrunk_jpeg(data, 32, 80)
        masked_jpeg(data, ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))

    yield Entrance(
        name="photo", samples=samples, feed=photo, refusals=(ValueError,), share=0.5,
        covers=(
            "streams/image_header.py:read_image_header", "patrol/pixels.py:decode_picture",
            "patrol/pixels.py:decode_jpeg", "patrol/web/thumbnails.py:normalized_photo",
            "patrol/web/thumbnails.py:shrunk_jpeg", "patrol/web/thumbnails.py:masked_jpeg",
        ),
    )  # fmt: skip
    yield Entrance(
        name="jpeg stream", samples=(samples[0], b"noise" + samples[0] + samples[3]),
        feed=multipart, covers=("streams/jpeg.py:feed", "streams/jpeg.py:size_px"),
    )  # fmt: skip


def _conversation() -> bytes:
    described = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: %d\r\n\r\n%s" % (len(SDP), SDP)
    played = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nRTP-Info: url=x;seq=1;rtptime=0\r\n\r\n"
    packets = (RTP + SPS, RTP + PPS, RTP + b"\x65\x88\x84" + bytes(range(64)), RTP + b"\x41\x9a")
    media = b"".join(b"$\0" + len(packet).to_bytes(2, "big") + packet for packet in packets)
    return described + ANSWERS[1] + played + media + ANSWERS[3] + media


def rtsp_entrances() -> Iterator[Entrance]:
    """What an RTSP server sends: messages, descriptions, packets."""

    def session(data: bytes) -> None:
        held = RtspSession("rtsp://192.0.2.7/live", DigestAuthenticator("u", "p"), 1 << 20)
        held.start()
        tail = b""
        for start in range(0, len(data), 1400):
            piece = bytearray(tail + data[start : start + 1400])
            tail = bytes(piece[held.feed(piece, len(piece)) :])
            held.events.clear()

    def packet(data: bytes) -> None:
        found = read_rtp(data)
        read_sender_report(data)
        payload = data if found is None else data[12:]
        for codec in (h264, h265):
            codec.unpack(payload)
            codec.size_px(payload)
            codec.role(payload or b"\0\0")
        h264.may_have_fields(payload)

    yield Entrance(
        name="rtsp session", samples=(_conversation(), *ANSWERS), feed=session,
        refusals=(StreamError,),
        covers=(
            "streams/rtsp/session.py:feed", "streams/rtsp/session.py:media",
            "streams/rtsp/session.py:control", "streams/rtsp/interleaved.py:feed",
            "streams/rtsp/interleaved.py:media", "streams/rtsp/interleaved.py:control",
            "streams/rtsp/depacketizer.py:split_sized", "streams/rtsp/depacketizer.py:split_glued",
            "streams/rtsp/depacketizer.py:add", "streams/rtsp/depacketizer.py:add_parameter_sets",
        ),
    )  # fmt: skip
    yield Entrance(
        name="rtsp message", samples=ANSWERS,
        feed=lambda data: read_message(data, 0, len(data)), refusals=(StreamError,),
        covers=("streams/rtsp/message.py:read_message", "streams/rtsp/message.py:read_head"),
    )  # fmt: skip
    yield Entrance(
        name="sdp",
        samples=(SDP,),
        feed=read_description,
        refusals=(StreamError,),
        covers=("streams/rtsp/sdp.py:read_description",),
    )
    yield Entrance(
        name="rtp and rtcp", samples=(RTP + b"\x65\x88", RTP + SPS, RTP + PPS, REPORT, SPS),
        feed=packet, share=2.0,
        covers=(
            "streams/rtsp/rtp.py:read_rtp", "streams/rtsp/rtp.py:read_sender_report",
            *(f"streams/rtsp/{c}.py:{f}" for c in ("h264", "h265")
              for f in ("role", "unpack", "size_px")),
            "streams/rtsp/h264.py:may_have_fields",
        ),
    )  # fmt: skip


def text_entrances() -> Iterator[Entrance]:
    """Addresses, header values, tokens: bytes that come as text."""

    def as_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
        return lambda data: read(data.decode("utf-8", "replace"))

    def control_url(text: str) -> None:
        list(control_url_candidates(text, ["rtsp://192.0.2.7/a/"], "rtsp://192.0.2.7/a"))

    yield Entrance(
        name="address",
        samples=(
            b"rtsp://u:p@192.0.2.7:554/Streaming/Channels/101?a=1", b"http://[2001:db8::7]/x.jpg",
            b"rtsps://h/cam/realmonitor?channel=1&subtype=0", b"file:///tmp/x.mp4",
        ),
        feed=as_text(StreamAddress.parse), refusals=(BadAddress,),
    )  # fmt: skip
    for name, sample, read in (
        ("challenge", b'Digest realm="a", nonce="b", qop="auth,auth-int"',
         lambda text: read_challenges([text])),
        ("retry after", b"120 (busy);duration=60", read_retry_after),
        ("control url", b"rtsp://192.0.2.7/a/trackID=1", control_url),
        ("secrets in text", b"at rtsp://u:p@h/x?password=1&b=2 and http://a:b@c",
         lambda text: hide_login_parameters(hide_credentials(text))),
    ):  # fmt: skip
        yield Entrance(name=name, samples=(sample,), feed=as_text(read))
    yield Entrance(
        name="picture link", samples=(b"QzF8MXwxfDE3NjQ0ODAwMDA.AAAAAAAAAAAAAAAAAAAAAA",),
        feed=as_text(lambda text: read_token(text, bytes(32))),
        covers=("patrol/domain/picture_link.py:read_token",),
    )  # fmt: skip


def mqtt_entrances() -> Iterator[Entrance]:
    """Payloads of every subscribed topic; packets of clients of the embedded broker."""
    reply = json.dumps(
        {
            "key": "k-1", "type": "feedback", "result": "resolved", "person": "张三",
            "text": "已清理", "about": "m-1", "sent_at": "2026-11-22T04:00:00Z",
        }
    ).encode()  # fmt: skip
    report = b'{"key": "r-1", "category": "fire", "level": "I", "place": "x", "text": "y"}'
    for pattern in (*topics.inbox_filters(SITE), *topics.canary_topics(SITE)):
        topic = pattern.replace("grid/+", "grid/620902104203001").replace("+", "C20261122-0001")

        def feed(data: bytes, topic: str = topic) -> None:
            parse_message(SITE, topic, data, NOON)
            payload_object(data)
            parse_message(SITE, data.decode("utf-8", "replace"), reply, NOON)

        yield Entrance(
            name=f"mqtt {pattern}",
            samples=(reply, report, topic.encode()),
            feed=feed,
            covers=(
                "patrol/domain/outbox.py:payload_object",
                "patrol/domain/outbox.py:read_object",
                *(
                    f"patrol/messaging/reply_parser.py:parse_{what}"
                    for what in ("message", "reply", "report")
                ),
            ),
        )

    yield Entrance(
        name="check-in",
        samples=(
            json.dumps(
                {
                    "key": "k",
                    "code": "W-1.1.x",
                    "client_at": "2026-11-22T04:00:00Z",
                    "location": {"latitude": 38.1, "longitude": 101.2, "accuracy_m": 12},
                }
            ).encode(),
        ),
        feed=lambda data: read_check_in(CheckInTopic(SITE, "W-7", "20261122-v"), data, NOON),
        refusals=(CheckInRefused,),
        covers=("patrol/app/ground_service.py:read_check_in",),
    )

    async def packets(data: bytes) -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        while not reader.at_eof():
            packet = await read_packet(reader)
            if packet.kind == PacketKind.CONNECT:
                parse_connect(packet).with_login("a", "b").encode()
            elif packet.kind == PacketKind.PUBLISH:
                parse_publish(packet, is_v5=True)
                parse_publish(packet, is_v5=False)

    connect = bytes.fromhex("101a00044d51545405c2003c0000027878000575736572310002") + b"pw"
    publish = bytes.fromhex("320d0003612f620001022300017869") + b""
    yield Entrance(
        name="mqtt packets", samples=(connect, publish + b"\xc0\x00"),
        feed=lambda data: asyncio.run(packets(data)),
        refusals=(MalformedPacket, asyncio.IncompleteReadError), share=0.5,
    )  # fmt: skip


def _cameras_workbook() -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for row, line in enumerate((CONFIG / "cameras.csv").read_text("utf-8").splitlines()):
            sheet.write_row(row, 0, line.split(","))
    return out.getvalue()


def site_entrances(folder: Path) -> Iterator[Entrance]:
    """Each file of a site, as a table, workbook, YAML or GeoJSON, beside good other ones."""
    others: Mapping[str, tuple[bytes, ...]] = {
        "zones.yaml": (ZONES,), "models.yaml": (MODELS,), "grids.geojson": (OUTLINES,),
        "sources.yaml": (SOURCES,), "leave.csv": (LEAVE,), "points.csv": (POINTS,),
    }  # fmt: skip
    for name in CONFIG_FILES:
        home = folder / name.replace(".", "-")
        shutil.copytree(CONFIG, home)
        samples = others.get(name) or ((home / name).read_bytes(),)
        if name == "cameras.csv":
            samples += (_cameras_workbook(),)

        def feed(data: bytes, path: Path = home / name) -> None:
            path.write_bytes(data)
            load_site(path.parent, {})

        yield Entrance(
            name=f"site {name}", samples=samples, feed=feed, refusals=(ConfigProblems,), share=0.1,
            covers=tuple(
                f"patrol/settings/{function}"
                for function in (
                    "config_file.py:decode_utf8", "config_file.py:unmarked_utf16",
                    "config_file.py:line_at", "excel_file.py:read_records",
                    "workbook_limits.py:read",
                )
            ),
        )  # fmt: skip
    zones, camera = folder / "zones.yaml", "62090204011327000001"

    def edit(data: bytes) -> None:
        zones.write_bytes(data)
        camera_areas(zones, camera)
        replace_camera(zones, camera, {"visible": [[0, 0], [1, 0], [1, 1]]})
        remove_cameras(zones, [camera])

    yield Entrance(
        name="zones editor", samples=(ZONES,), feed=edit, refusals=(NotEditable, ConfigProblems),
        share=0.2,
    )  # fmt: skip


def _archive(manifest: bytes) -> bytes:
    """A backup whose manifest bears its right hash, whatever it says."""
    out = io.BytesIO()
    parts = {
        "store/rows.jsonl": b"{}\n", MANIFEST: manifest,
        MANIFEST_HASH: hashlib.sha256(manifest).hexdigest().encode(),
    }  # fmt: skip
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, body in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


def backup_entrances(folder: Path) -> Iterator[Entrance]:
    """A backup that is to be restored: damaged as a file, and with a made-up manifest."""
    file = folder / "backup.tar"
    manifest = json.dumps(
        {
            "format": 1, "site": SITE, "made_at": "2026-11-22T04:00:00Z", "version": "1",
            "store": {}, "files": {"rows.jsonl": hashlib.sha256(b"{}\n").hexdigest()},
            "pictures": [], "gone": 0, "damaged": [],
        }
    ).encode()  # fmt: skip

    def read(data: bytes) -> None:
        file.write_bytes(data)
        verify(file)

    for name, sample, make in (
        ("backup", _archive(manifest), bytes),
        ("backup manifest", manifest, _archive),
    ):
        yield Entrance(
            name=name, samples=(sample,), refusals=(BackupDamaged, BadRecipient), share=0.5,
            feed=lambda data, make=make: read(make(data)),  # type: ignore[misc]  # bound now
        )  # fmt: skip
