"""The figures of judging: how much people looked at, what leads were worth, what was missed.

Three kinds of leads, never mixed: the machine's own (precision), the blind sample's (miss rate),
and known positives, which are in no other figure.
"""

from patrol.domain.finding import Finding, FindingState, Origin
from patrol.domain.ranking import NO_PERSON
from patrol.domain.statistics import judged
from patrol.report.figure import Figure
from patrol.report.material import Material


def reviews(material: Material) -> list[Figure]:
    """What people made of the leads of the period."""
    leads = [finding for sheet in material.sheets for finding in sheet.findings]
    machines = [lead for lead in leads if lead.origin is Origin.MACHINE]
    decided = [f for f in machines if not f.is_open and f.state is not FindingState.AGED]
    merged = sum(f.state is FindingState.MERGED for f in decided)
    own = judged(machines, Origin.MACHINE)
    return [
        Figure(id="findings", zh="线索", en="findings", part=len(machines)),
        Figure(id="reviewed", zh="线索判定率", en="leads decided", part=len(decided),
               whole=len(machines)),
        _human_review(material),
        Figure(id="precision", zh="初筛准确率", en="pre-screen precision", part=own.real,
               whole=own.decided, note=f"不含待核 {len(machines) - len(decided)} 条"),
        _miss_rate(leads),
        Figure(id="duplicates", zh="重复线索(并案)", en="duplicates, merged", part=merged),
        *_probes(leads),
    ]  # fmt: skip


def _human_review(material: Material) -> Figure:
    """Of what the rounds saw: how much a person judged, leads and blind sample together."""
    seen = sum(v.outcome.is_seen for sheet in material.planned_sheets for v in sheet.visits)
    looked = {
        (finding.round, finding.camera)
        for sheet in material.planned_sheets
        for finding in sheet.findings
        if finding.origin is not Origin.PROBE
        and finding.decided_by
        and finding.decided_by not in NO_PERSON
    }
    return Figure(
        id="human_review", zh="人工复核率", en="human review rate", part=len(looked), whole=seen,
        note="人工判过的路次(线索与盲抽)÷ 实巡",
    )  # fmt: skip


def _miss_rate(leads: list[Finding]) -> Figure:
    """From the blind sample alone: of what the machine called normal, how much was not."""
    sample, drawn = judged(leads, Origin.SAMPLE), [f for f in leads if f.origin is Origin.SAMPLE]
    undecided = len(drawn) - sample.decided
    return Figure(
        id="miss_rate", zh="漏检率(盲抽)", en="miss rate, blind sample", part=sample.real,
        whole=sample.decided, interval=sample.interval if sample.decided else None,
        note=f"机器判为正常者按比例盲抽,Wilson 95 % 区间;不含未判 {undecided} 条",
    )  # fmt: skip


def _probes(leads: list[Finding]) -> list[Figure]:
    probes = judged(leads, Origin.PROBE)
    if not any(lead.origin is Origin.PROBE for lead in leads):
        return []
    return [
        Figure(id="known_positives", zh="已知阳性识别", en="known positives seen",
               part=probes.real, whole=probes.decided, note="测试件,不计入其他任何指标"),
    ]  # fmt: skip
