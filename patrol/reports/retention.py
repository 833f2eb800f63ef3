"""Retention by class: how long each kind of data is kept, why so long, and how much there is.

The reasons are the site's own where `retention: {reasons: {sample: …}}` gives them. A legal hold
keeps a picture beyond its class; it is counted beside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.labels import Label, Labels
from patrol.domain.round import FIELD_PHOTO_PURPOSE, SAMPLE_PURPOSE, SPACE_NEEDED
from patrol.store import UnitOfWork

CLASSES: Final[Mapping[str, tuple[Label, str]]] = {  # name, setting of site.yaml
    "sample": (("普通画面", "samples"), "retention.sample_days"),
    "evidence": (("证据画面", "evidence"), "retention.evidence_days"),
    "photo": (("现场照片", "photos"), "retention.evidence_days"),
    "reference": (("参考画面", "references"), ""),
    "message": (("推送消息", "messages"), "retention.message_days"),
    "log": (("登记与删除台账", "logs and ledger"), ""),
}
REASONS: Final[Labels] = {
    "sample": (
        "两轮之间比对与盲样复核所需的最短期限",
        "the shortest that comparing and sampling need",
    ),
    "evidence": ("案件办结、复核与申诉", "to close a case, review it and answer complaints"),
    "photo": (
        "证明处置结果，随案件",
        "proof of what was done, as long as the case's evidence",
    ),
    "reference": ("在用期间比对，撤回或停用即删", "to compare with, while it is patrolled"),
    "message": ("报表回看一年内的推送时刻", "reports look back a year"),
    "log": ("谁看过、删过什么，须可追溯", "who looked and what was deleted stays provable"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """One kind of data, its limit, the reason of the limit, and what there is of it."""

    id: str
    name: Label
    setting: str  # of site.yaml; "": no setting
    kept: timedelta | None  # None: for good, or as long as the camera is patrolled
    reason: Label  # a site's own words twice
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
) -> list[RetentionRule]:
    """Every class, with the counts of now."""
    why = {**REASONS, **{ident: (text, text) for ident, text in reasons.items()}}
    purposes = dict(uow.pictures.by_purpose())
    samples = [purposes.pop(p) for p in (SAMPLE_PURPOSE, SPACE_NEEDED) if p in purposes]
    photos = [purposes.pop(FIELD_PHOTO_PURPOSE)] if FIELD_PHOTO_PURPOSE in purposes else []
    logged = sum(head.number for head in uow.anchors.heads().values())
    return [
        _pictures("sample", sample, why, samples),
        _pictures("evidence", evidence, why, list(purposes.values())),
        _pictures("photo", evidence, why, photos),
        _rows("reference", None, why, uow.memories.count()),
        _rows("message", messages, why, uow.outbox.count()),
        _rows("log", None, why, logged),
    ]


def _pictures(
    ident: str,
    kept: timedelta,
    why: Labels,
    found: list[tuple[int, int, datetime]],
) -> RetentionRule:
    counted = _rows(ident, kept, why, sum(count for count, _, _ in found))
    held = sum(held for _, held, _ in found)
    return replace(counted, held=held, oldest=min((at for _, _, at in found), default=None))


def _rows(ident: str, kept: timedelta | None, why: Labels, count: int) -> RetentionRule:
    name, setting = CLASSES[ident]
    return RetentionRule(
        id=ident, name=name, setting=setting, kept=kept, reason=why[ident], count=count
    )
