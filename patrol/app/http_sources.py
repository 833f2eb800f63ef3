"""Openers of sources that are asked over HTTP: ONVIF devices, ticket services, media gateways.

Each is made once, from sources.yaml, and opens nothing before the first visit.
"""

from dataclasses import dataclass
from typing import Protocol

from patrol.domain.errors import Failed
from patrol.ports import CameraClient, Clock
from patrol.settings.config_file import ProblemLog
from patrol.settings.sources_http import (
    VendorSettings,
    target_policy,
    wvp_gateways,
    zlm_gateways,
)
from patrol.settings.sources_yaml import SourcesSettings, read_vendor_profile
from streams.capture import SourceOpener, StreamCameraClient
from streams.control_http import Ask, ControlAnswer, ControlHttp, ControlRequest
from streams.gateways.wvp import WvpOpener
from streams.gateways.zlm import ZlmOpener
from streams.onvif.capture import OnvifOpener
from streams.ticket.capture import TicketOpener
from streams.ticket.client import TicketAccount, TicketService


class HttpSourceContext(Protocol):
    """What the openers here are made of; patrol.app.sources.SourceContext has it."""

    @property
    def settings(self) -> SourcesSettings:
        """sources.yaml."""

    @property
    def clock(self) -> Clock:
        """Our clock."""

    @property
    def direct(self) -> CameraClient:
        """Visits the URL that a source hands out."""


@dataclass(frozen=True, slots=True)
class _PlainContext:
    """The context of a command that has no application."""

    settings: SourcesSettings
    clock: Clock
    direct: CameraClient


def http_sources_client(settings: SourcesSettings, clock: Clock) -> StreamCameraClient:
    """A camera client for the sources of this module, without an application. Raises Failed."""
    context = _PlainContext(settings, clock, StreamCameraClient(clock.now))
    openers: dict[str, SourceOpener] = {
        "onvif": make_onvif_opener(context),
        "ticket": make_ticket_opener(context),
        "wvp": make_wvp_opener(context),
        "zlm": make_zlm_opener(context),
    }
    return StreamCameraClient(clock.now, openers)


def make_onvif_opener(context: HttpSourceContext) -> OnvifOpener:
    """The opener of `onvif://`; a device's certificate is checked as a camera's."""
    return OnvifOpener(ControlHttp(as_camera=True).ask, context.direct, context.clock.now)


def make_ticket_opener(context: HttpSourceContext) -> TicketOpener:
    """The opener of `ticket://`. Raises Failed where a key's file cannot be read."""
    services = ticket_services(context.settings, context.clock)
    return TicketOpener(services, context.direct)


def ticket_services(settings: SourcesSettings, clock: Clock) -> dict[str, TicketService]:
    """The ticket services of a site by name. Raises Failed."""
    ask = ControlHttp().ask
    return {
        name: TicketService(_account(name, vendor), ask, clock.now)
        for name, vendor in settings.vendors.items()
    }


def _account(name: str, vendor: VendorSettings) -> TicketAccount:
    path = vendor.profile_file or vendor.profile
    profile = read_vendor_profile(vendor, ProblemLog())
    if profile is None:  # changed since the site was loaded
        raise Failed(f"vendors.{name}: the profile {path} cannot be used any more")
    try:
        secrets = vendor.read_secrets()
    except (OSError, UnicodeDecodeError) as exc:
        raise Failed(f"vendors.{name}.secret_files: cannot be read ({type(exc).__name__})") from exc
    return TicketAccount(
        name=name,
        profile=profile,
        base=vendor.url or profile.base,
        secrets=secrets,
        targets=target_policy(vendor.allow, f"vendors.{name}"),
    )


def make_zlm_opener(context: HttpSourceContext) -> ZlmOpener:
    """The opener of `zlm://`."""
    gateways = zlm_gateways(context.settings.gateways)
    return ZlmOpener(gateways, _gateway_ask(context.settings), context.direct)


def make_wvp_opener(context: HttpSourceContext) -> WvpOpener:
    """The opener of `wvp://`. Raises Failed where a password's file cannot be read."""
    try:
        gateways = wvp_gateways(context.settings.gateways)
    except (OSError, UnicodeDecodeError) as exc:
        raise Failed(f"gateways: a password_file cannot be read ({type(exc).__name__})") from exc
    return WvpOpener(gateways, _gateway_ask(context.settings), context.direct)


def _gateway_ask(settings: SourcesSettings) -> Ask:
    """The calls of gateways; certificates are not checked of those that sources.yaml names."""
    checked, unchecked = ControlHttp(), ControlHttp(verify_tls=False)
    own = tuple(f"{g.url}/" for g in settings.gateways.values() if not g.verify_tls)

    async def ask(request: ControlRequest, timeout_s: float) -> ControlAnswer:
        http = unchecked if request.url.startswith(own) else checked
        return await http.ask(request, timeout_s)

    return ask
