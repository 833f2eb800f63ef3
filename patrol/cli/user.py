"""`patrol key add|list|revoke`: keys for programs that use the JSON API.

`patrol user add|passwd|disable|enable|list`: console accounts, without the console.

A password is asked for twice on the terminal, or read from stdin's first line with
`--password-stdin`; it is never an argument, where every user of the machine could read it.
"""

import getpass
import secrets
import sys
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.output import (
    AsJson,
    By,
    bad_input,
    console,
    operator,
    print_err,
    print_json,
    site_of,
    store_of,
)
from patrol.domain.timestamps import rfc3339, rfc3339_or_none

if TYPE_CHECKING:
    from patrol.domain.account import Account


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="接口密钥。 Keys of the JSON API.")
    group.command("add")(add_key)
    group.command("list")(show_keys)
    group.command("revoke")(revoke_key)
    cli.add_typer(group, name="key")


def add_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="给谁用。 Who uses it.")],
    *,
    scope: Annotated[
        list[str], typer.Option("--scope", help="权限,可多次。 What it opens; repeatable.")
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """新建密钥,只显示这一次。 A new key; it is shown once and kept only as a hash."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.domain.account import API_KEY_PREFIX, issue_api_key  # noqa: PLC0415  with the rooms

    secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
    now = SystemClock().now()
    try:
        key = issue_api_key(name=name, scopes=scope, by=operator(by), now=now, secret=secret)
    except ValueError as exc:
        bad_input(f"--scope: {exc}")
    with store_of(site_of(context)) as store, store.begin() as uow:
        uow.api_keys.add(key)
        uow.commit()
    if as_json:
        print_json({"id": key.id, "name": name, "scopes": sorted(scope), "secret": secret})
    else:
        console().print(f"{key.id} · {name} · {' '.join(sorted(scope))}")
        console().print(secret, soft_wrap=True)


def show_keys(context: typer.Context, *, as_json: AsJson = False) -> None:
    """全部密钥,不含密文。 All keys, without their secrets."""
    with store_of(site_of(context)) as store, store.begin_read() as uow:
        keys = uow.api_keys.all()
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "made_by": key.made_by,
            "made_at": rfc3339(key.made_at),
            "revoked_at": rfc3339_or_none(key.revoked_at),
        }
        for key in keys
    ]
    if as_json:
        print_json(rows)
        return
    for key in keys:
        gone = " · 已撤销 revoked" if key.revoked_at else ""
        console().print(f"{key.id} · {key.name} · {' '.join(sorted(key.scopes))}{gone}")
    if not rows:
        console().print("没有密钥。 There are no keys.")


def revoke_key(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="ID", help="密钥编号。 The key's id.")],
) -> None:
    """撤销密钥,立即生效。 Revoke a key, at once."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    with store_of(site_of(context)) as store, store.begin() as uow:
        if not uow.api_keys.revoke(key, SystemClock().now()):
            bad_input(f"key {key!r}: there is none that stands, `patrol key list` lists them")
        uow.commit()
    console().print(f"已撤销 revoked: {key}")


class DutyOption(StrEnum):
    """What `--duty` takes (patrol.domain.account.Duty, without importing it for `--help`)."""

    OPERATOR = auto()
    DUTY_LEAD = auto()
    VILLAGE_CADRE = auto()
    GRID_LEADER = auto()
    MAINTAINER = auto()
    AUDITOR = auto()
    ADMIN = auto()


Name = Annotated[str, typer.Argument(metavar="NAME", help="账号名。 The account's name.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="从标准输入读口令。 Read the password from stdin.")
]


def register_users(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="控制台账号。 Console accounts.")
    group.command("add")(add_user)
    group.command("passwd")(set_password)
    group.command("disable")(disable_user)
    group.command("enable")(enable_user)
    group.command("list")(show_users)
    cli.add_typer(group, name="user")


def add_user(
    context: typer.Context,
    name: Name,
    *,
    duty: Annotated[DutyOption, typer.Option("--duty", help="职责。 What the account is for.")],
    shown_as: Annotated[str, typer.Option("--shown-as", help="显示名。 What people see.")] = "",
    grid: Annotated[str, typer.Option("--grid", help="网格编码。 The grid answered for.")] = "",
    person: Annotated[str, typer.Option("--person", help="人员编号。 Who in people.csv.")] = "",
    from_stdin: FromStdin = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """新建账号。 A new account."""
    from patrol.administration.accounts import add_account  # noqa: PLC0415  argon2
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.domain.account import Duty  # noqa: PLC0415  with the rooms

    site = site_of(context)
    with store_of(site) as store:
        account = add_account(
            store,
            name=name,
            duty=Duty(duty.value),
            password=_read_password(from_stdin=from_stdin),
            registry=site.registry,
            now=SystemClock().now(),
            shown_as=shown_as,
            grid=grid or None,
            person=person or None,
            by=operator(by),
        )
    if as_json:
        print_json(_account_document(account))
    else:
        print_err(f"{account.name}: 已建 added, {account.duty}")


def set_password(
    context: typer.Context, name: Name, *, from_stdin: FromStdin = False, by: By = ""
) -> None:
    """改口令,已登录的全部退出。 A new password; every session of it ends."""
    from patrol.administration.accounts import change_password  # noqa: PLC0415  argon2
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    with store_of(site_of(context)) as store:
        try:
            change_password(
                store,
                name=name,
                password=_read_password(from_stdin=from_stdin),
                now=SystemClock().now(),
                by=operator(by),
            )
        except KeyError:
            bad_input(_no_account_text(name))
    print_err(f"{name}: 口令已改 the password is changed")


def disable_user(context: typer.Context, name: Name, *, by: By = "") -> None:
    """停用账号(从不删除)。 Close an account; accounts are never deleted."""
    _set_disabled(context, name, by, disabled=True)


def enable_user(context: typer.Context, name: Name, *, by: By = "") -> None:
    """恢复账号。 Open it again."""
    _set_disabled(context, name, by, disabled=False)


def show_users(context: typer.Context, *, as_json: AsJson = False) -> None:
    """账号列表。 All accounts."""
    with store_of(site_of(context)) as store, store.begin_read() as uow:
        accounts = list(uow.accounts.all())
    if as_json:
        print_json([_account_document(account) for account in accounts])
        return
    for account in accounts:
        state = "停用 disabled" if account.disabled_at else "可用 open"
        line = f"{account.name}  {account.duty}  {account.shown_as}  {state}"
        console().print(line, markup=False)


def _set_disabled(context: typer.Context, name: str, by: str, *, disabled: bool) -> None:
    from patrol.administration.accounts import set_disabled  # noqa: PLC0415  argon2
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    with store_of(site_of(context)) as store:
        try:
            set_disabled(
                store, name=name, disabled=disabled, now=SystemClock().now(), by=operator(by)
            )
        except KeyError:
            bad_input(_no_account_text(name))
    print_err(f"{name}: {'已停用 disabled' if disabled else '已恢复 open again'}")


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        if not from_stdin:
            bad_input("no terminal to ask for a password, pipe it and say --password-stdin")
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("口令 password: ")
    if getpass.getpass("再输一次 again: ") != first:
        bad_input("the two passwords differ, try again")
    return first


def _no_account_text(name: str) -> str:
    return f"account {name!r}: there is none, `patrol user list` lists them"


def _account_document(account: "Account") -> dict[str, object]:
    return {
        "name": account.name,
        "duty": str(account.duty),
        "shown_as": account.shown_as,
        "grid": account.grid,
        "person": account.person,
        "disabled": account.disabled_at is not None,
    }
