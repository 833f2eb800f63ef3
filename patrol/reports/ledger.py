"""The patrol ledger (视频巡查台账): a row for each camera of a round and each of its findings.

The columns and their order are the trade's. A row repeats what is stored and none is left out, so
that the ledger is corrected by annotation only.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from typing_extensions import override

from patrol.domain import labels
from patrol.domain.camera import Camera
from patrol.domain.case import Case, CaseEntry, CaseEvent, CaseState
from patrol.domain.finding import (
    CAMERA_LEFT,
    CATEGORY_BY_ID,
    CONSENT_WITHDRAWN,
    Finding,
    FindingState,
    Origin,
)
from patrol.domain.human_patrol import CheckOutcome
from patrol.domain.ids import CameraId, CaseId, GridCode
from patrol.domain.labels import label_of
from patrol.domain.problem_texts import problem_text
from patrol.domain.registry import GridLevel, Registry
from patrol.domain.round import Visit, VisitOutcome, VisitOutline
from patrol.domain.schedule import IN_MAINTENANCE
from patrol.domain.stored_texts import stored_zh
from patrol.domain.town_labels import CHECK_OUTCOMES, FILING_SOURCES
from patrol.reports.queries import ReportHeading, ReportMaterial, RoundRecords, first_entry

COLUMNS: Final = (
    "日期", "时段", "轮次", "巡查员", "起止", "网格", "村/组", "点位编码", "点位名称", "在线",
    "图像质量", "采样帧数", "采样时间", "查看方式", "结果", "类别", "描述", "级别", "截图号",
    "推送时间", "签收", "到场", "反馈", "处置", "核查", "办结", "超时", "备注", "判读模块",
)  # fmt: skip
OFFLINE: Final = ("unreachable", "bad_address")  # the camera did not answer at all
MACHINE: Final = "系统"
NORMAL: Final = labels.OUTCOMES[VisitOutcome.NORMAL][0]
LedgerRow = dict[str, str]


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """The ledger's header: 应巡/实巡/离线/未授权/覆盖率."""

    planned: int
    seen: int
    offline: int
    refused: int
    in_maintenance: int = 0  # in maintenance: neither planned nor missed

    @property
    def coverage(self) -> float | None:
        """Seen ÷ planned; None where nothing was planned."""
        return self.seen / self.planned if self.planned else None


def ledger_totals(material: ReportMaterial) -> LedgerTotals:
    """The totals of the plans' rounds, counted from their visits."""
    rounds = material.planned_rounds
    refused = [records.round.refused for records in rounds]
    in_maintenance = sum(one.get(IN_MAINTENANCE, 0) for one in refused)
    visits = [visit for records in rounds for visit in records.visits]
    return LedgerTotals(
        planned=sum(records.round.planned for records in rounds),
        seen=sum(visit.outcome.is_seen for visit in visits),
        offline=sum(visit.failure in OFFLINE for visit in visits),
        refused=sum(sum(r.values()) for r in refused) - in_maintenance,
        in_maintenance=in_maintenance,
    )


@dataclass(frozen=True, slots=True)
class LedgerRows(Collection[LedgerRow]):
    """The rows of the ledger, in the order of the rounds and of their plans.

    Made anew each time that they are walked through: a month's 100,000 would fill 150 MB.
    """

    material: ReportMaterial
    heading: ReportHeading

    @override
    def __len__(self) -> int:
        of_rounds = sum(
            len(records.visits) + sum(count - 1 for count in _findings_by_visit(records).values())
            for records in self.material.rounds
        )
        roundless = sum(finding.round is None for finding in self.material.own_findings)
        return of_rounds + roundless + sum(len(one.checks) for one in self.material.human_patrols)

    @override
    def __iter__(self) -> Iterator[LedgerRow]:
        return ledger_rows(self.material, self.heading)

    @override
    def __contains__(self, row: object) -> bool:
        return any(row == one for one in self)


def _findings_by_visit(records: RoundRecords) -> Counter[CameraId]:
    visited = {visit.camera for visit in records.visits}
    listed = (finding.camera for finding in records.findings if _is_listed(finding))
    return Counter(camera for camera in listed if camera in visited)


