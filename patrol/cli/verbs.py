"""The verbs of the command line: where each function is, and the line that lists of verbs show.

The text is the first line of the function's docstring. Imported by the command tree itself, so it
imports nothing heavy.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from patrol.cli.town_verbs import TOWN_GROUPS, TOWN_VERBS


class Verb(NamedTuple):
    """Where a verb's function is, and the line that lists show."""

    function: str  # module below patrol.cli, colon, name
    short_help: str


VERBS: Final[Mapping[str, Verb]] = {
    "demo": Verb(
        "demo:demo",
        "一键演示：模拟全镇、真实 RTSP、内置代理、值班员与网格长。 A simulated town on real RTSP.",
    ),
    "init": Verb(
        "init:init",
        "新建站点目录，带注释。 A new commented site: settings, units, broker files, schemas.",
    ),
    "man": Verb(
        "man:write_manual",
        "手册页（man），由命令树生成。 The manual page, made from the command tree.",
    ),
    "run": Verb(
        "run:run", "常驻服务：按时巡查、推送、收反馈、升级。 The service: rounds by the clock."
    ),
    "round": Verb(
        "run:run_round",
        "立即巡查一轮；给出网格、链路或点位即为专项巡查。 One round now; ad hoc where named.",
    ),
    "replay": Verb(
        "replay:replay",
        "用别的模型或阈值重判一轮，看会变什么。 Judge a stored round again; what would change.",
    ),
    "check": Verb(
        "check:check",
        "检查全部配置、责任链、数据库与消息代理。 Every file, every chain, database and broker.",
    ),
    "probe": Verb(
        "probe:probe",
        "试看一路：编码、尺寸、I 帧间隔、首帧用时、画面故障，失败时告诉该找谁。 Try one camera.",
    ),
    "queue": Verb(
        "queue:show_queue",
        "待核线索，最要紧的在前。 What waits for a person's judgement, the worst first.",
    ),
    "confirm": Verb(
        "confirm:confirm",
        "确认线索，立案并推送网格长。 Confirm a finding: opens a case, tells its leader.",
    ),
    "dismiss": Verb("confirm:dismiss", "排除线索，写明原因。 Dismiss a finding, with the reason."),
    "cases": Verb("cases:list_cases", "案件列表，新的在前。 Cases, the newest first."),
    "case": Verb("cases:show_case", "一个案件及其全部经过。 One case and all that happened to it."),
    "report": Verb(
        "report:report", "导出视频巡查台账与指标。 The patrol ledger and its figures, as a file."
    ),
    "eval": Verb(
        "bench:evaluate", "评测检出率与误报率。 Precision, recall and F1 per kind, with intervals."
    ),
    "reassign": Verb("reassign:reassign", "转派到另一网格。 Give a case to another grid."),
    "extend": Verb(
        "reassign:extend", "申请延期，待值班长批准。 Ask for more time; somebody else grants it."
    ),
    "suspend": Verb(
        "reassign:suspend",
        "申请挂起（暂停计时），待值班长批准。 Ask for a pause in which no clock runs.",
    ),
    "void": Verb("reassign:void", "申请作废，待值班长批准。 Ask for a case to be voided."),
    "grant": Verb(
        "reassign:grant",
        "批准所申请的事项（不得由申请人本人）。 Grant what somebody else asked for.",
    ),
    "refuse": Verb(
        "reassign:refuse", "不批准所申请的事项。 Refuse what was asked for; it stays as it is."
    ),
    "withdraw": Verb(
        "reassign:withdraw",
        "撤回本人的申请。 Take an own request back; the case stays as it is.",
    ),
    "unsuspend": Verb(
        "reassign:unsuspend", "恢复挂起的案件。 Let the clocks of a suspended case run again."
    ),
    "verify": Verb(
        "reassign:verify",
        "人工核查：已消除则办结，未消除则退回重办。 Verify by hand: close it, or send it back.",
    ),
    "close": Verb("reassign:close", "退回的案件办结。 Close a case that was returned."),
    "reopen": Verb(
        "reassign:reopen", "重开已办结的案件。 Reopen a closed case: back to the ground."
    ),
    "unsure": Verb(
        "confirm:unsure",
        "线索存疑：一分钟内复看，留待他人判断。 Not sure: looked at again, others decide.",
    ),
    "backup": Verb(
        "db:backup",
        "备份数据库与照片，服务运行中亦可。 Store and pictures, also while the service runs.",
    ),
    "restore": Verb(
        "db:restore",
        "恢复到空库；先逐字节校验。 Into an empty database, after every byte was checked.",
    ),
    "pause": Verb(
        "pause:pause",
        "暂停全部巡查，进行中的一轮随即中断。 Pause all rounds; one under way is interrupted.",
    ),
    "resume": Verb(
        "pause:resume",
        "恢复巡查，中断的一轮接着走。 End every pause; an interrupted round goes on.",
    ),
    "health": Verb(
        "health:show_health",
        "在线率、完好率，或一路的来龙去脉。 The fleet's rates, or one camera's history.",
    ),
    "troubles": Verb(
        "health:list_troubles",
        "运维队列（IV 级时限）。 The maintenance queue, on the clock of level IV.",
    ),
    "retention": Verb(
        "hold:show_retention",
        "各类数据留多久、依据、现有多少。 Each class: how long, why so long, and what there is.",
    ),
    "clock": Verb(
        "clock:show_clock",
        "本机时钟是否可信；accept 由人确认。 What is believed of the clock; accept confirms it.",
    ),
    "suppressions": Verb(
        "suppressions:show_suppressions",
        "现有抑制：何处、何类、谁定、到何时、已抑制几次。 What is held back, and how often it was.",
    ),
    "accept": Verb(
        "confirm:accept",
        "确认为新常态：以最近可用画面为参考。 Make its newest usable picture the reference.",
    ),
    "phoned": Verb(
        "reassign:phoned", "登记已电话通知。 Note in the case who was notified by telephone."
    ),
    "who-looked": Verb(
        "who_looked:who_looked",
        "谁看过：某点位（或某农户全部点位）的调阅登记，新的在前。 Who looked at its cameras.",
    ),
    "household": Verb(
        "household:show_household",
        "农户告知单：存有什么、到何时、谁看过、为什么；可打印。 What is held, who looked.",
    ),
    "db upgrade": Verb(
        "db:upgrade_database",
        "升级数据库结构。 Bring the tables to this version; nothing happens when they are.",
    ),
    "db check": Verb(
        "db:check_database",
        "检查数据库自身的一致性。 Check the database: totals, references, histories, log hashes.",
    ),
    "db sweep": Verb(
        "db:sweep_database",
        "立即清扫：删除每一处到期的画面。 Delete what is due now, in every place with pictures.",
    ),
    "models install": Verb(
        "models:install_models",
        "安装权重文件，逐个核对 sha256。 Install weight files, each checked by its sha256.",
    ),
    "models list": Verb(
        "models:show_models",
        "清单里的权重及其状态。 What the manifest names, and the state of each file.",
    ),
    "onvif scan": Verb(
        "onvif:scan",
        "查找 ONVIF 设备：本网段组播，或按网段逐个询问（限速）。 Find ONVIF devices, slowly.",
    ),
    "onvif probe": Verb(
        "onvif:probe",
        "看一台设备：型号、时钟偏差、各码流配置及其地址。 One device: its clock and its profiles.",
    ),
    "ticket devices": Verb(
        "ticket:list_devices",
        "列出票据平台账号下的设备及其写法。 The devices of a ticket service, as addresses.",
    ),
    "gb peers": Verb(
        "gb:show_peers",
        "对端：是否注册、地址、会话、拒绝计数。 Peers: registered or not, sessions, refusals.",
    ),
    "gb catalog": Verb(
        "gb:show_catalog",
        "目录：上次同步所得；可生成待核登记行。 The catalogue as last known; rows for cameras.csv.",
    ),
    "gb sync": Verb(
        "gb:sync_catalog",
        "向对端查询目录并存下。 Ask a peer for its catalogue and keep it.",
    ),
    "gb record": Verb(
        "gb:record_messages",
        "记录往来信令（已脱敏），供排查与测试。 A log of messages, redacted: it becomes a fixture.",
    ),
    "gb alarms": Verb(
        "gb:show_alarms",
        "对端上报的告警（仅作参考，不是火警）。 Alarms of peers; for information, no fire alarm.",
    ),
    "simulate cameras": Verb(
        "demo:run_cameras",
        "模拟摄像头：真实 RTSP，并写出配置目录。 Cameras on real RTSP, and a config for them.",
    ),
    "simulate leaders": Verb(
        "demo:run_leaders",
        "模拟网格长：在配置的消息代理上应答案件。 Leaders who answer on the configured broker.",
    ),
    "consent withdraw": Verb(
        "consent:withdraw_consent",
        "农户撤回同意：一秒内不再连接。 Withdraw: not connected to from now on.",
    ),
    "consent pause": Verb(
        "consent:pause_consent",
        "农户暂停：到时自动恢复。 Not connected to until then; goes on by itself.",
    ),
    "consent resume": Verb(
        "consent:resume_consent", "提前结束暂停。 End a household's pause before its time."
    ),
    "consent hours": Verb(
        "consent:set_consent_hours",
        "只在农户同意的时段巡查。 Connected to at these hours alone; `any`: at every hour again.",
    ),
    "consent restore": Verb(
        "consent:restore_consent",
        "取消撤回，以登记册为准。 Take a withdrawal back; the registry's own consent counts again.",
    ),
    "consent list": Verb(
        "who_looked:show_consents",
        "哪些摄像头不能看，为什么。 Which cameras may not be looked through, and why.",
    ),
    "user add": Verb("user:add_user", "新建账号。 A new account."),
    "user passwd": Verb(
        "user:set_password", "改密码，已登录的全部退出。 A new password; every session of it ends."
    ),
    "user disable": Verb(
        "user:disable_user", "停用账号（从不删除）。 Close an account; accounts are never deleted."
    ),
    "user enable": Verb("user:enable_user", "恢复账号。 Open it again."),
    "user unlock": Verb(
        "user:unlock_user", "解除密码输错的锁定。 Forgive its wrong passwords, at once."
    ),
    "user list": Verb("key:show_users", "账号列表。 All accounts."),
    "bench capture": Verb(
        "bench:bench_capture",
        "取一帧的代价，与其他做法同场比较。 One key frame, beside the alternatives.",
    ),
    "bench round": Verb(
        "bench:bench_round", "整轮的代价，默认 60/600/3000 路。 Whole rounds of so many cameras."
    ),
    "bench mqtt": Verb("bench:bench_mqtt", "发件箱 10,000 条排空。 Draining the outbox."),
    "bench alerts": Verb(
        "bench:bench_alerts", "确认到网格长收到的时延。 From confirm to the leader's callback."
    ),
    "bench console": Verb(
        "bench:bench_console",
        "控制台各页，在真实浏览器中。 The console's pages, in a real browser.",
    ),
    "bench gb28181": Verb(
        "bench:bench_gb28181",
        "国标接入的代价，与 RTSP 同场比较。 Cameras over GB/T 28181, beside RTSP.",
    ),
    "bench cluster": Verb(
        "bench:bench_cluster",
        "任务队列与多机整轮的代价。 The job queue, and whole rounds on workers.",
    ),
    "bench lists": Verb(
        "bench:bench_lists",
        "一万条线索时各列表的代价。 The lists of the command line, at 10,000 findings.",
    ),
    "bench vision": Verb(
        "bench:bench_vision", "每个检测器的单张代价。 Each gauge's cost per picture."
    ),
    "mosquitto write": Verb(
        "user:write_broker_files",
        "按人员表生成密码与权限文件。 Password and ACL files for Mosquitto, one account a person.",
    ),
    "key add": Verb(
        "user:add_key",
        "新建密钥，只显示这一次。 A new key; it is shown once and kept only as a hash.",
    ),
    "key list": Verb("key:show_keys", "全部密钥，不含密文。 All keys, without their secrets."),
    "key revoke": Verb("user:revoke_key", "撤销密钥，立即生效。 Revoke a key, at once."),
    "deliveries list": Verb(
        "health:show_deliveries",
        "暂缓、待送与已放弃的，附原因。 What is held, waits, or was given up, with the reason.",
    ),
    "deliveries retry": Verb(
        "health:retry_delivery",
        "已放弃的重新投递。 Try one that was given up again, from the start.",
    ),
    "deliveries drop": Verb(
        "health:drop_delivery",
        "代理拒收的不再发送。 Give a message that the broker refuses up for good.",
    ),
    "notify test": Verb(
        "notify:send_test_messages",
        "每个通知渠道试发一条，逐个报告结果。 One test message by every notifier; a line for each.",
    ),
    "maintenance add": Verb(
        "pause:add_maintenance",
        "登记维护：不计划、不计漏巡。 Put a camera, a link or a village into maintenance.",
    ),
    "maintenance end": Verb("pause:end_maintenance", "维护提前结束。 End it before its time."),
    "maintenance list": Verb(
        "pause:show_stoppages",
        "现在与将来的暂停和维护。 What is stopped now or will be, site.yaml's windows too.",
    ),
    "handover show": Verb(
        "handover:show_sheet", "此刻的交接单。 The sheet as it would be signed now."
    ),
    "handover give": Verb(
        "handover:give_shift", "交班人签字。 The one who goes signs the sheet of now."
    ),
    "handover take": Verb(
        "handover:take_shift",
        "接班人签同一张单，班次归其所有。 The one who comes signs that sheet and owns the shift.",
    ),
    "handover list": Verb(
        "handover:list_signatures", "历次签字，最近在前。 Signatures, newest first."
    ),
    "audit verify": Verb(
        "audit:verify",
        "核验留痕链与锚点。 Prove the logs against the heads that were published.",
    ),
    "audit head": Verb(
        "audit:show_head",
        "各留痕链此刻的链头，可抄存于外。 The head of each log now, to be kept outside.",
    ),
    "hold add": Verb(
        "hold:add_hold",
        "证据保全：有文号、有事由，期间不删除。 Hold deletion by order, with its reference.",
    ),
    "hold end": Verb(
        "hold:finish_hold",
        "解除保全，写明原因。 End a hold; what is due goes at the next sweep.",
    ),
    "hold list": Verb(
        "hold:list_holds",
        "现有保全：对象、文号、事由、何人何时。 What is held, by which order, and since when.",
    ),
    "keys show": Verb(
        "keys:show_keys",
        "站点密钥、各日密钥、未加密照片。 Where the key lies, day keys, plain pictures.",
    ),
    "keys renew": Verb(
        "keys:renew",
        "加密旧照片，销毁到期日密钥。 Encrypt plain pictures; destroy keys that are over.",
    ),
    "credentials list": Verb(
        "key:show_credentials",
        "哪些密码已封存，哪些仍为明文。 Which are sealed, which stand in the file.",
    ),
    "credentials seal": Verb(
        "keys:seal",
        "把点位表中的密码移入库内封存。 Move passwords of cameras.csv into the store.",
    ),
    "credentials set": Verb(
        "keys:set_credential",
        "为一路码流封存密码。 Seal one stream's password: asked for, or from a file.",
    ),
    "suppress revoke": Verb(
        "suppressions:revoke_suppression",
        "撤销抑制：下一轮起照常提出。 Take one back: proposed again from the next round on.",
    ),
    "assets install": Verb(
        "models:install_assets",
        "安装脚本，逐个核对 sha256。 Install the scripts, each checked by its sha256.",
    ),
    "assets list": Verb(
        "models:show_assets",
        "清单里的脚本及其状态。 What the manifest names, and the state of each.",
    ),
    "worker": Verb(
        "cluster:work",
        "集群工作机：巡查所给链路，交回结果。 A worker: visits the links given, delivers results.",
    ),
    "cluster status": Verb(
        "cluster:show_status",
        "工作机、链路、分片与吞吐。 Workers, links served, shards, throughput.",
    ),
    "cluster grants": Verb(
        "cluster:print_grants",
        "打印工作机数据库角色的授权语句。 The SQL of a worker's database role.",
    ),
    "cluster slice": Verb(
        "cluster:write_slice",
        "为工作机导出所给链路的配置目录。 A worker's configuration: its own links alone.",
    ),
    "county run": Verb(
        "county:run_service",
        "县级汇总常驻：定时读各镇，供页面、接口、指标。 The service: reads towns, serves the page.",
    ),
    "county pull": Verb(
        "county:pull",
        "立即读一次各镇。 Read the towns once, now; ends with 1 where one could not be read.",
    ),
    "county status": Verb(
        "county:status",
        "各镇并列：联系、轮次、超时、健康、指标；不排名。 The towns side by side, in no ranking.",
    ),
    "county month": Verb(
        "county:month",
        "全县月报：各镇并列，写明缺哪几日。 The county's month, and which days are missing.",
    ),
    "county check": Verb(
        "county:check",
        "检查 county.yaml，并逐镇试读。 Check county.yaml, and ask every town without storing.",
    ),
    "county init": Verb(
        "county:init",
        "新建县级配置 county.yaml，带注释。 Write a commented county.yaml to start from.",
    ),
    **{path: Verb(*row) for path, row in TOWN_VERBS.items()},
}
GROUPS: Final[Mapping[str, str]] = {
    "db": "数据库。 The database.",
    "models": "模型权重。 Weight files.",
    "gb": "国标 GB/T 28181 接入。 Cameras over GB/T 28181.",
    "simulate": "模拟器。 The simulators on their own.",
    "consent": "农户同意。 The households' consent.",
    "user": "控制台账号。 Console accounts.",
    "bench": "性能测量。 Measurements.",
    "mosquitto": "消息代理账号与权限。 The broker's accounts.",
    "key": "接口密钥。 Keys of the JSON API.",
    "deliveries": "待发与暂缓。 What waits, and why.",
    "notify": "通知渠道。 Notifiers: the second channel.",
    "maintenance": "维护窗口。 Maintenance: not planned, not missed.",
    "handover": "交接班。 Hand-over, signed by both.",
    "audit": "留痕链与锚点。 The chained logs and their anchors.",
    "hold": "证据保全。 Legal holds.",
    "keys": "站点密钥与照片密钥。 The site's key and the pictures'.",
    "credentials": "码流密码。 Passwords of streams.",
    "suppress": "抑制。 Suppressions.",
    "assets": "地图与图表脚本。 Scripts of map and charts.",
    "onvif": "ONVIF 设备。 ONVIF devices.",
    "ticket": "票据平台。 Ticket services.",
    "cluster": "多机巡查。 Rounds over many machines.",
    "county": "县级汇总。 A county over its towns.",
    **TOWN_GROUPS,
}
