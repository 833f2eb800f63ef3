"""Edit people.csv, grids.csv and leave.csv while the service runs: one row, or a whole table.

Every change is read by the settings' own reader first, with all other files as they are; then the
file is replaced atomically together with its history and access log entries (`PeopleTables`). An
import has two steps, as cameras.csv has: `plan_import` lists what would change, `apply_import` does
it when neither the file nor the table moved since. Who leaves takes the own leave along, and cannot
log in any more.

The files are the source of truth: a change made in an editor is in force as well, and
`note_outside_changes` puts it into the history under `file`. Console, API and commands use this;
processes take turns by a lock on the directory.
"""

import csv
import fcntl
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog
from typing_extensions import override

from patrol.administration.registry_files import (
    BOM,
    ChangedMeanwhile,
    FileContents,
    RegistryEditRefused,
    RegistryWriteContext,
    check_files,
    replaced_files,
)
from patrol.administration.table_files import TABLE_FILES, TableFile, read_rows
from patrol.domain.errors import BadInput
from patrol.domain.ids import PersonId
from patrol.domain.registry import Registry
from patrol.domain.registry_change import (
    FILE_ITSELF,
    RegistryChange,
    RegistryTable,
    RowChange,
    Rows,
    row_changes,
)
from patrol.domain.routing import LEAVE_AHEAD, UnstaffedGrid, unstaffed_within
from patrol.mqtt.mosquitto_files import AccountsProblem, broker_accounts
from patrol.mqtt.mosquitto_update import BrokerFiles
from patrol.settings import ConfigProblems, Site
from patrol.store import UnitOfWork

log = structlog.get_logger(__name__)

BROKER_FOLDER: Final = "mosquitto"  # beside the configuration, as `patrol init` makes it


def broker_files_of(site: Site) -> BrokerFiles:
    """The broker's generated files of a site: where settings name them, and beside its files."""
    settings = site.settings
    return BrokerFiles(
        settings.site.id, settings.mqtt.broker_files, site.config_dir / BROKER_FOLDER
    )


class NoSuchRow(BadInput, KeyError):
    """The table has no such row."""

    @override
    def __str__(self) -> str:
        return str(self.args[0])


