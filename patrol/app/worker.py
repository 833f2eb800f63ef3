"""Build a cluster's worker from its own configuration directory: the slice of its links.

It has its links' rows of cameras.csv with their passwords, the cluster's key and a database role of
its own (`patrol cluster slice` writes all of it but the password); no person, no site key.
"""

import os
import random
import secrets
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from patrol import __version__
from patrol.administration.registry_files import RegistryWatcher
from patrol.app.bootstrap import (
    connection_limits,
    make_visit_judge,
    prepare_process,
    visit_options,
)
from patrol.app.detectors import open_detectors
from patrol.app.sources import agreed_streams, open_sources
from patrol.clock import SystemClock
from patrol.cluster.exchange import Exchange, open_exchange
from patrol.cluster.grants import role_problems
from patrol.cluster.queue import new_app
from patrol.cluster.worker import Worker, WorkerRefused, unknown_links
from patrol.cluster.worker_services import (
    DatabaseClock,
    ExchangePictures,
    ShardReferences,
    SharedConsentGuard,
    WorkerServices,
)
from patrol.domain.errors import BadInput
from patrol.domain.ids import LinkId
from patrol.encryption import SiteKey
from patrol.ports import Clock
from patrol.rounds.guarded_visit import ConsentGate
from patrol.rounds.stream_limits import StreamLimits
from patrol.settings import Settings, Site, load_site
from patrol.settings.site_cluster import KEY_FILE, ClusterSection
from patrol.store import Store
from patrol.store.cluster import WorkerRecord
from patrol.store.engine import connect, make_engine, parse_url

MAX_SLOTS: Final = 64  # shards at once in one process
SPARE_JUDGES: Final = 2  # threads beside the cores: some wait for the exchange


def default_name(links: Sequence[str]) -> str:
    """The name of a worker that was given none: its machine's and its first link's."""
    return f"{socket.gethostname()}-{links[0]}"


@contextmanager
def build_worker(
    site: Site, config_dir: Path, *, links: Sequence[str], name: str, clock: Clock | None = None
) -> Iterator[Worker]:
    """A worker for these links. Raises BadInput, WorkerRefused, KeyProblem, StoreUnavailable."""
    settings, section = site.settings, _section(site.settings)
    _check_links(site, links)
    prepare_process(settings)
    new_app(settings.database)  # the extra is installed
    key = SiteKey.read(section.key_file or config_dir / KEY_FILE)
    with ExitStack() as stack:
        store = stack.enter_context(open_worker_store(settings.database))
        exchange = open_exchange(section.pictures, key, section.exchange, ca_file=section.ca_file)
        yield Worker(
            _worker_services(
                site,
                stack,
                watcher=RegistryWatcher(site, config_dir, load_site),
                record=_record(settings, links, name),
                store=store,
                clock=DatabaseClock(clock or SystemClock()),
                exchange=exchange,
            )
        )


def _record(settings: Settings, links: Sequence[str], name: str) -> WorkerRecord:
    limits = settings.limits
    return WorkerRecord(
        name=name,
        site=settings.site.id,
        instance=secrets.token_hex(8),
        host=socket.gethostname(),
        version=__version__,
        links=tuple(LinkId(link) for link in links),
        slots=min(MAX_SLOTS, len(links), max(1, limits.connections // limits.per_link)),
    )


def _worker_services(
    site: Site, stack: ExitStack, *, watcher: RegistryWatcher, record: WorkerRecord, store: Store,
    clock: DatabaseClock, exchange: Exchange,
) -> WorkerServices:  # fmt: skip
    settings, references = site.settings, ShardReferences(exchange)
    pictures = ExchangePictures(exchange)
    sampling, limits = settings.sampling.policy, connection_limits(settings)
    judge = make_visit_judge(settings, pictures, open_detectors(site), clock, references.load)
    judges, writer, readers = (
        stack.enter_context(ThreadPoolExecutor(count, thread_name_prefix=name))
        for name, count in (
            ("judge", (os.cpu_count() or 1) + SPARE_JUDGES), ("writer", 1), ("consent", 1),
        )
    )  # fmt: skip
    gate = ConsentGate(
        store=store,
        clock=clock,
        zone=settings.site.tz,
        cameras=watcher.cameras,
        refresh_cameras=watcher.refresh,
    )
    client = open_sources(site, store, clock, stack).client
    return WorkerServices(
        record=record,
        store=store,
        database=settings.database,
        clock=clock,
        cameras=watcher.cameras,
        guard=SharedConsentGuard(gate, client, sampling, executor=readers),
        exchange=exchange,
        references=references,
        pictures=pictures,
        judge=judge,
        add_evidence=judge.add_evidence,
        limits=replace(limits, connections=min(limits.connections, limits.per_link)),
        options=visit_options(settings),
        sampling=sampling,
        stream_limits=StreamLimits.of({}, agreed_streams(site.sources)),
        judges=judges,
        writer=writer,
        rng=random.Random(),  # noqa: S311  spreads connections  # nosec B311
    )


def _section(settings: Settings) -> ClusterSection:
    if settings.cluster is None:
        raise BadInput("site.yaml: cluster: is missing, a worker needs it; see docs/cluster.md")
    return settings.cluster


def _check_links(site: Site, links: Sequence[str]) -> None:
    unknown = unknown_links(links, site.registry.cameras.values())
    if unknown:
        there = ", ".join(sorted({camera.link for camera in site.registry.cameras.values()}))
        raise BadInput(
            f"--links: no camera of cameras.csv has the link {', '.join(unknown)}; there are:"
            f" {there}"
        )


@contextmanager
def open_worker_store(url: str) -> Iterator[Store]:
    """The store as a worker's role sees it; its tables may be one version on.

    Raises StoreUnavailable; WorkerRefused where the role cannot do a worker's work.
    """
    engine = make_engine(parse_url(url))
    try:
        connection = connect(engine, read_only=True)
        try:
            problems = role_problems(connection, str(engine.url.username or os.environ.get("USER")))
        finally:
            connection.close()
        weak = [one.text for one in problems if not one.is_too_strong]
        if weak:
            raise WorkerRefused("; ".join(weak))
        yield Store(engine)
    finally:
        engine.dispose()