def ledger_rows(material: ReportMaterial, heading: ReportHeading) -> Iterator[LedgerRow]:
    """The rows one by one, as `LedgerRows` has them."""
    cases = material.case_by_id
    cameras: dict[CameraId, LedgerRow] = {}
    for number, records in enumerate(material.rounds, start=1):
        by_camera: dict[str, list[Finding]] = {}
        for finding in filter(_is_listed, records.findings):
            by_camera.setdefault(finding.camera, []).append(finding)
        of_round = _all_columns(_round_columns(records, number, heading))
        for visit in records.visits:
            if visit.camera not in cameras:
                cameras[visit.camera] = _camera_columns(visit.camera, heading.registry)
            start = of_round | cameras[visit.camera] | _visit_columns(visit, heading)
            found = by_camera.get(visit.camera, [])
            if not found:
                yield start
            for finding in found:
                case = cases.get(finding.case) if finding.case else None
                yield (
                    start
                    | _finding_columns(finding)
                    | _case_columns(case, finding, material.pushed_at, heading)
                )
    yield from _roundless_rows(material, heading)
    yield from _human_patrol_rows(material, heading)


def _roundless_rows(material: ReportMaterial, heading: ReportHeading) -> Iterator[LedgerRow]:
    """Own findings of no round: from a live view, a camera's page, a call, a human patrol."""
    cases = material.case_by_id
    for finding in material.own_findings:
        if finding.round is not None:
            continue
        case = cases.get(finding.case) if finding.case else None
        at = finding.found_at.astimezone(heading.zone)
        camera = heading.registry.cameras.get(finding.camera)
        grid, group = _grid_columns_of(heading.registry, finding.grid)
        yield _all_columns(
            {
                "日期": f"{at:%Y-%m-%d}",
                "巡查员": material.names.get(finding.filed_by, finding.filed_by),
                "网格": grid,
                "村/组": group,
                "点位编码": finding.camera,
                "点位名称": camera.name if camera else finding.place,
                "采样时间": clock_text(finding.found_at, heading.zone),
                "结果": labels.OUTCOMES[VisitOutcome.PROBLEM][0],
            }
            | _finding_columns(finding)
            | _case_columns(case, finding, material.pushed_at, heading)
        )


def _human_patrol_rows(material: ReportMaterial, heading: ReportHeading) -> Iterator[LedgerRow]:
    """A row a camera of each human patrol: who looked, when, at the picture of when."""
    for records in material.human_patrols:
        patrol, zone = records.patrol, heading.zone
        start, end = (clock_text(at, zone) for at in (patrol.started_at, patrol.finished_at))
        for check in records.checks:
            camera = heading.registry.cameras.get(check.camera)
            grid, group = _grid_columns(heading.registry, camera)
            label, _ = label_of(CHECK_OUTCOMES, check.outcome)
            yield _all_columns(
                {
                    "日期": patrol.day.isoformat(),
                    "时段": patrol.title,
                    "轮次": patrol.id,
                    "巡查员": material.names.get(check.by, check.by),
                    "起止": f"{start}–{end}",
                    "网格": grid,
                    "村/组": group,
                    "点位编码": check.camera,
                    "点位名称": camera.name if camera else "（已销户）",
                    "采样时间": clock_text(check.picture_at, zone),
                    "查看方式": f"人工巡查（{patrol.title}）",
                    "结果": labels.OUTCOMES[CHECK_RESULTS[check.outcome]][0],
                    "描述": "" if check.outcome is CheckOutcome.ACKNOWLEDGED else label,
                    "备注": check.finding or "",
                }
            )


CHECK_RESULTS: Final[Mapping[CheckOutcome, VisitOutcome]] = {
    CheckOutcome.ACKNOWLEDGED: VisitOutcome.NORMAL,
    CheckOutcome.SEEN_BEFORE: VisitOutcome.NORMAL,
    CheckOutcome.FINDING: VisitOutcome.PROBLEM,
    CheckOutcome.NOT_VIEWABLE: VisitOutcome.NOT_VIEWABLE,
    CheckOutcome.MISSED: VisitOutcome.MISSED,
    CheckOutcome.PENDING: VisitOutcome.PENDING,
}


def summed_rows(rows: Iterable[LedgerRow]) -> list[LedgerRow]:
    """The rows that say something, then one a camera that counts its plain normal visits."""
    notable: list[LedgerRow] = []
    plain: dict[str, list[LedgerRow]] = {}
    for row in rows:
        is_notable = row["结果"] != NORMAL or row["类别"] or row["描述"] or row["备注"]
        (notable if is_notable else plain.setdefault(row["点位编码"], [])).append(row)
    return notable + [_normal_sum(of_camera) for of_camera in plain.values()]


