"""`patrol backup`: whoever takes everything along stands in the access log."""

from pathlib import Path
from typing import Any

from patrol.store import open_store

CliSite = Any  # conftest's


def test_a_backup_is_a_line_of_the_access_log(cli_site: CliSite, tmp_path: Path) -> None:
    cli_site.seed_round()
    out = tmp_path / "all.tar"
    made = cli_site("backup", "--out", str(out), "--json")
    assert made.code == 0, made.err
    with open_store(cli_site.database) as store, store.begin_read() as uow:
        (line,) = uow.access.entries(what="back_up")
    assert line.why == "all.tar: 0 pictures"
    assert cli_site("backup", "--out", str(out)).code == 2
