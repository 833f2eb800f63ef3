"""Export cameras.csv for Excel and import it again: passwords masked, compared row by row.

An import has two steps: `plan_import` lists what would change, `apply_import` does it when neither
the registry nor the file changed since. The settings' own reader checks the result first. Areas of
retired cameras are removed from zones.yaml in the same change. Used by the console's import page.
"""

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from patrol.administration.area_editor import ZONES_FILE
from patrol.administration.registry_files import (
    BOM,
    ChangedMeanwhile,
    FileContents,
    RegistryEditRefused,
    RegistryWriteContext,
    check_files,
    replaced_files,
)
from patrol.administration.sealed_streams import put_credentials, seal_row
from patrol.domain.ids import CameraId
from patrol.settings import ConfigProblems, Site
from patrol.settings.cameras_csv import (
    CAMERA_OPTIONAL,
    CAMERA_REQUIRED,
    MaskedSecretUnknown,
    check_names_stay,
    mask_url,
    plain_cells,
    unmask_url,
)
from patrol.settings.config_file import ConfigProblem, FileProblemLog, ProblemLog
from patrol.settings.csv_file import CsvRecord, read_table
from patrol.settings.zones_editor import NotEditable, remove_cameras
from patrol.store import Store
from patrol.store.credentials import StreamCredential

