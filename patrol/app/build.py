"""Build the house from a site's settings; leaving the block puts everything away in reverse."""

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from patrol.app.eyes import Eyes, open_eyes
from patrol.app.glass import Glass
from patrol.app.house import App
from patrol.app.news import observers, read_news
from patrol.app.patience import Patience, open_patiently
from patrol.app.picture_links import link_maker
from patrol.app.pointing import Pointer
from patrol.app.registry import LiveRegistry
from patrol.app.second_looks import SecondLooks
from patrol.clock import SystemClock
from patrol.dispatch.sending import SendGate
from patrol.dispatch.wire import Wire
from patrol.domain.category import BY_ID
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.observation import Light
from patrol.evidence import FileEvidence, JpegEncoder
from patrol.metrics import Meters
from patrol.mqtt import BrokerAddress
from patrol.mqtt.embedded import EmbeddedBroker
from patrol.ports import Clock
from patrol.review import BY_RULES, BlindSample, confirm
from patrol.review.sample import KIND
from patrol.rounds.beside import Beside
from patrol.rounds.conduct import Conductor, RoundHouse
from patrol.rounds.health import HealthDesk
from patrol.rounds.judge import Judge
from patrol.rounds.record import RecordPolicy
from patrol.rounds.seats import Caps
from patrol.settings import Settings, Site, load_site
from patrol.store import Store, UnitOfWork
from patrol.vision.judge import EyePolicy
from patrol.vision.quality import QualityLimits
from patrol.vision.threads import one_thread_each
from streams.model import VisitOptions
from streams.visit import CameraVisitor


@contextmanager
def build(
    site: Site,
    *,
    clock: Clock | None = None,
    config_dir: Path | None = None,
    rng: random.Random | None = None,
    patience: Patience | None = None,
) -> Iterator[App]:
    """Everything concrete meets here. Raises StoreUnavailable (one clear line).

    `patience`: how long an unreachable database is waited for; None: not at all.
    `config_dir`: where cameras.csv is followed for withdrawals; None: not followed.
    """
    clock = clock or SystemClock()
    one_thread_each()
    with ExitStack() as stack:
        news, meters = read_news(site.settings), Meters()
        store = _books(stack, site, clock, patience)
        store.add_observers(observers(news, meters, clock))
        broker = _broker(site.settings, stack)
        live = LiveRegistry(site, config_dir, load_site)
        parts = _parts(site, clock, store, live, rng or random.Random())  # noqa: S311  orders visits, draws the sample
        yield App(
            site=site,
            clock=clock,
            store=store,
            evidence=parts.evidence,
            registry=live,
            broker=broker,
            wire=parts.wire,
            gate=parts.gate,
            conductor=_conductor(parts),
            looks=SecondLooks.through(_glass(parts), parts.wire, site.settings),
            eyes=parts.eyes,
            news=news,
            meters=meters,
        )


