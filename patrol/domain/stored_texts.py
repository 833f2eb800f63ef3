"""Texts that the service itself stored, read back in one language and on the site's clock.

Notes of a case's history, reasons of findings and results of rechecks are stored once, for every
reader: in English with codes and UTC, or as `中文 (English)`. The public documents (JSON, topics)
give them as they are. A page, a report or the command line shows them through `StoredTexts`, which
knows every form that this and earlier versions wrote; what a person wrote stays as it is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from patrol.domain import labels
from patrol.domain.finding import CATEGORIES
from patrol.domain.ground_labels import (
    CHECK_IN_METHODS,
    CHECK_IN_PROBLEMS,
    CHECK_IN_STATES,
    GROUND_STATES,
)
from patrol.domain.town_labels import FILING_SOURCES, FINDING_STATES

_HAN: Final = "\u3400-\u9fff"
_MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"  # RFC 3339, UTC, as the store writes
_MOMENTS: Final = re.compile(_MOMENT)
_HEADS: Final = "|".join(  # how the pairs `中文 (English)` begin that the service writes
    re.escape(head)
    for head in (
        *(zh for zh, _ in labels.PICTURE_FAULTS.values()),
        *(one.zh for one in CATEGORIES),
        *(zh for zh, _ in labels.APPROVAL_KINDS.values()),
        *(zh for zh, _ in labels.OUTAGE_GROUPS.values()),
        "请与本机参考画面对照",
        "复看画面与此前画面完全相同",
        "现场上报",
        "机器未再检出",
        "机器仍检出",
        "已复看",
        "未能复看",
        "与本机参考画面不同",
        "另有 ",
        "值班员人工发现",
    )
)
_BOTH: Final = re.compile(  # such a pair, and what a person added behind it
    rf"(?P<zh>(?:{_HEADS})(?: [^()]*|[,:;，：；“「\d][^()]*)?(?:\([^()]*\)[^()]*)?)"
    r" \((?P<en>[a-z\d].*?)\)(?P<rest>(?:[:;] .*)?)",
    re.DOTALL,
)
_CODE: Final = re.compile(r"[a-z]+(?:_[a-z]+)*")
_MARK: Final = re.compile(rf"(?<=[{_HAN}])[,:;] ?|[,:;] ?(?=[{_HAN}])|; ")
_FULL_WIDTH: Final = {",": "，", ":": "：", ";": "；"}
_CODE_LABELS: Final[
    Mapping[str, labels.Label]
] = {  # single words of the code, wherever they stand alone
    **{
        str(code): label
        for table in (GROUND_STATES, CHECK_IN_METHODS, CHECK_IN_STATES, CHECK_IN_PROBLEMS)
        for code, label in table.items()
    },
    **{one.id: (one.zh, one.en) for one in CATEGORIES},
    **{str(duty): label for duty, label in labels.DUTIES.items()},
    **labels.FAILURES,
    **labels.PICTURE_FAULTS,
    **labels.REFUSALS,
    **{str(source): label for source, label in FILING_SOURCES.items()},
    **{str(state): label for state, label in FINDING_STATES.items()},
    "handled": ("已处置", "handled"),
    "false_alarm": ("误报", "false alarm"),
    "not_my_grid": ("不属本网格", "not my grid"),
    "need_help": ("请求支援", "needs help"),
    "cannot_reach": ("无法到达", "cannot get there"),
    "in_progress": ("处理中", "in progress"),
    "silence": ("逾时未应答", "no answer in time"),
    "no_rung_left": ("各级均未应答", "nobody on the ladder answered"),
    "grid_busy": ("该网格一小时内推送过多", "its grid received many cases within the hour"),
    "told_lately": ("刚推送过", "told lately"),
    "reported on the ground": ("网格上报", "reported on the ground"),
    "reported again": ("重复上报", "reported again"),
    "asked for on the ground": ("现场申请", "asked for on the ground"),
    "it went with other news": ("已随其他更新送出", "it went with other news"),
    "no longer in people.csv": ("已不在人员名册", "no longer in people.csv"),
    "the account is disabled": ("账号已停用", "the account is disabled"),
    "neither mqtt_user nor phone in people.csv, and no login": (
        "名册中没有推送账号和电话，也没有登录账号",
        "neither mqtt_user nor phone in people.csv, and no login",
    ),
    "no second channel reaches anybody": (
        "没有可送达的第二通道",
        "no second channel reaches anybody",
    ),
    "it still waits in the outbox: the broker is not reached": (
        "仍在发件箱等待，连不上消息代理",
        "it still waits in the outbox: the broker is not reached",
    ),
    "the broker was not reached in time": (
        "逾时未连上消息代理",
        "the broker was not reached in time",
    ),
    "the broker took it and no answer came back to the inbox": (
        "消息代理已收，未见返回",
        "the broker took it and no answer came back to the inbox",
    ),
    "second look": ("复看", "second look"),
    "household link": ("农户链接", "household link"),
    "console": ("控制台", "console"),
    "recovered": ("已恢复", "recovered"),
    "left the registry": ("已不在登记册", "left the registry"),
    "duty_lead": ("值班长", "duty lead"),
    "town_duty": ("镇值班", "town duty"),
    "receive": ("已收到", "received"),
    "answer": ("答复", "answered"),
    "approve": ("批准", "approved"),
    "refuse": ("不批准", "refused"),
    "played": ("已播报", "played"),
    "failed": ("未能播报", "failed"),
}


@dataclass(frozen=True, slots=True)
class _Form:
    """One form of a stored text; groups: `text…` stored texts, `person`, `grid`, `at` moments."""

    pattern: re.Pattern[str]
    zh: str
    en: str


def _form(pattern: str, zh: str, en: str) -> _Form:
    return _Form(re.compile(pattern.replace("{moment}", _MOMENT), re.DOTALL), zh, en)


_FORMS: Final = (
    _form(
        r"finding (?P<id>F\d+): decision undone",
        "线索 {id}：判定已撤销",
        "finding {id}: decision undone",
    ),
    _form(r"finding (?P<id>F\d+): (?P<text>.+)", "线索 {id}：{text}", "finding {id}: {text}"),
    _form(r"finding (?P<id>F\d+)", "线索 {id}", "finding {id}"),
    _form(
        r"(?P<text>.+); told nobody named of grid (?P<grid>\S+)",
        "{text}；{grid}无人登记，未能转告",
        "{text}; nobody is named in {grid}",
    ),
    _form(
        r"(?P<text>.+); told (?P<person>\S+) of grid (?P<grid>\S+)",
        "{text}；已转告 {person}（{grid}）",
        "{text}; told {person} ({grid})",
    ),
    _form(
        r"not waiting for (?P<person>\S+): (?P<text>.+)",
        "不再等待 {person}：{text}",
        "not waiting for {person}: {text}",
    ),
    _form(
        r"link (?P<id>\S+) is reached by a worker alone: .+",
        "链路 {id} 只有工作机可达，本机不能复看",
        "link {id} is reached by a worker alone",
    ),
    _form(r"no answer: (?P<text>.+)", "{text}", "no answer: {text}"),
    _form(
        r"to grid (?P<grid>\S+); (?P<text>.+)", "转派至 {grid}：{text}", "given to {grid}: {text}"
    ),
    _form(r"to grid (?P<grid>\S+)", "转派至 {grid}", "given to {grid}"),
    _form(
        r"looked (?P<n>\d+) times in vain, a person has to look: (?P<text>.+)",
        "复看 {n} 次未成，请人工核查：{text}",
        "looked {n} times in vain, a person has to look: {text}",
    ),
    _form(
        r"(?P<text>.+): waited (?P<n>\d+) min; it went with other news",
        "{text}：已等 {n} 分钟，随其他更新送出",
        "{text}: waited {n} min; it went with other news",
    ),
    _form(
        r"(?P<text>.+): waited (?P<n>\d+) min",
        "{text}：已等 {n} 分钟",
        "{text}: waited {n} min",
    ),
    _form(r"(?P<text>.+)[;:] until (?P<at>{moment})", "{text}，至 {at}", "{text}, until {at}"),
    _form(r"look again at case (?P<id>\S+)", "复看案件 {id}", "look again at case {id}"),
    _form(r"look again at finding (?P<id>\S+)", "复看线索 {id}", "look again at finding {id}"),
    *(
        form
        for code, zh in (
            ("finding", "线索"),
            ("case", "案件"),
            ("round", "轮次"),
            ("camera", "点位"),
            ("patrol", "人工巡查"),
        )
        for form in (
            _form(rf"{code}:(?P<id>\S+)", zh + " {id}", code + " {id}"),
            _form(
                rf"{code}:(?P<id>\S+) (?P<text>.+)", zh + " {id}：{text}", code + " {id}: {text}"
            ),
        )
    ),
    _form(r"link (?P<id>[\w-]{12})", "链接 {id}", "link {id}"),
    _form(
        r"ground:(?P<id>\S+) (?P<who>.+) on leave",
        "联动巡防 {id}：{who} 请假",
        "ground patrol {id}: {who} on leave",
    ),
    _form(r"ground:(?P<id>\S+) (?P<key>\S+)", "联动巡防 {id}：{key}", "ground patrol {id}: {key}"),
    _form(
        r"ground:(?P<id>\S+) (?P<point>\S+) (?P<text>.+)",
        "联动巡防 {id} {point}：{text}",
        "ground patrol {id} {point}: {text}",
    ),
    _form(r"(?P<person>\S+) as (?P<key>[a-z_]+)", "{person}，{key}", "{person} as {key}"),
    _form(r"(?P<id>B\d+) asked, (?P<text>.+)", "{id} 申请播报，{text}", "{id} asked for, {text}"),
    _form(r"counted in (?P<id>\S+)", "并入 {id}", "counted in {id}"),
    _form(r"known positive, (?P<id>\S+)", "已知阳性，{id}", "known positive, {id}"),
    _form(
        r"client_at (?P<what>.+): behind ours",
        "手机时间 {what} 慢于本机",
        "client_at {what}: behind ours",
    ),
    _form(
        r"client_at (?P<what>.+): ahead of ours",
        "手机时间 {what} 快于本机",
        "client_at {what}: ahead of ours",
    ),
    _form(
        r"client_at (?P<what>.+) is no time",
        "手机时间 {what} 无法识别",
        "client_at {what} is no time",
    ),
    _form(
        r"(?P<key>[a-z]+) by (?P<person>\S+) at (?P<at>{moment})(?P<rest>.*)",
        "{person} 于 {at} {key}{rest}",
        "{key} by {person} at {at}{rest}",
    ),
    _form(r"(?P<key>[a-z_]+): (?P<text>.+)", "{key}：{text}", "{key}: {text}"),
    _form(
        r"(?P<id>[HB]\d+) (?P<key>[a-z]+): (?P<text>.+)",
        "{id} {key}：{text}",
        "{id} {key}: {text}",
    ),
    _form(r"(?P<id>[HB]\d+) (?P<key>[a-z]+)", "{id} {key}", "{id} {key}"),
    _form(
        rf"(?P<zh>[{_HAN}]+) (?P<en>[a-z ]+)[:：](?P<n>\d+)/(?P<of>\d+) 路"
        r" ?[(（](?P<share>\d+)%[)）]",
        "{zh}：{n}/{of} 路（{share}%）",
        "{en}: {n} of {of} cameras ({share}%)",
    ),
    _form(
        rf"区域[「“](?P<zone>[^」”]*)[」”]内发现(?P<what>[{_HAN}]+)[,，](?P<zh>.+?)"
        r" \((?P<label>[a-z ]+) in zone .*: (?P<en>[^:]+), score (?P<score>[\d.]+)\)",
        "区域“{zone}”内有{what}，{zh}，置信度 {score}",
        "{label} in zone “{zone}”: {en}, score {score}",
    ),
)


def _own(name: str) -> str:
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTexts:
    """Shows stored texts to one reader."""

    language: str  # zh, en
    zone: tzinfo  # the site's
    person: Callable[[str], str] = _own  # the name of a person or account
    grid: Callable[[str], str] = _own

    def __call__(self, stored: str) -> str:
        """The text in the reader's language, its moments on the site's clock."""
        text = stored.strip()
        if not text:
            return text
        if text in _CODE_LABELS:
            return self._pick(_CODE_LABELS[text])
        if (codes := self._codes(text)) is not None:
            return codes
        for form in _FORMS:
            found = form.pattern.fullmatch(text)
            if found is not None and self._is_ours(found):
                parts = {name: self._part(name, part) for name, part in found.groupdict().items()}
                return self._pick((form.zh, form.en)).format_map(parts)
        if (both := _BOTH.fullmatch(text)) is not None:
            return self._half(both[self.language]) + self._rest(both["rest"])
        return self._timed(text)

    def _pick(self, label: labels.Label) -> str:
        return label[0] if self.language == "zh" else label[1]

    def _is_ours(self, found: re.Match[str]) -> bool:
        """Whether the single words of a form are the code's, not a person's who wrote alike."""
        key = found.groupdict().get("key")
        return key is None or key in _CODE_LABELS

    def _part(self, name: str, part: str) -> str:
        if name.startswith("text"):
            return self(part)
        if name == "person":
            return self.person(part)
        if name == "grid":
            return self.grid(part)
        if name == "key":
            return self._pick(_CODE_LABELS[part])
        return self._timed(part) if name == "at" else part

    def _half(self, text: str) -> str:
        """One half of a pair: codes in it become words, its marks and moments the reader's."""
        if self.language == "zh":
            text = text.replace("「", "“").replace("」", "”")
            text = _MARK.sub(lambda mark: _FULL_WIDTH[mark[0][0]], text)
            text = _CODE.sub(lambda code: _CODE_LABELS.get(code[0], (code[0],))[0], text)
        else:
            text = re.sub("[;；]另见", "; also", text)
            text = _CODE.sub(
                lambda code: (
                    _CODE_LABELS[code[0]][1]
                    if code[0] in _CODE_LABELS and "_" in code[0]
                    else code[0]
                ),
                text,
            )
        return self._timed(text)

    def _rest(self, rest: str) -> str:
        if not rest:
            return ""
        marks = {":": "：", ";": "；"} if self.language == "zh" else {":": ": ", ";": "; "}
        return marks[rest[0]] + marks[";"].join(self(part) for part in rest[2:].split("; "))

    def _codes(self, text: str) -> str | None:
        """`freeze too_dark`, `black_screen 0.98`: words of the code in the reader's; else None."""
        parts = text.split()
        if not parts or parts[0] not in _CODE_LABELS:
            return None
        if len(parts) == 2 and re.fullmatch(r"[\d.e+-]+", parts[1]):  # noqa: PLR2004  and a value
            return f"{self._pick(_CODE_LABELS[parts[0]])} {parts[1]}"
        if any(part not in _CODE_LABELS for part in parts):
            return None
        return self._pick(("、", ", ")).join(self._pick(_CODE_LABELS[part]) for part in parts)

    def _timed(self, text: str) -> str:
        return _MOMENTS.sub(self._local, text)

    def _local(self, found: re.Match[str]) -> str:
        at = datetime.fromisoformat(found[0]).replace(tzinfo=UTC)
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"


def label_of_code(code: str) -> labels.Label | None:
    """The (zh, en) of a single word of the code; None: it is none."""
    return _CODE_LABELS.get(code)


_OFFICIAL: Final = StoredTexts(language="zh", zone=UTC)


def stored_zh(text: str) -> str:
    """A stored reason in Chinese, for papers that are always Chinese; it holds no moment."""
    return _OFFICIAL(text)
