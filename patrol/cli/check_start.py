"""What `patrol run` would refuse to start with, beyond the tables: `patrol check` says it before.

Channels whose address Apprise does not know, certificates that hold none, a site key that cannot be
used, a picture directory that cannot be written, a console's port that somebody else has. Nothing
is made and nothing is sent.
"""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from patrol.app.integrations import IntegrationsProblem, load_channels
from patrol.app.notification_trial import sections_without_address, unusable_channels
from patrol.app.reply_session import service_lock_path
from patrol.encryption.site_key import KeyProblem
from patrol.files import ProcessBusy, process_lock
from patrol.settings import Settings, Site
from patrol.settings.config_file import ConfigProblem
from patrol.settings.site_keys import read_site_key

Found = Iterator[tuple[str, str]]  # the setting's name, what is wrong with it and the fix


def check_start(site: Site, config: Path) -> Iterator[ConfigProblem]:
    """One problem for everything that keeps the service from starting, at its setting."""
    path, settings = str(config / "site.yaml"), site.settings
    checks: tuple[Callable[[Settings], Found], ...] = (
        _channels, _certificates, _site_key, _picture_directory, _console_port,
    )  # fmt: skip
    for check in checks:
        for field, text in check(settings):
            yield ConfigProblem(path, 1, field, text)


def _channels(settings: Settings) -> Found:
    try:
        for one in (
            *sections_without_address(settings),
            *unusable_channels(load_channels(settings)),
        ):
            yield f"notify.{one.notifier}", one.problem
    except IntegrationsProblem as exc:
        yield "notify", str(exc)


def _certificates(settings: Settings) -> Found:
    over_tls = settings.mqtt.url.startswith("mqtts:")
    authorities = {
        "mqtt.ca_file": settings.mqtt.ca_file if over_tls else None,
        "camera_tls.ca_file": settings.camera_tls.ca_file,
    }
    for field, file in authorities.items():
        if file is not None:
            try:
                ssl.create_default_context(cafile=file)
            except OSError as exc:  # an SSLError is one
                yield field, f"{file}: holds no certificate (PEM): {exc.strerror}"
    console = settings.console
    if console.enabled and console.tls_certificate is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(console.tls_certificate, console.tls_key)
        except OSError as exc:
            yield "console.tls_certificate", f"cannot be read with its key: {exc.strerror}"


def _site_key(settings: Settings) -> Found:
    try:
        read_site_key(settings, os.environ)
    except KeyProblem as exc:
        yield "keys.file", str(exc)


def _picture_directory(settings: Settings) -> Found:
    """The directory, or the nearest one above it in which it would be made."""
    place = settings.evidence
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        yield "evidence", f"{place}: is no directory, move it away or name another"
    elif not os.access(place, os.W_OK | os.X_OK):
        yield "evidence", f"{place}: cannot be written by this user, chown it to the service's"


def _console_port(settings: Settings) -> Found:
    """Whether somebody else has the console's port; that a service of ours runs is no problem."""
    console = settings.console
    if not console.enabled or console.port == 0 or _service_runs(settings):
        return
    family = socket.AF_INET6 if ":" in console.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((console.host, console.port))
        except OSError as exc:
            text = f"{console.host}:{console.port}: {exc.strerror}, give another host or port"
            yield "console", text


def _service_runs(settings: Settings) -> bool:
    lock = service_lock_path(settings)
    if lock.exists():
        with suppress(PermissionError):
            try:
                with process_lock(lock):
                    return False
            except ProcessBusy:
                return True
    return False
