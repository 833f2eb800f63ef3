"""What the console, the API and `--json` say of people, grids, leave and their changes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from patrol.domain.ids import PersonId
from patrol.domain.registry import Registry
from patrol.domain.registry_change import RegistryChange
from patrol.domain.routing import UnstaffedGrid
from patrol.domain.timestamps import rfc3339_or_none

if TYPE_CHECKING:
    from patrol.administration.people_tables import TableChange

JsonObject = dict[str, Any]


def row_document(cells: Mapping[str, str], registry: Registry) -> JsonObject:
    """A row of a table as it is in the file, and for a person whether it is on leave now."""
    person = PersonId(cells.get("person_id", ""))
    if "role" not in cells:
        return dict(cells)
    away = person in registry.absent
    return {**cells, "on_leave": away, "acting": registry.absent.get(person) if away else person}


def change_document(change: RegistryChange) -> JsonObject:
    """One row of the history, or one that an edit or import changes."""
    document: JsonObject = {
        "table": change.table.value,
        "row": change.row,
        "name": change.name,
        "what": change.what.value,
        "cells": [
            {"column": one.column, "before": one.before, "after": one.after} for one in change.cells
        ],
    }
    if change.at is not None:
        document |= {"at": rfc3339_or_none(change.at), "by": change.by, "why": change.why}
    return document


def table_change_document(change: "TableChange", registry: Registry) -> JsonObject:
    """What an edit or import changes; `version` is what taking an import over must name."""
    return {
        "version": change.version,
        "unchanged": change.unchanged,
        "changes": [change_document(one) for one in change.changes],
        "unstaffed": [unstaffed_document(one, registry) for one in change.unstaffed],
        "logins_ended": list(change.logins_ended),
    }


def unstaffed_document(one: UnstaffedGrid, registry: Registry) -> JsonObject:
    """A grid in which nobody is told: `since` null is now, `until` null has no known end."""
    grid = registry.tree.grids.get(one.grid)
    return {
        "grid": one.grid,
        "name": grid.name if grid else one.grid,
        "since": rfc3339_or_none(one.since),
        "until": rfc3339_or_none(one.until),
        "on_leave": list(one.away),
    }
