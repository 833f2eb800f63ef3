"""The house as the pages of cameras see it: fulfils console.camera_doors.CameraDoors.

cameras.csv out and in: masked, compared row by row, checked by the house's own reader.

An import is two questions: `plan` says what it would do, and `put` does it when nothing moved
meanwhile. Areas of cameras that leave are taken out of zones.yaml in the same go.
"""

import csv
import io
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from patrol.app.application import Application
from patrol.app.area_editor import (
    BOM,
    AreaEditor,
    FileContents,
    RegistryWriteContext,
    check_files,
    replaced_files,
)
from patrol.app.area_editor import ZONES_FILE as ZONES
from patrol.app.camera_types import (
    ActionRefused,
    CameraChange,
    CameraReference,
    ChangedMeanwhile,
    DrawnAreas,
    FileProblem,
    ImportPlan,
    LiveFrame,
    LiveLimits,
    ReferenceCandidate,
    RegistryRejected,
)
from patrol.app.live_view import LiveView
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, Sha256
from patrol.domain.observation import Light
from patrol.pictures import JpegEncoder
from patrol.review.reference import ReferenceAcceptance, ReferenceNotAccepted, reference_candidates
from patrol.settings import ConfigProblems, Site
from patrol.settings.cameras_csv import (
    CAMERA_OPTIONAL,
    CAMERA_REQUIRED,
    MaskedSecretUnknown,
    mask_url,
    unmask_url,
)
from patrol.settings.csv_file import CsvRecord, read_table
from patrol.settings.problems import ConfigProblem, FileProblemLog, ProblemLog
from patrol.settings.zones_editor import NotEditable, remove_cameras
from patrol.vision.camera_memory import CameraMemory
from patrol.vision.change.compare import AREA_CHANGED
from patrol.vision.reference import SceneState

