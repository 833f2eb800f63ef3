"""JUDGE: the queue of leads, and what a person decides about each."""

from patrol.review.decide import (
    UnknownCategory,
    confirm,
    confirm_urgent,
    dismiss,
    unsure,
)
from patrol.review.queue import QueueLine, queue

__all__ = [
    "QueueLine",
    "UnknownCategory",
    "confirm",
    "confirm_urgent",
    "dismiss",
    "queue",
    "unsure",
]
