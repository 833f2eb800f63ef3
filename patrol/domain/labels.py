"""The categories of findings: identifier, Chinese words, code (house defaults).

Words for what gauges and detectors say: Chinese first, English beside.

Codes of the books → the words that people read, Chinese first, English beside.

Why a lead was made, in words: Chinese first, English beside.
"""

from dataclasses import dataclass
from typing import Final

from patrol.domain.camera import Refusal
from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.observation import Observation
from patrol.domain.round import ADHOC, VisitOutcome
from patrol.domain.schedule import IN_MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A kind of problem as people on the ground know it."""

    id: str
    code: str  # two digits of the chapter
    zh: str
    en: str
    check: str  # what to check on the ground, in Chinese


def _category(code: str, ident: str, zh: str, en: str, check: str) -> Category:
    return Category(id=ident, code=code, zh=zh, en=en, check=check)


EQUIPMENT_CHAPTER: Final = "09"
UNNAMED_CHAPTER: Final = "99"
CATEGORIES: Final[tuple[Category, ...]] = (
    _category(
        "01", "open_flame", "疑似明火", "suspected open flame", "到场查看是否有明火,确认后先报警"
    ),
    _category("01", "smoke", "疑似烟雾", "suspected smoke", "查看烟雾来源"),
    _category(
        "01",
        "straw_burning",
        "疑似焚烧秸秆",
        "suspected straw burning",
        "查看是否焚烧秸秆,劝止并扑灭",
    ),
    _category(
        "01", "combustible_pile", "可燃物堆放", "combustible pile", "查看柴草等可燃物堆放,督促清理"
    ),
    _category("02", "clutter", "乱堆乱放", "clutter", "查看乱堆乱放,督促清理"),
    _category("02", "dumping", "垃圾倾倒", "dumping", "查看倾倒垃圾,联系清运"),
    _category("02", "sewage", "污水", "sewage", "查看污水来源"),
    _category("02", "film_waste", "废旧地膜", "film waste", "查看废旧地膜,督促回收"),
    _category("03", "obstruction", "道路障碍", "road obstruction", "查看道路障碍物,恢复通行"),
    _category(
        "03", "blocking_vehicle", "车辆占道", "blocking vehicle", "查看车辆占道,联系车主挪车"
    ),
    _category(
        "03", "grain_drying", "占道晒粮", "grain drying on the road", "查看占道晒粮,劝导收起"
    ),
    _category("03", "livestock", "牲畜上路", "livestock on the road", "查看牲畜,联系农户赶回"),
    _category(
        "03", "road_condition", "路面积水结冰积雪", "water, ice or snow", "查看路面,设置警示"
    ),
    _category("03", "road_damage", "道路损坏", "road damage", "查看路面损坏,设置警示"),
    _category("04", "canal_level", "渠道水位异常", "canal level", "查看渠道水位"),
    _category("04", "person_near_water", "水边有人", "person near water", "到水边查看,劝离"),
    _category("04", "blocked_canal", "渠道堵塞", "blocked canal", "查看渠道堵塞,组织清理"),
    _category(
        "05", "railway_protection", "铁路护路", "railway protection", "查看铁路沿线,联系护路队"
    ),
    _category("06", "structure", "房屋设施", "structure", "查看房屋设施险情"),
    _category(
        "07", "night_activity", "夜间异常活动", "night activity at a key site", "查看重点部位"
    ),
    _category("07", "gate_open", "大门未关", "gate left open", "查看大门是否关闭"),
    _category("08", "severe_weather", "灾害天气", "severe weather", "查看受灾情况"),
    _category("09", "equipment", "前端设备故障", "camera fault", "检查摄像机供电、网络和镜头"),
    _category("99", "scene_change", "画面变化待核", "change not yet named", "到场核实画面中的变化"),
    _category("99", "other", "其他", "other", "到场核实"),
)
CATEGORY_BY_ID: Final[dict[str, Category]] = {category.id: category for category in CATEGORIES}


def category_named(ident: str) -> Category:
    """The category of that identifier; one that a site's rules made up is an 其他 of its name."""
    return CATEGORY_BY_ID.get(ident) or _category(
        "99", ident, ident, ident.replace("_", " "), "到场核实"
    )


