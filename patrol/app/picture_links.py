"""The signer of one-time picture links, and the address at which telephones reach the console."""

import secrets
from ipaddress import ip_address
from typing import Final

from patrol.domain.picture_link import LinkSigner
from patrol.settings import Settings
from patrol.store import Store

KEY_BYTES: Final = 32
LOOPBACK: Final = "127.0.0.1"


def make_link_signer(settings: Settings, store: Store) -> LinkSigner | None:
    """The signer of picture links; None without a console, or when its address is unknown."""
    base = settings.integrations.links.base_url or console_base_url(settings)
    if not (settings.console.enabled and base):
        return None
    with store.begin() as uow:
        key = uow.picture_links.signing_key(secrets.token_bytes(KEY_BYTES))
        uow.commit()
    return LinkSigner(base_url=base, key=key, lasts=settings.integrations.links.lasts)


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