CAMERAS_FILE: Final = "cameras.csv"
COLUMNS: Final = (
    "camera_id", "name", "grid_code", "place", "url", "sub_url", "link", "household_ref", "outdoor",
    "consent", "consent_until", "priority", "tags", "lon", "lat",
)  # fmt: skip
ADDRESS_COLUMNS: Final = ("url", "sub_url")
RowsByCamera = Mapping[str, CsvRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class _MergedTable:
    """The file as it would be, and what that means."""

    plan: ImportPlan
    contents: FileContents
    site: Site


@dataclass(frozen=True, slots=True)
class CameraTable:
    """The registry as a table that people can take along and bring back."""

    context: RegistryWriteContext

    def export_csv(self, *, by: str) -> bytes:
        """As contracts say, with a byte-order mark, so that Excel reads the Chinese."""
        rows = _rows_by_camera((self.context.folder / CAMERAS_FILE).read_bytes())
        cells = [
            {c: mask_url(row.cells[c]) if c in ADDRESS_COLUMNS else row.cells[c] for c in COLUMNS}
            for row in rows.values()
        ]
        with self.context.store.begin() as uow:
            uow.access.append(
                at=self.context.clock.now(), who=by, what="export_cameras", camera=None,
                why=f"{len(cells)} cameras, passwords masked",
            )  # fmt: skip
            uow.commit()
        return BOM + _csv_bytes(cells)

    def plan_import(self, data: bytes) -> ImportPlan:
        """What would change. Raises ConfigProblems, CannotDo."""
        return self._merge(data).plan

    def apply_import(self, data: bytes, *, version: str, by: str, why: str) -> ImportPlan:
        """Do it. Raises Changed, ConfigProblems, CannotDo."""
        with self.context.lock:
            merged = self._merge(data)
            if merged.plan.version != version:
                raise ChangedMeanwhile("the registry or the file changed since it was compared")
            now = self.context.clock.now()
            with self.context.store.begin() as uow:
                for change in merged.plan.changes:
                    uow.access.append(
                        at=now, who=by, what=f"import_{change.kind}", camera=change.camera,
                        why=f"{why}; {', '.join(c for c, _, _ in change.cells) or change.name}",
                    )  # fmt: skip
                uow.registry.sync(merged.site.registry, now)
                with replaced_files(self.context.folder, merged.contents):
                    uow.commit()
            self.context.watcher.refresh()
        return merged.plan

    def _merge(self, data: bytes) -> _MergedTable:
        folder = self.context.folder
        present_bytes = (folder / CAMERAS_FILE).read_bytes()
        present, uploaded = _rows_by_camera(present_bytes), _rows_by_camera(data)
        retired = [camera for camera in present if camera not in uploaded]
        zones = self._without_areas(folder, retired)
        complete, problems = _with_addresses(uploaded, present)
        # The file as it came is read first: what is wrong is told under its own line numbers.
        self._check(folder, {**zones, CAMERAS_FILE: data}, problems)
        bom = BOM if present_bytes.startswith(BOM) else b""
        contents = {**zones, CAMERAS_FILE: bom + _csv_bytes(list(complete.values()))}
        site = check_files(folder, contents, self.context.watcher.load)
        changes = [*_changed_rows(complete, present)]
        changes += [_change("retired", present[camera].cells) for camera in retired]
        plan = ImportPlan(
            version=sha256(present_bytes + b"\0" + data).hexdigest()[:16],
            changes=tuple(changes),
            unchanged=len(complete) - len(changes) + len(retired),
            notices=tuple(
                file_problem(notice) for notice in site.notices if notice.file == CAMERAS_FILE
            ),
        )
        return _MergedTable(plan=plan, contents=contents, site=site)

    def _check(self, folder: Path, contents: FileContents, problems: list[ConfigProblem]) -> None:
        try:
            check_files(folder, contents, self.context.watcher.load)
        except ConfigProblems as exc:
            raise ConfigProblems([*exc.problems, *problems]) from None
        if problems:
            raise ConfigProblems(problems)

    def _without_areas(self, folder: Path, retired: Sequence[str]) -> FileContents:
        """zones.yaml without the cameras that leave."""
        path = folder / ZONES
        if not retired or not path.exists():
            return {}
        try:
            text = remove_cameras(path, retired).encode()
        except NotEditable as exc:
            raise ActionRefused(str(exc)) from exc
        return {} if text == path.read_bytes() else {ZONES: text}


def file_problem(problem: ConfigProblem) -> FileProblem:
    """In the console's words."""
    return FileProblem(file=problem.file, line=problem.line, field=problem.field, text=problem.text)


def _rows_by_camera(data: bytes) -> RowsByCamera:
    """The table's rows by camera. Raises ConfigProblems when it is no such table."""
    notes = ProblemLog()
    with tempfile.TemporaryDirectory(prefix="patrol-table-") as folder:
        path = Path(folder) / CAMERAS_FILE
        path.write_bytes(data)
        about = FileProblemLog(CAMERAS_FILE, notes)
        table = read_table(path, required=CAMERA_REQUIRED, optional=CAMERA_OPTIONAL, notes=about)
    if table is None:
        raise ConfigProblems(notes.problems)
    return {row.cells["camera_id"]: row for row in table}


def _with_addresses(
    uploaded: RowsByCamera, present: RowsByCamera
) -> tuple[dict[str, dict[str, str]], list[ConfigProblem]]:
    """The rows with masked addresses made whole, and those that cannot be."""
    complete: dict[str, dict[str, str]] = {}
    problems: list[ConfigProblem] = []
    for camera, row in uploaded.items():
        cells = {column: row.cells[column] for column in COLUMNS}
        for column in ADDRESS_COLUMNS:
            known = present[camera].cells[column] if camera in present else ""
            try:
                cells[column] = unmask_url(cells[column], known)
            except MaskedSecretUnknown as exc:
                problems.append(ConfigProblem(CAMERAS_FILE, row.line, column, str(exc)))
        complete[camera] = cells
    return complete, problems


def _changed_rows(
    complete: Mapping[str, Mapping[str, str]], present: RowsByCamera
) -> Iterator[CameraChange]:
    for camera, cells in complete.items():
        if camera not in present:
            yield _change("added", cells)
            continue
        before = present[camera].cells
        moved = [column for column in COLUMNS if cells[column] != before[column]]
        if moved:
            yield _change(
                "changed",
                cells,
                tuple((c, _shown(c, before[c]), _shown(c, cells[c])) for c in moved),
            )


def _change(
    kind: str, cells: Mapping[str, str], moved: tuple[tuple[str, str, str], ...] = ()
) -> CameraChange:
    return CameraChange(
        kind=kind, camera=CameraId(cells["camera_id"]), name=cells["name"], cells=moved
    )


def _shown(column: str, cell: str) -> str:
    return mask_url(cell) if column in ADDRESS_COLUMNS else cell


def _csv_bytes(rows: Sequence[Mapping[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")  # RFC 4180, and Excel's own
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


class CameraAdmin:
    """Every part knows one thing; this one puts them together and translates their errors."""

    def __init__(self, app: Application) -> None:
        self._app = app
        settings, guarded_visit = app.site.settings, app.rechecks.cases.guarded_visit
        context = RegistryWriteContext(store=app.store, clock=app.clock, watcher=app.registry)
        self._areas, self._table = AreaEditor(context), CameraTable(context)
        self._live_view = LiveView(
            gate=guarded_visit.gate,
            client=guarded_visit.client,
            stream=guarded_visit.stream,
            link_slots=guarded_visit.link_slots,
            encode=JpegEncoder(),
            limits=LiveLimits(
                duration_s=settings.console.live_s, max_viewers=settings.console.live_at_once
            ),
        )

    @property
    def writable(self) -> bool:
        """See the door."""
        return self._app.registry.folder is not None

    @property
    def live_limits(self) -> LiveLimits:
        """See the door."""
        return self._live_view.limits

    def drawn_areas(self, camera: CameraId) -> DrawnAreas:
        """See the door."""
        return self._areas.load(camera)

    def save_areas(
        self, camera: CameraId, areas: Mapping[str, Any], *, version: str, by: str, why: str
    ) -> DrawnAreas:
        """See the door."""
        with _translate_problems():
            return self._areas.save(camera, areas, version=version, by=by, why=why)

    def references(self, camera: Camera) -> Sequence[CameraReference]:
        """See the door; a reference of another visible area is suspended before a visit says so."""
        with self._app.store.begin_read() as uow:
            blobs = {light: uow.memories.get(camera.id, light) for light in Light}
        return [_reference(camera, light, blob) for light, blob in blobs.items() if blob]

    def reference_candidate(self, camera: Camera) -> ReferenceCandidate | None:
        """See the door."""
        with self._app.store.begin_read() as uow:
            found = next(reference_candidates(uow, camera), None)
        if found is None:
            return None
        light, picture = found
        return ReferenceCandidate(picture=picture.sha256, light=light, taken_at=picture.taken_at)

    def accept_reference(self, camera: CameraId, picture: Sha256, *, by: str) -> None:
        """See the door."""
        acceptance = ReferenceAcceptance(
            store=self._app.store,
            evidence=self._app.evidence,
            policy=self._app.rechecks.cases.guarded_visit.judge.policy,
            zone=self._app.site.settings.site.tz,
        )
        now, cameras = self._app.clock.now(), self._app.registry.cameras()
        try:
            acceptance(camera, cameras, by=by, now=now, picture=picture)
        except ReferenceNotAccepted as exc:
            raise ActionRefused(exc.code) from exc

    def export_csv(self, *, by: str) -> bytes:
        """See the door."""
        with _translate_problems():
            return self._table.export_csv(by=by)

    def plan_import(self, data: bytes) -> ImportPlan:
        """See the door."""
        with _translate_problems():
            return self._table.plan_import(data)

    def import_csv(self, data: bytes, *, version: str, by: str, why: str) -> ImportPlan:
        """See the door."""
        with _translate_problems():
            return self._table.apply_import(data, version=version, by=by, why=why)

    def live_frames(self, camera: CameraId) -> AsyncIterator[LiveFrame]:
        """See the door."""
        return self._live_view.frames(camera)


@contextmanager
def _translate_problems() -> Iterator[None]:
    """The files' problems in the console's words."""
    try:
        yield
    except ConfigProblems as exc:
        raise RegistryRejected([file_problem(problem) for problem in exc.problems]) from exc


def _reference(camera: Camera, light: Light, blob: bytes) -> CameraReference:
    scene = CameraMemory.from_bytes(blob, light).scene
    if scene is None:
        return CameraReference(
            light=light, state=SceneState.LEARNING, why="", since=None, samples=0
        )
    state, why = scene.state, scene.why
    if scene.model is not None and not scene.holds_for(camera.areas.visible):
        state, why = SceneState.SUSPENDED, AREA_CHANGED
    return CameraReference(
        light=light, state=state, why=why, since=scene.learned_at, samples=scene.accepted
    )
