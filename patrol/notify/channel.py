"""One address of a second channel, and handing it a notice.

Addresses are Apprise's URLs; they hold tokens and passwords, live in a file of their own and never
print. `{phone}` and `{person}` in one are filled with whom the notice is about, so that a gateway
for text messages reaches the leader; without such a mark it is a fixed group or mailbox.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from patrol.dispatch.courier import Answer, Tried
from patrol.domain.delivery import Delivery

if TYPE_CHECKING:
    from apprise import Apprise

_MARKS: Final = ("phone", "person")


class ChannelUnusable(Exception):
    """It can never work as it is configured; says what to change, without the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One address; `name` is that of its section and its line."""

    name: str
    address: str = field(repr=False)
    events: frozenset[str]

    @property
    def target(self) -> str:
        """Its name among the deliveries."""
        return f"notify:{self.name}"


def read_addresses(path: Path) -> list[str]:
    """The addresses of a file, one a line, `#` before comments. Raises OSError."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


class Messenger:
    """Carries deliveries to one channel. Raises ChannelUnusable when it is made."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        # Apprise's own log lines quote what a server answered, and some quote the address.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        self._opened(_filled(channel.address, {"phone": "13800000000", "person": "x"}))

    def carry(self, delivery: Delivery) -> Tried:
        """Fulfils courier.Carry."""
        notice = json.loads(delivery.payload)
        marks = {mark: str(notice.get(mark, "")) for mark in _MARKS}
        missing = [mark for mark in _needed(self._channel.address) if not marks[mark]]
        if missing:
            return Tried(Answer.NEVER, f"people.csv: no {missing[0]} for {marks['person'] or '?'}")
        apprise = self._opened(_filled(self._channel.address, marks))
        if apprise.notify(title=str(notice["title"]), body=str(notice["body"])):
            return Tried(Answer.TAKEN)
        return Tried(Answer.LATER, "the service did not take it")

    def _opened(self, address: str) -> "Apprise":
        try:
            from apprise import Apprise  # noqa: PLC0415  an optional extra
        except ImportError:
            raise ChannelUnusable("apprise is missing, pip install 'patrol[notify]'") from None
        apprise = Apprise()
        if not apprise.add(address):
            raise ChannelUnusable(f"notify.{self._channel.name}: its address is none of Apprise's")
        return apprise


def _needed(address: str) -> Sequence[str]:
    return [mark for mark in _MARKS if f"{{{mark}}}" in address]


def _filled(address: str, marks: dict[str, str]) -> str:
    for mark, value in marks.items():
        address = address.replace(f"{{{mark}}}", quote(value, safe=""))
    return address
