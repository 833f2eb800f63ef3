"""Build the application from a site's settings; leaving the block closes its parts in reverse.

The composition root: stores, models, camera client, broker and the parts of rounds, review and
messages are made here and nowhere else. A database that cannot be reached at start is logged once
and tried again with back-off, as long as the command may wait.
"""

import os
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from patrol.administration.area_editor import AreaEditor
from patrol.administration.camera_table import CameraTable
from patrol.administration.people_tables import PeopleTables
from patrol.administration.registry_files import RegistryWatcher, RegistryWriteContext
from patrol.administration.sealed_streams import SealedSiteLoader, with_store_passwords
from patrol.allocator import give_back_freed_memory, set_for_pictures
from patrol.app.application import Application
from patrol.app.broker import open_broker
from patrol.app.clock_monitor import ClockMonitor
from patrol.app.detectors import Detectors, PictureRedactor, open_detectors
from patrol.app.ground_service import handle_check_in
from patrol.app.integrations import Integrations, forget_proxies, load_integrations, store_observers
from patrol.app.sources import Sources, agreed_streams, open_sources
from patrol.app.store_opening import StartupWait, adopt_site_key, open_site_store
from patrol.app.town_service import handle_town_reply
from patrol.cases.save_and_send import SendGate, queued_message_count
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.labels import UNNAMED_CHANGE
from patrol.domain.observation import Light
from patrol.domain.picture_link import LinkSigner
from patrol.domain.registry import Registry
from patrol.encryption import SiteKey
from patrol.logs import set_log_zone
from patrol.messaging.payloads import PayloadBuilder
from patrol.mqtt import BrokerAddress
from patrol.operations.metrics import Meters
from patrol.pictures import FilePictureStore, JpegEncoder
from patrol.ports import Clock, PictureStore
from patrol.review import BY_RULES, BlindSample, confirm
from patrol.review.blind_sample import ChangeHint
from patrol.rounds.guarded_visit import ConsentGate, GuardedVisit
from patrol.rounds.limiter import ConnectionLimits, SharedLinkSlots
from patrol.rounds.live_view import LiveLimits, LiveView
from patrol.rounds.recheck import Recheckers
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy
from patrol.rounds.runner import RoundRunner, RunnerServices
from patrol.rounds.visit_judge import MemoryBlobs, VisitJudge
from patrol.settings import Settings, Site, load_site
from patrol.settings.addresses import phone_base_url
from patrol.settings.site_keys import day_keys
from patrol.store import (
    Store,
    UnitOfWork,
)
from patrol.vision.mask import limit_opencv_threads
from patrol.vision.quality import QualityThresholds
from patrol.vision.types import VisionThresholds
from streams.model import VisitOptions
from streams.picture_limits import DECODE_GATE, MEGAPIXEL
from streams.tls import CAMERA_TLS

if TYPE_CHECKING:
    from patrol.app.cluster import SiteCluster

log = structlog.get_logger(__name__)

OUTSIDE_REPLIES: Final = (handle_town_reply, handle_check_in)
KEY_BYTES: Final = 32


@contextmanager
def build(
    site: Site,
    *,
    clock: Clock | None = None,
    config_dir: Path | None = None,
    rng: random.Random | None = None,
    startup_wait: StartupWait | None = None,
    create_store: bool = True,
) -> Iterator[Application]:
    """The application of a site, open for the block. Raises StoreUnavailable, KeyProblem.

    `create_store`: make or upgrade the database. `config_dir`: whose files' changes are followed.
    """
    with ExitStack() as stack:
        prepare_process(site.settings)
        integrations, meters = load_integrations(site.settings), Meters()
        monitor = open_site_store(stack, site, clock, startup_wait, create=create_store)
        site, watcher, site_key = _unlocked_site(site, monitor, config_dir)
        monitor.store.add_observers(store_observers(integrations, meters, monitor.clock, watcher))
        cluster = _open_cluster(site, monitor.store, watcher, site_key, create=create_store)
        services = _shared_services(
            site, monitor, stack, watcher, site_key=site_key, rng=rng, cluster=cluster
        )
        broker, follow = open_broker(site, stack)
        made = _application(services, broker, follow, integrations=integrations, meters=meters)
        give_back_freed_memory()  # what reading the files of a county took for a moment
        yield made