FAULT_LABELS: Final = {
    "black_screen": ("黑屏", "black screen"),
    "solid_color": ("纯色画面", "solid colour"),
    "too_dark": ("画面过暗", "too dark"),
    "too_bright": ("画面过亮", "too bright"),
    "low_contrast": ("对比度过低", "low contrast"),
    "blur": ("画面模糊", "blurred"),
    "color_cast": ("画面偏色", "colour cast"),
    "noise": ("画面噪声", "noise"),
    "stripes": ("条纹干扰", "stripes"),
    "freeze": ("画面冻结", "frozen picture"),
    "occlusion": ("镜头遮挡", "lens covered"),
    "scene_shift": ("画面移位", "camera moved"),
    "artifacts": ("花屏马赛克", "mosaic or smear"),
    "clock_skew": ("时钟偏差", "clock off"),
    "slow_keyframe": ("关键帧间隔过长", "slow key frames"),
    "infrared_stuck": ("红外未切换", "infrared stuck"),
}
OBJECT_LABELS: Final = {
    "person": "人", "bicycle": "自行车", "car": "汽车", "motorcycle": "摩托车", "bus": "客车",
    "truck": "货车", "dog": "狗", "horse": "马", "sheep": "羊", "cow": "牛",
}  # fmt: skip
# A question, not a claim: a change that the machine could not name and a picture of the blind
# sample are judged by the same words, so that nobody knows which of them lies before him.
COMPARE_PROMPT: Final = (
    "请与本机参考画面对照,看有无需要处置的变化"
    " (compare with this camera's reference: does anything here need somebody?)"
)


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

ACCESS_ACTIONS: Final = {  # of the access log
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


def bilingual(pair: tuple[str, str]) -> str:
    """`漏巡 missed`."""
    return f"{pair[0]} {pair[1]}"


def failure_label(kind: str) -> str:
    """Why a camera could not be viewed."""
    return bilingual(FAILURES[kind]) if kind in FAILURES else kind


def refusal_label(kind: str) -> str:
    """Why a camera was not connected to."""
    known = REFUSALS.get(kind)
    return kind if known is None else bilingual(known)


def plan_label(name: str) -> str:
    """What people call a round of this plan."""
    return bilingual(PLANS[name]) if name in PLANS else name


UNNAMED_CHANGE = "scene_change"  # a change against the reference that no zone gives a name


def finding_reason(observation: Observation) -> str:
    """What was seen where, and how surely; or the gauge's number beside its limit.

    A change without a name is a question: as such the blind sample stands beside it unmarked.
    """
    if observation.kind in FAULT_LABELS:
        zh, en = FAULT_LABELS[observation.kind]
        return (
            f"{zh}:实测 {observation.value:.3g},界限 {observation.threshold:.3g}"
            f" ({en}: measured {observation.value:.3g}, limit {observation.threshold:.3g})"
        )
    if observation.kind == UNNAMED_CHANGE:
        return COMPARE_PROMPT
    category = CATEGORY_BY_ID.get(observation.kind, CATEGORY_BY_ID["other"])
    if observation.label:
        what = OBJECT_LABELS.get(observation.label, observation.label)
        return (
            f"区域「{observation.zone}」内发现{what},{category.zh}"
            f" ({observation.label} in zone {observation.zone}: {category.en},"
            f" score {observation.score:.2f})"
        )
    return (
        f"{category.zh}:与本机参考画面不同,得分 {observation.score:.2f}"
        f" ({category.en}: differs from this camera's reference, score {observation.score:.2f})"
    )
