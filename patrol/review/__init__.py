"""JUDGE: the queue of leads, and what a person decides about each."""

from patrol.review.ageing import AGES_AFTER, age
from patrol.review.decide import (
    UnknownCategory,
    confirm,
    confirm_urgent,
    dismiss,
    unsure,
)
from patrol.review.queue import QueueLine, queue

__all__ = [
    "AGES_AFTER",
    "QueueLine",
    "UnknownCategory",
    "age",
    "confirm",
    "confirm_urgent",
    "dismiss",
    "queue",
    "unsure",
]
