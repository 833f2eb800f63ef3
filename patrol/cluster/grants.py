"""What a worker's database role may do: as data, as SQL to run, as a check of a role that exists.

A worker runs jobs, delivers results, tells that it lives, and reads what it must not visit. It
reads no person, case, picture, account or reference, adds no job, and changes no recorded visit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.engine import Connection, make_url
from sqlalchemy.sql import text

from patrol.cluster.queue import SCHEMA

PUBLIC: Final = "public"
PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE")  # those that columns can have
WHOLE_TABLE: Final = ("DELETE", "TRUNCATE")


@dataclass(frozen=True, slots=True)
class TableGrant:
    """One privilege on a table, or on some of its columns."""

    schema: str
    table: str
    privilege: str
    columns: tuple[str, ...] = ()  # empty: the whole table

    @property
    def sql(self) -> str:
        """What follows GRANT."""
        of = f" ({', '.join(quoted(name) for name in self.columns)})" if self.columns else ""
        return f"{self.privilege}{of} ON {quoted(self.schema)}.{quoted(self.table)}"


GRANTS: Final = (
    # Which visits are pending, how often judging one was begun; what may not be visited.
    TableGrant(PUBLIC, "visits", "SELECT", ("round", "camera", "place", "outcome", "tries")),
    TableGrant(PUBLIC, "visits", "UPDATE", ("tries",)),
    TableGrant(PUBLIC, "withdrawals", "SELECT", ("camera", "restored_at")),
    TableGrant(PUBLIC, "consent_terms", "SELECT", ("camera", "kind", "until", "hours", "ended_at")),
    TableGrant(PUBLIC, "stoppages", "SELECT"),
    # That it lives, and whom it works for; its results.
    TableGrant(
        PUBLIC, "cluster_leaders", "SELECT", ("site", "holder", "host", "version", "beat_at")
    ),
    TableGrant(PUBLIC, "cluster_workers", "SELECT"),
    TableGrant(PUBLIC, "cluster_workers", "INSERT"),
    TableGrant(PUBLIC, "cluster_workers", "UPDATE"),
    TableGrant(PUBLIC, "cluster_results", "SELECT", ("round", "camera")),
    TableGrant(PUBLIC, "cluster_results", "INSERT", ("round", "camera", "worker", "body")),
    # Its jobs: fetched, finished, given back; never added.
    TableGrant(SCHEMA, "procrastinate_jobs", "SELECT"),
    TableGrant(SCHEMA, "procrastinate_jobs", "UPDATE"),
    TableGrant(SCHEMA, "procrastinate_jobs", "DELETE"),
    TableGrant(SCHEMA, "procrastinate_workers", "SELECT"),
    TableGrant(SCHEMA, "procrastinate_workers", "INSERT"),
    TableGrant(SCHEMA, "procrastinate_workers", "UPDATE"),
    TableGrant(SCHEMA, "procrastinate_workers", "DELETE"),
    TableGrant(SCHEMA, "procrastinate_events", "SELECT"),
    TableGrant(SCHEMA, "procrastinate_events", "INSERT"),
    TableGrant(SCHEMA, "procrastinate_periodic_defers", "SELECT"),
    TableGrant(SCHEMA, "procrastinate_periodic_defers", "UPDATE", ("job_id",)),
)
SEQUENCES: Final = ((PUBLIC, "cluster_results_number_seq"), (SCHEMA, "procrastinate_events_id_seq"))
_ATTRIBUTES: Final = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")
_WEAK: Final = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_COLUMNS: Final = text(
    "SELECT space.nspname AS schema, class.relname AS table, attribute.attname AS column"
    " FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace"
    " JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid"
    " WHERE space.nspname IN (:public, :queue) AND class.relkind IN ('r', 'p', 'v')"
    " AND attribute.attnum > 0 AND NOT attribute.attisdropped ORDER BY 1, 2, attribute.attnum"
)
_HELD: Final = text(
    "SELECT item.schema, item.table, item.column, item.privilege"
    " FROM unnest(CAST(:schemas AS text[]), CAST(:tables AS text[]), CAST(:columns AS text[]),"
    ' CAST(:privileges AS text[])) AS item(schema, "table", "column", privilege)'
    " WHERE has_column_privilege(:role, format('%I.%I', item.schema, item.table),"
    " item.column, item.privilege)"
)
_HELD_WHOLE: Final = text(
    "SELECT item.schema, item.table, item.privilege"
    " FROM unnest(CAST(:schemas AS text[]), CAST(:tables AS text[]), CAST(:privileges AS text[]))"
    ' AS item(schema, "table", privilege)'
    " WHERE has_table_privilege(:role, format('%I.%I', item.schema, item.table), item.privilege)"
)


@dataclass(frozen=True, slots=True)
class RoleProblem:
    """What is wrong with a worker's role, in one line."""

    is_too_strong: bool
    text: str


