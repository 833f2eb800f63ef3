"""Where browsers and phones reach the console, as far as site.yaml says."""

from ipaddress import ip_address
from typing import Final

from patrol.settings.site_settings import Settings

LOOPBACK: Final = "127.0.0.1"


def phone_base_url(settings: Settings) -> str:
    """The address that links are made with; empty without a console, or when nobody knows."""
    if not settings.console.enabled:
        return ""
    return settings.integrations.links.base_url or console_base_url(settings)


def console_base_url(settings: Settings) -> str:
    """The console's own address; empty when its port is chosen at start."""
    console = settings.console
    if not console.port:
        return ""
    scheme = "https" if console.is_https else "http"
    host = LOOPBACK if _is_unspecified(console.host) else console.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{console.port}"


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
