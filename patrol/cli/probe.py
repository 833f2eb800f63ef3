"""`patrol probe URL`: look through one camera once and say all that was learned.

For a maintainer at the camera's side, with the household's word; nothing goes into the books.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from patrol.cli.common import BAD_INPUT, FAILED, AsJson, Failure, print_json

if TYPE_CHECKING:
    from patrol.vision.quality import QualityReport
    from streams.address import StreamAddress
    from streams.errors import StreamError
    from streams.model import Picture, Sample

SPACING_S: Final = 0.5  # two key frames in a row, so that their interval is the camera's own
PICTURES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("probe")(probe)


def probe(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="rtsp://… http(s)://… 或文件 or a file.")
    ],
    *,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="把画面存成 .jpg/.png。 Keep the picture."),
    ] = None,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", metavar="S", min=1, max=600, help="最多等几秒。 Longest wait."),
    ] = 20.0,
    as_json: AsJson = False,
) -> None:
    """试看一路:编码、尺寸、I 帧间隔、首帧用时、画面故障,失败时告诉该找谁。 Try one camera."""
    from streams.address import StreamAddress  # noqa: PLC0415  with numpy
    from streams.errors import BadAddress, StreamError  # noqa: PLC0415  with numpy

    _check_save(save)
    try:
        address = StreamAddress.parse(url)
        _check_file(address)
    except BadAddress as exc:
        _tell_failure("", exc, as_json=as_json)
        raise typer.Exit(BAD_INPUT) from exc
    try:
        sample, pictures = asyncio.run(_look(address, timeout_s))
    except StreamError as exc:
        _tell_failure(str(address), exc, as_json=as_json)
        raise typer.Exit(FAILED) from exc
    report = _judge(pictures, sample)
    if save is not None:
        _save(pictures[-1], save)
    facts = probe_document(address, sample, report, save)
    if as_json:
        print_json(facts)
        return
    from patrol.cli.probe_view import show  # noqa: PLC0415  rich

    show(facts)


def _check_save(save: Path | None) -> None:
    if save is None:
        return
    if save.suffix.lower() not in PICTURES:
        raise Failure(
            f"--save: {save}: give a name that ends in {', '.join(PICTURES)}", code=BAD_INPUT
        )
    if not save.parent.is_dir():
        raise Failure(f"--save: {save.parent}: no such directory", code=BAD_INPUT)


def _check_file(address: "StreamAddress") -> None:
    from streams.errors import BadAddress  # noqa: PLC0415  with numpy

    if address.scheme == "file" and not Path(address.path).is_file():
        raise BadAddress(f"no such file: {address.path}; a camera's address begins with rtsp://")


async def _look(address: "StreamAddress", timeout_s: float) -> "tuple[Sample, list[Picture]]":
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from streams.decode import decode  # noqa: PLC0415  libav
    from streams.model import VisitOptions  # noqa: PLC0415  numpy
    from streams.visit import CameraVisitor  # noqa: PLC0415  libav

    options = VisitOptions(pictures=2, spacing_s=SPACING_S, visit_timeout_s=timeout_s)
    sample = await CameraVisitor(now=SystemClock().now)(address, options)
    return sample, [decode(frame) for frame in sample.key_frames]


def _judge(pictures: "list[Picture]", sample: "Sample") -> "QualityReport":
    from patrol.vision.quality import judge  # noqa: PLC0415  cv2
    from streams.model import Freshness  # noqa: PLC0415  numpy

    return judge(
        [picture.bgr for picture in pictures],
        freshness=sample.freshness,
        corrupt=any(picture.corrupt for picture in pictures),
        facts=sample.facts if sample.freshness is not Freshness.STILL else None,
    )


def _save(picture: "Picture", path: Path) -> None:
    import cv2  # noqa: PLC0415  heavy

    done, data = cv2.imencode(path.suffix.lower(), picture.bgr)
    if not done:
        raise Failure(f"--save: {path}: the picture cannot be written as {path.suffix}")
    path.write_bytes(data.tobytes())


def probe_document(
    address: "StreamAddress", sample: "Sample", report: "QualityReport", saved: Path | None
) -> dict[str, Any]:
    """What was learned, as `--json` prints it."""
    facts = sample.facts
    return {
        "ok": True,
        "address": str(address),
        "transport": facts.transport,
        "codec": facts.codec,
        "width": facts.width_px,
        "height": facts.height_px,
        "frames_per_s": _round(facts.frames_per_s, 2),
        "key_frame_interval_s": _round(facts.key_frame_interval_s, 3),
        "connect_s": _round(facts.connect_s, 3),
        "describe_s": _round(facts.describe_s, 3),
        "first_key_frame_s": _round(facts.first_key_frame_s, 3),
        "visit_s": _round(facts.visit_s, 3),
        "bytes_received": facts.bytes_received,
        "server": facts.server,
        "freshness": str(sample.freshness),
        "clock_offset_s": _round(facts.clock_offset_s, 3),
        "pictures": len(sample.key_frames),
        "light": str(report.light),
        "usable": report.any_usable,
        "faults": list(report.faults),
        "readings": [
            {
                "kind": str(reading.kind),
                "value": round(reading.value, 4),
                "threshold": reading.threshold,
                "over": reading.over,
                "gauge": reading.gauge,
            }
            for reading in report.readings
        ],
        "failure": None,
        "saved": str(saved) if saved else None,
    }


def failure_document(address: str, exc: "StreamError") -> dict[str, Any]:
    """A visit that failed, as `--json` prints it."""
    from patrol.cli.advice import ADVICE, UNKNOWN  # noqa: PLC0415  only when it failed

    advice = ADVICE.get(exc.kind, UNKNOWN)
    return {
        "ok": False,
        "address": address,
        "failure": {
            "kind": exc.kind,
            "seen": exc.seen,
            "whose": {"zh": advice.whose_zh, "en": advice.whose_en},
            "next": {"zh": advice.next_zh, "en": advice.next_en},
        },
    }


def _tell_failure(address: str, exc: "StreamError", *, as_json: bool) -> None:
    if as_json:
        print_json(failure_document(address, exc))
        return
    from patrol.cli.probe_view import show_failure  # noqa: PLC0415  rich

    show_failure(address, exc)


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
