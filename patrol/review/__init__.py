"""Review (研判): the queue of findings, claims, decisions, the blind sample, references."""

from patrol.review.blind_sample import BlindSample
from patrol.review.decisions import BY_RULES, UnknownCategory, confirm, dismiss, unsure
from patrol.review.expiry import EXPIRES_AFTER, expire_undecided
from patrol.review.known_positives import merge_known_positive
from patrol.review.queue import QueueLine, review_queue

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