def _normal_sum(rows: Sequence[LedgerRow]) -> LedgerRow:
    first, last = rows[0], rows[-1]
    same = {name: first[name] for name in ("网格", "村/组", "点位编码", "点位名称", "查看方式")}
    days = first["日期"] if first["日期"] == last["日期"] else f"{first['日期']} 至 {last['日期']}"
    count = f"{NORMAL} {len(rows)} 次"
    return _all_columns({**same, "日期": days, "结果": NORMAL, "描述": count})


def _is_listed(finding: Finding) -> bool:
    """Of the blind sample only decided findings: an open one must not be recognisable as such."""
    if finding.origin is Origin.SAMPLE:
        return not finding.is_open and finding.state is not FindingState.AGED
    return finding.origin is not Origin.PROBE


def _all_columns(known: Mapping[str, str]) -> LedgerRow:
    return {column: known.get(column, "") for column in COLUMNS}


def _round_columns(records: RoundRecords, number: int, heading: ReportHeading) -> LedgerRow:
    a_round = records.round
    started, finished = a_round.started_at, a_round.finished_at
    return {
        "日期": a_round.day.isoformat(),
        "时段": labels.label_of(labels.PLANS, a_round.plan)[0],
        "轮次": str(number) if heading.kind != "round" else a_round.id,
        "巡查员": "、".join(records.owners) or MACHINE,
        "起止": f"{clock_text(started, heading.zone)}–{clock_text(finished, heading.zone)}",
    }


def _camera_columns(ident: CameraId, registry: Registry) -> LedgerRow:
    camera = registry.cameras.get(ident)
    grid, group = _grid_columns(registry, camera)
    name = camera.name if camera else "（已销户）"
    return {"网格": grid, "村/组": group, "点位编码": ident, "点位名称": name}


def _visit_columns(visit: Visit | VisitOutline, heading: ReportHeading) -> LedgerRow:
    taken_at = visit.first_taken_at
    local = "" if taken_at is None else taken_at.astimezone(heading.zone).isoformat()
    return {
        "在线": _online_text(visit),
        "图像质量": quality_text(visit),
        "采样帧数": str(visit.usable_pictures),
        "采样时间": local[11:19],
        "查看方式": "机器初筛",
        "结果": labels.OUTCOMES[visit.outcome][0],
        "描述": _failure_text(visit),
        "截图号": _evidence_id(visit.camera, local) if local else "",
    }


def _online_text(visit: Visit | VisitOutline) -> str:
    if visit.outcome is VisitOutcome.MISSED:
        return "未巡"
    return "离线" if visit.failure in OFFLINE else "在线"


def quality_text(visit: Visit | VisitOutline) -> str:
    """合格, — without a picture, or the faults of the picture."""
    if visit.faults:
        return "、".join(labels.label_of(labels.PICTURE_FAULTS, fault)[0] for fault in visit.faults)
    return "合格" if visit.outcome.is_seen else "—"


def _failure_text(visit: Visit | VisitOutline) -> str:
    if not visit.failure:
        return problem_text(visit.seen, "zh") if visit.outcome is VisitOutcome.MISSED else ""
    name = labels.label_of(labels.FAILURES, visit.failure)[0]
    return f"{name}：{problem_text(visit.seen, 'zh')}" if visit.seen else name


def _grid_columns(registry: Registry, camera: Camera | None) -> tuple[str, str]:
    """(grid code, names of the village and the group)."""
    return ("", "") if camera is None else _grid_columns_of(registry, camera.grid)


def _grid_columns_of(registry: Registry, code: GridCode) -> tuple[str, str]:
    if code not in registry.tree.grids:
        return "", ""
    path = [g for g in registry.tree.path_up(code) if g.level is not GridLevel.TOWN]
    return code, "/".join(grid.name for grid in reversed(path))


def _evidence_id(camera: CameraId, local: str) -> str:
    """41 digits as in GA/T 1400: device 20 + 02 + local time 14 (of ISO 8601) + serial 5."""
    digits = f"{local[:4]}{local[5:7]}{local[8:10]}{local[11:13]}{local[14:16]}{local[17:19]}"
    return f"{camera}02{digits}00001"


