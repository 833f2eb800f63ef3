"""The store: `patrol db upgrade|check|sweep` (tables, consistency, retention), `backup`, `restore`.

A backup is the database and its pictures in one checked file.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from patrol import __version__, store
from patrol.cli.exchange import away_text, end_in_exchange, exchange_pixels_of
from patrol.cli.options import AsJson, operator
from patrol.cli.output import FAILED, bad_input, console, print_err, print_json
from patrol.cli.site import (
    cleaning_up_on_signals,
    database_of,
    site_of,
    store_of,
    trusted_now,
    trusted_now_of,
)
from patrol.domain.reader_language import translate
from patrol.encryption import SiteKey
from patrol.encryption.recipients import check_recipients
from patrol.households.withdrawal_journal import replay_withdrawals
from patrol.operations import backup as backups
from patrol.operations.backup import BackupKeys, Manifest
from patrol.pictures import (
    FilePictureStore,
    find_loose_files,
    remove_withdrawn,
    sweep_pictures,
)
from patrol.ports import PictureStoreFull
from patrol.settings import Settings, Site
from patrol.settings.site_keys import day_keys, key_path, make_site_key, read_site_key
from patrol.store import StoreUnavailable

SWEEP_EVERY: Final = timedelta(days=1)  # the service's; a younger file is its business
MAX_FILES_NAMED: Final = 20


def upgrade_database(context: typer.Context, *, as_json: AsJson = False) -> None:
    """升级数据库结构。 Bring the tables to this version; nothing happens when they are."""
    url = database_of(site_of(context))
    before = store.current_revision(url)
    store.upgrade(url)
    after = store.current_revision(url)
    if as_json:
        print_json({"before": before, "after": after, "changed": before != after})
    elif before == after:
        console().print(translate(f"已是最新：{after}", f"up to date: {after}"))
    else:
        console().print(
            translate(f"已升级：{before or '—'} → {after}", f"upgraded: {before or '—'} → {after}")
        )


def check_database(context: typer.Context, *, as_json: AsJson = False) -> None:
    """检查数据库自身的一致性。 Check the database: totals, references, histories, log hashes."""
    site = site_of(context)
    with store_of(site) as opened:
        wrong = [str(line) for line in store.check(opened)]
        wrong += _loose_file_problems(opened, site)
        wrong += _exchange_problems(opened, site)
        with opened.begin_read() as uow:
            held = uow.pixels.held_after_consent()
    if as_json:
        kept = [{"camera": camera, "kept": count} for camera, count in held.items()]
        print_json({"ok": not wrong, "problems": wrong, **({"held": kept} if kept else {})})
    elif not wrong:
        console().print(translate("数据库一致", "the database is consistent"))
    else:
        for line in wrong:
            print_err(line)
    if not as_json:
        for camera, count in held.items():
            console().print(
                translate(
                    f"{camera}：农户已撤回同意，依保全令暂留 {count} 项，保全解除后删除",
                    f"{camera}: its household withdrew; a legal hold keeps {count} until it ends",
                ),
                soft_wrap=True,
            )
    if wrong:
        raise typer.Exit(FAILED)


def _loose_file_problems(opened: store.Store, site: Site) -> list[str]:
    """Files with pictures that nothing names, and that the sweep should have deleted."""
    if not site.settings.evidence.is_dir():
        return []
    evidence = FilePictureStore(site.settings.evidence, only_read=True)
    loose = find_loose_files(opened, evidence, trusted_now_of(opened) - SWEEP_EVERY)
    return [
        f"{file.path}: no row names this file -> the shift supervisor: run `patrol db sweep`"
        for file in loose[:MAX_FILES_NAMED]
    ]


def _exchange_problems(opened: store.Store, site: Site) -> list[str]:
    """What lies in a cluster's exchange and should not, or that nobody can look."""
    pixels = exchange_pixels_of(site, opened)
    try:
        return [] if pixels is None else pixels.problems(trusted_now_of(opened))
    except PictureStoreFull as exc:
        return [away_text(exc)]