def _books(stack: ExitStack, site: Site, clock: Clock, patience: Patience | None) -> Store:
    """The store, with the registry as it is today."""
    store = stack.enter_context(open_patiently(site.settings.database, clock, patience))
    with store.begin() as uow:
        uow.registry.sync(site.registry, clock.now())
        uow.commit()
    return store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What rounds and second looks share."""

    site: Site
    clock: Clock
    store: Store
    live: LiveRegistry
    wire: Wire
    gate: SendGate
    visitor: CameraVisitor
    judge: Judge
    beside: Beside
    rng: random.Random
    evidence: FileEvidence
    eyes: Eyes


def _parts(
    site: Site, clock: Clock, store: Store, live: LiveRegistry, rng: random.Random
) -> _Parts:
    evidence, eyes = FileEvidence(site.settings.evidence), open_eyes(site.settings)
    return _Parts(
        site=site,
        clock=clock,
        store=store,
        live=live,
        wire=_wire(site, store),
        gate=_gate(site),
        visitor=CameraVisitor(now=clock.now),
        judge=_judge(site.settings, store, evidence, eyes, clock),
        beside=Beside(site.settings.limits.per_link),
        rng=rng,
        evidence=evidence,
        eyes=eyes,
    )


def _conductor(parts: _Parts) -> Conductor:
    settings = parts.site.settings
    return Conductor(
        RoundHouse(
            store=parts.store,
            clock=parts.clock,
            zone=settings.site.tz,
            cameras=parts.live.cameras,
            refresh_cameras=parts.live.refresh,
            visitor=parts.visitor,
            judge=parts.judge,
            policy=_record_policy(parts.site, parts.wire, parts.gate),
            caps=_caps(settings),
            options=_options(settings),
            stream=settings.sampling.stream,
            rng=parts.rng,
            calendar=settings.calendar,
            beside=parts.beside,
            sampler=BlindSample(
                rng=parts.rng,
                share=settings.review.blind_sample,
                probes=settings.review.known_positives,
                **_as_a_change(parts.site),
                point_at=Pointer(store=parts.store, evidence=parts.evidence),
            ),
            without=parts.eyes.without,
        )
    )


def _as_a_change(site: Site) -> dict[str, Any]:
    """A drawn lead looks like the machine's of that kind: the site's own level and category."""
    rule = site.rules.by_kind.get(KIND)
    if rule is None:
        return {}
    return {"level": rule.level, "category": rule.category if rule.category in BY_ID else "other"}


def _glass(parts: _Parts) -> Glass:
    settings = parts.site.settings
    return Glass(
        store=parts.store,
        clock=parts.clock,
        zone=settings.site.tz,
        cameras=parts.live.cameras,
        refresh_cameras=parts.live.refresh,
        visitor=parts.visitor,
        judge=parts.judge,
        options=_options(settings),
        stream=settings.sampling.stream,
        beside=parts.beside,
    )


def _broker(settings: Settings, stack: ExitStack) -> BrokerAddress:
    if settings.mqtt.embedded:
        return stack.enter_context(EmbeddedBroker()).address
    return BrokerAddress.parse(
        settings.mqtt.url,
        username=settings.mqtt.username,
        password_file=settings.mqtt.password_file,
        ca_file=settings.mqtt.ca_file,
    )


def _wire(site: Site, store: Store) -> Wire:
    return Wire(
        site=site.settings.site.id,
        zone=site.settings.site.tz,
        registry=site.registry,
        centre_phone=site.settings.centre_phone,
        site_name=site.settings.site.name,
        links=link_maker(site.settings, store),
    )


def _gate(site: Site) -> SendGate:
    return SendGate(
        site=site.settings.site.id,
        registry=site.registry,
        limits=site.settings.outward.sending,
        windows=site.settings.calendar.maintenance,
    )


def _judge(
    settings: Settings,
    store: Store,
    evidence: FileEvidence,
    eyes: Eyes,
    clock: Clock,
) -> Judge:
    def recall(camera: CameraId) -> Mapping[Light, bytes]:
        with store.begin_read() as uow:
            blobs = {light: uow.memories.get(camera, light) for light in Light}
        return {light: blob for light, blob in blobs.items() if blob is not None}

    return Judge(
        detector=eyes.objects,
        fire_model=eyes.fire,
        policy=EyePolicy(quality=_quality(settings)),
        evidence=evidence,
        encode=JpegEncoder(),
        recall=recall,
        clock=clock,
        zone=settings.site.tz,
        keep_for=timedelta(days=settings.retention.sample_days),
    )


def _quality(settings: Settings) -> QualityLimits:
    """The house's thresholds with the site's own in their place."""
    own: dict[str, Any] = dict(settings.quality)
    return QualityLimits(**own)


def _record_policy(site: Site, wire: Wire, gate: SendGate) -> RecordPolicy:
    def auto_confirm(uow: UnitOfWork, finding: FindingId, now: datetime) -> int:
        case = confirm(
            uow,
            finding,
            by=BY_RULES,
            now=now,
            registry=site.registry,
            announcer=wire,
            zone=site.settings.site.tz,
            gate=gate,
        )
        return len(wire.case(case, now))

    return RecordPolicy(
        rules=site.rules,
        health=HealthDesk(announcer=wire, policy=site.settings.health, tree=site.registry.tree),
        auto_confirm=auto_confirm,
        keep_evidence=timedelta(days=site.settings.retention.evidence_days),
    )


def _caps(settings: Settings) -> Caps:
    limits = settings.limits
    return Caps(
        connections=limits.connections,
        per_link=limits.per_link,
        mbit_s=limits.mbit_s,
        visit_s=limits.visit_s,
        retries=limits.retries,
    )


def _options(settings: Settings) -> VisitOptions:
    sampling = settings.sampling
    return VisitOptions(
        pictures=sampling.pictures,
        spacing_s=sampling.spacing_s,
        visit_timeout_s=settings.limits.visit_s,
    )
