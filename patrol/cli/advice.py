"""A kind of stream failure → whose move it is, and what to try next; Chinese first."""

from typing import Final, NamedTuple


class Advice(NamedTuple):
    """What a person can do about a failure."""

    name_zh: str
    name_en: str
    whose_zh: str
    whose_en: str
    next_zh: str
    next_en: str


ADVICE: Final = {
    "bad_address": Advice(
        "地址有误", "bad address",
        "登记人员", "whoever wrote the address",
        "按 rtsp://用户:口令@主机[:端口]/路径 填写;口令里的 / ? # @ 写成 %2F %3F %23 %40",
        "write rtsp://user:password@host[:port]/path; in a password / ? # @ are %2F %3F %23 %40",
    ),
    "unreachable": Advice(
        "连接不上", "unreachable",
        "网络/运维", "network, maintainer",
        "查电源、网线、IP 与端口;从本机 ping 该主机;看防火墙是否放行端口",
        "check power, cable, address and port; ping the host from here; look at the firewall",
    ),
    "refused_us": Advice(
        "拒绝访问", "refused us",
        "运维(账号)", "maintainer, credentials",
        "核对用户名、口令与通道路径;看摄像机的白名单和并发路数限制",
        "check user, password and channel path; look at the camera's access list and session limit",
    ),
    "went_silent": Advice(
        "连上后无响应", "went silent",
        "运维(摄像机)", "maintainer, camera",
        "重启摄像机;把 I 帧间隔调到 2–4 秒;试子码流;看上行带宽是否占满",
        "restart the camera; set key frames every 2–4 s; try the sub stream; look at the uplink",
    ),
    "unreadable": Advice(
        "码流无法解读", "unreadable",
        "运维(摄像机)", "maintainer, camera",
        "确认路径指向视频流;编码设为 H.264 或 H.265;升级固件",
        "make sure the path is a video stream; set H.264 or H.265; update the firmware",
    ),
}  # fmt: skip
UNKNOWN: Final = Advice(
    "失败", "failed", "运维", "maintainer", "查看日志", "look at the log"
)  # fmt: skip

FRESHNESS: Final = {
    "live": ("实时", "live"),
    "single": ("只有一帧,无法判断", "one picture only, cannot be told"),
    "media_clock_stood_still": ("流时间停住", "the stream's clock stood still"),
    "repeated_bits": ("画面比特完全重复", "bit-identical pictures"),
    "still": ("静态图片或文件", "a still picture or a file"),
}
LIGHT: Final = {"day": ("日间彩色", "day"), "infrared": ("红外黑白", "infrared")}