def grants_sql(url: str, role: str) -> str:
    """The statements that make `role` a worker's, to be run by the owner of the database."""
    database, who = quoted(str(make_url(url).database)), quoted(role)
    lines = [
        f"-- Everything that patrol's workers may do; run it as the owner of {database}:",
        "--   patrol cluster grants | psql DATABASE",
        f"-- Then give it a password: \\password {role}",
        "BEGIN;",
        "DO $$ BEGIN",
        f"    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {_literal(role)}) THEN",  # nosec B608
        f"        CREATE ROLE {who} LOGIN {_WEAK};",
        "    END IF;",
        "END $$;",
    ]
    for schema in (PUBLIC, SCHEMA):
        lines += [
            f"REVOKE ALL ON ALL {kind} IN SCHEMA {quoted(schema)} FROM {who};"
            for kind in ("TABLES", "SEQUENCES")
        ]
        lines.append(f"REVOKE ALL ON SCHEMA {quoted(schema)} FROM {who};")
        lines.append(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {who};")
    lines.append(f"GRANT CONNECT ON DATABASE {database} TO {who};")
    lines += [f"GRANT {grant.sql} TO {who};" for grant in GRANTS]
    lines += [
        f"GRANT USAGE ON SEQUENCE {quoted(schema)}.{quoted(name)} TO {who};"
        for schema, name in SEQUENCES
    ]
    return "\n".join([*lines, "COMMIT;", ""])


def role_problems(connection: Connection, role: str) -> list[RoleProblem]:
    """What the role lacks for a worker, and what it may do beyond; empty: it is right."""
    columns = ", ".join(_ATTRIBUTES)
    found = connection.execute(
        text(f"SELECT {columns} FROM pg_roles WHERE rolname = :role"),  # noqa: S608  constants  # nosec B608
        {"role": role},
    ).first()
    if found is None:
        return [
            RoleProblem(
                is_too_strong=False, text=f"there is no role {role!r}; run `patrol cluster grants`"
            )
        ]
    strong = [name.removeprefix("rol") for name in _ATTRIBUTES if getattr(found, name)]
    if strong:
        return [
            RoleProblem(
                is_too_strong=True,
                text=f"role {role!r} is {', '.join(strong)}; give workers their own",
            )
        ]
    return [*_table_problems(connection, role)]


def _table_problems(connection: Connection, role: str) -> Iterator[RoleProblem]:
    tables = _tables(connection)
    wanted = {
        (grant.schema, grant.table, column, grant.privilege)
        for grant in GRANTS
        if grant.privilege in PRIVILEGES
        for column in grant.columns or tables.get((grant.schema, grant.table), ())
    }
    wanted_whole = {
        (grant.schema, grant.table, grant.privilege)
        for grant in GRANTS
        if grant.privilege in WHOLE_TABLE
    }
    held, held_whole = _held(connection, role, tables)
    lacks = _named(_without_columns(wanted - held) | (wanted_whole - held_whole))
    excess = _named(_without_columns(held - wanted) | (held_whole - wanted_whole))
    missing_tables = sorted(
        {f"{grant.schema}.{grant.table}" for grant in GRANTS}
        - {f"{schema}.{table}" for schema, table in tables}
    )
    if missing_tables:
        lacks = [*missing_tables, *lacks]
    if lacks:
        yield RoleProblem(
            is_too_strong=False,
            text=f"role {role!r} is too weak ({_few(lacks)}); run `patrol cluster grants`",
        )
    if excess:
        yield RoleProblem(
            is_too_strong=True,
            text=f"role {role!r} is too strong ({_few(excess)}); run `patrol cluster grants`, or"
            " give workers a role of their own",
        )


def _tables(connection: Connection) -> dict[tuple[str, str], tuple[str, ...]]:
    tables: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in connection.execute(_COLUMNS, {"public": PUBLIC, "queue": SCHEMA}):
        key = row.schema, row.table
        tables[key] = (*tables.get(key, ()), row.column)
    return tables


def _held(
    connection: Connection, role: str, tables: dict[tuple[str, str], tuple[str, ...]]
) -> tuple[set[Any], set[Any]]:
    """The (schema, table, column, privilege) and (schema, table, privilege) that the role has."""
    asked = [
        (*key, column, privilege)
        for key, columns in tables.items()
        for column in columns
        for privilege in PRIVILEGES
    ]
    whole = [(*key, privilege) for key in tables for privilege in WHOLE_TABLE]
    held = connection.execute(
        _HELD, {"role": role, **_lists(("schemas", "tables", "columns", "privileges"), asked)}
    )
    held_whole = connection.execute(
        _HELD_WHOLE, {"role": role, **_lists(("schemas", "tables", "privileges"), whole)}
    )
    return {tuple(row) for row in held}, {tuple(row) for row in held_whole}


def _lists(names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _without_columns(rows: set[Any]) -> set[Any]:
    return {(schema, table, privilege) for schema, table, _column, privilege in rows}


def _named(rows: set[Any]) -> list[str]:
    return [f"{privilege} on {schema}.{table}" for schema, table, privilege in sorted(rows)]


def _few(what: Sequence[str], most: int = 3) -> str:
    more = f", and {len(what) - most} more" if len(what) > most else ""
    return ", ".join(what[:most]) + more


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
