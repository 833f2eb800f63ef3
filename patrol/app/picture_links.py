"""How the picture of a case is reached from outside: the site's key, and where it is served."""

import secrets
from ipaddress import ip_address

from patrol.domain.picture_link import LinkMaker
from patrol.settings import Settings
from patrol.store import Store

KEY_BYTES = 32
LOOPBACK = "127.0.0.1"


def link_maker(settings: Settings, store: Store) -> LinkMaker | None:
    """None where nothing serves pictures, or nobody knows where."""
    base = settings.outward.links.base_url or served_at(settings)
    if not (settings.console.enabled and base):
        return None
    with store.begin() as uow:
        key = uow.picture_links.key(secrets.token_bytes(KEY_BYTES))
        uow.commit()
    return LinkMaker(base_url=base, key=key, lasts=settings.outward.links.lasts)


def served_at(settings: Settings) -> str:
    """The console's own address; empty while its port is any free one."""
    console = settings.console
    if not console.port:
        return ""
    scheme = "https" if console.tls_certificate or console.behind_tls else "http"
    host = LOOPBACK if _is_everywhere(console.host) else console.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{console.port}"


def _is_everywhere(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
