"""Ask a ticket service: token, devices, and a stream URL minted right before it is opened.

One `TicketService` a vendor, for all event loops. A token is fetched by one caller for all who wait
(single flight) and anew when the service refuses it, once a call. URLs are kept nowhere. The
service's clock is taken from its `Date` headers, as signatures and expiries are made by it.
"""

import asyncio
import dataclasses
import random
import secrets as random_secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from streams.call_limit import CallLimit, SingleFlight
from streams.control_http import Ask, ControlAnswer
from streams.errors import StreamError, Unreachable, WentSilent
from streams.target_policy import TargetPolicy
from streams.ticket.exchange import (
    CallValues,
    MintedUrl,
    TicketDevice,
    Token,
    TokenRefused,
    read_answer,
    read_devices,
    read_minted,
    read_token,
    write_call,
)
from streams.ticket.profile import ServiceCall, VendorProfile

MAX_PAGES: Final = 1000
CALL_TIMEOUT_S: Final = 8.0  # of one call, where the visit leaves more
CLOCK_IN_STEP_S: Final = 2.0  # `Date` counts whole seconds, and an answer takes its time
CLOCK_MATTERS_S: Final = 30.0  # less is no reason to refuse a signature
RETRY_PAUSE_S: Final = (0.3, 1.2)  # of a page that did not come, drawn evenly


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TicketAccount:
    """One vendor of a site: the profile, its address and the site's keys."""

    name: str
    profile: VendorProfile
    base: str
    secrets: Mapping[str, str] = dataclasses.field(repr=False)
    targets: TargetPolicy