def sweep_database(context: typer.Context, *, as_json: AsJson = False) -> None:
    """立即清扫：删除每一处到期的画面。 Delete what is due now, in every place with pictures."""
    site = site_of(context)
    retention = site.settings.retention
    with store_of(site) as opened:
        evidence = FilePictureStore(site.settings.evidence)  # makes its directory: after the store
        with opened.begin() as uow:
            now = trusted_now(uow)
            uow.registry.sync(site.registry, now)
            uow.commit()
        swept = sweep_pictures(
            opened, evidence, now,
            most_bytes=retention.evidence_mb << 20 if retention.evidence_mb else None,
            reference_kept=timedelta(days=retention.reference_days),
        )  # fmt: skip
        exchanged, is_away = _sweep_exchange(opened, site, now)
    if as_json:
        of_exchange = {} if exchanged is None else {"exchange": exchanged}
        print_json({**asdict(swept), **of_exchange})
    else:
        console().print(
            translate(
                f"已删除：照片 {swept.deleted} · 参考 {swept.references} · "
                f"无登记 {swept.loose} · 未能删除 {swept.failed}",
                f"deleted: pictures {swept.deleted} · references {swept.references} "
                f"· loose files {swept.loose} · failed {swept.failed}",
            )
        )
        if exchanged:
            console().print(
                translate(
                    f"照片交换处已删除 {exchanged}", f"deleted from the exchange: {exchanged}"
                )
            )
    if swept.failed or is_away:
        raise typer.Exit(FAILED)


def _sweep_exchange(opened: store.Store, site: Site, now: datetime) -> tuple[int | None, bool]:
    """(how many blobs went, or None without an exchange; whether it could not be reached)."""
    pixels = exchange_pixels_of(site, opened)
    try:
        return (None if pixels is None else pixels.sweep(now)), False
    except PictureStoreFull as exc:
        print_err(away_text(exc))
        return 0, True


