"""Whether `patrol probe URL` may visit: an address of a registered camera has its household's say.

An address that the registry does not name is visited: it is being installed. One that it names is
visited as the patrol itself would, and the visit goes into the access log. Where the patrol would
not (no consent yet, consent over, outside its hours, placement unknown) a maintainer with the
household at hand may, with `--reason`, under his name. A household that withdrew or pauses, and a
camera indoors, are never visited.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import typer

from patrol.cli.options import operator
from patrol.cli.site import site_if_any, store_of, trusted_now
from patrol.clock import SystemClock
from patrol.domain.camera import Camera, Refusal
from patrol.domain.consent import ConsentTerms, visit_refusal
from patrol.domain.errors import Failed
from patrol.domain.labels import refusal_label
from patrol.domain.reader_language import translate
from patrol.settings import Site
from patrol.settings.site_integrations import is_loopback
from patrol.store import StoreMissing
from streams.address import StreamAddress
from streams.tls import CAMERA_TLS

PROBE: Final = "probe"
NEVER: Final = (Refusal.CONSENT_WITHDRAWN, Refusal.CONSENT_PAUSED, Refusal.INDOOR)


class ProbeRefused(Failed):
    """The camera's household has not agreed to this visit."""


@dataclass(frozen=True, slots=True)
class ProbeGate:
    """Answers for one address, against the registry and the withdrawals in the store."""

    context: typer.Context

    def check(self, address: StreamAddress, *, reason: str, by: str) -> None:
        """Refuse, or log the visit of a registered camera; certificates are checked as the site's.

        Raises ProbeRefused, ConfigProblems, StoreUnavailable.
        """
        site = site_if_any(self.context)
        if site is not None:
            tls = site.settings.camera_tls
            CAMERA_TLS.configure(verify=tls.verify, ca_file=tls.ca_file)
        cameras = cameras_at(address, site.registry.cameras.values()) if site else []
        if site is None or not cameras:
            return
        terms, now = self._terms(site)
        local = now.astimezone(site.settings.site.tz)
        refusals = [(camera, visit_refusal(camera, local, terms)) for camera in cameras]
        # Of a path that is not registered nobody knows whose it is: one that agreed is enough.
        if _is_named(address, cameras) or all(refusal for _, refusal in refusals):
            for camera, refusal in refusals:
                if refusal is not None:
                    _refuse_unless_argued(camera, refusal, reason)
        self._log(site, cameras, reason, operator(by))

    def _terms(self, site: Site) -> tuple[ConsentTerms, datetime]:
        """The households' terms, and the time that they are asked at."""
        try:
            with store_of(site) as store, store.begin_read() as uow:
                now = trusted_now(uow)
                return uow.consents.terms(now), now
        except StoreMissing:
            # Nobody can have withdrawn in a store that was never made.
            return ConsentTerms(), SystemClock().now()

    def _log(self, site: Site, cameras: list[Camera], reason: str, who: str) -> None:
        try:
            with store_of(site) as store, store.begin() as uow:
                now = trusted_now(uow)
                for camera in cameras:
                    uow.access.append(
                        at=now, who=who, what=PROBE, camera=camera.id, why=reason or "patrol probe"
                    )
                uow.commit()
        except StoreMissing:
            return


def cameras_at(address: StreamAddress, cameras: Iterable[Camera]) -> list[Camera]:
    """The cameras whose address this is; of a host's other paths, every camera of that host.

    A recorder has many cameras at one host, each under its path. A path that the registry does not
    name may lead to any of them.
    """
    at_host = [
        camera for camera in cameras if any(_same_host(address, a) for a in camera.addresses)
    ]
    return [camera for camera in at_host if _is_named(address, [camera])] or at_host


def _is_named(address: StreamAddress, cameras: list[Camera]) -> bool:
    """Whether the very address is one of a camera's of these."""
    return any(
        _same_host(address, a) and _same_path(address, a) for c in cameras for a in c.addresses
    )


def _refuse_unless_argued(camera: Camera, refusal: Refusal, reason: str) -> None:
    why = refusal_label(refusal)
    if refusal in NEVER:
        raise ProbeRefused(
            translate(
                f"…{camera.id[-6:]} {camera.name}：{why}；不可试看",
                f"…{camera.id[-6:]} {camera.name}: {why}; it is not visited",
            )
        )
    if not reason.strip():
        raise ProbeRefused(
            translate(
                f"…{camera.id[-6:]} {camera.name}：{why}；农户在场并同意时加 "
                "--reason 原因（记入登记）",
                f"…{camera.id[-6:]} {camera.name}: {why}; with the household "
                "at hand give --reason TEXT, which is logged",
            )
        )


def _same_host(one: StreamAddress, other: StreamAddress) -> bool:
    if one.scheme == "file" or other.scheme == "file":
        return one.scheme == other.scheme and one.path == other.path
    same = one.host.rstrip(".") == other.host.rstrip(".")
    # On this machine (a simulation, a tunnel) each port leads to another server.
    return same and (one.port == other.port or not is_loopback(one.host))


def _same_path(one: StreamAddress, other: StreamAddress) -> bool:
    return (one.port, one.path.rstrip("/")) == (other.port, other.path.rstrip("/")) and (
        one.query == other.query or not other.query
    )
