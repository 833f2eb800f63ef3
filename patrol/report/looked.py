"""The figures of looking: coverage, online and intact rates, and how long nobody saw a camera.

Rounds that somebody asked for (专项) are in the ledger and not in these: they cover what was asked.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from patrol.domain.ids import CameraId
from patrol.domain.round import VisitOutcome
from patrol.report.figure import Figure
from patrol.report.ledger import OFFLINE, tallies
from patrol.report.material import Material

TARGETS = "目标:重点部位 98 %,其他 95 %"
DAY = timedelta(days=1)


def looks(material: Material, now: datetime) -> list[Figure]:
    """What the rounds of the plans saw."""
    head = tallies(material)
    visits = [visit for sheet in material.planned_sheets for visit in sheet.visits]
    visited = [v for v in visits if v.outcome not in (VisitOutcome.MISSED, VisitOutcome.PENDING)]
    seen = [v for v in visited if v.outcome.is_seen]
    online = sum(v.failure not in OFFLINE for v in visited)
    intact = sum(not v.faults for v in seen)
    pictured = [v for v in visited if v.outcome.is_seen or v.faults]
    left_out = f"不含未授权 {head.refused} 路次"
    if head.upkeep:
        left_out += f"、维护中 {head.upkeep}"
    unvisited = f"{left_out};不含漏巡 {head.planned - len(visited)}"
    return [
        Figure(id="planned", zh="应巡", en="planned", part=head.planned, note=left_out),
        Figure(id="seen", zh="实巡", en="seen", part=head.seen),
        Figure(id="coverage", zh="巡查覆盖率", en="patrol coverage", part=head.seen,
               whole=head.planned, note=left_out),
        Figure(id="completion", zh="轮次完成率", en="round completion", part=len(visited),
               whole=head.planned, note=left_out),
        Figure(id="online", zh="在线率", en="online rate", part=online, whole=len(visited),
               note=unvisited),
        Figure(id="intact", zh="完好率", en="intact rate", part=intact, whole=len(visited),
               note=f"{unvisited};{TARGETS}"),
        Figure(id="qualified", zh="图像合格率", en="qualified-picture rate", part=intact,
               whole=len(pictured), note="只计取到画面的路次"),
        *_unseen(material, {visit.camera for visit in visits}, now),
    ]  # fmt: skip


def _unseen(material: Material, cameras: set[CameraId], now: datetime) -> list[Figure]:
    at = min(now, material.until or now)
    names = (
        ("longest_unseen", "最长未巡见", "longest unseen (days)", material.last_seen),
        ("longest_unwatched", "最长无人看过", "longest without a person's look (days)",
         material.last_looks),
    )  # fmt: skip
    return [
        Figure(id=ident, zh=zh, en=en, unit="天", **_longest(last, cameras, at))
        for ident, zh, en, last in names
    ]


def _longest(
    last: Mapping[CameraId, datetime], cameras: set[CameraId], at: datetime
) -> dict[str, Any]:
    """Of the cameras that the period planned; those never seen have no days, and are counted."""
    spans = [at - last[camera] for camera in cameras if camera in last]
    never = len(cameras) - len(spans)
    longest = max(spans, default=None)
    return {
        "part": None if longest is None else round(max(longest, timedelta(0)) / DAY, 1),
        "note": f"{len(cameras)} 路" + (f",其中 {never} 路从未" if never else ""),
    }
