"""Rows of the table of verbs for the town's own work: own findings, duties, patrols, supervision.

As in verbs.py, which makes a `Verb` of each row: the path of a verb, its function, and the line
that lists show. Imports nothing, so that `patrol --help` stays fast.
"""

from collections.abc import Mapping
from typing import Final

TOWN_VERBS: Final[Mapping[str, tuple[str, str]]] = {
    "finding file": (
        "finding:file_finding",
        "登记人工发现：看到的或电话报告的。 File what a person saw, or what a caller reported.",
    ),
    "finding undo": (
        "finding:undo_decision",
        "撤销研判：下发前、一小时内。 Undo a decision before it was sent, within an hour.",
    ),
    "finding list": (
        "finding:list_decided",
        "已判线索，最近的在前。 Decided findings, the latest first; mine, today's, with a text.",
    ),
    "finding history": (
        "finding:show_history",
        "线索的经过：登记、告警、撤销。 What happened to a finding beside its decision.",
    ),
    "duty sign": (
        "finding:sign_on",
        "签到：本轮由我巡查。 Sign on to a round: it is mine, and the ledger says so.",
    ),
    "duty hand-over": (
        "finding:hand_over",
        "移交：本轮交给另一人。 Hand my round over to another account.",
    ),
    "duty list": (
        "finding:list_duties",
        "本轮的签到与移交。 The signatures on a round, the oldest first.",
    ),
    "human-patrol plan": (
        "human_patrol:plan_patrol",
        "现在安排今天的一次。 Plan today's task of a plan at once.",
    ),
    "human-patrol list": (
        "human_patrol:list_patrols",
        "人工巡查列表，新的在前。 Tasks, the newest first.",
    ),
    "human-patrol show": (
        "human_patrol:show_patrol",
        "一次人工巡查，逐路。 One task, camera by camera.",
    ),
    "human-patrol start": (
        "human_patrol:start_patrol",
        "开始一次人工巡查。 Start a task within its window.",
    ),
    "human-patrol pause": ("human_patrol:pause_patrol", "中断一次人工巡查。 Interrupt a task."),
    "human-patrol resume": (
        "human_patrol:resume_patrol",
        "继续一次人工巡查。 Go on with an interrupted task.",
    ),
    "human-patrol check": (
        "human_patrol:check_camera",
        "登记已看一路（或无法查看）。 Say that a camera was seen, or cannot be viewed.",
    ),
    "human-patrol tick": (
        "human_patrol:tick_item",
        "勾选清单中的一项。 Tick an item of the task's checklist.",
    ),
    "human-patrol finish": (
        "human_patrol:finish_patrol",
        "结束一次人工巡查；没看的记为漏看。 Finish a task; what was not looked at is missed.",
    ),
    "ground plan": (
        "ground:plan_day",
        "现在安排某天的联动巡防。 Plan the patrols of a day at once.",
    ),
    "ground list": (
        "ground:list_patrols",
        "联动巡防列表，新的在前。 Patrols on the ground, the newest first.",
    ),
    "ground show": ("ground:show_patrol", "一次联动巡防，逐点。 One patrol, point by point."),
    "ground check-in": (
        "ground:check_in",
        "签到：扫码内容，或值班员代录（电话报告）。 Check in by a code, or enter a telephoned one.",
    ),
    "ground review": (
        "ground:list_review",
        "待复核的签到，旧的在前。 Check-ins that wait for a person, the oldest first.",
    ),
    "ground decide": (
        "ground:decide",
        "复核一次存疑签到。 Believe a check-in that waits, or not; then its point is open again.",
    ),
    "ground codes": (
        "ground:make_codes",
        "各点位的二维码与标签内容。 What to print as QR codes, and to write on NFC tags.",
    ),
    "ground coverage": (
        "ground:coverage",
        "联动巡防与视频巡查的覆盖，按村与重点区域。 Coverage on the ground beside the cameras'.",
    ),
    "ground ledger": (
        "ground:ledger",
        "导出联动巡防台账。 The ledger of patrols on the ground, as a file.",
    ),
    "helper open": (
        "helper:open_case",
        "请群防群治队员协助一个案件。 Open a case to the helpers of its grid.",
    ),
    "helper close": (
        "helper:close_case",
        "不再请群防群治队员协助。 Close a case to helpers; it goes on.",
    ),
    "helper step": (
        "helper:note_step",
        "代群防群治队员登记前往或到场。 Enter that a helper goes, or was there.",
    ),
    "helper cases": (
        "helper:list_cases",
        "请群防群治协助的案件。 Cases that are open to helpers.",
    ),
    "helper reports": (
        "helper:list_reports",
        "随手拍与处理结果，新的在前。 Reports from the ground, and what became of each.",
    ),
    "helper report": (
        "helper:file_report",
        "代群防群治队员登记一条随手拍。 File a report for a helper, into the review queue.",
    ),
    "overdue": (
        "supervise:show_overdue",
        "超时清单，最要紧的在前。 The overdue list, the most urgent first.",
    ),
    "supervise": (
        "supervise:supervise",
        "督办：写明原因与时限。 Put a case under supervision, with reason and clock.",
    ),
    "urge": ("supervise:urge", "催办：再次通知责任人。 Tell the person whose move it is again."),
    "tags case": (
        "supervise:tag_case",
        "给案件加标签（四网融合等）。 Give a case exactly these tags.",
    ),
    "tags grid": ("supervise:tag_grid", "给网格加标签。 Give a grid exactly these tags."),
    "hand-off give": (
        "supervise:give_case",
        "移交给公安、县里等部门（警格联动）。 Hand a case to another department.",
    ),
    "hand-off answer": (
        "supervise:answer_hand_off",
        "登记部门的接收或回复。 Enter a department's receipt, or its answer.",
    ),
    "hand-off list": (
        "supervise:list_hand_offs",
        "移交列表，新的在前。 Hand-offs, the newest first.",
    ),
    "broadcast ask": (
        "supervise:broadcast",
        "申请大喇叭播报，待另一人批准。 Ask for a broadcast; another person approves it.",
    ),
    "broadcast decide": (
        "supervise:decide_broadcast",
        "批准或不批准播报（不得由申请人本人）。 Approve or refuse a broadcast.",
    ),
    "broadcast list": (
        "supervise:list_broadcasts",
        "大喇叭播报，新的在前。 Broadcasts, the newest first.",
    ),
    "approvals": (
        "supervise:list_approvals",
        "待我审批：案件的申请与播报，旧的在前。 What waits for approval, the oldest first.",
    ),
    "verifications": (
        "supervise:list_verifications",
        "待核查：已反馈、等人核查的案件，最急的在前。 Cases that wait for a verification.",
    ),
    "people list": (
        "people:list_rows",
        "人员、网格或请假一览。 The rows of people.csv, grids.csv or leave.csv, as they are.",
    ),
    "people set": (
        "people:set_row",
        "新增或修改一行。 Add a row, or change the given cells of the row with its key.",
    ),
    "people remove": (
        "people:remove_row",
        "删除一行；人员离任则停用其登录。 Remove a row; who leaves can no longer log in.",
    ),
    "people import": (
        "people:import_rows",
        "导入整表：先逐行比对，再以 --apply 写入。 Compare a whole table; --apply takes it over.",
    ),
    "people export": (
        "people:export_rows",
        "导出整表（CSV）。 The table as CSV, to a file or to standard output.",
    ),
    "people history": (
        "people:show_history",
        "人员、网格、请假的修改历史，新的在前。 Who changed what and when, the newest first.",
    ),
    "leave add": (
        "people:add_leave",
        "登记请假与代班；无人代班的网格会提示。 Enter a leave; a grid left with nobody is said.",
    ),
    "leave end": ("people:end_leave", "撤销请假。 Take a leave back."),
    "leave list": ("people:list_leave", "请假一览。 Every leave of leave.csv."),
    "meeting": (
        "meeting:make_pack",
        "会议材料：村月例会、镇联席会。 A pack for a meeting: html, xlsx, docx, csv, json.",
    ),
}
TOWN_GROUPS: Final[Mapping[str, str]] = {
    "finding": "人工发现与已判线索。 Own findings and decided ones.",
    "human-patrol": "人工巡查：路线、逐路查看。 Patrols that a person looks through.",
    "ground": "联动巡防：排班、签到、复核、台账。 Patrols on the ground.",
    "helper": "群防群治：协助、随手拍。 Helpers: cases opened to them, their reports.",
    "tags": "标签。 Free tags on cases and grids.",
    "hand-off": "移交（警格联动）。 Cases handed to other departments.",
    "broadcast": "大喇叭。 Broadcasts to loudspeakers.",
    "people": "人员、网格、请假：修改、导入、历史。 People, grids and leave, edited.",
    "leave": "请假与代班。 Leave, and who stands in.",
    "duty": "巡查员签到与移交。 Who owns a round.",
}
