"""`patrol key add|list|revoke`: keys for programs that use the JSON API."""

from typing import Annotated

import typer

from patrol.administration.accounts import add_api_key, revoke_api_key
from patrol.cli.failures import bad_input
from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import console, print_json
from patrol.cli.site import site_of, store_of
from patrol.clock import SystemClock
from patrol.domain.timestamps import rfc3339, rfc3339_or_none


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
    with store_of(site_of(context)) as store, store.begin() as uow:
        try:
            key, secret = add_api_key(
                uow, name=name, scopes=scope, by=operator(by), now=SystemClock().now()
            )
        except ValueError as exc:
            bad_input(f"--scope: {exc}")
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
    with store_of(site_of(context)) as store, store.begin() as uow:
        if not revoke_api_key(uow, key, by=operator(""), now=SystemClock().now()):
            bad_input(f"key {key!r}: there is none that stands, `patrol key list` lists them")
        uow.commit()
    console().print(f"已撤销 revoked: {key}")
