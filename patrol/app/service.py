"""`patrol run`: bell, rounds, relay, inbox, ladder, looks — until told to stop.

The first child that fails stops the house with its reason; whatever runs us (systemd) starts it
again, and everything resumes from the store.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import time

import structlog

from patrol.app.ear import SERVICE_LOCK
from patrol.app.house import App
from patrol.app.outward import Outposts
from patrol.bell import Bell, Rota
from patrol.evidence import sweep
from patrol.lock import exclusive
from patrol.mqtt import MqttPublisher, MqttService
from patrol.ports import EvidenceFull
from patrol.review.ageing import age
from patrol.rounds.keeper import Keeper
from patrol.rounds.progress import RoundProgress
from patrol.store import StoreFull, StoreUnavailable
from patrol.sun import SiteSun

log = structlog.get_logger(__name__)

ROUND_EVERY_S = 2.0
LADDER_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
# Not heard of for so long, a child is stuck (/healthz). A relay backs off up to 30 s and waits 5 s
# for a broker's word; a look has a visit's 20 s and its retry; a round tells of every visit.
RELAY_WITHIN_S = 120.0
LADDER_WITHIN_S = 60.0
LOOK_WITHIN_S = 300.0
ROUND_WITHIN_S = 600.0
NAP_S = 0.25
DEAF_AT_MOST_S = 15.0  # the broker takes our words and refuses our ear: an ACL that is wrong
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
        stack.enter_context(exclusive(app.site.settings.evidence / SERVICE_LOCK))
        outposts = Outposts.of(app)
        app.parts = outposts.checks

        def run(name: str, work: Callable[[], None]) -> None:
            child = threading.Thread(target=_child, args=(name, work, failed), name=name)
            child.start()
            stack.callback(child.join, 5.0)
            stack.callback(stop.set)  # whatever ends the block ends the child

        _talk_and_listen(app, outposts, stack, stop, run)
        bell = Bell(app.site.settings.site.tz, failed)
        for rota in _rotas(app, outposts, stop, on_progress, with_rounds=with_rounds):
            bell.add(rota)
        bell.start()
        stack.callback(bell.stop)
        stack.callback(stop.set)
        ready()
        stop.wait()
    if failures:
        child, why = failures[0]
        raise HouseFailed(f"{child}: {type(why).__name__}: {why}") from why


def _talk_and_listen(
    app: App,
    outposts: Outposts,
    stack: ExitStack,
    stop: threading.Event,
    run: Callable[[str, Callable[[], None]], None],
) -> None:
    """Everything that speaks with the world outside cameras."""
    name = f"patrol-{app.site.settings.site.id}"
    mouth = stack.enter_context(MqttPublisher(app.broker, name=name))
    inbox, ear = app.new_inbox(outposts.canary)
    stack.enter_context(ear)
    relay = app.new_relay(mouth)
    relay.on_turn = outposts.beats.expect("relay", RELAY_WITHIN_S)

    def tell() -> None:
        _listen_first(ear, mouth, relay.on_turn, stop)
        relay.run(stop)

    run("relay", tell)
    stack.callback(relay.wake)
    outposts.start(stack, stop, run)
    outposts.watch(relay=relay.counters, inbox=inbox.counters)


def _listen_first(
    ear: MqttService, mouth: MqttPublisher, beat: Callable[[], None], stop: threading.Event
) -> None:
    """Until we are subscribed: a broker that does not know us yet drops the answers to our words.

    A telephone answers within milliseconds. An ear that is never let in holds nobody's alarm back.
    """
    left_s = DEAF_AT_MOST_S
    while left_s > 0 and not stop.is_set() and not ear.wait_up(NAP_S):
        beat()
        if mouth.wait_up(0.0):
            left_s -= NAP_S


def _rotas(
    app: App,
    outposts: Outposts,
    stop: threading.Event,
    on_progress: Callable[[RoundProgress], None] | None,
    *,
    with_rounds: bool,
) -> list[Rota]:
    beating = outposts.beating
    climb = outposts.climbing(app.new_ladder())
    rotas = [
        Rota(
            name="ladder",
            ring=_patient("ladder", beating("ladder", climb, LADDER_WITHIN_S)),
            every_s=LADDER_EVERY_S,
        ),
        Rota(
            name="looks",
            ring=_patient("looks", beating("looks", lambda: _look_again(app), LOOK_WITHIN_S)),
            every_s=LOOK_EVERY_S,
        ),
        Rota(
            name="doubts",
            ring=_patient("doubts", beating("doubts", app.looks.leads.ring, LOOK_WITHIN_S)),
            every_s=LOOK_EVERY_S,
        ),
        *outposts.rotas(_patient),
        Rota(name="upkeep", ring=_patient("upkeep", lambda: _upkeep(app)), daily_at=SWEEP_AT),
    ]
    if with_rounds:
        beat = outposts.beats.expect("rounds", ROUND_WITHIN_S)
        keeper = keeper_of(app, stop, outposts.beating_progress(beat, on_progress))
        ring = beating("rounds", keeper.ring, ROUND_WITHIN_S)
        rotas.append(Rota(name="rounds", ring=_patient("rounds", ring), every_s=ROUND_EVERY_S))
    return rotas


def _upkeep(app: App) -> None:
    """Pictures whose time has come go, and leads that nobody decided are put away."""
    now = app.clock.now()
    most_mb = app.site.settings.retention.evidence_mb
    sweep(app.store, app.evidence, now, most_bytes=most_mb << 20 if most_mb else None)
    for finding in age(app.store, now):
        log.info("nobody decided", finding=finding.id)


def _look_again(app: App) -> None:
    if app.looks.cases.ring():
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
    """A database that is away, a disk that is full are waited for; one line when that changes."""
    story = ""

    def ring() -> None:
        nonlocal story
        try:
            work()
        except (StoreUnavailable, StoreFull, EvidenceFull) as exc:
            if story != str(exc):
                log.warning("waiting for the stores", child=name, reason=str(exc))
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
