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
