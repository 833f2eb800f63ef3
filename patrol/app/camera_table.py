"""cameras.csv out and in: masked, compared row by row, checked by the house's own reader.

An import is two questions: `plan` says what it would do, and `put` does it when nothing moved
meanwhile. Areas of cameras that leave are taken out of zones.yaml in the same go.
"""

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from patrol.app.areas import FILE as ZONES
from patrol.app.areas import Pen
from patrol.app.registry_files import BOM, Contents, check, replaced
from patrol.console.camera_doors import CameraChange, CannotDo, Changed, FileProblem, ImportPlan
from patrol.domain.ids import CameraId
from patrol.settings import ConfigProblems, Site
from patrol.settings.addresses import Unknowable, masked, unmasked
from patrol.settings.areas_text import NotEditable, without
from patrol.settings.cameras import OPTIONAL, REQUIRED
from patrol.settings.csv_file import Row, read_table
from patrol.settings.problems import FileNotes, Notes, Problem

FILE: Final = "cameras.csv"
COLUMNS: Final = (
    "camera_id", "name", "grid_code", "place", "url", "sub_url", "link", "household_ref", "outdoor",
    "consent", "consent_until", "priority", "tags", "lon", "lat",
)  # fmt: skip
SECRET: Final = ("url", "sub_url")
Rows = Mapping[str, Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Merged:
    """The file as it would be, and what that means."""

    plan: ImportPlan
    contents: Contents
    site: Site


@dataclass(frozen=True, slots=True)
class CameraTable:
    """The registry as a table that people can take along and bring back."""

    pen: Pen

    def export(self, *, by: str) -> bytes:
        """As contracts say, with a byte-order mark, so that Excel reads the Chinese."""
        rows = _rows((self.pen.folder / FILE).read_bytes())
        cells = [
            {c: masked(row.cells[c]) if c in SECRET else row.cells[c] for c in COLUMNS}
            for row in rows.values()
        ]
        with self.pen.store.begin() as uow:
            uow.access.append(
                at=self.pen.clock.now(), who=by, what="export_cameras", camera=None,
                why=f"{len(cells)} cameras, passwords masked",
            )  # fmt: skip
            uow.commit()
        return BOM + _text(cells)

    def plan(self, data: bytes) -> ImportPlan:
        """What would change. Raises ConfigProblems, CannotDo."""
        return self._merge(data).plan

    def put(self, data: bytes, *, mark: str, by: str, why: str) -> ImportPlan:
        """Do it. Raises Changed, ConfigProblems, CannotDo."""
        with self.pen.writing:
            merged = self._merge(data)
            if merged.plan.mark != mark:
                raise Changed("the registry or the file changed since it was compared")
            now = self.pen.clock.now()
            with self.pen.store.begin() as uow:
                for change in merged.plan.changes:
                    uow.access.append(
                        at=now, who=by, what=f"import_{change.kind}", camera=change.camera,
                        why=f"{why}; {', '.join(c for c, _, _ in change.cells) or change.name}",
                    )  # fmt: skip
                uow.registry.sync(merged.site.registry, now)
                with replaced(self.pen.folder, merged.contents):
                    uow.commit()
            self.pen.live.refresh()
        return merged.plan

    def _merge(self, data: bytes) -> _Merged:
        folder = self.pen.folder
        present_bytes = (folder / FILE).read_bytes()
        present, came = _rows(present_bytes), _rows(data)
        retired = [camera for camera in present if camera not in came]
        zones = self._without_areas(folder, retired)
        meant, problems = _meant(came, present)
        # The file as it came is read first: what is wrong is told under its own line numbers.
        self._check(folder, {**zones, FILE: data}, problems)
        bom = BOM if present_bytes.startswith(BOM) else b""
        contents = {**zones, FILE: bom + _text(list(meant.values()))}
        site = check(folder, contents, self.pen.live.load)
        changes = [*_compared(meant, present)]
        changes += [_change("retired", present[camera].cells) for camera in retired]
        plan = ImportPlan(
            mark=sha256(present_bytes + b"\0" + data).hexdigest()[:16],
            changes=tuple(changes),
            unchanged=len(meant) - len(changes) + len(retired),
            notices=tuple(said(notice) for notice in site.notices if notice.file == FILE),
        )
        return _Merged(plan=plan, contents=contents, site=site)

    def _check(self, folder: Path, contents: Contents, problems: list[Problem]) -> None:
        try:
            check(folder, contents, self.pen.live.load)
        except ConfigProblems as exc:
            raise ConfigProblems([*exc.problems, *problems]) from None
        if problems:
            raise ConfigProblems(problems)

    def _without_areas(self, folder: Path, retired: Sequence[str]) -> Contents:
        """zones.yaml without the cameras that leave."""
        path = folder / ZONES
        if not retired or not path.exists():
            return {}
        try:
            text = without(path, retired).encode()
        except NotEditable as exc:
            raise CannotDo(str(exc)) from exc
        return {} if text == path.read_bytes() else {ZONES: text}


def said(problem: Problem) -> FileProblem:
    """In the console's words."""
    return FileProblem(file=problem.file, line=problem.line, field=problem.field, text=problem.text)


def _rows(data: bytes) -> Rows:
    """The table's rows by camera. Raises ConfigProblems when it is no such table."""
    notes = Notes()
    with tempfile.TemporaryDirectory(prefix="patrol-table-") as folder:
        path = Path(folder) / FILE
        path.write_bytes(data)
        about = FileNotes(FILE, notes)
        table = read_table(path, required=REQUIRED, optional=OPTIONAL, notes=about)
    if table is None:
        raise ConfigProblems(notes.problems)
    return {row.cells["camera_id"]: row for row in table}


def _meant(came: Rows, present: Rows) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """The rows with masked addresses made whole, and those that cannot be."""
    meant: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    for camera, row in came.items():
        cells = {column: row.cells[column] for column in COLUMNS}
        for column in SECRET:
            known = present[camera].cells[column] if camera in present else ""
            try:
                cells[column] = unmasked(cells[column], known)
            except Unknowable as exc:
                problems.append(Problem(FILE, row.line, column, str(exc)))
        meant[camera] = cells
    return meant, problems


def _compared(meant: Mapping[str, Mapping[str, str]], present: Rows) -> Iterator[CameraChange]:
    for camera, cells in meant.items():
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
    return masked(cell) if column in SECRET else cell


def _text(rows: Sequence[Mapping[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")  # RFC 4180, and Excel's own
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
