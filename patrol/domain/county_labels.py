"""Labels of the county's page, month and command line; Chinese and English.

Tables as in labels.py. The figures are those of a town's own report under the same names: a test
compares them. How many findings there were is not among them: side by side, that number would rank
towns and make people hide problems.
"""

from typing import Final

from patrol.domain.labels import Labels

TOWN_PROBLEMS: Final[Labels] = {  # patrol.county.town_client.TownProblem
    "unreachable": ("网络不通", "cannot be reached"),
    "certificate": ("证书不被信任", "its certificate is not trusted"),
    "key_refused": ("密钥被拒", "refuses the key"),
    "no_offer": ("镇端版本过旧，尚无县级接口", "too old a version: it offers nothing to a county"),
    "wrong_town": ("地址是另一个镇", "another town answers there"),
    "busy": ("镇端忙", "is busy"),
    "bad_answer": ("答复不合规范", "its answer cannot be used"),
    "own_store": ("县级数据库不可用", "the county's database is away"),
}
TOWN_CONTACT: Final[Labels] = {  # patrol.county.overview.Contact
    "current": ("正常", "heard"),
    "failing": ("刚才没有联系上", "not reached just now"),
    "silent": ("失联", "not heard of"),
    "never": ("从未联系上", "never heard of"),
}
ROUND_REASONS: Final[Labels] = {  # patrol.reports.county_documents.reason_kind
    "not_running": ("服务没有运行", "the service did not run"),
    "not_in_window": ("时限内没有巡完", "not finished in its window"),
    "superseded": ("另起一轮时没有巡完", "not finished when another was asked for"),
    "out_of_time": ("到时限为止", "its time was over"),
    "paused": ("暂停", "paused"),
    "stopped": ("服务停止", "the service stopped"),
    "other": ("其他", "other"),
}
COUNTY_FIGURES: Final[Labels] = {
    "planned": ("应巡", "planned"),
    "seen": ("实巡", "seen"),
    "coverage": ("巡查覆盖率", "patrol coverage"),
    "completion": ("轮次完成率", "round completion"),
    "online": ("在线率", "online rate"),
    "intact": ("完好率", "intact rate"),
    "qualified": ("图像合格率", "qualified-picture rate"),
    "human_patrols": ("人工巡查完成率", "human patrols completed"),
    "human_coverage": ("人工巡查覆盖率", "human patrol coverage"),
    "longest_unseen": ("最长未巡见", "longest unseen (days)"),
    "longest_unwatched": ("最长无人看过", "longest without a person's look (days)"),
    "reviewed": ("线索判定率", "findings decided"),
    "human_review": ("人工复核率", "human review rate"),
    "precision": ("初筛准确率", "pre-screen precision"),
    "miss_rate": ("漏检率（盲抽）", "miss rate, blind sample"),
    "machine_missed": ("机器漏检（人工发现）", "missed by the machine, seen by people"),
    "known_positives": ("已知阳性识别", "known positives seen"),
    "accepted": ("受理", "accepted"),
    "closure": ("办结率", "closure rate"),
    "closure_on_time": ("按时办结率", "on-time closure rate"),
    "ack_in_time": ("签收及时率", "acknowledged in time"),
    "feedback_in_time": ("反馈及时率", "fed back in time"),
    "false_alarm": ("误报率", "false-alarm rate"),
    "reopened": ("重开", "reopened"),
    "ack_median": ("签收用时中位", "median to acknowledge"),
    "ack_p90": ("签收用时 P90", "P90 to acknowledge"),
    "close_median": ("办结用时中位", "median to close"),
    "close_p90": ("办结用时 P90", "P90 to close"),
}
