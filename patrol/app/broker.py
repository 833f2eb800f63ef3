"""The broker of a site: its address, or one of our own in a child process with its accounts.

An embedded broker with `broker_files` asks for the logins that `patrol mosquitto write` handed out.
They follow people.csv, the calendar of leave and the hand-out while the service runs: a person who
has left is refused, a new one gets a password and gets in. The generated files are kept up to date
in the same way (mosquitto_update.py), also those of a broker elsewhere. bootstrap.py calls
`open_broker`; what it returns is called by the application every second.
"""

from collections.abc import Callable
from contextlib import ExitStack
from threading import Lock

import structlog

from patrol.administration.people_tables import broker_files_of
from patrol.domain.registry import Registry
from patrol.logs import LastReason
from patrol.mqtt import BrokerAddress
from patrol.mqtt.embedded_broker import EmbeddedBroker
from patrol.mqtt.mosquitto_files import AccountsProblem, HandedOutAccounts
from patrol.settings import Site

log = structlog.get_logger(__name__)


def open_broker(site: Site, stack: ExitStack) -> tuple[BrokerAddress, Callable[[Registry], None]]:
    """The broker's address, and what keeps an embedded one's accounts as the registry wants."""
    settings = site.settings
    folder = settings.mqtt.broker_files
    if not settings.mqtt.embedded:
        address = BrokerAddress.parse(
            settings.mqtt.url,
            username=settings.mqtt.username,
            password_file=settings.mqtt.password_file,
            ca_file=settings.mqtt.ca_file,
            certificate=settings.mqtt.certificate,
            certificate_key=settings.mqtt.key,
        )
        return address, broker_files_of(site).follow
    if folder is None:
        return stack.enter_context(EmbeddedBroker()).address, lambda _registry: None
    followed, last_problem = HandedOutAccounts(folder, settings.site.id), LastReason()
    broker = EmbeddedBroker(accounts=followed.read(site.registry))
    files, one_at_a_time = broker_files_of(site), Lock()

    def follow(registry: Registry) -> None:
        files.follow(registry)
        with one_at_a_time:
            if not followed.have_changed(registry):
                return
            try:
                broker.change_accounts(followed.read(registry))
            except (AccountsProblem, OSError) as exc:
                if last_problem.changes_to(str(exc)):
                    log.warning("the broker keeps its former accounts", reason=str(exc))
            else:
                last_problem.changes_to("")

    return stack.enter_context(broker).address, follow
