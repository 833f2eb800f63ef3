"""Every label that people read for a value of the program, in Chinese and English.

Tables keyed by the values of an enum or by the identifiers that the database, MQTT and the API
carry; each value is a pair (Chinese, English). Pages take one language of a pair, the command line
both (`bilingual`), the ledger and the messages to leaders the Chinese. Most enums stand here by
their values: a verb that prints one word must not import the whole domain. No other module holds
such a table (tests/domain/test_labels.py) but stream_labels.py for the clocks of streams; the
categories of findings, which a site's rules may add to, are in finding.py.
"""

from collections.abc import Mapping
from typing import Final

from patrol.domain.finding import CATEGORY_BY_ID, DismissReason
from patrol.domain.object_labels import OBJECT_CLASSES
from patrol.domain.observation import Light, Observation, Subject
from patrol.domain.priority import DueLight, Level
from patrol.domain.reader_language import translate

Label = tuple[str, str]  # (Chinese, English)
Labels = Mapping[str, Label]

CHAPTERS: Final[Labels] = {  # of the categories' codes
    "01": ("消防", "fire"),
    "02": ("环境", "environment"),
    "03": ("道路", "roads"),
    "04": ("涉水", "water"),
    "05": ("铁路护路", "railway protection"),
    "06": ("房屋设施", "structures"),
    "07": ("秩序", "order"),
    "08": ("灾害天气", "severe weather"),
    "09": ("前端设备", "cameras"),
    "99": ("其他", "other"),
}
LEVELS: Final[Labels] = {
    Level.URGENT: ("特急", "urgent"),
    Level.PRESSING: ("紧急", "pressing"),
    Level.ORDINARY: ("一般", "ordinary"),
    Level.NOTE: ("提示", "note"),
}
DUE_LIGHTS: Final[Labels] = {
    DueLight.GREEN: ("正常", "in time"),
    DueLight.YELLOW: ("将超时", "soon due"),
    DueLight.RED: ("已超时", "overdue"),
}

