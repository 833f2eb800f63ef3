"""Address schemes of platforms and gateways: cameras that are asked for, not dialled.

`gb28181://PEER/CHANNEL` and its like name a peer, vendor or gateway of the site's sources.yaml and
the camera as that one knows it; who opens such an address is registered by scheme at
`streams.capture.StreamCameraClient`. Here is only how these addresses are written. Pure.
"""

import re
from dataclasses import dataclass
from typing import Final

from streams.errors import BadAddress

SEGMENT: Final = r"[^/?#\s]{1,200}"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
NAME_RULE: Final = "1 to 64 characters: a–z, 0–9, and . _ - behind the first"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceScheme:
    """How the addresses of one scheme are written."""

    form: str  # as errors show it
    path: re.Pattern[str]
    path_rule: str  # what is wrong where the path does not match
    query: re.Pattern[str] | None = None  # None: there is no query
    default_port: int = 0  # 0: the host is a name of sources.yaml, and there is no port
    may_login: bool = False  # user and password in the address

    @property
    def names_host(self) -> bool:
        """Whether the host is a name of sources.yaml instead of a host."""
        return not self.default_port


SOURCE_SCHEMES: Final = {
    "gb28181": SourceScheme(
        form="gb28181://PEER/CHANNEL",
        path=re.compile(r"/[0-9]{20}", re.ASCII),
        path_rule="the channel is its 20-digit code",
        query=re.compile(r"stream=(main|sub|[0-9])", re.ASCII),
    ),
    "onvif": SourceScheme(
        form="onvif://[USER[:PASSWORD]@]HOST[:PORT]/PROFILE",
        path=re.compile(rf"/(?:{SEGMENT})?"),
        path_rule="behind the host stands one profile's token, or nothing for the first",
        default_port=80,
        may_login=True,
    ),
    "ticket": SourceScheme(
        form="ticket://VENDOR/DEVICE[?channel=N]",
        path=re.compile(rf"/{SEGMENT}"),
        path_rule="behind the vendor stands one device's code",
        query=re.compile(r"channel=[A-Za-z0-9_-]{1,64}", re.ASCII),
    ),
    "wvp": SourceScheme(
        form="wvp://GATEWAY/DEVICE/CHANNEL",
        path=re.compile(rf"/{SEGMENT}/{SEGMENT}"),
        path_rule="behind the gateway stand a device's and a channel's code",
    ),
    "zlm": SourceScheme(
        form="zlm://GATEWAY/APP/STREAM",
        path=re.compile(rf"/{SEGMENT}/{SEGMENT}"),
        path_rule="behind the gateway stand an application and a stream",
        query=re.compile(r"[^#\s]{1,200}"),
    ),
}


def check_source_address(
    scheme: str, *, host: str, port: int | None, path: str, query: str, login: bool
) -> None:
    """Refuse what such an address cannot mean. Raises BadAddress, which quotes no secret."""
    rules = SOURCE_SCHEMES[scheme]
    if login and not rules.may_login:
        raise BadAddress(f"user and password stand in sources.yaml, write {rules.form}")
    if rules.names_host and port is not None:
        raise BadAddress(f"the port stands in sources.yaml, write {rules.form}")
    if rules.names_host and NAME.fullmatch(host) is None:
        raise BadAddress(f"{host[:70]!r} is no name of sources.yaml ({NAME_RULE}): {rules.form}")
    if rules.path.fullmatch(path) is None:
        raise BadAddress(f"{rules.path_rule}, write {rules.form}")
    if query and (rules.query is None or rules.query.fullmatch(query) is None):
        raise BadAddress(f"what stands behind ? is not understood, write {rules.form}")
