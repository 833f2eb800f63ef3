"""The time stamps of audit heads in `patrol audit verify`: whether each holds, and from when it is.

A stamp must hold for the day's heads as the outside kept them (`--anchor FILE`), else for those of
the file beside the key, else for the store's. It proves that these heads were there at its time; a
stamp that is much younger than its day proves nothing against an owner who made everything anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from patrol.domain.audit_anchor import (
    STAMP_ENDING,
    BadAnchor,
    ChainHead,
    read_anchor_days,
    stamped_text,
)
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import rfc3339_or_none
from patrol.settings.site_keys import anchor_path, stamp_folder
from patrol.store import Store
from patrol.store.anchors import CHAINED_TABLES

if TYPE_CHECKING:
    from patrol.settings import Site

STAMPED_WITHIN: Final = timedelta(days=2)  # after the day's end; later is said
DayHeads = Mapping[str, Mapping[str, ChainHead]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedStamp:
    """A day's time stamp."""

    day: str
    at: datetime | None  # when the authority saw the heads, UTC; None: it does not hold
    is_late: bool = False
    problem: str = ""

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "day": self.day,
            "at": rfc3339_or_none(self.at),
            "late": self.is_late,
            "ok": not self.problem,
        }

    def text(self, zone: tzinfo) -> str:
        """One line for a person."""
        when = f"{self.at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if self.at else "—"
        late = (
            translate(" · 晚于当日两天以上", " · more than two days after its day")
            if self.is_late
            else ""
        )
        return translate(f"{self.day}：时间戳 {when}{late}", f"{self.day}: time stamp {when}{late}")


def verify_stamps(site: "Site", store: Store, given: DayHeads) -> Sequence[CheckedStamp]:
    """Every stamp of the site, the oldest first; `given`: heads by day that the outside kept.

    Raises BadInput: stamps are there, and no `timestamp.ca_file` to check them by.
    """
    files = sorted(stamp_folder(site.settings).glob(f"*{STAMP_ENDING}"))
    if not files or site.settings.timestamp is None:
        return []
    from patrol.integrations.timestamps import read_roots  # noqa: PLC0415  an optional extra

    roots = read_roots(site.settings.timestamp.ca_file)
    heads = {**_days_of_store(store), **_days_of_file(anchor_path(site.settings)), **given}
    zone = site.settings.site.tz
    return [_checked(file, heads.get(file.stem), roots, zone) for file in files]


def _checked(
    file: Path, heads: Mapping[str, ChainHead] | None, roots: Sequence[Any], zone: tzinfo
) -> CheckedStamp:
    from patrol.integrations.timestamps import StampBroken, verify_stamp  # noqa: PLC0415

    day = file.stem
    try:
        end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), tzinfo=zone)
    except ValueError:
        return CheckedStamp(day=day, at=None, problem=f"{file}: is named after no day")
    if heads is None:
        text = translate("其锚点已不存在", "the anchor that it is of is gone")
        return CheckedStamp(day=day, at=None, problem=f"{file}: {text}")
    try:
        at = verify_stamp(roots, file.read_bytes(), stamped_text(day, heads))
    except (StampBroken, OSError) as exc:
        text = translate("时间戳与该日锚点不符", "the time stamp does not hold for the day's heads")
        return CheckedStamp(day=day, at=None, problem=f"{file}: {text} ({exc})")
    return CheckedStamp(day=day, at=at, is_late=at > end + STAMPED_WITHIN)


def _days_of_store(store: Store) -> DayHeads:
    with store.begin_read() as uow:
        return {one.day.isoformat(): one.heads for one in uow.anchors.newest(MAX_DAYS)}


def _days_of_file(path: Path) -> DayHeads:
    try:
        return read_anchor_days(path.read_text("utf-8"), frozenset(CHAINED_TABLES))
    except (OSError, UnicodeDecodeError, BadAnchor):
        return {}  # `audit verify` itself says what is wrong with the file


MAX_DAYS: Final = 36_500
