"""JUDGE: the queue of leads, and what a person decides about each."""

from patrol.review.ageing import AGES_AFTER, age
from patrol.review.decide import BY_RULES, UnknownCategory, confirm, dismiss, unsure
from patrol.review.probes import settle_probe
from patrol.review.queue import QueueLine, queue
from patrol.review.sample import BlindSample

__all__ = [
    "AGES_AFTER",
    "BY_RULES",
    "BlindSample",
    "QueueLine",
    "UnknownCategory",
    "age",
    "confirm",
    "dismiss",
    "queue",
    "settle_probe",
    "unsure",
]
