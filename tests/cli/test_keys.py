"""`patrol key`: each change leaves a line in the access log, as on the accounts page."""

from typing import Any

from patrol.store import open_store

CliSite = Any  # conftest's


def test_a_key_is_made_and_revoked_with_lines_in_the_access_log(cli_site: CliSite) -> None:
    made = cli_site("key", "add", "county", "--scope", "rounds:read", "--by", "wang", "--json")
    assert made.code == 0, made.err
    key = made.document["id"]
    assert cli_site("key", "revoke", key).code == 0
    with open_store(cli_site.database) as store, store.begin_read() as uow:
        lines = [(line.what, line.why) for line in uow.access.entries(limit=10)]
    assert sorted(lines) == [("add_key", f"{key} county: rounds:read"), ("revoke_key", key)]
    assert cli_site("db", "check").code == 0


def test_a_key_that_does_not_stand_cannot_be_revoked(cli_site: CliSite) -> None:
    ended = cli_site("key", "revoke", "K00000000")
    assert (ended.code, ended.out) == (2, "")
    assert "K00000000" in ended.err