class BadRow(BadInput, ValueError):
    """A row names a column that the table has not, or has no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """What an edit or an import changes, or has changed."""

    changes: tuple[RegistryChange, ...]
    unchanged: int
    version: str  # hash of the file as it was and of the upload
    unstaffed: tuple[UnstaffedGrid, ...] = ()  # grids in which nobody is told, now or soon
    logins_ended: tuple[str, ...] = ()  # accounts of people who left or have a successor

    def of_kind(self, kind: RowChange) -> tuple[RegistryChange, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.what is kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    change: TableChange
    contents: FileContents
    site: Site
    tables: Mapping[RegistryTable, Rows]  # of every file that changes


EditRows = Callable[[dict[str, dict[str, str]]], None]


@dataclass(frozen=True, slots=True)
class PeopleTables:
    """Reads and changes the three tables; every method from any thread and process."""

    context: RegistryWriteContext
    on_change: Callable[[Registry], None] = field(default=lambda _registry: None)

    def rows(self, table: RegistryTable) -> list[Mapping[str, str]]:
        """The rows of the file as they are. Raises ConfigProblems, RegistryEditRefused."""
        return [dict(cells) for cells in self._present(table).values()]

    def export_csv(self, table: RegistryTable, *, by: str) -> bytes:
        """The table; the byte-order mark lets Excel read the Chinese. Logged."""
        rows = self._present(table)
        with self.context.store.begin() as uow:
            uow.access.append(
                at=self.context.clock.now(), who=by, what=f"export_{table}", camera=None,
                why=f"{len(rows)} rows",
            )  # fmt: skip
            uow.commit()
        return BOM + _csv_bytes(TABLE_FILES[table], rows.values())

    def put_row(
        self, table: RegistryTable, cells: Mapping[str, str], *, by: str, why: str = ""
    ) -> TableChange:
        """Add a row, or change the cells that are given of the row with its key.

        Raises BadRow, ConfigProblems, RegistryEditRefused; nothing was changed then.
        """
        file = TABLE_FILES[table]
        given = _checked_cells(file, cells)
        key = file.key_of(given)

        def put(rows: dict[str, dict[str, str]]) -> None:
            rows[key] = {**dict.fromkeys(file.columns, ""), **rows.get(key, {}), **given}

        return self._edit(table, put, by=by, why=why)

    def remove_row(self, table: RegistryTable, key: str, *, by: str, why: str = "") -> TableChange:
        """Remove a row. Raises NoSuchRow, ConfigProblems (others refer to it), …Refused."""

        def remove(rows: dict[str, dict[str, str]]) -> None:
            if key not in rows:
                raise NoSuchRow(f"{TABLE_FILES[table].name}: there is no row {key!r}")
            del rows[key]

        return self._edit(table, remove, by=by, why=why)

    def plan_import(self, table: RegistryTable, data: bytes) -> TableChange:
        """Compare an uploaded table. Raises ConfigProblems, RegistryEditRefused."""
        return self._plan_upload(table, data).change

    def apply_import(
        self, table: RegistryTable, data: bytes, *, version: str, by: str, why: str = ""
    ) -> TableChange:
        """Take over the table that was compared as `version`.

        Raises ChangedMeanwhile, ConfigProblems, RegistryEditRefused; nothing was changed then.
        """
        with self._turn():
            planned = self._plan_upload(table, data)
            if planned.change.version != version:
                raise ChangedMeanwhile("the table or the file changed since it was compared")
            return self._apply(planned, by=by, why=why)

    def note_outside_changes(self) -> int:
        """Put changes made in the files themselves into the history; how many rows.

        The first look at a table makes it known and is no change. An unreadable file is left to
        the watcher, which says so.
        """
        if self.context.watcher.folder is None:
            return 0
        with self._turn(), self.context.store.begin() as uow:
            noted = sum(self._note_outside(uow, table) for table in RegistryTable)
            uow.commit()
        return noted

    def history(
        self, table: RegistryTable | None = None, row: str = "", *, limit: int = 200
    ) -> Sequence[RegistryChange]:
        """The changes, the newest first."""
        with self.context.store.begin_read() as uow:
            return uow.registry_changes.list(table, row, limit=limit)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One writer at a time, in all processes: flock(2) on the configuration directory."""
        with self.context.lock:
            handle = os.open(self.context.folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)

    def _edit(self, table: RegistryTable, edit: EditRows, *, by: str, why: str) -> TableChange:
        with self._turn():
            present = self._present(table)
            rows = {key: dict(cells) for key, cells in present.items()}
            edit(rows)
            file = TABLE_FILES[table]
            keyed = {file.key_of(cells): cells for cells in rows.values()}
            return self._apply(self._plan(table, present, keyed, b""), by=by, why=why)

    def _plan_upload(self, table: RegistryTable, data: bytes) -> _Planned:
        uploaded = read_rows(TABLE_FILES[table], data)
        # Read first as it is: problems are reported under the upload's own line numbers.
        check_files(
            self.context.folder,
            {TABLE_FILES[table].name: data, **self._leave_without(table, uploaded)[1]},
            self.context.watcher.load,
        )
        return self._plan(table, self._present(table), uploaded, data)

    def _plan(self, table: RegistryTable, present: Rows, rows: Rows, data: bytes) -> _Planned:
        file, folder = TABLE_FILES[table], self.context.folder
        before = _bytes_of(folder / file.name)
        leave_rows, leave_contents = self._leave_without(table, rows)
        bom = BOM if before.startswith(BOM) else b""
        contents = {**leave_contents, file.name: bom + _csv_bytes(file, rows.values())}
        site = check_files(folder, contents, self.context.watcher.load)
        try:
            broker_accounts(site.settings.site.id, site.registry)
        except AccountsProblem as exc:  # the broker would keep its former accounts
            raise RegistryEditRefused(str(exc)) from exc
        changes = list(row_changes(table, present, rows))
        if leave_rows is not None:
            present_leave = self._present(RegistryTable.LEAVE)
            changes += row_changes(RegistryTable.LEAVE, present_leave, leave_rows)
        of_table = sum(one.table is table and one.what is not RowChange.REMOVED for one in changes)
        plan = TableChange(
            changes=tuple(changes), unchanged=len(rows) - of_table,
            version=sha256(before + b"\0" + data).hexdigest()[:16],
            unstaffed=tuple(
                unstaffed_within(site.registry, self.context.clock.now(), LEAVE_AHEAD)
            ),
        )  # fmt: skip
        tables = {table: rows}
        if leave_rows is not None:
            tables[RegistryTable.LEAVE] = leave_rows
        return _Planned(change=plan, contents=contents, site=site, tables=tables)

    def _leave_without(
        self, table: RegistryTable, people: Rows
    ) -> tuple[Rows | None, FileContents]:
        """The leave of those who stay, and its file; None and {} where nothing of it changes."""
        if table is not RegistryTable.PEOPLE:
            return None, {}
        file, present = TABLE_FILES[RegistryTable.LEAVE], self._present(RegistryTable.LEAVE)
        kept = {
            key: {**cells, "substitute": cells["substitute"] * (cells["substitute"] in people)}
            for key, cells in present.items()
            if cells["person_id"] in people
        }
        if kept == present:
            return None, {}
        return kept, {file.name: _csv_bytes(file, kept.values())}

    def _apply(self, planned: _Planned, *, by: str, why: str) -> TableChange:
        change, context = planned.change, self.context
        if not change.changes:
            return change
        now = context.clock.now()
        with context.store.begin() as uow:
            for table in planned.tables:
                self._note_outside(uow, table)  # first what came from elsewhere, under its name
            uow.registry_changes.add(change.changes, at=now, by=by, why=why)
            for table, rows in planned.tables.items():
                uow.registry_changes.know_rows(table, rows)
            for one in change.changes:
                uow.access.append(
                    at=now, who=by, what=f"change_{one.table}", camera=None,
                    why=f"{one.row}: {one.what} {', '.join(c.column for c in one.cells)}; {why}",
                )  # fmt: skip
            ended = tuple(_end_logins(uow, change.changes, now, by))
            uow.registry.sync(planned.site.registry, now)
            with replaced_files(context.folder, planned.contents):
                uow.commit()
        context.watcher.refresh()
        self.on_change(context.watcher.registry())
        return replace(change, logins_ended=ended)

    def _note_outside(self, uow: UnitOfWork, table: RegistryTable) -> int:
        try:
            present = self._present(table)
        except (ConfigProblems, OSError):
            return 0
        known = uow.registry_changes.known_rows(table)
        if known == present:
            return 0
        changes = [] if known is None else list(row_changes(table, known, present))
        now = self.context.clock.now()
        uow.registry_changes.add(changes, at=now, by=FILE_ITSELF, why="")
        uow.registry_changes.know_rows(table, present)
        for name in _end_logins(uow, changes, now, FILE_ITSELF):
            log.warning("a login is closed: its person left, or another has the row", account=name)
        return len(changes)

    def _present(self, table: RegistryTable) -> Rows:
        file = TABLE_FILES[table]
        return read_rows(file, _bytes_of(self.context.folder / file.name))


