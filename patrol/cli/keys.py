"""The site's key and the pictures' keys: `patrol keys show` and `patrol keys renew`.

And passwords of streams in the store: `patrol credentials seal|set`.
"""

import os
import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from patrol.administration.camera_table import CAMERAS_FILE, seal_cameras_file
from patrol.administration.sealed_streams import put_credentials
from patrol.cli.camera_address import PasswordFile, read_password_file
from patrol.cli.options import AsJson, By, CameraArgument, config_directory, operator
from patrol.cli.output import bad_input, console, print_json
from patrol.cli.site import camera_named, site_for_lists, site_of, store_of, trusted_now_of
from patrol.domain.reader_language import translate
from patrol.encryption import SiteKey
from patrol.picture_keys import plain_count, renew_keys
from patrol.pictures import FilePictureStore
from patrol.settings.site_keys import day_keys, key_path, make_site_key, read_site_key
from patrol.store import Store
from patrol.store.credentials import StreamCredential
from streams.address import StreamAddress, StreamChoice

if TYPE_CHECKING:
    from patrol.settings import Site


def show_keys(context: typer.Context, *, as_json: AsJson = False) -> None:
    """站点密钥、各日密钥、未加密照片。 Where the key lies, day keys, plain pictures."""
    site = site_for_lists(context)
    site_key = read_site_key(site.settings, os.environ)
    path = key_path(site.settings, os.environ)
    document: dict[str, Any] = {"file": str(path), "fingerprint": None, "days": []}
    if site_key is not None:
        keys = day_keys(site.settings, site_key)
        document["fingerprint"] = site_key.fingerprint
        document["days"] = [day.isoformat() for day in keys.days()]
    pictures = FilePictureStore(site.settings.evidence, only_read=True)
    document["plain_pictures"] = plain_count(pictures)
    if as_json:
        print_json(document)
        return
    fingerprint = document["fingerprint"] or translate("尚无", "none yet")
    days, plain = len(document["days"]), document["plain_pictures"]
    console().print(
        translate(
            f"{path}：{fingerprint} · 日密钥 {days} · 未加密照片 {plain}",
            f"{path}: {fingerprint} · day keys {days} · plain pictures {plain}",
        ),
        soft_wrap=True,
    )


def renew(context: typer.Context, *, as_json: AsJson = False) -> None:
    """加密旧照片，销毁到期日密钥。 Encrypt plain pictures; destroy keys that are over."""
    site = site_of(context)
    with store_of(site) as store:
        site_key = _unlocked(site, store)
        pictures = FilePictureStore(site.settings.evidence, keys=day_keys(site.settings, site_key))
        done = renew_keys(store, pictures, trusted_now_of(store))
    document = {
        "encrypted": done.encrypted,
        "renewed": done.renewed,
        "dropped": done.dropped,
        "failed": done.failed,
        "destroyed": [day.isoformat() for day in done.destroyed],
    }
    if as_json:
        print_json(document)
        return
    console().print(
        translate(
            f"加密 {done.encrypted} · 换发 {done.renewed} · 随密钥销毁 {done.dropped} "
            f"· 未成 {done.failed} · 销毁日密钥 {len(done.destroyed)}",
            f"encrypted {done.encrypted} · renewed {done.renewed} "
            f"· dropped with their key {done.dropped} · failed {done.failed} "
            f"· day keys destroyed {len(done.destroyed)}",
        )
    )


def seal(context: typer.Context, *, by: By = "", as_json: AsJson = False) -> None:
    """把点位表中的密码移入库内封存。 Move passwords of cameras.csv into the store."""
    site, folder = site_of(context), config_directory(context)
    with store_of(site) as store:
        _unlocked(site, store)
        now = trusted_now_of(store)
        count = seal_cameras_file(folder / CAMERAS_FILE, store, by=operator(by), now=now)
    if as_json:
        print_json({"sealed": count, "file": str(folder / CAMERAS_FILE)})
    else:
        console().print(
            translate(
                f"已封存 {count} · {folder / CAMERAS_FILE}",
                f"sealed {count} · {folder / CAMERAS_FILE}",
            ),
            soft_wrap=True,
        )


def set_credential(
    context: typer.Context,
    camera: CameraArgument,
    *,
    stream: Annotated[
        StreamChoice, typer.Option("--stream", help="主或子码流。 Main or sub stream.")
    ] = StreamChoice.MAIN,
    password_file: PasswordFile = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """为一路码流封存密码。 Seal one stream's password: asked for, or from a file."""
    site = site_of(context)
    found = camera_named(site, camera)
    with store_of(site) as store:
        address = found.main_stream if stream is StreamChoice.MAIN else found.sub_stream
        if address is None or not address.is_sealed:
            bad_input(
                f"camera {found.id}: write its {stream} address as rtsp://USER:${{SEALED}}@HOST/PATH"
                " in cameras.csv first"
            )
        credential = _credential(found.id, stream, address, _password(password_file))
        _unlocked(site, store)
        put_credentials(store, [credential], by=operator(by), now=trusted_now_of(store))
    os.utime(config_directory(context) / CAMERAS_FILE)  # a running service reads it again
    if as_json:
        print_json({"camera": found.id, "stream": str(stream), "host": address.host})
    else:
        console().print(
            translate(
                f"{found.id} {stream} {address.authority}：已封存",
                f"{found.id} {stream} {address.authority}: sealed",
            ),
            markup=False,
        )


def _credential(
    camera: Any, stream: StreamChoice, address: StreamAddress, password: str
) -> StreamCredential:
    return StreamCredential(
        camera=camera, stream=stream, host=address.host, port=address.port, password=password
    )


def _password(file: Path | None) -> str:
    if file is None:
        text = (
            getpass(translate("密码：", "password: "))
            if sys.stdin.isatty()
            else sys.stdin.readline().rstrip("\r\n")
        )
    else:
        text = read_password_file(file)
    if not text:
        bad_input("the password is empty; give it at the prompt, on stdin, or --password-file")
    return text


def _unlocked(site: "Site", store: Store) -> SiteKey:
    """The site's key, made at its first use, and the store that knows it."""
    site_key = make_site_key(site.settings, os.environ)
    store.adopt_key(site_key)
    return site_key
