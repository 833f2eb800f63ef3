"""Review (研判): the queue of findings, claims, decisions, the blind sample, references."""

from patrol.review.blind_sample import BlindSample, merge_known_positive
from patrol.review.decisions import BY_RULES, UnknownCategory, confirm, dismiss, unsure
from patrol.review.queue import EXPIRES_AFTER, QueueLine, expire_undecided, review_queue

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
    "unsure",
]
