"""`patrol probe URL`: visit one camera once and print all that was learned; nothing is stored.

For a maintainer at the camera, with the household's consent. Of a failure it prints what was seen,
whose move it is and what to try next (`ADVICE`), Chinese first. The password need not be in the
command, where every user of the machine reads it: it is asked for, or comes from a file or stdin.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import cv2
import typer
from rich.table import Table
from rich.text import Text

from patrol.cli.options import AsJson, By
from patrol.cli.output import (
    BAD_INPUT,
    FAILED,
    bad_input,
    console,
    console_err,
    print_err,
    print_json,
)
from patrol.cli.probe_consent import ProbeGate
from patrol.clock import SystemClock
from patrol.domain.errors import Failed
from patrol.domain.labels import (
    FRESHNESS,
    LIGHTS,
    PICTURE_FAULTS,
    bilingual,
    failure_label,
    label_of,
)
from patrol.domain.stream_labels import WALL_CLOCKS, media_clock_remark
from patrol.files import PRIVATE_MODE, write_atomically
from patrol.settings.config_file import (
    CAMERA_ENV_PREFIX,
    BadEnvReference,
    check_references,
    expand_env,
)
from patrol.vision.quality import QualityReport, diagnose
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import LOGIN_REFUSED, BadAddress, StreamError
from streams.http_snapshot import NO_END_MARKER
from streams.model import Freshness, Picture, Sample, VisitOptions


class Advice(NamedTuple):
    """What a person can do about a failure."""

    whose_zh: str
    whose_en: str
    next_zh: str
    next_en: str


ADVICE: Final = {
    "bad_address": Advice(
        "登记人员", "whoever wrote the address",
        "按 rtsp://用户:口令@主机[:端口]/路径 填写;口令里的 / ? # @ [ ] % 写成"
        " %2F %3F %23 %40 %5B %5D %25",
        "write rtsp://user:password@host[:port]/path; in a password / ? # @ [ ] % are"
        " %2F %3F %23 %40 %5B %5D %25",
    ),
    "unreachable": Advice(
        "网络/运维", "network, maintainer",
        "查电源、网线、IP 与端口;从本机 ping 该主机;看防火墙是否放行端口",
        "check power, cable, address and port; ping the host from here; look at the firewall",
    ),
    "refused_us": Advice(
        "运维(账号)", "maintainer, credentials",
        "核对通道路径是否存在;看该账号有没有预览权限、摄像机的白名单",
        "check that the channel path exists; look at the account's rights and the access list",
    ),
    "stream_busy": Advice(
        "运维(录像机)", "maintainer, recorder",
        "稍后再试;关掉其他正在看这台设备的客户端;查并发路数上限,必要时调高或改用子码流",
        "try again later; close other viewers; look at its limit of streams, or use the sub stream",
    ),
    "went_silent": Advice(
        "运维(摄像机)", "maintainer, camera",
        "重启摄像机;把 I 帧间隔调到 2–4 秒;试子码流;看上行带宽是否占满",
        "restart the camera; set key frames every 2–4 s; try the sub stream; look at the uplink",
    ),
    "unreadable": Advice(
        "运维(摄像机)", "maintainer, camera",
        "确认路径指向视频流;编码设为 H.264 或 H.265;升级固件",
        "make sure the path is a video stream; set H.264 or H.265; update the firmware",
    ),
}  # fmt: skip
REASON_ADVICE: Final = {  # in place of its kind's, where a failure names a reason
    LOGIN_REFUSED: Advice(
        "运维(账号)", "maintainer, credentials",
        "核对用户名与口令(口令里的 % @ / ? # 要写成 %25 %40 %2F %3F %23);账号可能已被锁定",
        "check user and password (in it % @ / ? # are %25 %40 %2F %3F %23); it may be locked",
    ),
    NO_END_MARKER: Advice(
        "运维(摄像机)", "maintainer, camera",
        "抓图缺结束标记(EOI),摄像机没有写完;升级固件,或改用 RTSP 地址",
        "the camera ends its snapshots without the end marker (EOI); update it, or use RTSP",
    ),
}  # fmt: skip
UNKNOWN: Final = Advice("运维", "maintainer", "查看日志", "look at the log")

PROMPT: Final = "口令 password: "
SHOWN_IN_COMMAND: Final = (
    "注意:命令行里的口令本机所有用户可见;写成 rtsp://用户@主机/路径,程序会询问"
    " (everybody on this machine sees a password in a command: write rtsp://USER@HOST/PATH and be"
    " asked, or --password-file)"
)
SPACING_S: Final = 0.5  # two key frames in a row, so that their interval is the camera's own
PICTURES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
SLOW_KEY_FRAME_S: Final = 8.0  # as the quality gauges judge it
CLOCK_OFF_S: Final = 60.0


PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="口令在文件首行。 Its first line."),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="从标准输入读口令。 Read it from stdin.")
]
ProbeReason = Annotated[
    str,
    typer.Option("--reason", help="登记点位未同意时的事由,记入登记。 Logged, with the household."),
]


def probe(
    context: typer.Context,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="rtsp://… http(s)://… 或文件 or a file.")
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
    """试看一路:编码、尺寸、I 帧间隔、首帧用时、画面故障,失败时告诉该找谁。 Try one camera."""
    _check_save(save)
    try:
        address = _with_password(url, _address(url), password_file, from_stdin=password_stdin)
        _check_file(address)
    except BadAddress as exc:
        _report_failure("", exc, as_json=as_json)
        raise typer.Exit(BAD_INPUT) from exc
    ProbeGate(context).check(address, reason=reason, by=by)
    sample, pictures = _visited(address, timeout_s, as_json=as_json)
    report = _quality_report(pictures, sample)
    if save is not None:
        _save(pictures[-1], save)
    document = probe_document(address, sample, report, save)
    (print_json if as_json else print_probe)(document)


def _visited(
    address: StreamAddress, timeout_s: float, *, as_json: bool
) -> tuple[Sample, list[Picture]]:
    """The visit, or its failure printed. Raises typer.Exit."""
    try:
        return asyncio.run(_visit(address, timeout_s))
    except StreamError as exc:
        _report_failure(str(address), exc, as_json=as_json)
        raise typer.Exit(FAILED) from exc


def _check_save(save: Path | None) -> None:
    if save is None:
        return
    if save.suffix.lower() not in PICTURES:
        bad_input(f"--save: {save}: give a name that ends in {', '.join(PICTURES)}")
    if not save.parent.is_dir():
        bad_input(f"--save: {save.parent}: no such directory")


def _address(url: str) -> StreamAddress:
    """The address as cameras.csv reads it, its `${NAME}` filled in. Raises BadAddress."""
    try:
        check_references(url, os.environ, CAMERA_ENV_PREFIX)
        return StreamAddress.parse(expand_env(url, os.environ, CAMERA_ENV_PREFIX))
    except BadEnvReference as exc:
        raise BadAddress(str(exc)) from None


def _with_password(
    url: str, address: StreamAddress, file: Path | None, *, from_stdin: bool
) -> StreamAddress:
    """The address with the password of a file, of stdin, or asked for; written as it is there."""
    if file is None and not from_stdin:
        if address.password and "${" not in url:
            print_err(SHOWN_IN_COMMAND)
        wanted = bool(address.user) and not address.password and sys.stdin.isatty()
        return replace(address, password=getpass(PROMPT)) if wanted else address
    if not address.user or address.password:
        bad_input("the address names no user, or a password already: give rtsp://USER@HOST/PATH")
    if file is None:
        return replace(address, password=sys.stdin.readline().rstrip("\r\n"))
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        bad_input(f"--password-file: {file}: cannot be read ({type(exc).__name__})")
    return replace(address, password=lines[0] if lines else "")


def _check_file(address: StreamAddress) -> None:
    if address.scheme == "file" and not Path(address.path).is_file():
        raise BadAddress(f"no such file: {address}; a camera's address begins with rtsp://")


async def _visit(address: StreamAddress, timeout_s: float) -> tuple[Sample, list[Picture]]:
    options = VisitOptions(pictures=2, spacing_s=SPACING_S, visit_timeout_s=timeout_s)
    sample = await StreamCameraClient(now=SystemClock().now)(address, options)
    return sample, [decode(frame) for frame in sample.key_frames]


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


def advice_of(exc: StreamError) -> Advice:
    """What a person can do about a failure; about the password only where it was refused."""
    return REASON_ADVICE.get(exc.reason) or ADVICE.get(exc.kind, UNKNOWN)


def failure_document(address: str, exc: StreamError) -> dict[str, Any]:
    """A visit that failed, as `--json` prints it."""
    advice = advice_of(exc)
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


def _report_failure(address: str, exc: StreamError, *, as_json: bool) -> None:
    if as_json:
        print_json(failure_document(address, exc))
        return
    print_probe_failure(address, exc)


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def print_probe(document: Mapping[str, Any]) -> None:
    """Print a visit that brought pictures."""
    good = document["usable"] and not document["faults"]
    headline, colour = ("✓ 正常 good", "green") if good else ("! 有问题 look at it", "yellow")
    out = console()
    out.print(Text.assemble((headline, f"bold {colour}"), "  ", document["address"]))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, value in _probe_rows(document):
        table.add_row(f"  {label}", value)
    out.print(table)


def print_probe_failure(address: str, exc: StreamError) -> None:
    """Print a visit that failed: what was seen, whose move it is, what to try."""
    advice = advice_of(exc)
    out = console_err()
    line = Text.assemble((f"✗ {failure_label(exc.kind)} ({exc.kind})", "bold red"))
    out.print(line.append(f"  {address}", style="default") if address else line, soft_wrap=True)
    for label, text in (
        ("看到 seen", exc.seen),
        ("该谁处理 whose move", f"{advice.whose_zh} · {advice.whose_en}"),
        ("下一步 next", advice.next_zh),
        ("", advice.next_en),
    ):
        out.print(Text.assemble((f"  {label}  ", "dim"), text), soft_wrap=True)


def _probe_rows(document: Mapping[str, Any]) -> list[tuple[str, Text]]:
    size = f"{document['width']}×{document['height']}" if document["width"] else "?"
    rate = f" · {document['frames_per_s']:g} fps" if document["frames_per_s"] else ""
    rows = [
        ("编码 codec", Text(f"{document['codec']} {size}{rate} · {document['transport']}")),
        ("I 帧间隔 key frames", _key_frame_interval(document)),
        ("首帧用时 first picture", _first_picture(document)),
        ("新鲜度 freshness", _freshness(document["freshness"], document["media_clock"])),
        ("时钟偏差 clock", _clock_offset(document["clock_offset_s"], document["wall_clock"])),
        ("光线 light", Text(bilingual(label_of(LIGHTS, document["light"])))),
        ("画面 picture", _fault_labels(document)),
        ("服务端 server", Text(document["server"] or "—")),
    ]
    if document["saved"]:
        rows.append(("已存 saved", Text(document["saved"])))
    return rows


def _key_frame_interval(document: Mapping[str, Any]) -> Text:
    seconds = document["key_frame_interval_s"]
    if seconds is None:
        alone = document["pictures"] == 1
        return Text(
            "— 只有一帧 one picture only" if alone else "— 流不报时 the stream tells no time"
        )
    slow = seconds > SLOW_KEY_FRAME_S
    hint = " 过长 too long, set 2–4 s" if slow else ""
    return Text(f"{seconds:.2f} s{hint}", style="yellow" if slow else "")


def _first_picture(document: Mapping[str, Any]) -> Text:
    return Text(
        f"{document['first_key_frame_s']:.2f} s"
        f"(连接 connect {document['connect_s'] * 1000:.0f} ms,"
        f" 描述 describe {document['describe_s'] * 1000:.0f} ms)"
    )


def _freshness(freshness: str, media_clock: str) -> Text:
    text = bilingual(label_of(FRESHNESS, freshness))
    remark = media_clock_remark(media_clock)
    if remark is not None:
        text += f"({bilingual(remark)})"
    fine = freshness in ("live", "single", "still", "pictures_differ")
    return Text(text, style="green" if freshness == "live" else "" if fine else "red")


def _clock_offset(offset_s: float | None, wall_clock: str) -> Text:
    if offset_s is None:
        return Text(f"— {bilingual(label_of(WALL_CLOCKS, wall_clock))}")
    off = abs(offset_s) > CLOCK_OFF_S
    return Text(
        f"{round(offset_s, 1) + 0.0:+.1f} s{' 需校时 set its clock' if off else ''}",
        "yellow" if off else "",
    )


def _fault_labels(document: Mapping[str, Any]) -> Text:
    if not document["faults"]:
        return Text("合格 no fault", style="green")
    labels = [bilingual(label_of(PICTURE_FAULTS, kind)) for kind in document["faults"]]
    unusable = "" if document["usable"] else "  无法查看 not viewable"
    return Text("、".join(labels) + unusable, style="yellow")