def backup(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="写到。 Where to write.")],
    recipients: Annotated[
        list[str] | None,
        typer.Option(
            "--recipient", metavar="age1…", help="加密给该接收方，可多个。 Encrypt to it (age)."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """备份数据库与照片，服务运行中亦可。 Store and pictures, also while the service runs."""
    if not out.parent.is_dir():
        bad_input(f"--out: {out.parent}: no such directory, make it first")
    site = site_of(context)
    settings = site.settings
    with cleaning_up_on_signals():
        with store.open_store(database_of(site)) as opened:
            now = trusted_now_of(opened)
        manifest = backups.backup(
            url=database_of(site),
            evidence=settings.evidence,
            site=settings.site.id,
            version=__version__,
            out=out,
            now=now,
            keys=_backup_keys(settings, recipients or settings.backup.recipients),
        )
    _log_backup(site, out, len(manifest.pictures))
    _print_manifest(out, manifest, as_json=as_json, problems=())
    if manifest.damaged:
        print_err(
            translate(
                f"{len(manifest.damaged)} 张照片已损坏，未备份",
                f"{len(manifest.damaged)} pictures are damaged and left out",
            )
        )
        raise typer.Exit(FAILED)


def _backup_keys(settings: Settings, recipients: Sequence[str]) -> BackupKeys | None:
    """The keys of a site that has one; one that encrypts to recipients gets one now."""
    site_key = read_site_key(settings, os.environ)
    if site_key is None and recipients:
        check_recipients(recipients)
        site_key = make_site_key(settings, os.environ)
    if site_key is None:
        return None
    days = day_keys(settings, site_key)
    return BackupKeys(site_key=site_key, days=days, recipients=recipients)


def _log_backup(site: Site, out: Path, pictures: int) -> None:
    """Append the backup to the access log, from which the console reads the last one."""
    try:
        with store_of(site) as store, store.begin() as uow:
            why = f"{out.name}: {pictures} pictures"
            now = trusted_now(uow)
            uow.access.append(at=now, who=operator(""), what="back_up", camera=None, why=why)
            uow.commit()
    except StoreUnavailable as exc:  # an older database can be saved, and not written to
        print_err(
            translate(
                f"备份已完成，未登记：{exc}",
                f"the backup stands, the access log has no line of it: {exc}",
            )
        )


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="备份文件。 The backup.")],
    *,
    only_check: Annotated[
        bool, typer.Option("--check", help="只校验，不恢复。 Check it, restore nothing.")
    ] = False,
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity", metavar="FILE", help="打开加密备份的身份文件。 The age identity file."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """恢复到空库；先逐字节校验。 Into an empty database, after every byte was checked."""
    if not file.is_file():
        bad_input(f"{file}: no such file")
    site = site_of(context)
    settings = site.settings
    if only_check:
        manifest = backups.verify(file, identity=identity)
        _print_manifest(file, manifest, as_json=as_json, problems=())
        return
    _take_key(settings, file, identity)
    with cleaning_up_on_signals():
        restored = backups.restore(
            url=database_of(site),
            evidence=settings.evidence,
            site=settings.site.id,
            file=file,
            keys=_backup_keys(settings, ()),
            identity=identity,
        )
    _remove_withdrawn_since(site, restored.manifest)
    _print_manifest(file, restored.manifest, as_json=as_json, problems=restored.problems)
    for problem in restored.problems:
        print_err(problem)
    if restored.problems:
        raise typer.Exit(FAILED)


def _take_key(settings: Settings, file: Path, identity: Path | None) -> None:
    """Put the key of an encrypted backup in its place, where none is there yet."""
    if identity is None or key_path(settings, os.environ).exists():
        return
    carried = backups.key_of(file, identity)
    if carried is not None:
        SiteKey.make(key_path(settings, os.environ), carried.secret)


def _remove_withdrawn_since(site: Site, manifest: Manifest) -> None:
    """Delete again what households withdrew after the backup was made."""
    evidence = FilePictureStore(site.settings.evidence)
    made_at = datetime.fromisoformat(manifest.made_at)
    with store_of(site) as opened:
        with opened.begin() as uow:
            now = trusted_now(uow)
            uow.registry.sync(site.registry, now)
            again = replay_withdrawals(uow, evidence.root, since=made_at, now=now)
            for camera in again:
                uow.access.append(
                    at=now, who=operator(""), what="consent withdrawn", camera=camera,
                    why="patrol restore: withdrawn after the backup was made",
                )  # fmt: skip
            uow.commit()
        remove_withdrawn(opened, evidence, now)
        end_in_exchange(site, opened)


def _print_manifest(
    file: Path, manifest: Manifest, *, as_json: bool, problems: tuple[str, ...]
) -> None:
    document: dict[str, Any] = {
        "file": str(file),
        "bytes": file.stat().st_size,
        "site": manifest.site,
        "made_at": manifest.made_at,
        "engine": manifest.store["engine"],
        "revision": manifest.store["revision"],
        "pictures": len(manifest.pictures),
        "gone": manifest.gone,
        "damaged": list(manifest.damaged),
        "encrypted": manifest.encrypted,
        "pictures_sealed": len(manifest.sealed),
        "key_fingerprint": manifest.key_fingerprint,
        "key_included": manifest.key_included,
        "contains": contents_of(manifest),
        "problems": list(problems),
    }
    if as_json:
        print_json(document)
        return
    console().print(
        translate(
            f"{file}: {document['bytes'] / 1000000.0:.1f} MB · {manifest.site} "
            f"· {manifest.made_at} · {document['engine']} {document['revision']} "
            f"· 照片 {document['pictures']}",
            f"{file}: {document['bytes'] / 1000000.0:.1f} MB · {manifest.site} "
            f"· {manifest.made_at} · {document['engine']} {document['revision']} "
            f"· pictures {document['pictures']}",
        ),
        soft_wrap=True,
    )
    for line in document["contains"]:
        console().print(f"  {line}", soft_wrap=True)


def contents_of(manifest: Manifest) -> list[str]:
    """What the file holds and who can read it, a line each."""
    readable = (
        translate("加密", "encrypted")
        if manifest.encrypted
        else translate("明文，拿到文件即可读", "readable by whoever has the file")
    )
    lines = [
        translate(
            f"数据库，{manifest.store['engine']}：{readable}",
            f"the database, {manifest.store['engine']}: {readable}",
        )
    ]
    if manifest.pictures:
        plain = len(manifest.pictures) - len(manifest.sealed)
        sealed = translate(
            f"{len(manifest.sealed)} 张以站点密钥封存",
            f"{len(manifest.sealed)} sealed with the site's key",
        )
        lines.append(
            translate(f"照片：{sealed}，{plain} 张明文", f"pictures: {sealed}, {plain} plain")
        )
    if manifest.key_included:
        lines.append(
            translate(
                "站点密钥在内，凭身份文件即可全部恢复",
                "the site's key is in it: the identity restores all",
            )
        )
    elif manifest.key_fingerprint:
        lines.append(
            translate(
                f"站点密钥 {manifest.key_fingerprint} 不在内，请另行保管",
                f"without the site's key {manifest.key_fingerprint}: keep it elsewhere",
            )
        )
    return lines
