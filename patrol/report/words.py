"""Codes of the books → the words that people read, Chinese first, English beside."""

from typing import Final

from patrol.domain.camera import Refusal
from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.round import ADHOC, VisitOutcome
from patrol.domain.stoppage import IN_MAINTENANCE

FAILURES: Final = {
    "bad_address": ("地址有误", "bad address"),
    "unreachable": ("连接不上", "unreachable"),
    "refused_us": ("拒绝访问", "refused us"),
    "went_silent": ("连上后无响应", "went silent"),
    "unreadable": ("码流无法解读", "unreadable"),
    "unusable_picture": ("画面不可用", "unusable picture"),
}
REFUSALS: Final[dict[str, tuple[str, str]]] = {
    Refusal.CONSENT_PENDING: ("待同意", "consent pending"),
    Refusal.CONSENT_WITHDRAWN: ("已撤回同意", "consent withdrawn"),
    Refusal.CONSENT_EXPIRED: ("同意已过期", "consent expired"),
    Refusal.CONSENT_UNDATED: ("同意无期限", "consent without a last day"),
    Refusal.INDOOR: ("室内", "indoor"),
    Refusal.PLACEMENT_UNKNOWN: ("位置不明", "placement unknown"),
    IN_MAINTENANCE: ("维护中", "in maintenance"),
}
OUTCOMES: Final = {
    VisitOutcome.PENDING: ("待查", "pending"),
    VisitOutcome.NORMAL: ("正常", "normal"),
    VisitOutcome.PROBLEM: ("发现问题", "problem found"),
    VisitOutcome.NOT_VIEWABLE: ("无法查看", "not viewable"),
    VisitOutcome.MISSED: ("漏巡", "missed"),
}
CASE_STATES: Final = {
    CaseState.DISPATCHED: ("已分派", "dispatched"),
    CaseState.ACKNOWLEDGED: ("已签收", "acknowledged"),
    CaseState.ARRIVED: ("已到场", "arrived"),
    CaseState.HANDLED: ("已处置", "handled"),
    CaseState.FED_BACK: ("已反馈", "fed back"),
    CaseState.VERIFIED: ("已核查", "verified"),
    CaseState.CLOSED: ("已结案", "closed"),
    CaseState.RETURNED: ("已退回", "returned"),
    CaseState.REWORK: ("返工", "rework"),
    CaseState.VOIDED: ("已作废", "voided"),
}
CASE_EVENTS: Final = {
    CaseEvent.DISPATCH: ("分派", "dispatched"),
    CaseEvent.RECEIVED: ("送达", "received"),
    CaseEvent.OPENED: ("打开", "opened"),
    CaseEvent.ACKNOWLEDGE: ("签收", "acknowledged"),
    CaseEvent.ARRIVE: ("到场", "arrived"),
    CaseEvent.PROGRESS: ("处理中", "in progress"),
    CaseEvent.NEED_HELP: ("请求支援", "needs help"),
    CaseEvent.CANNOT_REACH: ("无法到达", "cannot reach"),
    CaseEvent.HANDLE: ("处置", "handled"),
    CaseEvent.FEED_BACK: ("反馈", "fed back"),
    CaseEvent.RETURN: ("退回", "returned"),
    CaseEvent.REASSIGN: ("转派", "reassigned"),
    CaseEvent.ESCALATE: ("升级", "escalated"),
    CaseEvent.SUPERVISE: ("督办", "supervised"),
    CaseEvent.EXTEND: ("申请延期", "asks for more time"),  # granted is GRANT
    CaseEvent.MERGE: ("并案", "merged"),
    CaseEvent.VERIFY: ("核查通过", "verified"),
    CaseEvent.NOT_VERIFIED: ("核查未通过", "not verified"),
    CaseEvent.LOOKED: ("已复看,待人工核查", "looked again, awaits a verdict"),
    CaseEvent.LOOK_FAILED: ("核查时无法查看", "look failed"),
    CaseEvent.CLOSE: ("结案", "closed"),
    CaseEvent.REOPEN: ("重开", "reopened"),
    CaseEvent.VOID: ("作废", "voided"),
    CaseEvent.ASK: ("申请", "asked for"),
    CaseEvent.GRANT: ("批准", "granted"),
    CaseEvent.REFUSE: ("不批准", "refused"),
    CaseEvent.SUSPEND: ("挂起", "suspended"),
    CaseEvent.RESUME: ("恢复", "resumed"),
    CaseEvent.HOLD: ("暂缓发送", "held"),
    CaseEvent.RELEASE: ("放行", "released"),
    CaseEvent.PHONE: ("电话通知", "phoned"),
}
DISMISSALS: Final = {
    "shadow": "光影", "animal": "动物", "known_object": "固有物体", "weather": "天气",
    "camera_fault": "设备故障", "duplicate": "重复", "not_a_problem": "不构成问题", "other": "其他",
}  # fmt: skip
PLANS: Final = {
    "morning": ("上午", "morning"),
    "afternoon": ("下午", "afternoon"),
    ADHOC: ("专项", "ad hoc"),
}
LEVELS: Final = {"I": "特急", "II": "紧急", "III": "一般", "IV": "提示"}

DEEDS: Final = {  # of the access log
    "view_picture": ("查看画面", "viewed a picture"),
    "view_thumbnail": ("查看缩略图", "viewed a thumbnail"),
    "view_reference": ("查看参考画面", "viewed the reference"),
    "send_picture": ("画面发至网格", "picture sent to the ground"),
    "open_link": ("打开一次性链接", "opened a one-time link"),
    "reopen_link": ("一分钟内再次打开链接", "opened the link again within a minute"),
    "visit": ("巡查取流", "visited by the patrol"),
    "log_in": ("登录", "logged in"),
    "export_report": ("导出报表", "exported a report"),
    "add_account": ("新建账号", "added an account"),
    "change_duty": ("改职责", "changed a duty"),
    "change_password": ("修改密码", "changed a password"),
    "disable_account": ("停用账号", "disabled an account"),
    "enable_account": ("启用账号", "enabled an account"),
    "end_session": ("强制退出", "ended a session"),
    "add_key": ("新建接口密钥", "made an API key"),
    "revoke_key": ("撤销接口密钥", "revoked an API key"),
    "back_up": ("备份", "made a backup"),
    "accept_as_normal": ("认作新常态", "accepted a picture as normal"),
    "change_areas": ("改画可视区与区域", "drew areas anew"),
    "live_look": ("实时查看", "looked live"),
    "live_look_end": ("结束实时查看", "ended the live look"),
    "export_cameras": ("导出点位表", "exported the cameras"),
    "import_added": ("导入:新增点位", "imported: a camera added"),
    "import_changed": ("导入:修改点位", "imported: a camera changed"),
    "import_retired": ("导入:停用点位", "imported: a camera retired"),
    "consent withdrawn": ("撤回同意", "consent withdrawn"),
    "consent restored": ("恢复同意", "consent restored"),
}


def both(pair: tuple[str, str]) -> str:
    """`漏巡 missed`."""
    return f"{pair[0]} {pair[1]}"


def failure(kind: str) -> str:
    """Why a camera could not be viewed."""
    return both(FAILURES[kind]) if kind in FAILURES else kind


def refusal(kind: str) -> str:
    """Why a camera was not connected to."""
    known = REFUSALS.get(kind)
    return kind if known is None else both(known)


def plan(name: str) -> str:
    """What people call a round of this plan."""
    return both(PLANS[name]) if name in PLANS else name
