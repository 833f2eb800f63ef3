"""`patrol db upgrade|check`: migrations, and the store's own consistency check."""

import typer

from patrol import store
from patrol.cli.failures import FAILED
from patrol.cli.options import AsJson
from patrol.cli.output import console, print_err, print_json
from patrol.cli.site import database_of, site_of


def upgrade_database(context: typer.Context, *, as_json: AsJson = False) -> None:
    """升级数据库结构。 Bring the tables to this version; nothing happens when they are."""
    url = database_of(site_of(context))
    before = store.current_revision(url)
    store.upgrade(url)
    after = store.current_revision(url)
    if as_json:
        print_json({"before": before, "after": after, "changed": before != after})
    elif before == after:
        console().print(f"已是最新 up to date: {after}")
    else:
        console().print(f"已升级 upgraded: {before or '—'} → {after}")


def check_database(context: typer.Context, *, as_json: AsJson = False) -> None:
    """检查数据库自身的一致性。 Check the database: totals, references, histories, log hashes."""
    wrong = [str(line) for line in store.check(database_of(site_of(context)))]
    if as_json:
        print_json({"ok": not wrong, "problems": wrong})
    elif not wrong:
        console().print("数据库一致 the database is consistent")
    else:
        for line in wrong:
            print_err(line)
    if wrong:
        raise typer.Exit(FAILED)