class TicketService:
    """Asks one vendor's service; `now` is our UTC clock."""

    def __init__(
        self,
        account: TicketAccount,
        ask: Ask,
        now: Callable[[], datetime],
        rng: random.Random | None = None,
    ) -> None:
        self.account = account
        self._ask = ask
        self._now = now
        self._rng = rng or random.Random()  # noqa: S311  of pauses, not of keys  # nosec B311
        self._limit = CallLimit(account.profile.parallel, account.profile.calls_per_s)
        self._flight: SingleFlight[Token] = SingleFlight()
        self._token: Token | None = None
        self._offset = timedelta()  # the service's clock minus ours

    @property
    def service_now(self) -> datetime:
        """The time by the service's clock, as far as it is known."""
        return self._now() + self._offset

    async def token(self, timeout_s: float) -> str:
        """The token in use, fetched where there is none or it ends soon. Raises StreamError."""
        if self.account.profile.token is None:
            return ""
        token = self._token
        if token is None or token.until <= self.service_now:
            token = await self._flight.run(lambda: self._fetch_token(timeout_s))
        return token.value

    async def mint(self, device: str, channel: str, timeout_s: float) -> MintedUrl:
        """A URL for a device; open it now, and once. Raises StreamError."""
        profile = self.account.profile
        values = {"id": device, "channel": channel or profile.default_channel}
        data = await self._call(profile.url.call, values, timeout_s)
        minted = read_minted(profile, data, self.service_now)
        self.account.targets.check_address(minted.address)
        return minted

    async def devices(self, timeout_s: float) -> list[TicketDevice]:
        """Every device of the account. Raises StreamError.

        Paging ends with a page that is short or repeats the first device of an earlier one.
        """
        rule = self.account.profile.list
        if rule is None:
            return []
        found: dict[str, TicketDevice] = {}
        first_ids: set[str] = set()
        for number in range(MAX_PAGES):
            page = str(rule.first_page + number * rule.page_step)
            values = {"page": page, "size": str(rule.page_size)}
            data = await self._call_repeatable(rule.call, values, timeout_s)
            items = read_devices(self.account.profile, data)
            if items and items[0].id in first_ids:
                break
            first_ids |= {item.id for item in items[:1]}
            found |= {item.id: item for item in items}
            if len(items) < rule.page_size:
                break
        return list(found.values())

    # -- calls ---------------------------------------------------------------------------------

    async def _call_repeatable(
        self, call: ServiceCall, values: Mapping[str, str], timeout_s: float
    ) -> Any:
        """A call that may be made twice, after a pause; minting and tokens are none."""
        try:
            return await self._call(call, values, timeout_s)
        except (Unreachable, WentSilent) as exc:
            if exc.reason:
                raise
            await asyncio.sleep(self._rng.uniform(*RETRY_PAUSE_S))
            return await self._call(call, values, timeout_s)

    async def _call(self, call: ServiceCall, values: Mapping[str, str], timeout_s: float) -> Any:
        token = await self.token(timeout_s)
        try:
            return (await self._exchange(call, {**values, "token": token}, timeout_s))[0]
        except TokenRefused as exc:
            if not token:
                raise exc.error from None
        self._forget(token)
        token = await self.token(timeout_s)
        try:
            return (await self._exchange(call, {**values, "token": token}, timeout_s))[0]
        except TokenRefused as exc:
            raise exc.error from None

    def _forget(self, refused: str) -> None:
        """Drop a token that was refused, unless a new one was fetched meanwhile."""
        token = self._token
        if token is not None and token.value == refused:
            self._token = dataclasses.replace(token, until=self.service_now, value="")

    async def _fetch_token(self, timeout_s: float) -> Token:
        """Refresh the token where the service has refresh tokens, else fetch a new one."""
        rule, old = self.account.profile.token, self._token
        if rule is None:
            raise Unreachable("the profile has no token")
        if old is not None and old.value and old.until > self.service_now:
            return old  # fetched while this caller came
        if rule.refresh_call is not None and old is not None and old.refresh:
            self._token = None  # a refresh token is tried once
            try:
                return await self._take_token(
                    rule.refresh_call, {"refresh_token": old.refresh}, timeout_s
                )
            except (TokenRefused, StreamError) as exc:
                if isinstance(exc, Unreachable | WentSilent):
                    self._token = old
                    raise
        try:
            return await self._take_token(rule.call, {}, timeout_s)
        except TokenRefused as exc:
            raise exc.error from None

    async def _take_token(
        self, call: ServiceCall, values: Mapping[str, str], timeout_s: float
    ) -> Token:
        data, answer = await self._exchange(call, values, timeout_s)
        token = read_token(self.account.profile, data, answer, self.service_now)
        self._token = token
        return token

    async def _exchange(
        self, call: ServiceCall, values: Mapping[str, str], timeout_s: float
    ) -> tuple[Any, ControlAnswer]:
        for is_last in (False, True):
            before = self._offset
            answer = await self._ask_signed(call, values, timeout_s)
            self._learn_clock(answer)
            try:
                return read_answer(self.account.profile, answer, self.account.secrets), answer
            except (TokenRefused, StreamError):
                # A refusal of a signature made by another clock than the service's.
                moved_s = abs((self._offset - before).total_seconds())
                if is_last or not self.account.profile.sign or moved_s < CLOCK_MATTERS_S:
                    raise
        raise AssertionError  # the loop returns or raises

    async def _ask_signed(
        self, call: ServiceCall, values: Mapping[str, str], timeout_s: float
    ) -> ControlAnswer:
        account = self.account
        async with self._limit.slot():
            asked_at = self._now()
            now_ms = int((asked_at + self._offset).timestamp() * 1000)
            request = write_call(
                account.profile,
                call,
                CallValues(
                    base=account.base,
                    secrets=account.secrets,
                    values=values,
                    now_ms=now_ms,
                    nonce=random_secrets.token_hex(16),
                ),
            )
            return await self._ask(request, min(timeout_s, CALL_TIMEOUT_S))

    def _learn_clock(self, answer: ControlAnswer) -> None:
        date = answer.date
        if date is None:
            return
        offset = date - self._now()
        in_step = abs(offset.total_seconds()) <= CLOCK_IN_STEP_S
        self._offset = timedelta() if in_step else offset