CAMERAS_FILE: Final = "cameras.csv"
COLUMNS: Final = (
    "camera_id", "name", "grid_code", "place", "url", "sub_url", "link", "household_ref", "outdoor",
    "consent", "consent_until", "priority", "tags", "lon", "lat",
)  # fmt: skip
ADDRESS_COLUMNS: Final = ("url", "sub_url")
RowsByCamera = Mapping[str, CsvRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraChange:
    """One camera that an import adds, changes or retires."""

    kind: str  # added, changed, retired
    camera: CameraId
    name: str
    cells: tuple[tuple[str, str, str], ...] = ()  # column, before, after; addresses masked


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What an import would change."""

    version: str  # hash of cameras.csv as it is and of the uploaded file
    changes: tuple[CameraChange, ...]
    unchanged: int
    notices: tuple[ConfigProblem, ...] = ()  # legal, but maybe a mistake

    def of_kind(self, kind: str) -> tuple[CameraChange, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.kind == kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _MergedTable:
    """The files after an import, the site read from them, and the plan that describes it."""

    plan: ImportPlan
    contents: FileContents
    site: Site
    credentials: tuple[StreamCredential, ...] = ()  # plain passwords that the store is to seal


@dataclass(frozen=True, slots=True)
class CameraTable:
    """Exports cameras.csv and imports it again; every method from any thread."""

    context: RegistryWriteContext

    def export_csv(self, *, by: str) -> bytes:
        """The table with masked passwords; the byte-order mark lets Excel read the Chinese.

        Logged. Raises ConfigProblems, RegistryEditRefused.
        """
        return BOM + _csv_bytes(self._exported_rows(by))

    def export_xlsx(self, *, by: str) -> bytes:
        """The table as a workbook in which every cell is text, so that no id becomes a number.

        Logged. Raises ConfigProblems, RegistryEditRefused.
        """
        return _xlsx_bytes(self._exported_rows(by))

    def _exported_rows(self, by: str) -> list[dict[str, str]]:
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
        return cells

    def plan_import(self, data: bytes) -> ImportPlan:
        """Compare the uploaded file with the registry.

        Raises ConfigProblems, RegistryEditRefused.
        """
        return self._merge(data).plan

    def apply_import(self, data: bytes, *, version: str, by: str, why: str) -> ImportPlan:
        """Import what was planned as `version`, and log each camera.

        Raises ChangedMeanwhile, ConfigProblems, RegistryEditRefused; nothing was changed then.
        """
        with self.context.lock:
            merged = self._merge(data)
            if merged.plan.version != version:
                raise ChangedMeanwhile("the registry or the file changed since it was compared")
            now = self.context.clock.now()
            with self.context.store.begin() as uow:
                for credential in merged.credentials:
                    uow.credentials.put(credential, by=by, now=now)
                for retired in merged.plan.of_kind("retired"):
                    uow.credentials.delete(retired.camera)
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
        # The uploaded file is read first: problems are reported under its own line numbers.
        self._check(folder, {**zones, CAMERAS_FILE: data}, problems)
        bom = BOM if present_bytes.startswith(BOM) else b""
        rows, credentials = self._sealed(complete)
        contents = {**zones, CAMERAS_FILE: bom + _csv_bytes(rows)}
        site = check_files(folder, contents, self.context.watcher.load)
        changes = [*_changed_rows(complete, present)]
        changes += [_change("retired", present[camera].cells) for camera in retired]
        plan = ImportPlan(
            version=sha256(present_bytes + b"\0" + data).hexdigest()[:16],
            changes=tuple(changes),
            unchanged=len(complete) - len(changes) + len(retired),
            notices=tuple(notice for notice in site.notices if notice.file == CAMERAS_FILE),
        )
        return _MergedTable(plan=plan, contents=contents, site=site, credentials=tuple(credentials))

    def _sealed(
        self, complete: Mapping[str, Mapping[str, str]]
    ) -> tuple[list[dict[str, str]], list[StreamCredential]]:
        """The rows as they are written, and their plain passwords, where the store can seal."""
        if not self.context.store.can_seal:
            return [dict(cells) for cells in complete.values()], []
        sealed = [seal_row(cells) for cells in complete.values()]
        return [row for row, _ in sealed], [one for _, found in sealed for one in found]

    def _check(self, folder: Path, contents: FileContents, problems: list[ConfigProblem]) -> None:
        try:
            check_files(folder, contents, self.context.watcher.load)
        except ConfigProblems as exc:
            count = exc.count + len(problems)
            raise ConfigProblems([*exc.problems, *problems], count=count) from None
        if problems:
            raise ConfigProblems(problems)

    def _without_areas(self, folder: Path, retired: Sequence[str]) -> FileContents:
        """zones.yaml without the retired cameras; empty when it does not change."""
        path = folder / ZONES_FILE
        if not retired or not path.exists():
            return {}
        try:
            text = remove_cameras(path, retired).encode()
        except NotEditable as exc:
            raise RegistryEditRefused(str(exc)) from exc
        return {} if text == path.read_bytes() else {ZONES_FILE: text}


def seal_cameras_file(path: Path, store: Store, *, by: str, now: datetime) -> int:
    """Move the plain passwords of cameras.csv into the store, sealed; how many.

    The store is committed before the file is replaced: a kill in between leaves both, and the next
    run goes on. Raises ConfigProblems, OSError, KeyProblem, StoreUnavailable.
    """
    data = path.read_bytes()
    rows = [
        seal_row({column: row.cells[column] for column in COLUMNS})
        for row in _rows_by_camera(data).values()
    ]
    credentials = [credential for _, found in rows for credential in found]
    if not credentials:
        return 0
    put_credentials(store, credentials, by=by, now=now)
    bom = BOM if data.startswith(BOM) else b""
    with replaced_files(path.parent, {path.name: bom + _csv_bytes([row for row, _ in rows])}):
        return len(credentials)


def _rows_by_camera(data: bytes) -> RowsByCamera:
    """The rows by camera_id. Raises ConfigProblems when the file has other columns."""
    notes = ProblemLog()
    with tempfile.TemporaryDirectory(prefix="patrol-table-") as folder:
        path = Path(folder) / CAMERAS_FILE
        path.write_bytes(data)
        about = FileProblemLog(CAMERAS_FILE, notes)
        table = read_table(path, required=CAMERA_REQUIRED, optional=CAMERA_OPTIONAL, notes=about)
    if table is None:
        raise ConfigProblems(notes.problems, count=notes.problem_count)
    return {row.cells["camera_id"]: row for row in table}


def _with_addresses(
    uploaded: RowsByCamera, present: RowsByCamera
) -> tuple[dict[str, dict[str, str]], list[ConfigProblem]]:
    """The rows with masked passwords filled in; a problem where none is known or may be used."""
    complete: dict[str, dict[str, str]] = {}
    problems: list[ConfigProblem] = []
    addresses = [row.cells[column] for row in present.values() for column in ADDRESS_COLUMNS]
    for camera, row in uploaded.items():
        cells = plain_cells({column: row.cells[column] for column in COLUMNS})
        for column in ADDRESS_COLUMNS:
            known = present[camera].cells[column] if camera in present else ""
            try:
                cells[column] = unmask_url(cells[column], known)
                check_names_stay(cells[column], known, addresses)
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
        before = plain_cells({column: present[camera].cells[column] for column in COLUMNS})
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


def _xlsx_bytes(rows: Sequence[Mapping[str, str]]) -> bytes:
    from xlsxwriter import Workbook  # noqa: PLC0415  an optional extra

    out = io.BytesIO()
    as_text = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(out, {"in_memory": True, **as_text}) as workbook:
        sheet = workbook.add_worksheet(CAMERAS_FILE.removesuffix(".csv"))
        text = workbook.add_format({"num_format": "@"})  # also of what is typed in later
        sheet.set_column(0, len(COLUMNS) - 1, 22, text)
        sheet.freeze_panes(1, 1)
        for row, cells in enumerate([dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]):
            for column, name in enumerate(COLUMNS):
                sheet.write_string(row, column, cells[name], text)
    return out.getvalue()


def _csv_bytes(rows: Sequence[Mapping[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")  # RFC 4180, and Excel's own
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