# Cameras and their visits.
PLANS: Final[Labels] = {
    "morning": ("上午", "morning"),
    "afternoon": ("下午", "afternoon"),
    "adhoc": ("专项", "ad hoc"),
}
ROUND_STATES: Final[Labels] = {
    "planned": ("待开始", "planned"),
    "running": ("巡查中", "running"),
    "interrupted": ("已中断", "interrupted"),
    "finished": ("已完成", "finished"),
    "missed": ("漏巡", "missed"),
}
OUTCOMES: Final[Labels] = {
    "pending": ("待查", "pending"),
    "normal": ("正常", "normal"),
    "problem": ("发现问题", "problem found"),
    "not_viewable": ("无法查看", "not viewable"),
    "missed": ("漏巡", "missed"),
}
FAILURES: Final[Labels] = {  # StreamError.kind
    "bad_address": ("地址有误", "bad address"),
    "unreachable": ("连接不上", "unreachable"),
    "refused_us": ("拒绝访问", "refused us"),
    "stream_busy": ("路数已满", "no stream free"),
    "went_silent": ("连上后无响应", "went silent"),
    "unreadable": ("码流解码失败", "unreadable"),
    "unusable_picture": ("画面不可用", "unusable picture"),
}
REFUSALS: Final[Labels] = {
    "consent_pending": ("待同意", "consent pending"),
    "consent_withdrawn": ("已撤回同意", "consent withdrawn"),
    "consent_expired": ("同意已过期", "consent expired"),
    "consent_undated": ("同意无期限", "consent without a last day"),
    "consent_paused": ("农户暂停", "paused by the household"),
    "consent_hours": ("不在农户同意的时段", "outside the household's hours"),
    "indoor": ("室内", "indoor"),
    "placement_unknown": ("位置不明", "placement unknown"),
    "in_maintenance": ("维护中", "in maintenance"),
}
CONSENT_STATES: Final[Labels] = {
    "granted": ("已同意", "granted"),
    "pending": ("待同意", "pending"),
    "withdrawn": ("已撤回", "withdrawn"),
}
PRIORITIES: Final[Labels] = {"normal": ("一般", "normal"), "key": ("重点", "key")}
LIGHTS: Final[Labels] = {Light.DAY: ("日间", "day"), Light.INFRARED: ("红外", "infrared")}
SUBJECTS: Final[Labels] = {
    Subject.SCENE: ("场景", "scene"),
    Subject.EQUIPMENT: ("设备", "equipment"),
}
CAMERA_CONDITIONS: Final[Labels] = {
    "online": ("在线", "online"),
    "faulty": ("画面异常", "faulty picture"),
    "offline": ("离线", "offline"),
    "unknown": ("未巡查", "not visited yet"),
}
TROUBLE_STATES: Final[Labels] = {**CAMERA_CONDITIONS, "down": ("整体中断", "down")}
OUTAGE_GROUPS: Final[Labels] = {
    "link": ("链路", "link"),
    "village": ("全村", "village"),
}
STOPPAGE_SCOPES: Final[Labels] = {
    "rounds": ("全部巡查", "all rounds"),
    "camera": ("点位", "camera"),
    "link": ("链路", "link"),
    "grid": ("网格", "grid"),
}
# What a stoppage or a trouble is about; the two share their first kinds.
SUBJECT_KINDS: Final[Labels] = {**STOPPAGE_SCOPES, "village": ("村", "village")}
FRESHNESS: Final[Labels] = {  # streams.model.Freshness
    "live": ("实时", "live"),
    "single": ("只有一帧，无法判断", "one picture only, cannot be told"),
    "media_clock_stood_still": ("流时间停住", "the stream's clock stood still"),
    "media_clock_astray": ("流时间与时钟不符", "the stream's clock disagrees with ours"),
    "repeated_bits": ("画面比特完全重复", "bit-identical pictures"),
    "pictures_differ": ("流不报时，画面有变化", "the stream tells no time; its pictures differ"),
    "still": ("静态图片或文件", "a still picture or a file"),
}
PICTURE_FAULTS: Final[Labels] = {  # vision.quality's PictureFault, and a camera that moved
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
    "slow_keyframe": ("码流异常（关键帧间隔过长）", "slow key frames"),
    "infrared_stuck": ("红外未切换", "infrared stuck"),
    "shake": ("画面抖动", "shaking"),
}
REFERENCE_STATES: Final[Labels] = {  # vision.reference's SceneState
    "learning": ("学习中", "being learned"),
    "ready": ("可用", "in use"),
    "suspended": ("已暂停，待重新确认", "suspended until approved again"),
}
REFERENCE_SUSPENSIONS: Final[Labels] = {
    "visible_area": ("可视区已改", "the visible area was changed"),
    "scene_shift": ("镜头被移动", "the camera was moved"),
}
TOWN_WIDE_CAUSES: Final[Labels] = {  # vision.change's Cause
    "snow": ("疑似降雪", "suspected snow"),
    "dust": ("疑似沙尘", "suspected dust"),
    "fog": ("疑似大雾", "suspected fog"),
    "rain": ("疑似降雨", "suspected rain"),
    "dusk": ("天色已暗", "dusk"),
    "unknown": ("画面普遍变化", "pictures changed as a whole"),
}
# Findings, cases and their messages.
DISMISS_REASONS: Final[Labels] = {
    DismissReason.SHADOW: ("光影变化", "shadow or light"),
    DismissReason.ANIMAL: ("动物", "animal"),
    DismissReason.KNOWN_OBJECT: ("固有物体（长期停放）", "known object"),
    DismissReason.WEATHER: ("天气", "weather"),
    DismissReason.CAMERA_FAULT: ("设备故障", "camera fault"),
    DismissReason.DUPLICATE: ("重复", "duplicate"),
    DismissReason.NOT_A_PROBLEM: ("不构成问题", "not a problem"),
    DismissReason.OTHER: ("其他", "other"),
}
CASE_STATES: Final[Labels] = {
    "dispatched": ("待签收", "dispatched"),
    "acknowledged": ("已签收", "acknowledged"),
    "arrived": ("已到场", "arrived"),
    "handled": ("已处置", "handled"),
    "fed_back": ("已反馈", "fed back"),
    "verified": ("已核查", "verified"),
    "closed": ("已办结", "closed"),
    "returned": ("已退回", "returned"),
    "rework": ("退回重办", "rework"),
    "voided": ("已作废", "voided"),
}
CASE_EVENTS: Final[Labels] = {
    "dispatch": ("分派", "dispatched"),
    "received": ("送达", "received"),
    "opened": ("打开", "opened"),
    "acknowledge": ("签收", "acknowledged"),
    "arrive": ("到场", "arrived"),
    "progress": ("处理中", "in progress"),
    "need_help": ("请求支援", "needs help"),
    "cannot_reach": ("无法到达", "cannot reach"),
    "handle": ("处置", "handled"),
    "feed_back": ("反馈", "fed back"),
    "return": ("退回", "returned"),
    "reassign": ("转派", "reassigned"),
    "escalate": ("升级", "escalated"),
    "supervise": ("督办", "supervised"),
    "extend": ("申请延期", "asks for more time"),
    "merge": ("并案", "merged"),
    "unmerge": ("撤销并案", "merge undone"),
    "verify": ("核查通过", "verified"),
    "not_verified": ("核查未通过", "not verified"),
    "looked": ("已复看，待人工核查", "rechecked, awaits verification"),
    "look_failed": ("核查时无法查看", "look failed"),
    "close": ("办结", "closed"),
    "reopen": ("重开", "reopened"),
    "void": ("作废", "voided"),
    "ask": ("申请", "asked for"),
    "grant": ("批准", "granted"),
    "refuse": ("不批准", "refused"),
    "suspend": ("挂起", "suspended"),
    "resume": ("恢复", "resumed"),
    "hold": ("暂缓发送", "held"),
    "release": ("放行", "released"),
    "phone": ("电话通知", "phoned"),
    "urge": ("催办", "urged"),
    "hand_off": ("移交（警格联动）", "handed off"),
    "hand_off_answer": ("移交回复", "hand-off answered"),
    "broadcast": ("大喇叭播报", "broadcast"),
    "broadcast_played": ("已播报", "broadcast played"),
    "tag": ("标签", "tagged"),
    "recover": ("巡查见恢复正常", "seen well again"),
    "stand_in": ("代班", "substitute told"),
    "open_to_helpers": ("请群防群治协助", "opened to helpers"),
    "close_to_helpers": ("不再请群防群治协助", "closed to helpers"),
    "helper_going": ("群防群治前往", "a helper is going"),
    "helper_there": ("群防群治到场", "a helper was there"),
}
APPROVAL_KINDS: Final[Labels] = {
    "extension": ("延期", "more time"),
    "suspension": ("挂起", "suspension"),
    "void": ("作废", "voiding"),
}
DELIVERY_STATES: Final[Labels] = {
    "queued": ("待发", "queued"),
    "published": ("已发出", "published"),
    "received": ("已送达", "received"),
    "opened": ("已打开", "opened"),
    "acknowledged": ("已签收", "acknowledged"),
    "overdue": ("超时未答", "no answer"),
    "expired": ("已失效", "expired"),
    "quarantined": ("代理拒收，待处理", "refused by the broker"),
}
RECEIPTS: Final[Labels] = {  # the times of reports.documents.message_document, in their order
    "queued": ("入队", "queued"),
    "published": ("发出", "published"),
    "broker_acked": ("代理收到", "broker has it"),
    "device_received": ("手机收到", "device has it"),
    "opened": ("打开", "opened"),
    "acknowledged": ("签收", "answered"),
}
LINK_REFUSALS: Final[Labels] = {  # why a picture link shows no picture
    "spent": ("此链接只能打开一次，已经用过", "this link opens once, and was opened"),
    "expired": ("此链接已过期", "this link has expired"),
    "ended": ("案件已结束，画面不再提供", "the case has ended, its picture is not shown"),
    "withdrawn": ("案件已转其他网格", "the case went to another grid"),
}

