"""`patrol key add|list|revoke`: keys for programs that use the JSON API."""

import secrets
from typing import Annotated

import typer

from patrol.cli.common import (
    AsJson,
    By,
    bad_input,
    console,
    operator,
    print_json,
    site_of,
    store_of,
)


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="接口密钥。 Keys of the JSON API.")
    group.command("add")(add)
    group.command("list")(show)
    group.command("revoke")(revoke)
    cli.add_typer(group, name="key")


def add(
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
    from patrol.domain.api_key import PREFIX, issued  # noqa: PLC0415  with the rooms

    secret = PREFIX + secrets.token_urlsafe(32)
    now = SystemClock().now()
    try:
        key = issued(name=name, scopes=scope, by=operator(by), now=now, secret=secret)
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


def show(context: typer.Context, *, as_json: AsJson = False) -> None:
    """全部密钥,不含密文。 All keys, without their secrets."""
    with store_of(site_of(context)) as store, store.begin_read() as uow:
        keys = uow.api_keys.all()
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "made_by": key.made_by,
            "made_at": f"{key.made_at:%Y-%m-%dT%H:%M:%SZ}",
            "revoked_at": f"{key.revoked_at:%Y-%m-%dT%H:%M:%SZ}" if key.revoked_at else None,
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


def revoke(
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
