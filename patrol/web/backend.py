"""What the console and the API may ask of the running application (WebBackend), and their start."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

import structlog

from patrol.app import status
from patrol.app.application import Application
from patrol.app.camera_admin import CameraAdmin
from patrol.app.redaction import PictureRedactor
from patrol.app.status import DiskSpace, ServiceStatus
from patrol.cases.reply_handler import ReplyResult
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.files import ProcessBusy
from patrol.messaging.payloads import PayloadBuilder
from patrol.ports import Clock, PictureStore
from patrol.store import Store
from patrol.web.api.app import create_api
from patrol.web.app import ConsoleAddress, serve
from patrol.web.options import ConsoleOptions, SiteProfile

log = structlog.get_logger(__name__)

API_PATH = "/api/v1"


class WebBackend:
    """Fulfils console.ConsoleDoors."""

    def __init__(self, app: Application) -> None:
        self._app = app
        settings = app.site.settings
        self.site_profile = SiteProfile(
            id=settings.site.id,
            name=settings.site.name,
            zone=settings.site.tz,
            language=settings.site.language,
            phone=settings.centre_phone,
            calendar=settings.calendar,
            keep_evidence=timedelta(days=settings.retention.evidence_days),
        )
        self.cameras = CameraAdmin(app)
        self.shapes = app.site.shapes
        self.redact = PictureRedactor(settings)

    @property
    def store(self) -> Store:
        """See the door."""
        return self._app.store

    @property
    def evidence(self) -> PictureStore:
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
    def payloads(self) -> PayloadBuilder:
        """See the door."""
        return self._app.payloads

    def confirm(
        self,
        finding_id: str,
        *,
        by: str,
        category: str | None = None,
        level: Level | None = None,
        note: str = "",
        phoned: str = "",
        holder: str = "",
    ) -> Case:
        """See the door."""
        return self._app.confirm(
            finding_id, by=by, category=category, level=level, note=note, phoned=phoned,
            holder=holder,
        )  # fmt: skip

    def dismiss(self, finding_id: str, *, by: str, reason: str, holder: str = "") -> Finding:
        """See the door."""
        return self._app.dismiss(finding_id, by=by, reason=reason, holder=holder)

    def unsure(self, finding_id: str, *, by: str, reason: str = "", holder: str = "") -> Finding:
        """See the door."""
        return self._app.unsure(finding_id, by=by, reason=reason, holder=holder)

    def start_round(self, plan: str, *, by: str) -> None:
        """See the door."""
        self._app.plan(plan)
        with self._app.round_lock():
            pass  # Busy is said now; between here and the walk a bell may still be faster
        log.info("a round by hand", plan=plan, by=by)
        threading.Thread(target=self._run_round, args=(plan,), name="round", daemon=True).start()

    def handle_reply(self, topic: str, payload: bytes) -> ReplyResult:
        """See the door."""
        return self._app.reply_handler.handle(topic, payload, self._app.clock.now())

    def wake_relays(self) -> None:
        """See the door."""
        self._app.wake_relays()

    def service_status(self) -> Sequence[ServiceStatus]:
        """See the door."""
        return status.service_status(self._app)

    def disk_usage(self) -> Sequence[DiskSpace]:
        """See the door."""
        return status.disk_usage(self._app)

    def check_store(self) -> Sequence[str]:
        """See the door."""
        return status.check_store(self._app)

    def _run_round(self, plan: str) -> None:
        try:
            self._app.run_round(plan)
        except ProcessBusy as exc:
            log.warning("a round by hand found another under way", plan=plan, reason=str(exc))


def web_options(app: Application) -> ConsoleOptions:
    """What site.yaml says of the console."""
    section = app.site.settings.console
    return ConsoleOptions(
        host=section.host,
        port=section.port,
        tls_certificate=section.tls_certificate,
        tls_key=section.tls_key,
        behind_tls=section.behind_tls,
        trusted_proxies=section.trusted_proxies,
        session=timedelta(hours=section.session_h),
        tiles=section.tiles,
        assets=section.assets,
    )


def serve_web(
    app: Application, options: ConsoleOptions | None = None
) -> AbstractContextManager[ConsoleAddress]:
    """The console of this house until the block is left. Raises console.server.ConsoleFailed."""
    backend = WebBackend(app)
    return serve(backend, options or web_options(app), {API_PATH: create_api(backend)})