# People, and what they may do.
ATTENTION: Final[Labels] = {
    "finding": ("特急、紧急线索未研判", "urgent and pressing findings, not reviewed"),
    "overdue": ("案件超时", "overdue cases"),
    "reply": ("网格回复", "replies from the ground"),
}
DUTIES: Final[Labels] = {
    "operator": ("值班员", "operator"),
    "duty_lead": ("值班长", "shift supervisor"),
    "village_cadre": ("村班子", "village cadre"),
    "grid_leader": ("网格长", "grid leader"),
    "helper": ("群防群治队员", "helper"),
    "maintainer": ("运维", "maintainer"),
    "auditor": ("审计员", "auditor"),
    "admin": ("管理员", "administrator"),
    "display": ("大屏", "wall display"),
}
ROLES: Final[Labels] = {
    "town_duty": ("镇值班", "town duty"),
    "village_cadre": ("村班子", "village cadre"),
    "grid_leader": ("网格长", "grid leader"),
    "party_group_leader": ("党小组长", "party-group leader"),
    "grid_worker": ("网格员", "grid worker"),
    "respected_villager": ("乡贤", "respected villager"),
    "maintainer": ("维修员", "maintainer"),
    "helper": ("群防群治队员", "helper"),
    "town_official": ("镇机关干部", "town official"),
    "village_police": ("驻村民警", "village police officer"),
    "village_group_cadre": ("村组干部", "village or group cadre"),
    "joint_defence_household": ("联户联防员", "joint-defence household"),
    "unit_guard": ("单位治安员", "unit guard"),
}
API_SCOPES: Final[Labels] = {
    "rounds:read": ("读取巡查轮次", "Rounds and their books."),
    "findings:read": ("读取线索", "Findings, waiting and decided."),
    "findings:decide": ("确认、排除线索", "Confirm and dismiss findings."),
    "cases:read": ("读取案件", "Cases with their histories."),
    "cameras:read": ("读取点位（不含地址与农户）",
                     "Cameras and their health, without addresses and households."),
    "reports:read": ("读取报表", "Reports with all figures."),
    "findings:file": ("上报人工发现", "File own findings."),
    "cases:move": ("督办、转派、核查、申请、移交、标签", "Move, verify, hand off, tag; ask."),
    "cases:settle": ("批准、办结、重开、播报审批", "Grant, refuse, close, reopen; broadcasts."),
    "meetings:read": ("读取会议材料", "Meeting packs."),
    "rounds:work": ("签到、移交与人工巡查", "Sign on to rounds, work human patrols."),
    "holds:read": ("读取保全", "Legal holds."),
    "holds:write": ("设定与解除保全", "Set and end legal holds."),
    "consents:change": ("变更农户同意：撤回、暂停、时段",
                        "Change a consent: withdraw, restore, pause, resume, hours."),
    "county:read": ("供县级汇总：轮次、覆盖、超时、健康、指标，不含画面、农户、备注、姓名",
                    "Rounds, coverage, overdue cases, health, figures; no picture, no name."),
    "people:read": ("读取人员、网格、请假", "People, grids and leave, with telephones."),
    "people:write": ("修改人员、网格、请假", "Change people, grids and leave."),
}  # fmt: skip
ACTION_REFUSALS: Final[Labels] = {  # why a live view or a new reference was refused
    "too_many": ("同时查看的人太多，请稍后再试", "too many live looks just now, try again soon"),
    "workers_link": ("链路只有工作机可达，本机看不到", "only a worker reaches its link"),
    "newer_picture": (
        "已有更新的画面，请刷新后先看再确认",
        "a newer picture has come: load the page and look",
    ),
    "no_picture": ("最近的巡查里没有可用画面", "no usable picture of the last visits"),
    "no_folder": ("服务启动时没有指定配置目录", "started without a configuration directory"),
    "time_up": ("时间到，已自动停止", "the time is up"),
    "logged_out": ("登录已失效，已停止", "stopped: the login has ended"),
}
HANDOVER_LISTS: Final[Labels] = {  # of a hand-over's sheet
    "unacknowledged": ("未签收", "not acknowledged"),
    "overdue": ("已超时", "overdue"),
    "to_verify": ("待人工核查", "to verify"),
    "returned": ("已退回", "returned"),
    "upstream": ("链路（整村）中断", "faults upstream"),
    "paused": ("暂停", "paused"),
    "suspended": ("维护中", "in maintenance"),
}

