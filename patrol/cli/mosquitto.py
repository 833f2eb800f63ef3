"""`patrol mosquitto write`: the broker's accounts and ACL, from people.csv."""

from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.output import AsJson, bad_input, console, print_json, site_of


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="消息代理账号与权限。 The broker's accounts.")
    group.callback()(_group)
    group.command("write")(write_broker_files)
    cli.add_typer(group, name="mosquitto")


def _group() -> None:
    """Typer makes a group of one command only with this."""


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
    from patrol.mqtt.mosquitto_files import AccountsProblem  # noqa: PLC0415  with the rooms
    from patrol.mqtt.mosquitto_files import write_mosquitto_files as write_files  # noqa: PLC0415  with the rooms

    site = site_of(context)
    if out.exists() and not out.is_dir():
        bad_input(f"--out: {out}: is a file, give a directory")
    try:
        written = write_files(out, site.settings.site.id, site.registry, rotate=rotate)
    except AccountsProblem as exc:
        bad_input(str(exc))
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
