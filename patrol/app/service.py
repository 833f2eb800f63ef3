"""`patrol run`: bell, rounds, relay, inbox, ladder, looks — until told to stop.

The first child that fails stops the house with its reason; whatever runs us (systemd) starts it
again, and everything resumes from the store.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import time

import structlog

from patrol.app.house import App
from patrol.bell import Bell, Rota
from patrol.evidence import sweep
from patrol.lock import exclusive
from patrol.mqtt import MqttPublisher
from patrol.ports import StoreFull, StoreUnavailable
from patrol.rounds.keeper import Keeper
from patrol.rounds.progress import RoundProgress
from patrol.sun import SiteSun

log = structlog.get_logger(__name__)

ROUND_EVERY_S = 2.0
LADDER_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
SWEEP_AT = time(3, 30)  # local; nobody patrols then


class HouseFailed(Exception):
    """A child of the service failed; says which and why."""


def serve(
    app: App,
    stop: threading.Event,
    *,
    on_progress: Callable[[RoundProgress], None] | None = None,
    ready: Callable[[], None] = lambda: None,
    with_rounds: bool = True,
) -> None:
    """Run until `stop`. Raises ports.Busy when another service has this site, HouseFailed."""
    failures: list[tuple[str, BaseException]] = []

    def failed(name: str, why: BaseException) -> None:
        failures.append((name, why))
        stop.set()

    with ExitStack() as stack:
        stack.enter_context(exclusive(app.site.settings.evidence / ".service.lock"))
        name = f"patrol-{app.site.settings.site.id}"
        publisher = stack.enter_context(MqttPublisher(app.broker, name=name))
        relay = app.new_relay(publisher)
        sender = threading.Thread(
            target=_child, args=("relay", lambda: relay.run(stop), failed), name="relay"
        )
        sender.start()
        stack.callback(sender.join, 5.0)
        stack.callback(relay.wake)
        stack.enter_context(app.new_inbox()[1])
        bell = Bell(app.site.settings.site.tz, failed)
        for rota in _rotas(app, stop, on_progress, with_rounds=with_rounds):
            bell.add(rota)
        bell.start()
        stack.callback(bell.stop)
        stack.callback(stop.set)
        ready()
        stop.wait()
    if failures:
        child, why = failures[0]
        raise HouseFailed(f"{child}: {type(why).__name__}: {why}") from why


def _rotas(
    app: App,
    stop: threading.Event,
    on_progress: Callable[[RoundProgress], None] | None,
    *,
    with_rounds: bool,
) -> list[Rota]:
    ladder = app.new_ladder()
    rotas = [
        Rota(
            name="ladder",
            ring=_patient("ladder", lambda: ladder.tick(app.clock.now())),
            every_s=LADDER_EVERY_S,
        ),
        Rota(
            name="looks",
            ring=_patient("looks", lambda: _look_again(app)),
            every_s=LOOK_EVERY_S,
        ),
        Rota(
            name="retention",
            ring=_patient("retention", lambda: sweep(app.store, app.evidence, app.clock.now())),
            daily_at=SWEEP_AT,
        ),
    ]
    if with_rounds:
        keeper = keeper_of(app, stop, on_progress)
        rotas.append(
            Rota(name="rounds", ring=_patient("rounds", keeper.ring), every_s=ROUND_EVERY_S)
        )
    return rotas


def _look_again(app: App) -> None:
    if app.looker.ring():
        app.wake()


def keeper_of(
    app: App, stop: threading.Event, on_progress: Callable[[RoundProgress], None] | None
) -> Keeper:
    """Keeps the site's plans."""
    site = app.site.settings.site
    return Keeper(
        calendar=app.site.settings.calendar,
        zone=site.tz,
        sun=SiteSun(site.latitude, site.longitude, site.tz),
        clock=app.clock,
        store=app.store,
        conductor=app.conductor,
        stop=stop,
        hold=app.round_lock,
        on_progress=on_progress,
    )


def _patient(name: str, work: Callable[[], object]) -> Callable[[], None]:
    """A database that is away or full is waited for, one line when the story changes."""
    story = ""

    def ring() -> None:
        nonlocal story
        try:
            work()
        except (StoreUnavailable, StoreFull) as exc:
            if story != str(exc):
                log.warning("waiting for the database", child=name, reason=str(exc))
            story = str(exc)
        else:
            story = ""

    return ring


def _child(
    name: str, work: Callable[[], None], failed: Callable[[str, BaseException], None]
) -> None:
    try:
        work()
    except Exception as exc:  # noqa: BLE001  whatever it is, the house stops with this reason
        failed(name, exc)
