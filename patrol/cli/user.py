"""Accounts: `patrol user` (people, console), `key` (programs, JSON API), `mosquitto` (MQTT broker).

A password is asked for twice on the terminal, or read from stdin's first line with
`--password-stdin`; it is never an argument, where every user of the machine could read it.
`mosquitto write` makes the broker's accounts and access rules from people.csv.
"""

import getpass
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from patrol.administration.accounts import (
    add_account,
    add_api_key,
    change_password,
    guessable_names,
    revoke_api_key,
    set_disabled,
    unlock,
)
from patrol.cli.key import account_document
from patrol.cli.options import AsJson, By, config_directory, operator
from patrol.cli.output import bad_input, colon, console, print_err, print_json
from patrol.cli.site import site_for_lists, site_names, store_of, trusted_now, trusted_now_of
from patrol.domain.account import Account, AccountRole
from patrol.domain.display_link import display_address
from patrol.domain.labels import DUTIES, label_text
from patrol.domain.reader_language import translate
from patrol.mqtt.mosquitto_files import write_mosquitto_files
from patrol.settings import Site, load_site
from patrol.settings.addresses import phone_base_url
from patrol.store import Store

Name = Annotated[str, typer.Argument(metavar="NAME", help="账号名。 The account's name.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="从标准输入读密码。 Read the password from stdin.")
]


def add_user(
    context: typer.Context,
    name: Name,
    *,
    duty: Annotated[AccountRole, typer.Option("--duty", help="职责。 What the account is for.")],
    shown_as: Annotated[str, typer.Option("--shown-as", help="显示名。 What people see.")] = "",
    grid: Annotated[str, typer.Option("--grid", help="网格编码。 The grid answered for.")] = "",
    person: Annotated[str, typer.Option("--person", help="人员编号。 Who in people.csv.")] = "",
    from_stdin: FromStdin = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """新建账号。 A new account."""
    site = site_for_lists(context)
    with store_of(site) as store:
        account = add_account(
            store,
            name=name,
            duty=duty,
            password=_password_of(duty, from_stdin=from_stdin),
            registry=site.registry,
            now=trusted_now_of(store),
            known_names=guessable_names(site.settings.site, site.registry),
            shown_as=shown_as,
            grid=grid or None,
            person=person or None,
            by=operator(by),
        )
    if as_json:
        print_json({**account_document(account), **_display_document(site, account)})
        return
    label = label_text(DUTIES[account.duty])
    print_err(translate(f"{account.name}：已建，{label}", f"{account.name}: added, {label}"))
    _print_display_link(site, account)


def set_password(
    context: typer.Context, name: Name, *, from_stdin: FromStdin = False, by: By = ""
) -> None:
    """改密码，已登录的全部退出。 A new password; every session of it ends."""
    site = site_for_lists(context)
    with store_of(site) as store:
        try:
            change_password(
                store,
                name=name,
                password=_password_of(_duty_of(store, name), from_stdin=from_stdin),
                now=trusted_now_of(store),
                by=operator(by),
                known_names=guessable_names(site.settings.site, site.registry),
            )
        except KeyError:
            bad_input(_no_account_text(name))
        account = _account_of(store, name)
    if account.duty is AccountRole.DISPLAY:
        print_err(translate(f"{name}：旧链接已失效", f"{name}: the old link is revoked"))
        _print_display_link(site, account)
    else:
        print_err(translate(f"{name}：密码已改", f"{name}: the password is changed"))


def disable_user(context: typer.Context, name: Name, *, by: By = "") -> None:
    """停用账号（从不删除）。 Close an account; accounts are never deleted."""
    _set_disabled(context, name, by, disabled=True)


def enable_user(context: typer.Context, name: Name, *, by: By = "") -> None:
    """恢复账号。 Open it again."""
    _set_disabled(context, name, by, disabled=False)


def unlock_user(context: typer.Context, name: Name, *, by: By = "") -> None:
    """解除密码输错的锁定。 Forgive its wrong passwords, at once."""
    with store_of(site_for_lists(context)) as store:
        try:
            unlock(store, name=name, now=trusted_now_of(store), by=operator(by))
        except KeyError:
            bad_input(_no_account_text(name))
    print_err(translate(f"{name}：已解锁", f"{name}: unlocked"))


def _set_disabled(context: typer.Context, name: str, by: str, *, disabled: bool) -> None:
    with store_of(site_for_lists(context)) as store:
        try:
            set_disabled(
                store, name=name, disabled=disabled, now=trusted_now_of(store), by=operator(by)
            )
        except KeyError:
            bad_input(_no_account_text(name))
    done = translate("已停用", "disabled") if disabled else translate("已恢复", "open again")
    print_err(f"{name}{colon()}{done}")


def _account_of(store: Store, name: str) -> Account:
    """Raises KeyError."""
    with store.begin_read() as uow:
        return uow.accounts.get(name)


def _duty_of(store: Store, name: str) -> AccountRole | None:
    with store.begin_read() as uow:
        return next((one.duty for one in uow.accounts.all() if one.name == name), None)


def _password_of(duty: AccountRole | None, *, from_stdin: bool) -> str:
    """The password of a person's account; a wall screen has a link, and a password nobody knows."""
    if duty is AccountRole.DISPLAY:
        return secrets.token_urlsafe(24)
    return _read_password(from_stdin=from_stdin)


def _display_document(site: Site, account: Account) -> dict[str, str]:
    if account.duty is not AccountRole.DISPLAY:
        return {}
    base = phone_base_url(site.settings) or "https://HOST"
    return {"link": display_address(base, account)}


def _print_display_link(site: Site, account: Account) -> None:
    for link in _display_document(site, account).values():
        print_err(translate("在大屏的浏览器里打开：", "open this on the screen:"))
        console().print(link, markup=False, soft_wrap=True)


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        if not from_stdin:
            bad_input("no terminal to ask for a password, pipe it and say --password-stdin")
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass(translate("密码：", "password: "))
    if getpass.getpass(translate("再输一次：", "again: ")) != first:
        bad_input("the two passwords differ, try again")
    return first


def _no_account_text(name: str) -> str:
    return f"account {name!r}: there is none, `patrol user list` lists them"


def add_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="给谁用。 Who uses it.")],
    *,
    scope: Annotated[
        list[str], typer.Option("--scope", help="权限，可多次。 What it opens; repeatable.")
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """新建密钥，只显示这一次。 A new key; it is shown once and kept only as a hash."""
    with store_of(site_for_lists(context)) as store, store.begin() as uow:
        try:
            key, secret = add_api_key(
                uow, name=name, scopes=scope, by=operator(by), now=trusted_now(uow)
            )
        except ValueError as exc:
            bad_input(f"--scope: {exc}")
        uow.commit()
    if as_json:
        print_json({"id": key.id, "name": name, "scopes": sorted(scope), "secret": secret})
    else:
        console().print(f"{key.id} · {name} · {' '.join(sorted(scope))}")
        console().print(secret, soft_wrap=True)


def revoke_key(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="ID", help="密钥编号。 The key's id.")],
) -> None:
    """撤销密钥，立即生效。 Revoke a key, at once."""
    with store_of(site_names(context)) as store, store.begin() as uow:
        if not revoke_api_key(uow, key, by=operator(""), now=trusted_now(uow)):
            bad_input(f"key {key!r}: there is none that stands, `patrol key list` lists them")
        uow.commit()
    console().print(translate(f"已撤销：{key}", f"revoked: {key}"))


def write_broker_files(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="写到目录。 Where to write.")],
    rotate: Annotated[
        bool, typer.Option("--rotate", help="全部换新密码。 New passwords for everybody.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """按人员表生成密码与权限文件。 Password and ACL files for Mosquitto, one account a person."""
    site = load_site(config_directory(context), with_areas=False, with_named_files=False)
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
        translate(
            f"账号 {written.accounts} · 新密码 {len(written.new)} · 停用 {len(written.gone)}",
            f"accounts {written.accounts} · new passwords {len(written.new)} "
            f"· gone {len(written.gone)}",
        )
    )
