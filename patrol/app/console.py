"""The house as the console sees it: fulfils patrol.console's doors, and serves it."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

import structlog

from patrol.api import create_api
from patrol.app import condition
from patrol.app.camera_desk import CameraDesk
from patrol.app.house import App
from patrol.app.redaction import Redaction
from patrol.console import ConsoleAddress, ConsoleOptions, Disk, Part, SiteFacts, serve
from patrol.dispatch.inbox import Handled, Inbox
from patrol.dispatch.wire import Wire
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.levels import Level
from patrol.domain.registry import Registry
from patrol.ports import Busy, Clock, EvidenceStore
from patrol.store import Store

log = structlog.get_logger(__name__)

API_PATH = "/api/v1"


class HouseDoors:
    """Fulfils console.ConsoleDoors."""

    def __init__(self, app: App) -> None:
        self._app = app
        settings = app.site.settings
        self.facts = SiteFacts(
            id=settings.site.id,
            name=settings.site.name,
            zone=settings.site.tz,
            language=settings.site.language,
            phone=settings.centre_phone,
            calendar=settings.calendar,
            keep_evidence=timedelta(days=settings.retention.evidence_days),
        )
        self.cameras = CameraDesk(app)
        self.shapes = app.site.shapes
        self.redact = Redaction(settings)
        self._inbox = Inbox(
            store=app.store,
            announcer=app.wire,
            registry=app.site.registry,
            site=settings.site.id,
            zone=settings.site.tz,
            on_news=app.wake,
        )
        self._one_at_a_time = threading.Lock()

    @property
    def store(self) -> Store:
        """See the door."""
        return self._app.store

    @property
    def evidence(self) -> EvidenceStore:
        """See the door."""
        return self._app.evidence

    @property
    def clock(self) -> Clock:
        """See the door."""
        return self._app.clock

    @property
    def registry(self) -> Registry:
        """See the door; cameras as last read, grids and people as at start."""
        self._app.registry.refresh()
        known = self._app.site.registry
        return Registry(cameras=self._app.registry.cameras(), tree=known.tree, people=known.people)

    @property
    def wire(self) -> Wire:
        """See the door."""
        return self._app.wire

    def confirm(
        self,
        finding_id: str,
        *,
        by: str,
        category: str | None = None,
        level: Level | None = None,
        note: str = "",
        phoned: str = "",
    ) -> Case:
        """See the door."""
        return self._app.confirm(
            finding_id, by=by, category=category, level=level, note=note, phoned=phoned
        )

    def dismiss(self, finding_id: str, *, by: str, reason: str) -> Finding:
        """See the door."""
        return self._app.dismiss(finding_id, by=by, reason=reason)

    def unsure(self, finding_id: str, *, by: str, reason: str = "") -> Finding:
        """See the door."""
        return self._app.unsure(finding_id, by=by, reason=reason)

    def start_round(self, plan: str, *, by: str) -> None:
        """See the door."""
        self._app.plan(plan)
        with self._app.round_lock():
            pass  # Busy is said now; between here and the walk a bell may still be faster
        log.info("a round by hand", plan=plan, by=by)
        threading.Thread(target=self._walk, args=(plan,), name="round", daemon=True).start()

    def hear(self, topic: str, payload: bytes) -> Handled:
        """See the door."""
        with self._one_at_a_time:
            return self._inbox.handle(topic, payload, self._app.clock.now())

    def wake(self) -> None:
        """See the door."""
        self._app.wake()

    def parts(self) -> Sequence[Part]:
        """See the door."""
        return condition.parts(self._app)

    def disks(self) -> Sequence[Disk]:
        """See the door."""
        return condition.disks(self._app)

    def check_store(self) -> Sequence[str]:
        """See the door."""
        return condition.check_store(self._app)

    def _walk(self, plan: str) -> None:
        try:
            self._app.run_round(plan)
        except Busy as exc:
            log.warning("a round by hand found another under way", plan=plan, reason=str(exc))


def options_of(app: App) -> ConsoleOptions:
    """What site.yaml says of the console."""
    said = app.site.settings.console
    return ConsoleOptions(
        host=said.host,
        port=said.port,
        tls_certificate=said.tls_certificate,
        tls_key=said.tls_key,
        behind_tls=said.behind_tls,
        trusted_proxies=said.trusted_proxies,
        session=timedelta(hours=said.session_h),
        tiles=said.tiles,
        assets=said.assets,
    )


def serve_console(
    app: App, options: ConsoleOptions | None = None
) -> AbstractContextManager[ConsoleAddress]:
    """The console of this house until the block is left. Raises console.server.ConsoleFailed."""
    doors = HouseDoors(app)
    return serve(doors, options or options_of(app), {API_PATH: create_api(doors)})
