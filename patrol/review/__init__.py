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
from patrol.review.sample import MissRate, draw, miss_rate

__all__ = [
    "AGES_AFTER",
    "MissRate",
    "QueueLine",
    "UnknownCategory",
    "age",
    "confirm",
    "confirm_urgent",
    "dismiss",
    "draw",
    "miss_rate",
    "queue",
    "unsure",
]