# The service itself, and its reports.
SERVICE_PARTS: Final[Labels] = {
    "relay": ("消息发送", "sends messages"),
    "ladder": ("升级督办", "escalates"),
    "alarms": ("待研判提醒", "calls for a review"),
    "patrols": ("人工巡查与联动巡防", "people's patrols"),
    "registry": ("名册更新", "follows the registry"),
    "anchors": ("审计锚点", "anchors the audit log"),
    "stamps": ("可信时间戳", "time stamps"),
    "withdrawals": ("撤回同意清除", "removes what was withdrawn"),
    "looks": ("复看核查", "looks again"),
    "doubts": ("存疑复看", "looks at doubts again"),
    "rounds": ("巡查调度", "keeps the rounds"),
    "messages": ("消息代理收件", "the broker takes messages"),
    "mqtt session": ("消息代理会话", "the broker's session"),
    "clock": ("本机时钟", "the machine's clock"),
    "canary": ("推送自检发出", "sends the canary"),
    "canary came back": ("推送自检返回", "the canary comes back"),
}
DISKS: Final[Labels] = {
    "database": ("数据库磁盘", "database disk"),
    "evidence": ("画面磁盘", "picture disk"),
}
REPORT_KINDS: Final[Labels] = {
    "round": ("轮次", "round"),
    "day": ("日报", "day"),
    "month": ("月报", "month"),
}
REPORT_TABLES: Final[Labels] = {
    "ledger": ("台账", "ledger"),
    "figures": ("指标", "figures"),
    "grids": ("网格响应", "response of the grids"),
    "cameras": ("点位准确率", "precision of the cameras"),
}


