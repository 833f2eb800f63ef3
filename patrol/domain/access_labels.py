"""What people read of the access log, of consents and of what is held of a household: (zh, en)."""

from typing import Final

from patrol.domain.consent import TermsAction
from patrol.domain.labels import Labels

NOTE_MASKED: Final = (  # followed by what is masked
    "发往手机前将遮盖农户编号和完整点位编码",
    "masked before it goes to phones, a household or a full camera number",
)
CHANNELS: Final[Labels] = {  # with which a reason of the access log begins
    "household link": ("农户页面", "the household's page"),
    "console": ("控制台", "console"),
    "api": ("接口", "a program"),
    "patrol consent": ("命令行", "command line"),
    "patrol household": ("命令行", "command line"),
    "case": ("案件", "case"),
    "finding": ("线索", "finding"),
    "round": ("巡查", "round"),
    "camera": ("点位", "camera"),
}
TERMS_DONE: Final[Labels] = {  # what the household's own page says after a change
    TermsAction.WITHDRAW: ("已撤回，画面已删除", "withdrawn, the pictures are deleted"),
    TermsAction.PAUSE: ("已暂停", "paused"),
    TermsAction.RESUME: ("已恢复", "the pause is over"),
    TermsAction.HOURS: ("时段已保存", "the hours are saved"),
}
HELD_PURPOSES: Final[Labels] = {  # of what is held of a household
    "sample": ("巡查取样", "sample of a visit"),
    "evidence": ("线索凭据", "evidence of a finding"),
    "before": ("案件：处置前", "case: before"),
    "after": ("案件：处置后", "case: after"),
    "ground": ("现场照片", "photo from the ground"),
}
ACCESS_ACTIONS: Final[Labels] = {  # of the access log
    "probe": ("试看", "probed"),
    "seal_password": ("封存码流密码", "sealed a stream's password"),
    "set_hold": ("证据保全", "set a legal hold"),
    "end_hold": ("解除保全", "ended a legal hold"),
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
    "unlock_account": ("解除账号锁定", "unlocked an account"),
    "enable_account": ("启用账号", "enabled an account"),
    "end_session": ("强制退出", "ended a session"),
    "add_key": ("新建接口密钥", "made an API key"),
    "revoke_key": ("撤销接口密钥", "revoked an API key"),
    "back_up": ("备份", "made a backup"),
    "file_finding": ("人工发现", "filed an own finding"),
    "hand_off": ("移交案件", "handed a case off"),
    "broadcast": ("大喇叭播报", "broadcast"),
    "undo_decision": ("撤销研判", "undid a decision"),
    "round_sign_on": ("签到巡查", "signed on to a round"),
    "patrol_start": ("开始人工巡查", "began a human patrol"),
    "patrol_pause": ("暂停人工巡查", "paused a human patrol"),
    "patrol_resume": ("继续人工巡查", "went on with a human patrol"),
    "patrol_finish": ("结束人工巡查", "finished a human patrol"),
    "patrol_item": ("勾选巡查清单", "ticked a checklist item"),
    "check_camera": ("人工查看点位", "looked at a camera on patrol"),
    "round_hand_over": ("移交巡查", "handed a round over"),
    "accept_as_normal": ("认作新常态", "accepted a picture as normal"),
    "change_areas": ("改画可视区与区域", "drew areas anew"),
    "live_look": ("实时查看", "looked live"),
    "live_look_end": ("结束实时查看", "ended the live look"),
    "export_cameras": ("导出点位表", "exported the cameras"),
    "import_added": ("导入：新增点位", "imported: a camera added"),
    "import_changed": ("导入：修改点位", "imported: a camera changed"),
    "import_retired": ("导入：停用点位", "imported: a camera retired"),
    "consent withdrawn": ("撤回同意", "consent withdrawn"),
    "consent restored": ("恢复同意", "consent restored"),
    "consent paused": ("农户暂停", "consent paused"),
    "consent resumed": ("提前恢复", "pause of consent ended"),
    "consent hours": ("设定时段", "hours of consent set"),
    "open_household_page": ("打开农户页面", "opened the household's page"),
    "print_slip": ("出具农户告知单", "made a household's slip"),
    "make_household_link": ("新建农户链接", "made a household's link"),
    "revoke_household_link": ("撤销农户链接", "revoked a household's link"),
}
