"""Attention (提醒): what calls an operator to the screen, how loudly each account wants it. Pure.

Three kinds: findings of levels I and II that nobody has reviewed, cases past a limit, replies from
the ground. Each is an item with a key of its own, so that a browser tells every one of them once.

Knows no cases, so that accounts can have a choice without importing them: which cases call, says
attention_cases.py. An account without a choice of its own is called as the site says
(`console.attention` in site.yaml); web/pages/attention.py keeps the choice, static/attention.js
follows it in every page that is open.
"""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final


class AttentionKind(StrEnum):
    """What there is to see to; the values are public: in the API and in site.yaml."""

    FINDING = auto()  # of level I or II, not reviewed
    OVERDUE = auto()  # a case past its limit
    REPLY = auto()  # from the ground, or another department


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionChoice:
    """How one account, or a site, wants to be called. The title's number is always there."""

    sound: bool = True
    desktop: bool = True  # notifications of the desktop, if the browser was allowed to
    kinds: tuple[AttentionKind, ...] = tuple(AttentionKind)  # those that are told at all

    @property
    def is_quiet(self) -> bool:
        """Whether nothing makes a sound or a notification."""
        return not (self.kinds and (self.sound or self.desktop))


LOUD: Final = AttentionChoice()
QUIET: Final = AttentionChoice(sound=False, desktop=False)
