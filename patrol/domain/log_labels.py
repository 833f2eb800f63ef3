"""Chinese of what log lines say, for a Chinese reader at a terminal.

Lines are logged in English, and collectors get them so, as JSON, for ever the same. On a terminal
`patrol.logs` shows what happened (`EVENTS`), the names of the fields (`FIELDS`) and the level in
the reader's language. A project rule holds that every line of the code is here.
"""

from collections.abc import Mapping
from typing import Final

LEVELS: Final[Mapping[str, str]] = {
    "debug": "调试", "info": "信息", "warning": "注意", "error": "错误", "critical": "严重",
}  # fmt: skip

EVENTS: Final[Mapping[str, str]] = {
    # people and registry
    "a login is closed: its person left, or another has the row":
        "账号已停用：人员已离开，或该行已换人",
    "the calendar of leave moved on": "请假与顶岗已按今天更新",
    "a file of the registry is gone; what it said last holds":
        "登记文件不见了，仍按最后读到的内容执行",
    "registry read again": "登记文件已重新读入",
    "the changed registry is not used": "改动后的登记文件有误，未采用",
    # audit
    "heads of the logs published": "日志校验值已发布",
    "heads of the logs stamped": "日志校验值已加盖时间戳",
    "no time stamp": "未取得时间戳",
    # clock
    "the clock is not believed": "系统时钟不可信",
    "the clock was set": "系统时钟被调整",
    "the clock is believed again": "系统时钟恢复可信",
    # rounds
    "a round by hand": "手动发起一轮巡查",
    "round begins": "巡查开始",
    "round progress": "巡查进度",
    "round ends": "巡查结束",
    "round waits": "巡查等待中",
    "round missed": "巡查错过",
    "no round is missed for now": "暂无错过的巡查",
    "a missed round is taken back": "撤回“错过”：该轮可以补做",
    "a round is misdated": "巡查的日期不对",
    "looked again": "已复看",
    "judging failed": "画面判读失败",
    "camera memory discarded": "该路的画面记忆已作废，重新学习",
    "outage": "成片中断",
    "outage over": "成片中断结束",
    "not told one by one": "不再逐路通知",
    "pictures leave coarse": "外发画面整体打码",
    "human patrol planned": "人工巡看任务已排",
    "human patrol ended": "人工巡看任务已结束",
    "ground patrols planned": "实地巡查任务已排",
    "ground patrol ended": "实地巡查任务已结束",
    "a check-in was not taken": "签到未收下",
    # findings and cases
    "finding not reviewed": "线索超时未审",
    "nobody decided": "到期无人决定",
    "held": "暂缓下发",
    "released": "恢复下发",
    "a case moved up its ladder": "案件逐级上报",
    "a stored picture cannot be read": "存盘画面读不出",
    "overdue lists": "超期清单已生成",
    "a reply from outside was not taken": "外部单位的回复未收下",
    "not received within its clock": "未在时限内收到",
    # messages
    "broker connected": "消息代理已连接",
    "broker not connected": "消息代理未连接",
    "session lost": "消息代理丢失了会话",
    "first message after connecting failed": "连接后的第一条消息未发出",
    "the broker refuses messages": "消息代理拒收消息",
    "the broker refuses retained messages that it took before": "消息代理拒收此前收下的保留消息",
    "the broker keeps its former accounts": "消息代理仍用原来的账号",
    "the broker's files follow the people": "消息代理的账号文件已随人员表更新",
    "the broker's files stay as they were": "消息代理的账号文件未改动",
    "the broker was gone before the offline status could be sent": "消息代理先断开，离线状态未发出",
    "messages wait in the outbox": "消息在发件箱中等待",
    "messages flow again": "消息恢复发送",
    "old messages are gone": "旧消息已清理",
    "a reply could not be handled": "一条回复处理失败",
    "replies wait with the broker": "回复在消息代理处等待",
    "replies not handled stay with the broker": "未处理的回复留在消息代理处",
    "the session of the former client id is ended": "旧客户端标识的会话已结束",
    "the canary is back": "链路自检恢复",
    "the canary did not come back": "链路自检未返回",
    "given up": "多次未成，不再投递",
    "deliveries wait": "投递等待中",
    "deliveries flow again": "投递恢复",
    # store and pictures
    "the database cannot be reached, trying again": "数据库连不上，继续尝试",
    "waiting for the database": "等待数据库",
    "waiting for the stores": "等待数据库与画面库",
    "keys of pictures renewed": "画面密钥已更换",
    "a picture keeps its key": "一张画面仍用原密钥",
    "pictures not deleted": "画面未能删除",
    "samples deleted early": "抽样画面提前删除",
    "deleted rows stay in the journal until the next turn": "已删的行留在日志里，下次清除",
    # console
    "nobody can log in: there is no account": "还没有账号，谁也登录不了",
    "not done": "未执行",
    "link not opened": "链接未打开",
    "views not logged, so not shown": "查看记录写不进，画面不予显示",
    "the exchange takes nothing": "画面交换处不再收件",
    "metrics": "监控指标",
    "no metrics and no /healthz": "没有监控指标与 /healthz",
    # GB/T 28181
    "GB/T 28181 listens": "国标服务已启动",
    "GB/T 28181 ended": "国标服务已停止",
    "GB/T 28181: refused": "国标：已拒绝",
    "GB/T 28181: a peer registered": "国标：对端已注册",
    "GB/T 28181: a peer is gone": "国标：对端已离线",
    "GB/T 28181: a session that was left open is ended": "国标：遗留的会话已结束",
    "a session that was left open is given up": "国标：遗留的会话无法结束，已放弃",
    "sessions of an earlier run are open, ending them": "国标：上次运行遗留的会话，正在结束",
    "a message of a peer could not be kept": "国标：对端的消息存不下",
    "the journal of sessions cannot be written": "国标：会话日志写不进",
    "UDP media may be lost: the kernel's buffers are small": "UDP 码流可能丢包：内核缓冲区偏小",
    # cluster
    "shards submitted": "分片已提交",
    "shards of a silent worker are given back": "失联工作机的分片已收回",
    "a shard goes back to the queue": "一个分片退回队列",
    "stalled shards were not looked for": "未能查找停滞的分片",
    "a result is refused": "一个结果被拒收",
    "the job queue is tried again": "重试任务队列",
    "a silent leader's session was ended": "失联主机的会话已结束",
    "the lead's session is lost": "主机会话丢失",
    "could not say good-bye": "未能注销本机",
    "the exchange of pictures cannot be swept": "画面交换处清理失败",
    "GB/T 28181: odd items in a catalogue": "GB/T 28181：目录中有异常条目",
    # county
    "towns read": "各镇数据已读入",
    "the town is not heard": "该镇失联",
    "the town is heard again": "该镇恢复",
    "the town's log began anew: it is read from the start": "该镇的日志从头开始，重新读取",
    "not noted": "未能记下",
    # simulated people of the demonstration
    "the broker has lost the leaders' session: replies are sent again":
        "消息代理丢失了模拟网格长的会话：回复重发",
}  # fmt: skip