def _application(
    services: "_SharedServices",
    broker: BrokerAddress,
    follow: Callable[[Registry], None],
    *,
    integrations: Integrations,
    meters: Meters,
) -> Application:
    guarded_visit, editing = _guarded_visit(services), _write_context(services)
    return Application(
        site=services.site,
        clock=services.monitor.clock,
        clock_monitor=services.monitor,
        store=services.store,
        evidence=services.evidence,
        registry_watcher=services.watcher,
        broker=broker,
        follow_accounts=follow,
        sources=services.sources,
        payloads=services.payloads,
        send_gate=services.send_gate,
        round_runner=_round_runner(services),
        rechecks=_rechecks(services, guarded_visit),
        detectors=services.detectors,
        integrations=integrations,
        meters=meters,
        redact=PictureRedactor(services.site.settings),
        area_editor=AreaEditor(editing),
        camera_table=CameraTable(editing),
        people_tables=PeopleTables(editing, follow),
        live_view=_live_view(services, guarded_visit),
        outside_replies=OUTSIDE_REPLIES,
        cluster=services.cluster,
    )


def _open_cluster(
    site: Site, store: Store, watcher: RegistryWatcher, site_key: SiteKey, *, create: bool
) -> "SiteCluster | None":
    """The site's cluster, where it has one; its job queue is made or migrated with the tables."""
    section = site.settings.cluster
    if section is None:
        return None
    from patrol.app.cluster import SiteCluster  # noqa: PLC0415  of a cluster alone
    from patrol.cluster.queue import install  # noqa: PLC0415  of a cluster alone

    if create:
        install(site.settings.database)
    return SiteCluster(site.settings, section, store, site_key, watcher.cameras)


def _unlocked_site(
    site: Site, monitor: ClockMonitor, config_dir: Path | None
) -> tuple[Site, RegistryWatcher, SiteKey]:
    """The site with the passwords that its store has sealed, now and whenever it is read again.

    Its registry has absent who is on leave now.
    """
    store, now = monitor.store, monitor.clock.now
    site_key = adopt_site_key(store, site.settings)
    opened = with_store_passwords(site, store)
    watcher = RegistryWatcher(opened, config_dir, SealedSiteLoader(store, load_site), now)
    return replace(opened, registry=watcher.registry()), watcher, site_key


def prepare_process(settings: Settings) -> None:
    """Set what is one for a process: memory, threads, certificates, pictures' limit, log times."""
    set_log_zone(settings.site.tz)
    set_for_pictures()
    limit_opencv_threads()
    CAMERA_TLS.configure(verify=settings.camera_tls.verify, ca_file=settings.camera_tls.ca_file)
    DECODE_GATE.max_px = round(settings.limits.picture_mp * MEGAPIXEL)
    forget_proxies(os.environ)


