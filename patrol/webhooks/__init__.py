"""Webhooks out: other programs hear of rounds, findings and cases, signed, at least once.

Queued by `Hooks.observe` in the transaction of the news (patrol.store), carried by `post` and
a dispatch.Courier. Signed as Standard Webhooks have it, so receivers verify with ready-made code.
"""

from patrol.webhooks.hooks import EVENTS, Hook, Hooks
from patrol.webhooks.post import Poster, sign

__all__ = ["EVENTS", "Hook", "Hooks", "Poster", "sign"]
