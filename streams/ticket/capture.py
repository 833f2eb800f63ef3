"""Visit a camera through a ticket service: mint a URL, open it at once, and only once.

`TicketOpener` opens addresses `ticket://VENDOR/DEVICE[?channel=N]`. A URL that the media server
refuses has expired or was used by somebody; one more is minted then, never the same one tried
again. What the visit raises names no URL.
"""

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from streams.address import StreamAddress
from streams.errors import LOGIN_REFUSED, BadAddress, RefusedUs, StreamError, WentSilent
from streams.model import Capture, Sample, VisitOptions
from streams.ticket.client import TicketService
from streams.ticket.exchange import EXPIRED_TICKET, MintedUrl

MINTS: Final = 2  # of one visit: the first, and one more where it had expired
MIN_LEFT_S: Final = 1.0  # less of the visit is left: nothing more is begun


class TicketOpener:
    """Opens addresses of the scheme `ticket`; `capture` visits the URL that was minted."""

    def __init__(self, services: Mapping[str, TicketService], capture: Capture) -> None:
        self._services = services
        self._capture = capture

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit. Raises StreamError, and only StreamError."""
        service = self._services.get(address.host)
        if service is None:
            raise BadAddress(f"sources.yaml has no vendor {address.host!r}")
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + options.visit_timeout_s
        channel = parse_qs(address.query).get("channel", [""])[0]
        for number in range(1, MINTS + 1):
            minted = await self._minted(service, address, channel, options, deadline_s)
            try:
                return await self._open(service, minted, options, deadline_s)
            except RefusedUs as exc:
                left_s = deadline_s - loop.time()
                if number == MINTS or left_s < MIN_LEFT_S:
                    seen = f"the URL was refused, and a new one as well: {_status(exc)}"
                    raise RefusedUs(seen, reason=EXPIRED_TICKET) from None
                options.reach("expired", _status(exc))
        raise AssertionError  # the loop returns or raises

    async def _minted(
        self,
        service: TicketService,
        address: StreamAddress,
        channel: str,
        options: VisitOptions,
        deadline_s: float,
    ) -> MintedUrl:
        left_s = deadline_s - asyncio.get_running_loop().time()
        if service.account.profile.token is not None:
            await service.token(left_s)
            options.reach("logged_in", service.account.name)
        left_s = deadline_s - asyncio.get_running_loop().time()
        minted = await service.mint(address.source_path[0], channel, max(left_s, MIN_LEFT_S))
        life_s = (minted.expires_at - service.service_now).total_seconds()
        target = minted.address
        options.reach("minted", f"{target.scheme}://{target.authority}/…, {life_s:.0f} s")
        return minted

    async def _open(
        self, service: TicketService, minted: MintedUrl, options: VisitOptions, deadline_s: float
    ) -> Sample:
        left_s = deadline_s - asyncio.get_running_loop().time()
        if left_s < MIN_LEFT_S:
            raise WentSilent("minting the URL took the whole visit")
        once = dataclasses.replace(
            options,
            visit_timeout_s=left_s,
            targets=service.account.targets,
            single_use=True,
        )
        try:
            return await self._capture(minted.address, once)
        except StreamError as exc:
            exc.seen = without_ticket(exc.seen, minted.address)
            exc.args = (exc.seen,)
            raise


def _status(exc: RefusedUs) -> str:
    """What the media server answered, without advice about a login that a ticket has not."""
    return exc.seen.partition(": ")[0] if exc.reason == LOGIN_REFUSED else exc.seen


def without_ticket(text: str, address: StreamAddress) -> str:
    """The text without the path and the query of a minted URL, where a server quotes them."""
    for secret in (address.query, address.path):
        if len(secret) > 1:
            text = text.replace(secret, "…")
    return text