FIELDS: Final[Mapping[str, str]] = {
    "account": "账号", "after": "历时", "at": "时间", "away": "请假", "broker": "代理",
    "by": "操作人", "by_s": "调整秒数", "camera": "摄像头", "cameras": "摄像头数", "case": "案件",
    "child": "部件", "client": "客户端", "count": "数量", "day": "日期", "days": "天",
    "done": "已看", "error": "错误", "extra": "其余", "files": "文件", "finding": "线索",
    "findings": "线索数", "finish_by": "须完成", "first": "第一处", "forecast": "预计完成",
    "gone": "移除", "grid": "网格", "host": "主机", "jump_s": "跳变秒数", "key": "编号",
    "kind": "类别", "light": "光照", "make_one": "建立命令", "messages": "消息",
    "most_mb": "上限（MB）", "name": "名称", "new": "新增", "not_viewable": "看不了", "of": "共",
    "origin": "来源", "path": "地址", "patrol": "任务", "patrols": "任务数", "peer": "对端",
    "peers": "对端数", "per_s": "每秒", "plan": "计划", "planned": "应看", "port": "端口",
    "problem": "问题", "problems": "问题数", "quarantined": "隔离", "reached": "已通知",
    "read": "已读", "reason": "原因", "refused": "拒绝", "replies": "回复", "round": "轮次",
    "round_trip_s": "往返秒数", "rounds": "轮数", "rows": "行数", "rung": "级", "seen": "看到",
    "set": "设置命令", "sha256": "校验和", "shards": "分片", "site": "站点", "state": "状态",
    "status": "状态码", "step": "阶段", "subject": "对象", "target": "目标",
    "timers_moved": "顺延计时", "topic": "主题", "town": "镇", "unmanned": "无人值守",
    "until": "至", "url": "网址", "views": "查看数", "was": "此前", "why": "缘由",
    "worker": "工作机",
}  # fmt: skip
