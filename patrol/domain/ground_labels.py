"""Labels of patrols on the ground (联动巡防) and of helpers, Chinese and English.

Tables as in labels.py; keyed by an enum's members, whose values are public.
"""

from typing import Final

from patrol.domain.ground_patrol import (
    CheckInMethod,
    CheckInProblem,
    CheckInState,
    GroundState,
    StopState,
)
from patrol.domain.helping import ReportOutcome
from patrol.domain.labels import Labels
from patrol.domain.registry import PointKind

POINT_KINDS: Final[Labels] = {
    PointKind.GRID: ("网格点", "grid point"),
    PointKind.KEY_SITE: ("重点部位", "key site"),
    PointKind.RAILWAY: ("铁路护路", "railway section"),
}
GROUND_STATES: Final[Labels] = {
    GroundState.PLANNED: ("待巡防", "planned"),
    GroundState.RUNNING: ("巡防中", "under way"),
    GroundState.COMPLETED: ("已完成", "completed"),
    GroundState.INCOMPLETE: ("未完成", "incomplete"),
    GroundState.MISSED: ("漏巡", "missed"),
}
STOP_STATES: Final[Labels] = {
    StopState.PENDING: ("待签到", "to walk"),
    StopState.DONE: ("已签到", "checked in"),
    StopState.LATE: ("迟到签到", "checked in late"),
    StopState.REVIEW: ("待复核", "waits for review"),
    StopState.MISSED: ("漏签", "missed"),
}
CHECK_IN_METHODS: Final[Labels] = {
    CheckInMethod.QR: ("扫码", "QR code"),
    CheckInMethod.NFC: ("刷标签", "tag"),
    CheckInMethod.LOCATION: ("定位", "location"),
    CheckInMethod.OPERATOR: ("值班代录", "entered by the desk"),
}
CHECK_IN_STATES: Final[Labels] = {
    CheckInState.ACCEPTED: ("有效", "accepted"),
    CheckInState.REVIEW: ("待复核", "waits for review"),
    CheckInState.REJECTED: ("不予认可", "not believed"),
}
CHECK_IN_PROBLEMS: Final[Labels] = {
    CheckInProblem.AHEAD: ("时间在未来", "its time is in the future"),
    CheckInProblem.TOO_OLD: ("离线过久", "too long without network"),
    CheckInProblem.OUTSIDE_WINDOW: ("不在巡防时段", "outside the patrol's hours"),
    CheckInProblem.OUT_OF_ORDER: ("时间早于前一签到", "earlier than the check-in before"),
    CheckInProblem.TOO_FAST: ("两点之间过快", "too fast from the last point"),
    CheckInProblem.TOO_FAR: ("离点位过远", "too far from the point"),
    CheckInProblem.IMPRECISE: ("定位不准", "the location is not exact"),
    CheckInProblem.NO_LOCATION: ("未附定位", "without a location"),
}
CLAIMED: Final = ("手机自报", "the phone's claim")
BY_CENTRE: Final = ("中心时间", "the centre's time")
REPORT_OUTCOMES: Final[Labels] = {
    ReportOutcome.WAITING: ("待指挥中心研判", "waits for the centre"),
    ReportOutcome.UNDER_WAY: ("已立案，正在办理", "a case, being dealt with"),
    ReportOutcome.SETTLED: ("已办结", "settled"),
    ReportOutcome.NOT_FOLLOWED: ("未采纳", "not followed up"),
}