def _finding_columns(finding: Finding) -> LedgerRow:
    category = CATEGORY_BY_ID.get(finding.category)
    if finding.origin is Origin.SAMPLE:
        return _blind_sample_columns(finding)
    decided = finding.decided_by
    if finding.origin is Origin.OPERATOR:
        source = label_of(FILING_SOURCES, finding.filed_from)[0]
        how = f"人工发现（{source}，{finding.filed_by}）"
    else:
        how = f"人工复核（{decided}）" if decided else "机器初筛，待复核"
    return {
        "查看方式": how,
        "类别": category.zh if category else finding.category,
        "描述": stored_zh(finding.why),
        "级别": f"{finding.level} {labels.LEVELS[finding.level][0]}",
        "备注": _decision_text(finding),
        "判读模块": finding.gauge,
    }


def _blind_sample_columns(finding: Finding) -> LedgerRow:
    """A random check (抽查) of a picture on which the machine saw nothing."""
    row = {"查看方式": f"人工抽查（{finding.decided_by}）", "备注": _decision_text(finding)}
    if finding.state is FindingState.DISMISSED:
        return row
    category = CATEGORY_BY_ID.get(finding.category)
    return row | {
        "结果": labels.OUTCOMES[VisitOutcome.PROBLEM][0],
        "类别": category.zh if category else finding.category,
        "描述": stored_zh(finding.why),
        "级别": f"{finding.level} {labels.LEVELS[finding.level][0]}",
    }


_AGED_TEXTS: Final = {CONSENT_WITHDRAWN: "农户撤回同意", CAMERA_LEFT: "点位已撤除"}


def _decision_text(finding: Finding) -> str:
    if finding.state is FindingState.DISMISSED:
        reason, _ = labels.label_of(labels.DISMISS_REASONS, finding.reason)
        return f"{finding.id} 排除：{reason}"
    if finding.state is FindingState.MERGED:
        return f"{finding.id} 并案 {finding.case or ''}".rstrip()
    if finding.state is FindingState.AGED:
        return f"{finding.id} {_AGED_TEXTS.get(finding.reason, '逾期未核')}，已归档"
    return f"{finding.id} {finding.case or '待核'}"


def _case_columns(
    case: Case | None,
    finding: Finding,
    pushed_at: Mapping[CaseId, datetime],
    heading: ReportHeading,
) -> LedgerRow:
    if case is None:
        return {}
    zone = heading.zone
    step_events = {
        "签收": CaseEvent.ACKNOWLEDGE, "到场": CaseEvent.ARRIVE, "反馈": CaseEvent.FEED_BACK,
        "处置": CaseEvent.HANDLE, "核查": CaseEvent.VERIFY, "办结": CaseEvent.CLOSE,
    }  # fmt: skip
    entries = {name: first_entry(case, event) for name, event in step_events.items()}
    columns = {name: moment_text(entry.at, zone) for name, entry in entries.items() if entry}
    columns["推送时间"] = moment_text(pushed_at.get(case.id), zone)
    columns["超时"] = "是" if is_late(case, heading.made_at) else "否"
    if case.state is CaseState.VOIDED:
        columns["备注"] = f"{finding.id} {case.id} 已作废"
    return columns


def is_late(case: Case, now: datetime) -> bool:
    """Whether any limit of its policy passed before its step was done (or until now)."""
    limits = case.policy.limits
    limit_by_event = (
        (CaseEvent.ACKNOWLEDGE, limits.acknowledge), (CaseEvent.ARRIVE, limits.arrive),
        (CaseEvent.FEED_BACK, limits.feedback), (CaseEvent.CLOSE, limits.close),
    )  # fmt: skip
    for event, limit in limit_by_event:
        if limit is None:
            continue
        entry = first_entry(case, event) or _implied_by(case, event)
        at = entry.at if entry else _ended_at(case) or now
        if at > case.dispatched_at + limit:
            return True
    return False


def _implied_by(case: Case, event: CaseEvent) -> CaseEntry | None:
    """The entry that implies the event: a later step of the ground includes the earlier ones."""
    order = (CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.FEED_BACK)
    if event not in order:
        return None
    later = (
        first_entry(case, other) for other in (*order[order.index(event) + 1 :], CaseEvent.RETURN)
    )
    return next((entry for entry in later if entry), None)


def _ended_at(case: Case) -> datetime | None:
    return None if case.is_open or not case.entries else case.entries[-1].at


def clock_text(at: datetime | None, zone: tzinfo) -> str:
    """`09:00:03` on the site's wall clock."""
    return "" if at is None else f"{at.astimezone(zone):%H:%M:%S}"


def moment_text(at: datetime | None, zone: tzinfo) -> str:
    """`11-22 09:00:03` on the site's wall clock."""
    return "" if at is None else f"{at.astimezone(zone):%m-%d %H:%M:%S}"
