"""Review (研判): the queue of findings, claims, decisions, the blind sample, references."""

from typing import TYPE_CHECKING

from patrol.lazy_imports import lazy_exports

if TYPE_CHECKING:
    from patrol.review.blind_sample import BlindSample, merge_known_positive
    from patrol.review.decisions import (
        BY_RULES,
        UnknownCategory,
        confirm,
        dismiss,
        unsure,
    )
    from patrol.review.queue import EXPIRES_AFTER, QueueLine, expire_undecided, review_queue
    from patrol.review.suppressed import suppressed_count

__all__ = [
    "BY_RULES",
    "EXPIRES_AFTER",
    "BlindSample",
    "QueueLine",
    "UnknownCategory",
    "confirm",
    "dismiss",
    "expire_undecided",
    "merge_known_positive",
    "review_queue",
    "suppressed_count",
    "unsure",
]
__getattr__ = lazy_exports(
    __name__,
    {
        "blind_sample": ("BlindSample", "merge_known_positive"),
        "decisions": (
            "BY_RULES",
            "UnknownCategory",
            "confirm",
            "dismiss",
            "unsure",
        ),
        "queue": ("EXPIRES_AFTER", "QueueLine", "expire_undecided", "review_queue"),
        "suppressed": ("suppressed_count",),
    },
)
