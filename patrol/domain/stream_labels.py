"""Labels of a stream's clocks, in Chinese and English: what its times are counted in, or why not.

`patrol probe` prints them beside the freshness and the clock offset. A camera whose timestamps or
reports are no clock is no faulty camera: its pictures are judged by other proofs. Keyed by the
values of the enumerations in streams.model, which stands above this package.
"""

from typing import Final

from patrol.domain.labels import Label, Labels, label_of

MEDIA_CLOCKS: Final[Labels] = {  # streams.model.MediaClock
    "unknown": ("没有时间戳可比", "no timestamps to compare"),
    "as_declared": ("时间戳正常", "timestamps as declared"),
    "ninety_khz": ("时间戳为 90 kHz，与描述不符", "timestamps of 90 kHz, declared otherwise"),
    "milliseconds": ("时间戳按毫秒计", "timestamps in milliseconds"),
    "microseconds": ("时间戳按微秒计", "timestamps in microseconds"),
    "hundred_nanoseconds": ("时间戳按 100 纳秒计", "timestamps of 100 nanoseconds"),
    "eight_khz": ("时间戳为 8 kHz", "timestamps of 8 kHz"),
    "sixteen_khz": ("时间戳为 16 kHz", "timestamps of 16 kHz"),
    "frame_counter": ("时间戳只数帧", "timestamps only count frames"),
    "constant": ("时间戳不变", "timestamps never change"),
    "astray": ("时间戳快慢不明", "timestamps of no known pace"),
}

WALL_CLOCKS: Final[Labels] = {  # streams.model.WallClock
    "not_reported": ("未报时", "it sent no time"),
    "time_of_day": ("时刻", "time of day"),
    "since_start": ("只报开机后的秒数，不是时刻", "seconds since it started, no time of day"),
    "never_set": ("时钟从未设置（1970 年）", "its clock was never set (1970)"),
    "unix_seconds": ("按 Unix 秒误报", "Unix seconds sent as NTP time"),
    "unix_milliseconds": ("按 Unix 毫秒误报", "Unix milliseconds sent as NTP time"),
    "other_pace": ("报时快慢不对，不是时刻", "its reports run at another pace, no time of day"),
    "astray": ("报时离谱，不是时刻", "an impossible time"),
}

# The freshness says it all then, or nothing is known.
_UNREMARKABLE: Final = frozenset({"unknown", "as_declared", "astray"})


def media_clock_remark(media_clock: str) -> Label | None:
    """What to add to the freshness: a pace that was corrected, or a clock that is none."""
    return None if media_clock in _UNREMARKABLE else label_of(MEDIA_CLOCKS, media_clock)


# What a visit to a camera behind a platform or gateway reaches, in this order.
VISIT_STAGES: Final[Labels] = {
    "registered": ("已注册", "registered"),
    "catalogue": ("目录", "catalogue"),
    "invited": ("已邀请", "invited"),
    "answered": ("已应答", "answered"),
    "media": ("媒体到达", "media in"),
    "key_frame": ("关键帧", "key frame"),
    "decoded": ("已解码", "decoded"),
}

# Behind the last stage that was reached, by scheme: whose move it is, and what to look at.
STAGE_ADVICE: Final = {
    ("gb28181", "begun"): (
        (
            "对端管理员：核对 SIP 服务器编号、域、地址与端口、注册密码；本机放行 5060（UDP、TCP）；"
            "看 `patrol gb peers` 的拒绝计数"
        ),
        (
            "the peer's administrator: check server id, domain, address, port and password there;"
            " open 5060 (UDP, TCP) here; look at the refusals of `patrol gb peers`"
        ),
    ),
    ("gb28181", "registered"): (
        "对端管理员：该通道是否在目录内",
        "the peer's administrator: is this channel in its catalogue?",
    ),
    ("gb28181", "catalogue"): (
        "本机：媒体端口与并发上限（sources.yaml）",
        "this machine: media ports and sessions in sources.yaml",
    ),
    ("gb28181", "invited"): (
        "对端：设备未应答或拒绝点播；看设备是否在线、是否已达路数上限、是否有点播权限",
        (
            "the peer: no answer, or a refusal; is the device online, at its limit of streams,"
            " and are we allowed to view?"
        ),
    ),
    ("gb28181", "answered"): (
        (
            "网络：媒体没有到达；核对对端看到的本机地址（media_ip、advertise）与媒体端口是否放行，"
            "或换 media 方式（tcp-passive、tcp-active、udp）"
        ),
        (
            "network: no media came; check our address as the peer sees it (media_ip, advertise),"
            " open the media ports, or change `media:` (tcp-passive, tcp-active, udp)"
        ),
    ),
    ("gb28181", "media"): (
        (
            "摄像机：有流无关键帧；I 帧间隔调到 2–4 秒，编码设为 H.264 或 H.265（非 SVAC）；"
            "UDP 丢包时改用 TCP"
        ),
        (
            "the camera: media without a key frame; set key frames every 2–4 s and H.264 or H.265"
            " (no SVAC); where UDP loses packets use TCP"
        ),
    ),
    ("gb28181", "key_frame"): (
        "摄像机：关键帧不能解码；升级固件，或改编码",
        "the camera: its key frames do not decode; update it, or change the codec",
    ),
}