def label_of(table: Labels, key: str) -> Label:
    """The label of `key`; of one that the table lacks (an older or newer database) the key."""
    return table.get(key, (key, key))


def bilingual(label: Label) -> str:
    """`漏巡 missed`; a key without a label once."""
    zh, en = label
    return zh if zh == en else f"{zh} {en}"


def label_text(label: Label) -> str:
    """The label in the language of the reader at the terminal."""
    return translate(*label)


def level_label(level: Level) -> str:
    """A level with its name: `II 紧急`, `II pressing`."""
    return f"{level} {label_text(LEVELS[level])}"


def failure_label(kind: str) -> str:
    """Why a camera could not be viewed, for the reader at the terminal."""
    return label_text(label_of(FAILURES, kind))


def refusal_label(kind: str) -> str:
    """Why a camera was not connected to, for the reader at the terminal."""
    return label_text(label_of(REFUSALS, kind))


def plan_label(name: str) -> str:
    """What people call a round of this plan, for the reader at the terminal."""
    return label_text(label_of(PLANS, name))


# A question, not a claim: a change that the machine could not name and a picture of the blind
# sample carry the same text, so that a reviewer cannot tell which of them is shown.
COMPARE_PROMPT: Final = (
    "请与本机参考画面对照，看有无需要处置的变化"
    " (compare with this camera's reference: does anything here need somebody?)"
)
UNNAMED_CHANGE: Final = "scene_change"  # a change against the reference that no zone gives a name


def finding_reason(observation: Observation) -> str:
    """What was seen where, with its score; of a picture fault the reading beside its limit.

    A change without a name is a question, the same as that of the blind sample.
    """
    if observation.kind in PICTURE_FAULTS:
        zh, en = PICTURE_FAULTS[observation.kind]
        return (
            f"{zh}：实测 {observation.value:.3g}，界限 {observation.threshold:.3g}"
            f" ({en}: measured {observation.value:.3g}, limit {observation.threshold:.3g})"
        )
    if observation.kind == UNNAMED_CHANGE:
        return COMPARE_PROMPT
    category = CATEGORY_BY_ID.get(observation.kind, CATEGORY_BY_ID["other"])
    if observation.label:
        what, _ = label_of(OBJECT_CLASSES, observation.label)
        return (
            f"区域“{observation.zone}”内发现{what}，{category.zh}"
            f" ({observation.label} in zone {observation.zone}: {category.en},"
            f" score {observation.score:.2f})"
        )
    return (
        f"{category.zh}：与本机参考画面不同，得分 {observation.score:.2f}"
        f" ({category.en}: differs from this camera's reference, score {observation.score:.2f})"
    )
