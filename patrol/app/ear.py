"""Somewhere for answers to wait, before a command tells anybody anything."""

from pathlib import Path
from typing import Final

from patrol.dispatch.topics import inbox_filters
from patrol.lock import exclusive
from patrol.mqtt import BrokerAddress
from patrol.mqtt.session import make_session
from patrol.ports import Busy
from patrol.settings import Settings

SERVICE_LOCK: Final = ".service.lock"
WITHIN_S: Final = 1.0  # the broker has answered the publisher just now


def client_id(site: str) -> str:
    """The service's stable name at the broker: its session, and only its, is under it."""
    return f"patrol-{site}"


def keep_answers(settings: Settings, broker: BrokerAddress) -> None:
    """Make the service's session, unless the service is there: it has one, and would be cut off."""
    if settings.mqtt.embedded:
        return  # this process is the broker: the session would end with it
    if _is_away(settings.evidence / SERVICE_LOCK):
        site = settings.site.id
        filters = inbox_filters(site)
        make_session(broker, client_id=client_id(site), filters=filters, timeout_s=WITHIN_S)


def _is_away(lock: Path) -> bool:
    """Whoever may not even look at the service's lock leaves its session alone."""
    try:
        with exclusive(lock):
            return True
    except (Busy, OSError):
        return False
