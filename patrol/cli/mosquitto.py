"""`patrol mosquitto write`: the broker's accounts and ACL, from people.csv."""

from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.failures import bad_input
from patrol.cli.options import AsJson
from patrol.cli.output import console, print_json
from patrol.cli.site import site_of
from patrol.mqtt.mosquitto_files import write_mosquitto_files


def write_broker_files(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="写到目录。 Where to write.")],
    rotate: Annotated[
        bool, typer.Option("--rotate", help="全部换新口令。 New passwords for everybody.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """按人员表生成口令与权限文件。 Password and ACL files for Mosquitto, one account a person."""
    site = site_of(context)
    if out.exists() and not out.is_dir():
        bad_input(f"--out: {out}: is a file, give a directory")
    written = write_mosquitto_files(out, site.settings.site.id, site.registry, rotate=rotate)
    if as_json:
        print_json(
            {
                "files": [str(path) for path in written.files],
                "accounts": written.accounts,
                "new": list(written.new),
                "gone": list(written.gone),
            }
        )
        return
    out_console = console()
    for path in written.files:
        out_console.print(str(path), soft_wrap=True)
    out_console.print(
        f"账号 accounts {written.accounts} · 新口令 new passwords {len(written.new)}"
        f" · 停用 gone {len(written.gone)}"
    )