def make_link_signer(settings: Settings, store: Store) -> LinkSigner | None:
    """The signer of picture links; None without a console, or when its address is unknown."""
    base = phone_base_url(settings)
    if not base:
        return None
    with store.begin() as uow:
        key = uow.picture_links.signing_key(secrets.token_bytes(KEY_BYTES))
        uow.commit()
    return LinkSigner(base_url=base, key=key, lasts=settings.integrations.links.lasts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SharedServices:
    """What rounds, rechecks and live views share."""

    site: Site
    clock: Clock
    monitor: ClockMonitor
    store: Store
    watcher: RegistryWatcher
    payloads: PayloadBuilder
    send_gate: SendGate
    sources: Sources
    judge: VisitJudge
    link_slots: SharedLinkSlots
    rng: random.Random
    evidence: FilePictureStore
    detectors: Detectors
    cluster: "SiteCluster | None"


def _shared_services(
    site: Site,
    monitor: ClockMonitor,
    stack: ExitStack,
    watcher: RegistryWatcher,
    *,
    site_key: SiteKey,
    rng: random.Random | None,
    cluster: "SiteCluster | None",
) -> _SharedServices:
    clock, store, detectors = monitor.clock, monitor.store, open_detectors(site)
    keys = day_keys(site.settings, site_key)
    evidence = FilePictureStore(site.settings.evidence, keys=keys)
    return _SharedServices(
        site=site,
        clock=clock,
        monitor=monitor,
        store=store,
        watcher=watcher,
        payloads=_payload_builder(site, store, watcher),
        send_gate=_send_gate(site, watcher),
        sources=open_sources(site, store, clock, stack),
        judge=make_visit_judge(site.settings, evidence, detectors, clock, _stored_memories(store)),
        link_slots=SharedLinkSlots(site.settings.limits.per_link),
        rng=rng or random.Random(),  # noqa: S311  orders visits, draws the sample  # nosec B311
        evidence=evidence,
        detectors=detectors,
        cluster=cluster,
    )


def _write_context(services: _SharedServices) -> RegistryWriteContext:
    return RegistryWriteContext(
        store=services.store, clock=services.clock, watcher=services.watcher
    )


def _round_runner(services: _SharedServices) -> RoundRunner:
    settings = services.site.settings
    return RoundRunner(
        RunnerServices(
            store=services.store,
            clock=services.clock,
            zone=settings.site.tz,
            cameras=services.watcher.cameras,
            refresh_cameras=services.watcher.refresh,
            client=services.sources.client,
            judge=services.judge,
            add_evidence=services.judge.add_evidence,
            policy=_recorder_policy(services),
            payloads=services.payloads,
            tree=services.watcher.followed.tree,
            limits=connection_limits(settings),
            options=visit_options(settings),
            sampling=settings.sampling.policy,
            rng=services.rng,
            calendar=settings.calendar,
            link_slots=services.link_slots,
            blind_sample=BlindSample(
                rng=services.rng,
                share=settings.review.blind_sample,
                known_positive_share=settings.review.known_positives,
                **_unnamed_change_rule(services.site),
                find_hint=ChangeHint(store=services.store, evidence=services.evidence),
            ),
            clock_unconfirmed=lambda: services.monitor.clock_unconfirmed,
            without=services.detectors.without,
            agreed_streams=agreed_streams(services.site.sources),
            new_execution=(
                services.cluster.services(services.evidence, services.monitor).new_execution
                if services.cluster is not None
                else None
            ),
        )
    )


def _unnamed_change_rule(site: Site) -> dict[str, Any]:
    """Level and category of the blind sample: those the site gives the machine's own findings."""
    rule = site.rules.by_kind.get(UNNAMED_CHANGE)
    if rule is None:
        return {}
    return {
        "level": rule.level,
        "category": rule.category if rule.category in CATEGORY_BY_ID else "other",
    }


def _guarded_visit(services: _SharedServices) -> GuardedVisit:
    settings = services.site.settings
    return GuardedVisit(
        store=services.store,
        clock=services.clock,
        gate=ConsentGate(
            store=services.store,
            clock=services.clock,
            zone=settings.site.tz,
            cameras=services.watcher.cameras,
            refresh_cameras=services.watcher.refresh,
        ),
        client=services.sources.client,
        judge=services.judge,
        options=visit_options(settings),
        sampling=settings.sampling.policy,
        link_slots=services.link_slots,
        workers_reach=services.cluster.workers_reach if services.cluster else lambda _link: False,
    )


def _rechecks(services: _SharedServices, guarded_visit: GuardedVisit) -> Recheckers:
    settings = services.site.settings
    return Recheckers.create(
        guarded_visit,
        services.payloads,
        verifier=settings.verification,
        keep_evidence=timedelta(days=settings.retention.evidence_days),
    )


def _live_view(services: _SharedServices, guarded_visit: GuardedVisit) -> LiveView:
    settings = services.site.settings
    return LiveView(
        gate=guarded_visit.gate,
        client=guarded_visit.client,
        sampling=guarded_visit.sampling,
        link_slots=guarded_visit.link_slots,
        encode=JpegEncoder(),
        limits=LiveLimits(
            duration_s=settings.console.live_s, max_viewers=settings.console.live_at_once
        ),
        workers_reach=guarded_visit.workers_reach,
    )


def _payload_builder(site: Site, store: Store, watcher: RegistryWatcher) -> PayloadBuilder:
    return PayloadBuilder(
        site=site.settings.site.id,
        zone=site.settings.site.tz,
        registry=watcher.followed,
        centre_phone=site.settings.centre_phone,
        site_name=site.settings.site.name,
        link_signer=make_link_signer(site.settings, store),
    )


def _send_gate(site: Site, watcher: RegistryWatcher) -> SendGate:
    return SendGate(
        site=site.settings.site.id,
        registry=watcher.followed,
        limits=site.settings.integrations.sending.limits,
        maintenance=site.settings.calendar.maintenance,
    )


def vision_thresholds(own: Mapping[str, float]) -> VisionThresholds:
    """The gauges' thresholds; those that the site names replace the defaults."""
    own_limits: dict[str, Any] = dict(own)
    return VisionThresholds(quality=QualityThresholds(**own_limits))


def _stored_memories(store: Store) -> Callable[[CameraId], MemoryBlobs]:
    def load_memories(camera: CameraId) -> MemoryBlobs:
        with store.begin_read() as uow:
            blobs = {light: uow.memories.get(camera, light) for light in Light}
        return {light: blob for light, blob in blobs.items() if blob is not None}

    return load_memories


def make_visit_judge(
    settings: Settings,
    evidence: PictureStore,
    detectors: Detectors,
    clock: Clock,
    load_memories: Callable[[CameraId], MemoryBlobs],
) -> VisitJudge:
    """What judges samples by the site's settings; also a worker's."""
    return VisitJudge(
        detector=detectors.objects,
        fire_model=detectors.fire,
        policy=vision_thresholds(settings.quality),
        evidence=evidence,
        encode=JpegEncoder(),
        load_memories=load_memories,
        clock=clock,
        zone=settings.site.tz,
        keep_for=timedelta(days=settings.retention.sample_days),
    )


def _recorder_policy(services: _SharedServices) -> RecorderPolicy:
    site, payloads, send_gate = services.site, services.payloads, services.send_gate

    def auto_confirm(uow: UnitOfWork, finding: FindingId, now: datetime) -> int:
        case = confirm(
            uow,
            finding,
            by=BY_RULES,
            now=now,
            registry=services.watcher.registry(),
            payloads=payloads,
            zone=site.settings.site.tz,
            send_gate=send_gate,
        )
        return queued_message_count(case)

    return RecorderPolicy(
        rules=site.rules,
        health=HealthNotifier(payloads=payloads, policy=site.settings.health),
        auto_confirm=auto_confirm,
        send_gate=send_gate,
        keep_evidence=timedelta(days=site.settings.retention.evidence_days),
    )


def connection_limits(settings: Settings) -> ConnectionLimits:
    """The caps of rounds by the site's settings."""
    limits = settings.limits
    return ConnectionLimits(
        connections=limits.connections,
        per_link=limits.per_link,
        mbit_s=limits.mbit_s,
        visit_s=limits.visit_s,
        retries=limits.retries,
    )


def visit_options(settings: Settings) -> VisitOptions:
    """How a camera is visited by the site's settings."""
    sampling, visit_s = settings.sampling, settings.limits.visit_s
    return VisitOptions(
        pictures=sampling.pictures, spacing_s=sampling.spacing_s, visit_timeout_s=visit_s
    )
