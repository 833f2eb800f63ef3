"""Our registration with a simulated platform above: its challenge, its redirections, its losses."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from simulators.gb28181.platform_above import AboveFaults, PlatformAbove
from streams.errors import Unreachable
from streams.gb28181 import registration_client, upward, visit
from streams.gb28181.events import CatalogReceived, PeerGone, PeerRegistered, PlatformEvent
from streams.gb28181.peers import Peer
from streams.gb28181.visit import Gb28181Visits
from streams.model import VisitOptions
from tests.streams.gb28181.loopback import (
    CAMERAS,
    DEVICE,
    OURS,
    PASSWORD,
    QUICK,
    cameras,
    closed,
    listening,
    nvr,
)

OTHER = "34020100002000000077"  # the code of the server that a 302 leads to
ALWAYS = 1000.0


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "LINGER_S", 0.1)
    monkeypatch.setattr(upward, "REGISTER_S", 0.4)
    monkeypatch.setattr(upward, "KEEP_ALIVE_S", 0.2)


class Province:
    """Our platform below one that demands registration; `other` is where a 302 leads."""

    def __init__(
        self, visits: Gb28181Visits, home: PlatformAbove, other: PlatformAbove, events: list[Any]
    ) -> None:
        self.visits, self.home, self.other, self.events = visits, home, other, events
        self.platform = visits.endpoint.platform
        self.peer: Peer = self.platform.peers["nvr"]

    async def until(self, is_so: Callable[[], object], within_s: float = 6.0) -> None:
        async with asyncio.timeout(within_s):
            while not is_so():
                await self.visits.endpoint.changed(0.05)

    async def registered(self) -> None:
        await self.until(lambda: self.peer.is_reachable(self.visits.endpoint.now_s))

    def problem(self) -> str:
        assert self.peer.client is not None
        return self.peer.client.problem

    async def is_used_at(self, above: PlatformAbove) -> None:
        """Signs of life, the catalogue and a picture come from there."""
        await self.registered()
        before = above.above.keepalives
        await self.until(lambda: above.above.keepalives > before)
        self.platform.query_catalog("nvr", self.visits.endpoint.now_s)
        self.visits.endpoint.pump()
        await self.until(lambda: any(isinstance(event, CatalogReceived) for event in self.events))
        catalog = next(e for e in self.events if isinstance(e, CatalogReceived)).catalog
        assert (set(catalog.items), catalog.complete) == (set(CAMERAS), True)
        sample = await self.visits.capture("nvr", CAMERAS[0], QUICK)
        assert len(sample.key_frames) == 2
        await self.until(lambda: not above.sessions.open)
        assert above.counts.byes == 1


Work = Callable[[Province], Awaitable[None]]


def below(
    work: Work,
    faults: AboveFaults | None = None,
    *,
    redirects: bool = False,
    other_faults: AboveFaults | None = None,
    **changed: Any,
) -> None:
    asyncio.run(_below(work, faults or AboveFaults(), other_faults, redirects=redirects, **changed))


async def _below(
    work: Work,
    faults: AboveFaults,
    other_faults: AboveFaults | None,
    *,
    redirects: bool,
    **changed: Any,
) -> None:
    accounts = {OURS: PASSWORD}
    other = PlatformAbove(
        code=OTHER, accounts=accounts, client_code=OURS, channels=cameras(),
        above_faults=other_faults,
    )  # fmt: skip
    await other.start()
    if redirects:
        faults = replace(faults, redirects_to=(*other.address, OTHER))
    home = PlatformAbove(
        code=DEVICE, accounts=accounts, client_code=OURS, channels=cameras(), above_faults=faults
    )
    await home.start()
    config = nvr(
        registers_here=False, register_there=True, address=home.address,
        **{"user": "", "keepalive_s": 0.1, **changed},
    )  # fmt: skip
    events: list[PlatformEvent] = []
    visits = await listening(config, events)
    try:
        await work(Province(visits, home, other, events))
        await closed(visits)
    finally:
        await visits.endpoint.close()
        await home.close()
        await other.close()


ACCEPTED: dict[str, tuple[AboveFaults, dict[str, Any]]] = {
    "UDP": (AboveFaults(), {}),
    "TCP": (AboveFaults(), {"sip_transport": "tcp"}),
    "RFC 2069": (AboveFaults(without_qop=True, without_algorithm=True), {}),
    "2022": (AboveFaults(granted_s=3600), {"version_2022": True}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_we_register_above_and_use_what_it_gives(name: str) -> None:
    faults, changed = ACCEPTED[name]

    async def work(province: Province) -> None:
        await province.is_used_at(province.home)
        assert (province.home.above.accepted, province.home.above.wrong) == (1, 0)
        (registered,) = (e for e in province.events if isinstance(e, PeerRegistered))
        assert (registered.flow.port, registered.expires_s, registered.changed) == (
            province.home.address[1], 3600, True,
        )  # fmt: skip

    below(work, faults, **changed)


@pytest.mark.parametrize("sip", ["udp", "tcp"])
def test_a_302_is_followed_and_everything_goes_to_where_it_led(sip: str) -> None:
    async def work(province: Province) -> None:
        await province.is_used_at(province.other)
        assert (province.home.above.redirected, province.home.above.accepted) == (1, 0)
        assert province.home.counts.catalogs == 0
        assert province.other.registered_as.startswith(f"REGISTER sip:{OTHER}@{OTHER[:10]} ")

    below(work, redirects=True, sip_transport=sip)


@pytest.mark.parametrize("sip", ["udp", "tcp"])
@pytest.mark.parametrize("redirects", [False, True])
def test_we_log_out_where_we_registered(sip: str, *, redirects: bool) -> None:
    async def work(province: Province) -> None:
        await province.registered()
        await province.visits.endpoint.leave(6.0)
        above = province.other if redirects else province.home
        assert (above.above.accepted, above.above.logged_out) == (1, 1)
        assert province.events[-1] == PeerGone("nvr", "we logged out")

    below(work, redirects=redirects, sip_transport=sip)


def test_a_platform_above_that_is_gone_does_not_hold_us_up() -> None:
    async def work(province: Province) -> None:
        await province.registered()
        province.home.above_faults.silent = True
        await province.visits.endpoint.leave(0.1)
        assert province.home.above.logged_out == 0
        assert province.platform.is_leaving

    below(work)


BAD_TARGETS = {
    "silent": (AboveFaults(silent=True), "no answer"),
    "refuses": (AboveFaults(refuses="403 Forbidden"), "403 Forbidden"),
}


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_a_302_to_one_who_does_not_take_us_leads_back_once(name: str) -> None:
    """Home is asked again at once; when it sends us there again, only after a minute."""
    other_faults, said = BAD_TARGETS[name]

    async def work(province: Province) -> None:
        await province.until(lambda: said in province.problem())
        await province.until(lambda: "again, which did not take us" in province.problem())
        with pytest.raises(Unreachable, match="did not take us"):
            await province.visits.capture("nvr", CAMERAS[0], VisitOptions(connect_timeout_s=0.5))
        assert province.home.above.redirected == 2
        assert province.other.above.accepted == 0

    below(work, redirects=True, other_faults=other_faults)


def test_a_302_that_is_taken_back_leaves_us_at_home() -> None:
    async def work(province: Province) -> None:
        await province.until(lambda: province.home.above.redirected)
        province.home.above_faults.redirects_to = None
        await province.is_used_at(province.home)

    below(work, redirects=True, other_faults=AboveFaults(silent=True))


def test_who_was_redirected_and_loses_that_server_goes_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registration_client, "MAX_MISSED", 1)

    async def work(province: Province) -> None:
        await province.registered()
        assert province.other.above.accepted == 1
        province.home.above_faults.redirects_to = None
        province.other.above_faults.silent = True
        await province.until(lambda: province.home.above.accepted)
        assert any(isinstance(event, PeerGone) for event in province.events)
        await province.is_used_at(province.home)

    below(work, redirects=True)


def test_a_302_may_not_lead_out_of_allow_from() -> None:
    async def work(province: Province) -> None:
        await province.until(lambda: "which is not in allow_from" in province.problem())
        assert province.other.above.challenges == 0

    below(work, redirects=True, networks=(ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize(
    "faults", [AboveFaults(ignores_keepalives=True), AboveFaults(forgets=True)]
)
def test_who_is_not_answered_registers_anew(faults: AboveFaults) -> None:
    async def work(province: Province) -> None:
        await province.until(lambda: province.home.above.accepted >= 2)
        faults.ignores_keepalives = faults.forgets = False
        await province.is_used_at(province.home)

    below(work, faults)


def test_a_cut_connection_is_opened_and_registered_anew() -> None:
    async def work(province: Province) -> None:
        await province.registered()
        province.home.cut_connections()
        await province.until(lambda: province.home.above.accepted >= 2)
        await province.is_used_at(province.home)

    below(work, sip_transport="tcp")


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_a_refusal_is_told_and_not_repeated_within_a_minute(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(province: Province) -> None:
        await province.until(lambda: "403 Forbidden" in province.problem())
        seen = province.home.above.challenges
        for _ in range(10):
            await province.visits.endpoint.changed(0.1)
        assert province.home.above.challenges == seen
        assert province.home.above.wrong == (password != PASSWORD)
        assert not province.peer.is_reachable(province.visits.endpoint.now_s)
        with monkeypatch.context() as patch:  # it is not waited for in vain
            patch.setattr(province.visits.endpoint, "changed", None)
            with pytest.raises(Unreachable, match="403 Forbidden"):
                await province.visits.capture("nvr", CAMERAS[0], QUICK)

    below(work, AboveFaults(refuses="403 Forbidden"), password=password)