def _end_logins(
    uow: UnitOfWork, changes: Sequence[RegistryChange], now: datetime, by: str
) -> Iterator[str]:
    """Disable the accounts of people who left or have a successor; their sessions end."""
    gone = {
        PersonId(one.row): "left" if one.what is RowChange.REMOVED else "has a successor"
        for one in changes
        if one.ends_logins
    }
    for account in uow.accounts.all() if gone else ():
        if account.person in gone and account.disabled_at is None:
            uow.accounts.put(replace(account, disabled_at=now))
            uow.sessions.end_all(account.name)
            uow.access.append(
                at=now, who=by, what="disable_account", camera=None,
                why=f"{account.name}: {account.person} {gone[account.person]}",
            )  # fmt: skip
            yield account.name


def _checked_cells(file: TableFile, cells: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(cells) - set(file.columns))
    if unknown:
        raise BadRow(
            f"{file.name}: column {unknown[0]!r} is unknown, of: {', '.join(file.columns)}"
        )
    given = {column: text.strip() for column, text in cells.items()}
    missing = [column for column in file.key if not given.get(column)]
    if missing:
        raise BadRow(f"{file.name}: {missing[0]} is empty: it says which row")
    return given


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _csv_bytes(file: TableFile, rows: Iterable[Mapping[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, file.columns, lineterminator="\r\n")  # RFC 4180, and Excel's own
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
