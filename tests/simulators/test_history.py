"""The month that simulators.town.history writes is one that a service can go on with."""

from datetime import UTC, datetime
from pathlib import Path

from patrol.domain.ids import FindingId
from patrol.settings import load_site
from patrol.store import check, open_store
from simulators.town.history import write_history

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def test_a_store_of_history_can_be_continued(tmp_path: Path) -> None:
    summary = write_history(tmp_path, cameras=12, days=2, now=NOW)
    with open_store(load_site(tmp_path).settings.database) as store:
        assert check(store) == []
        with store.begin() as uow:
            newest = uow.findings.get(FindingId(f"F{summary.findings:06d}"))
            assert uow.next_number("finding") == summary.findings + 1, newest
