"""`patrol probe URL`: visit one camera once and print all that was learned; nothing is stored.

For a maintainer at the camera, with the household's consent. Of a failure it prints what was seen,
whose move it is and what to try next (`ADVICE`), Chinese first. The password need not be in the
command, where every user of the machine reads it: it is asked for, or comes from a file or stdin.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import typer
from rich.table import Table
from rich.text import Text

from patrol.cli.camera_address import PasswordFile, PasswordStdin, address_of, with_password
from patrol.cli.options import AsJson, By
from patrol.cli.output import (
    BAD_INPUT,
    FAILED,
    bad_input,
    console,
    console_err,
    print_json,
)
from patrol.cli.probe_advice import ADVICE, REASON_ADVICE, UNKNOWN, Advice
from patrol.cli.probe_consent import ProbeGate
from patrol.cli.site import site_if_any
from patrol.cli.source_probe import StageLog, print_stages, visit_source
from patrol.clock import SystemClock
from patrol.domain.errors import Failed
from patrol.domain.labels import (
    FRESHNESS,
    LIGHTS,
    PICTURE_FAULTS,
    failure_label,
    label_of,
    label_text,
)
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language, translate
from patrol.domain.stream_labels import WALL_CLOCKS, media_clock_remark
from patrol.files import PRIVATE_MODE, write_atomically
from patrol.vision.quality import QualityReport, diagnose
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import BadAddress, StreamError
from streams.model import Freshness, Picture, Sample, VisitOptions, VisitStage
from streams.source_schemes import SOURCE_SCHEMES

SPACING_S: Final = 0.5  # two key frames in a row, so that their interval is the camera's own
PICTURES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
SLOW_KEY_FRAME_S: Final = 8.0  # as the quality gauges judge it
CLOCK_OFF_S: Final = 60.0

ProbeReason = Annotated[
    str,
    typer.Option("--reason", help="登记点位未同意时的事由，记入登记。 Logged, with the household."),
]


def probe(
    context: typer.Context,
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="地址（同 cameras.csv）或文件。 An address, or a file."),
    ],
    *,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="把画面存成 .jpg/.png。 Keep the picture."),
    ] = None,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", metavar="S", min=1, max=600, help="最多等几秒。 Longest wait."),
    ] = 20.0,
    reason: ProbeReason = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """试看一路：编码、尺寸、I 帧间隔、首帧用时、画面故障，失败时告诉该找谁。 Try one camera."""
    _check_save(save)
    try:
        address = with_password(url, address_of(url), password_file, from_stdin=password_stdin)
        _check_file(address)
    except BadAddress as exc:
        report_failure("", exc, as_json=as_json)
        raise typer.Exit(BAD_INPUT) from exc
    ProbeGate(context).check(address, reason=reason, by=by)
    log = StageLog()
    sample, pictures = _visit_or_exit(context, address, timeout_s, log, as_json=as_json)
    report = _quality_report(pictures, sample)
    if save is not None:
        _save(pictures[-1], save)
    document = probe_document(address, sample, report, save)
    if address.is_source:
        document["stages"] = log.stages
    if as_json:
        print_json(document)
        return
    print_stages(log)
    print_probe(document)


def _check_save(save: Path | None) -> None:
    if save is None:
        return
    if save.suffix.lower() not in PICTURES:
        bad_input(f"--save: {save}: give a name that ends in {', '.join(PICTURES)}")
    if not save.parent.is_dir():
        bad_input(f"--save: {save.parent}: no such directory")


def _check_file(address: StreamAddress) -> None:
    if address.scheme == "file" and not Path(address.path).is_file():
        raise BadAddress(f"no such file: {address}; a camera's address begins with rtsp://")


def _visit_or_exit(
    context: typer.Context,
    address: StreamAddress,
    timeout_s: float,
    log: StageLog,
    *,
    as_json: bool,
) -> tuple[Sample, list[Picture]]:
    """The visit; a failure is printed and ends the command."""
    try:
        return _visit(context, address, timeout_s, log)
    except StreamError as exc:
        code = BAD_INPUT if isinstance(exc, BadAddress) else FAILED
        report_failure(str(address), exc, as_json=as_json, log=log)
        raise typer.Exit(code) from exc


def _visit(
    context: typer.Context, address: StreamAddress, timeout_s: float, log: StageLog
) -> tuple[Sample, list[Picture]]:
    if address.is_source:
        sample = visit_source(site_if_any(context), address, timeout_s, log)
    else:
        options = VisitOptions(pictures=2, spacing_s=SPACING_S, visit_timeout_s=timeout_s)
        client = StreamCameraClient(now=SystemClock().now)
        sample = asyncio.run(client.__call__(address, options))
    pictures = [decode(frame) for frame in sample.key_frames]
    if address.is_source:
        width, height = pictures[0].size_px
        log.add(VisitStage("decoded", f"{width}×{height}"))
    return sample, pictures


def _quality_report(pictures: list[Picture], sample: Sample) -> QualityReport:
    return diagnose(
        [picture.bgr for picture in pictures],
        freshness=sample.freshness,
        corrupt=any(picture.corrupt for picture in pictures),
        timings=sample.facts if sample.freshness is not Freshness.STILL else None,
    )


def _save(picture: Picture, path: Path) -> None:
    done, data = cv2.imencode(path.suffix.lower(), picture.bgr)
    if not done:
        raise Failed(f"--save: {path}: the picture cannot be written as {path.suffix}")
    write_atomically(path, data.tobytes(), mode=PRIVATE_MODE)


def probe_document(
    address: StreamAddress, sample: Sample, report: QualityReport, saved: Path | None
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
        "key_frame_bytes": facts.key_frame_bytes,
        "server": facts.server,
        "freshness": str(sample.freshness),
        "media_clock": str(facts.media_clock),
        "clock_offset_s": _round(facts.clock_offset_s, 3),
        "wall_clock": str(facts.wall_clock),
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


def advice_of(exc: StreamError, of_source: tuple[str, str] | None = None) -> Advice:
    """What a person can do about a failure; about the password only where it was refused.

    `of_source`: a source's own, `who: what` in Chinese and English.
    """
    if of_source is not None:
        (whose_zh, next_zh), (whose_en, next_en) = (
            re.split("： ?|: ?", text, maxsplit=1) for text in of_source
        )
        return Advice(whose_zh, whose_en, next_zh, next_en)
    return REASON_ADVICE.get(exc.reason) or ADVICE.get(exc.kind, UNKNOWN)


def failure_document(
    address: str, exc: StreamError, of_source: tuple[str, str] | None = None
) -> dict[str, Any]:
    """A visit that failed, as `--json` prints it."""
    advice = advice_of(exc, of_source)
    return {
        "ok": False,
        "address": address,
        "failure": {
            "kind": exc.kind,
            "reason": exc.reason or None,
            "seen": exc.seen,
            "whose": {"zh": advice.whose_zh, "en": advice.whose_en},
            "next": {"zh": advice.next_zh, "en": advice.next_en},
        },
    }


def report_failure(
    address: str, exc: StreamError, *, as_json: bool, log: StageLog | None = None
) -> None:
    """Print a failure as text or as JSON; the address is empty where it cannot be shown."""
    of_source = log is not None and (bool(exc.reason) or not isinstance(exc, BadAddress))
    advice = (
        log.advice(address.partition(":")[0], exc.reason or exc.kind) if log and of_source else None
    )
    if as_json:
        document = failure_document(address, exc, advice)
        if log is not None and address.partition(":")[0] in SOURCE_SCHEMES:
            document["stages"] = log.stages
        print_json(document)
        return
    if log is not None:
        print_stages(log)
    print_probe_failure(address, exc, advice)


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def print_probe(document: Mapping[str, Any]) -> None:
    """Print a visit that brought pictures."""
    good = document["usable"] and not document["faults"]
    headline, colour = (
        (translate("✓ 正常", "✓ good"), "green")
        if good
        else (translate("! 有问题", "! look at it"), "yellow")
    )
    out = console()
    out.print(Text.assemble((headline, f"bold {colour}"), "  ", document["address"]))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, value in _probe_rows(document):
        table.add_row(f"  {label}", value)
    out.print(table)


def print_probe_failure(
    address: str, exc: StreamError, by_stage: tuple[str, str] | None = None
) -> None:
    """Print a visit that failed: what was seen, whose move it is, what to try."""
    advice = advice_of(exc, by_stage)
    out = console_err()
    line = Text.assemble((f"✗ {failure_label(exc.kind)}", "bold red"))
    out.print(line.append(f"  {address}", style="default") if address else line, soft_wrap=True)
    for label, text in (
        (translate("看到", "seen"), problem_text(exc.seen, reader_language())),
        (translate("该谁处理", "whose move"), translate(advice.whose_zh, advice.whose_en)),
        (translate("下一步", "next"), translate(advice.next_zh, advice.next_en)),
    ):
        out.print(Text.assemble((f"  {label}  ", "dim"), text), soft_wrap=True)


def _probe_rows(document: Mapping[str, Any]) -> list[tuple[str, Text]]:
    size = f"{document['width']}×{document['height']}" if document["width"] else "?"
    rate = f" · {document['frames_per_s']:g} fps" if document["frames_per_s"] else ""
    rows = [
        (
            translate("编码", "codec"),
            Text(f"{document['codec']} {size}{rate} · {document['transport']}"),
        ),
        (translate("I 帧间隔", "key frames"), _key_frame_interval(document)),
        (translate("首帧用时", "first picture"), _first_picture(document)),
        (
            translate("新鲜度", "freshness"),
            _freshness(document["freshness"], document["media_clock"]),
        ),
        (
            translate("时钟偏差", "clock"),
            _clock_offset(document["clock_offset_s"], document["wall_clock"]),
        ),
        (translate("光线", "light"), Text(label_text(label_of(LIGHTS, document["light"])))),
        (translate("画面", "picture"), _fault_labels(document)),
        (translate("服务端", "server"), Text(document["server"] or "—")),
    ]
    if document["saved"]:
        rows.append((translate("已存", "saved"), Text(document["saved"])))
    return rows


def _key_frame_interval(document: Mapping[str, Any]) -> Text:
    seconds = document["key_frame_interval_s"]
    if seconds is None:
        alone = document["pictures"] == 1
        return Text(
            translate("— 只有一帧", "— one picture only")
            if alone
            else translate("— 流不报时", "— the stream tells no time")
        )
    slow = seconds > SLOW_KEY_FRAME_S
    hint = translate(" 过长，应设为 2–4 s", " too long, set 2–4 s") if slow else ""
    return Text(f"{seconds:.2f} s{hint}", style="yellow" if slow else "")


def _first_picture(document: Mapping[str, Any]) -> Text:
    return Text(
        translate(
            f"{document['first_key_frame_s']:.2f} s（连接 {document['connect_s'] * 1000:.0f} "
            f"ms，描述 {document['describe_s'] * 1000:.0f} ms）",
            f"{document['first_key_frame_s']:.2f} s (connect {document['connect_s'] * 1000:.0f} "
            f"ms, describe {document['describe_s'] * 1000:.0f} ms)",
        )
    )


def _freshness(freshness: str, media_clock: str) -> Text:
    text = label_text(label_of(FRESHNESS, freshness))
    remark = media_clock_remark(media_clock)
    if remark is not None:
        text += translate(f"（{remark[0]}）", f" ({remark[1]})")
    fine = freshness in ("live", "single", "still", "pictures_differ")
    return Text(text, style="green" if freshness == "live" else "" if fine else "red")


def _clock_offset(offset_s: float | None, wall_clock: str) -> Text:
    if offset_s is None:
        return Text(f"— {label_text(label_of(WALL_CLOCKS, wall_clock))}")
    off = abs(offset_s) > CLOCK_OFF_S
    hint = translate(" 需校时", " set its clock") if off else ""
    return Text(f"{round(offset_s, 1) + 0.0:+.1f} s{hint}", "yellow" if off else "")


def _fault_labels(document: Mapping[str, Any]) -> Text:
    if not document["faults"]:
        return Text(translate("合格", "no fault"), style="green")
    labels = [label_text(label_of(PICTURE_FAULTS, kind)) for kind in document["faults"]]
    unusable = "" if document["usable"] else translate("  无法查看", "  not viewable")
    return Text("、".join(labels) + unusable, style="yellow")
