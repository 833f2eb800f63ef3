"""Retention by class: how long each kind of data is kept, why so long, and how much there is.

The reasons are the site's own where `retention: {reasons: {sample: …}}` gives them. A legal hold
keeps a picture beyond its class; it is counted beside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.labels import Label
from patrol.domain.round import FIELD_PHOTO_PURPOSE, SAMPLE_PURPOSE, SPACE_NEEDED
from patrol.store import UnitOfWork

REASONS: Final[Mapping[str, str]] = {
    "sample": "两轮之间比对与盲样复核所需的最短期限 the shortest that comparing and sampling need",
    "evidence": "案件办结、复核与申诉 to close a case, review it and answer complaints",
    "photo": "证明处置结果,随案件 proof of what was done, as long as the case's evidence",
    "reference": "在用期间比对,撤回或停用即删 to compare with, while it is patrolled",
    "message": "报表回看一年内的推送时刻 reports look back a year",
    "log": "谁看过、删过什么,须可追溯 who looked and what was deleted stays provable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionClass:
    """One kind of data, its limit, the reason of the limit, and what there is of it."""

    id: str
    name: Label
    setting: str  # of site.yaml; "": no setting
    kept: timedelta | None  # None: for good, or as long as the camera is patrolled
    reason: str
    count: int
    held: int = 0  # of them by a legal hold
    oldest: datetime | None = None


def retention_classes(
    uow: UnitOfWork,
    *,
    sample: timedelta,
    evidence: timedelta,
    messages: timedelta,
    reasons: Mapping[str, str],
) -> list[RetentionClass]:
    """Every class, with the counts of now."""
    why = {**REASONS, **reasons}
    purposes = uow.pictures.by_purpose()
    of_samples = [purposes[p] for p in (SAMPLE_PURPOSE, SPACE_NEEDED) if p in purposes]
    photos = [purposes[FIELD_PHOTO_PURPOSE]] if FIELD_PHOTO_PURPOSE in purposes else []
    known = (SAMPLE_PURPOSE, SPACE_NEEDED, FIELD_PHOTO_PURPOSE)
    others = [one for purpose, one in purposes.items() if purpose not in known]

    def pictures(
        ident: str,
        name: Label,
        setting: str,
        kept: timedelta,
        found: list[tuple[int, int, datetime]],
    ) -> RetentionClass:
        return RetentionClass(
            id=ident,
            name=name,
            setting=setting,
            kept=kept,
            reason=why[ident],
            count=sum(count for count, _, _ in found),
            held=sum(held for _, held, _ in found),
            oldest=min((oldest for _, _, oldest in found), default=None),
        )

    totals = uow.anchors.heads()
    return [
        pictures("sample", ("普通画面", "samples"), "retention.sample_days", sample, of_samples),
        pictures("evidence", ("证据画面", "evidence"), "retention.evidence_days", evidence, others),
        pictures("photo", ("现场照片", "photos"), "retention.evidence_days", evidence, photos),
        RetentionClass(
            id="reference", name=("参考画面", "references"), setting="", kept=None,
            reason=why["reference"], count=uow.memories.count(),
        ),
        RetentionClass(
            id="message", name=("推送消息", "messages"), setting="retention.message_days",
            kept=messages, reason=why["message"], count=uow.outbox.count(),
        ),
        RetentionClass(
            id="log", name=("登记与删除台账", "logs and ledger"), setting="", kept=None,
            reason=why["log"], count=sum(head.number for head in totals.values()),
        ),
    ]  # fmt: skip
