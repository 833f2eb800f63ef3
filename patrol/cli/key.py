"""`patrol key list`, `user list`, `credentials list`: rows of the store, without what changes them.

`account_document` is an account as `--json` has it, also after a change.
"""

import typer

from patrol.cli.options import AsJson
from patrol.cli.output import console, print_json
from patrol.cli.site import camera_names, site_names, store_of
from patrol.domain.account import Account
from patrol.domain.labels import DUTIES, label_text
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import rfc3339, rfc3339_or_none


def show_users(context: typer.Context, *, as_json: AsJson = False) -> None:
    """账号列表。 All accounts."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
        accounts = list(uow.accounts.all())
    if as_json:
        print_json([account_document(account) for account in accounts])
        return
    for account in accounts:
        state = translate("停用", "disabled") if account.disabled_at else translate("可用", "open")
        line = f"{account.name}  {label_text(DUTIES[account.duty])}  {account.shown_as}  {state}"
        console().print(line, markup=False)
    if not accounts:
        first = "patrol user add NAME --duty admin"
        text = translate(f"还没有账号：{first}", f"There are no accounts yet: {first}")
        console().print(text, markup=False)


def show_keys(context: typer.Context, *, as_json: AsJson = False) -> None:
    """全部密钥，不含密文。 All keys, without their secrets."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
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
        gone = translate(" · 已撤销", " · revoked") if key.revoked_at else ""
        console().print(f"{key.id} · {key.name} · {' '.join(sorted(key.scopes))}{gone}")
    if not rows:
        console().print(translate("没有密钥。", "There are no keys."))


def account_document(account: Account) -> dict[str, object]:
    """An account as `--json` has it: who, for what, open or not; no password."""
    """An account as `--json` has it: who, for what, open or not; no password."""
    return {
        "name": account.name,
        "duty": str(account.duty),
        "shown_as": account.shown_as,
        "grid": account.grid,
        "person": account.person,
        "disabled": account.disabled_at is not None,
    }


def show_credentials(context: typer.Context, *, as_json: AsJson = False) -> None:
    """哪些密码已封存，哪些仍为明文。 Which are sealed, which stand in the file."""
    site, registry = camera_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        sealed = uow.credentials.places()
    plain = [one.id for one in registry.cameras.values() if one.has_plain_password]
    if as_json:
        rows = [{"camera": c, "stream": s, "host": h, "port": p} for c, s, h, p in sealed]
        print_json({"sealed": rows, "not_sealed": plain})
        return
    for camera, stream, host, port in sealed:
        console().print(f"{camera}  {stream}  {host}:{port}", markup=False)
    console().print(
        translate(
            f"已封存 {len(sealed)} · 未封存 {len(plain)}",
            f"sealed {len(sealed)} · not sealed {len(plain)}",
        )
    )
