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
from patrol.domain.errors import BadInput
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
    at: datetime | None  # when the authority saw the heads, UTC; None: not proven
    is_late: bool = False
    problem: str = ""
    unverified: str = ""  # why it could not be checked, and what to do; empty: it was

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "day": self.day,
            "at": rfc3339_or_none(self.at),
            "late": self.is_late,
            "ok": not self.problem and not self.unverified,
            "verified": not self.unverified,
        }

    def text(self, zone: tzinfo) -> str:
        """One line for a person."""
        if self.unverified:
            return translate(f"{self.day}：时间戳未核验", f"{self.day}: time stamp not verified")
        when = f"{self.at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if self.at else "—"
        late = (
            translate(" · 晚于当日两天以上", " · more than two days after its day")
            if self.is_late
            else ""
        )
        return translate(f"{self.day}：时间戳 {when}{late}", f"{self.day}: time stamp {when}{late}")


def verify_stamps(site: "Site", store: Store, given: DayHeads) -> Sequence[CheckedStamp]:
    """Every stamp of the site, the oldest first; `given`: heads by day that the outside kept.

    Where there is nothing to check them by, each says so, and what to do.
    """
    files = sorted(stamp_folder(site.settings).glob(f"*{STAMP_ENDING}"))
    if not files:
        return []
    try:
        roots = _roots_of(site)
    except BadInput as exc:
        return [CheckedStamp(day=file.stem, at=None, unverified=str(exc)) for file in files]
    heads = {**_days_of_store(store), **_days_of_file(anchor_path(site.settings)), **given}
    zone = site.settings.site.tz
    return [_checked(file, heads.get(file.stem), roots, zone) for file in files]


def _roots_of(site: "Site") -> Sequence[Any]:
    """The authority's certificates. Raises BadInput: what is missing, and the fix."""
    if site.settings.timestamp is None:
        raise BadInput(
            translate(
                "site.yaml 中已无 timestamp:，恢复 `timestamp: {url: …, ca_file: FILE}`，"
                "FILE 为签发机构的证书",
                "`timestamp:` is no longer in site.yaml; put `timestamp: {url: …, ca_file: FILE}`"
                " back, FILE being the authority's certificates",
            )
        )
    try:
        from patrol.integrations.timestamps import read_roots  # noqa: PLC0415  an optional extra
    except ImportError as exc:
        raise BadInput(
            translate(
                f"缺少 {exc.name}，执行 pip install 'patrol[timestamp]'",
                f"{exc.name} is missing, run pip install 'patrol[timestamp]'",
            )
        ) from None
    return read_roots(site.settings.timestamp.ca_file)


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


def unverified_text(stamps: Sequence[CheckedStamp]) -> str:
    """How many stamps, and of which days, were not verified, why, and the fix; empty: none."""
    left = [stamp for stamp in stamps if stamp.unverified]
    if not left:
        return ""
    first, last = left[0].day, left[-1].day
    return translate(
        f"{len(left)} 个时间戳（{first} 至 {last}）未核验：{left[0].unverified}",
        f"{len(left)} time stamps ({first} to {last}) are not verified: {left[0].unverified}",
    )


def _days_of_store(store: Store) -> DayHeads:
    with store.begin_read() as uow:
        return {one.day.isoformat(): one.heads for one in uow.anchors.newest(MAX_DAYS)}


def _days_of_file(path: Path) -> DayHeads:
    try:
        return read_anchor_days(path.read_text("utf-8"), frozenset(CHAINED_TABLES))
    except (OSError, UnicodeDecodeError, BadAnchor):
        return {}  # `audit verify` itself says what is wrong with the file


MAX_DAYS: Final = 36_500
