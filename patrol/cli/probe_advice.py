"""What a person can do about a visit that failed, by its kind and reason; for `patrol probe`."""

from typing import Final, NamedTuple

from streams.errors import LOGIN_REFUSED
from streams.http_snapshot import NO_END_MARKER


class Advice(NamedTuple):
    """What a person can do about a failure."""

    whose_zh: str
    whose_en: str
    next_zh: str
    next_en: str


ADVICE: Final = {
    "bad_address": Advice(
        "登记人员", "whoever wrote the address",
        "按 rtsp://用户:密码@主机[:端口]/路径 填写；密码里的 / ? # @ [ ] % 写成"
        " %2F %3F %23 %40 %5B %5D %25",
        "write rtsp://user:password@host[:port]/path; in a password / ? # @ [ ] % are"
        " %2F %3F %23 %40 %5B %5D %25",
    ),
    "unreachable": Advice(
        "网络/运维", "network, maintainer",
        "查电源、网线、IP 与端口；从本机 ping 该主机；看防火墙是否放行端口",
        "check power, cable, address and port; ping the host from here; look at the firewall",
    ),
    "refused_us": Advice(
        "运维（账号）", "maintainer, credentials",
        "核对通道路径是否存在；看该账号有没有预览权限、摄像机的白名单",
        "check that the channel path exists; look at the account's rights and the access list",
    ),
    "stream_busy": Advice(
        "运维（录像机）", "maintainer, recorder",
        "稍后再试；关掉其他正在看这台设备的客户端；查并发路数上限，必要时调高或改用子码流",
        "try again later; close other viewers; look at its limit of streams, or use the sub stream",
    ),
    "went_silent": Advice(
        "运维（摄像机）", "maintainer, camera",
        "重启摄像机；把 I 帧间隔调到 2–4 秒；试子码流；看上行带宽是否占满",
        "restart the camera; set key frames every 2–4 s; try the sub stream; look at the uplink",
    ),
    "unreadable": Advice(
        "运维（摄像机）", "maintainer, camera",
        "确认路径指向视频流；编码设为 H.264 或 H.265；升级固件",
        "make sure the path is a video stream; set H.264 or H.265; update the firmware",
    ),
}  # fmt: skip
REASON_ADVICE: Final = {  # in place of its kind's, where a failure names a reason
    LOGIN_REFUSED: Advice(
        "运维（账号）", "maintainer, credentials",
        "核对用户名与密码（密码里的 % @ / ? # 要写成 %25 %40 %2F %3F %23）；账号可能已被锁定",
        "check user and password (in it % @ / ? # are %25 %40 %2F %3F %23); it may be locked",
    ),
    NO_END_MARKER: Advice(
        "运维（摄像机）", "maintainer, camera",
        "抓图缺结束标记（EOI），摄像机没有写完；升级固件，或改用 RTSP 地址",
        "the camera ends its snapshots without the end marker (EOI); update it, or use RTSP",
    ),
}  # fmt: skip
UNKNOWN: Final = Advice("运维", "maintainer", "查看日志", "look at the log")
