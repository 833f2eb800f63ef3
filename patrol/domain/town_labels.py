"""Labels of the town's own work: own findings, alarms, duties of rounds; Chinese and English.

Tables as in labels.py, which is full; keyed by an enum's members, whose values are public.
"""

from typing import Final

from patrol.domain.broadcast import BroadcastState
from patrol.domain.finding import FilingSource, FindingState
from patrol.domain.hand_off import HandOffChannel, HandOffState
from patrol.domain.human_patrol import CheckOutcome, HumanPatrolState
from patrol.domain.labels import Labels
from patrol.domain.registry import GridLevel
from patrol.domain.registry_change import RegistryTable, RowChange
from patrol.domain.review_alarm import AlarmStep
from patrol.domain.round_duty import RoundDutyAction
from patrol.domain.supervision import OverdueStep

FINDING_STATES: Final[Labels] = {
    FindingState.CANDIDATE: ("待研判", "waiting"),
    FindingState.UNSURE: ("存疑", "unsure"),
    FindingState.CONFIRMED: ("已确认", "confirmed"),
    FindingState.DISMISSED: ("已排除", "dismissed"),
    FindingState.MERGED: ("已并案", "merged"),
    FindingState.AGED: ("逾期归档", "expired"),
}
FILING_SOURCES: Final[Labels] = {  # where a person saw an own finding
    FilingSource.WALL: ("画面墙", "wall"),
    FilingSource.ROUND: ("巡查点位", "camera of a round"),
    FilingSource.LIVE: ("实时查看", "live view"),
    FilingSource.CAMERA: ("点位档案", "camera's page"),
    FilingSource.PHONE: ("电话报告", "telephone call"),
    FilingSource.PATROL: ("人工巡查", "human patrol"),
    FilingSource.ROTATION: ("轮巡", "rotation"),
    FilingSource.HELPER: ("群防群治随手拍", "helper's report"),
    FilingSource.GROUND: ("联动巡防", "ground patrol"),
}
FINDING_ENTRIES: Final[Labels] = {  # what stands in a finding's history
    "file": ("人工发现", "filed"),
    "undo": ("撤销研判", "decision undone"),
    "alarm": ("未研判告警", "alarm: not reviewed"),
}
ALARM_STEPS: Final[Labels] = {
    AlarmStep.CONSOLE: ("控制台", "console"),
    AlarmStep.DUTY_LEAD: ("值班长", "duty lead"),
    AlarmStep.TOWN_DUTY: ("镇值班", "town's duty"),
}
ROUND_DUTY_ACTIONS: Final[Labels] = {
    RoundDutyAction.SIGN_ON: ("签到", "signed on"),
    RoundDutyAction.HAND_OVER: ("移交", "handed over"),
}
HUMAN_PATROL_STATES: Final[Labels] = {
    HumanPatrolState.PLANNED: ("待开始", "planned"),
    HumanPatrolState.RUNNING: ("巡查中", "running"),
    HumanPatrolState.PAUSED: ("已暂停", "paused"),
    HumanPatrolState.COMPLETED: ("已完成", "completed"),
    HumanPatrolState.INCOMPLETE: ("未完成", "incomplete"),
    HumanPatrolState.MISSED: ("漏巡", "missed"),
}
CHECK_OUTCOMES: Final[Labels] = {
    CheckOutcome.PENDING: ("待看", "to do"),
    CheckOutcome.ACKNOWLEDGED: ("已看，无情况", "seen, nothing there"),
    CheckOutcome.FINDING: ("发现问题", "problem found"),
    CheckOutcome.NOT_VIEWABLE: ("无法查看", "not viewable"),
    CheckOutcome.SEEN_BEFORE: ("当日已看", "seen earlier that day"),
    CheckOutcome.MISSED: ("漏看", "missed"),
}
OVERDUE_STEPS: Final[Labels] = {
    OverdueStep.ACKNOWLEDGE: ("签收超时", "not acknowledged in time"),
    OverdueStep.ARRIVE: ("到场超时", "not arrived in time"),
    OverdueStep.FEEDBACK: ("反馈超时", "not fed back in time"),
    OverdueStep.CLOSE: ("办结超时", "not closed in time"),
    OverdueStep.SUPERVISION: ("督办超时", "supervision overdue"),
}
HAND_OFF_STATES: Final[Labels] = {
    HandOffState.SENT: ("已移交", "sent"),
    HandOffState.RECEIVED: ("已接收", "received"),
    HandOffState.ANSWERED: ("已回复", "answered"),
}
HAND_OFF_CHANNELS: Final[Labels] = {
    HandOffChannel.WEBHOOK: ("接口推送", "webhook"),
    HandOffChannel.MQTT: ("消息主题", "MQTT topic"),
    HandOffChannel.PRINT: ("打印移交单", "printed sheet"),
}
BROADCAST_STATES: Final[Labels] = {
    BroadcastState.ASKED: ("待批准", "waits for approval"),
    BroadcastState.SENT: ("已下发", "sent"),
    BroadcastState.PLAYED: ("已播报", "played"),
    BroadcastState.REFUSED: ("未批准", "refused"),
    BroadcastState.FAILED: ("播报失败", "failed"),
}
PACK_PERIODS: Final[Labels] = {
    "day": ("日", "day"),
    "week": ("周", "week"),
    "month": ("月度", "month"),
    "quarter": ("季度", "quarter"),
    "year": ("年度", "year"),
}
ROW_CHANGES: Final[Labels] = {  # of people.csv, grids.csv and leave.csv
    RowChange.ADDED: ("新增", "added"),
    RowChange.CHANGED: ("修改", "changed"),
    RowChange.REMOVED: ("删除", "removed"),
}
REGISTRY_TABLES: Final[Labels] = {
    RegistryTable.PEOPLE: ("人员", "people"),
    RegistryTable.GRIDS: ("网格", "grids"),
    RegistryTable.LEAVE: ("请假", "leave"),
}
LEAVE_STATES: Final[Labels] = {
    "to_come": ("未开始", "to come"),
    "now": ("请假中", "away now"),
    "over": ("已结束", "over"),
}
GRID_LEVELS: Final[Labels] = {
    GridLevel.TOWN: ("镇", "town"),
    GridLevel.VILLAGE: ("村", "village"),
    GridLevel.GROUP: ("组", "group"),
}
