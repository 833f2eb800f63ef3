"""Whole visits to simulated devices on loopback, with one fault of the field each."""

import asyncio
from typing import Any

import pytest

from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.program_stream import MuxOptions
from streams.errors import RefusedUs, StreamBusy, StreamError, Unreachable, WentSilent
from streams.gb28181 import visit
from streams.gb28181.events import PeerRegistered
from streams.model import Codec, Freshness, VisitOptions, VisitStage
from tests.streams.gb28181.loopback import (
    CAMERAS,
    PASSWORD,
    Town,
    against_device,
    run,
    settled,
)


@pytest.fixture(autouse=True)
def _short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "LINGER_S", 0.2)  # a loopback has no late packets


GOOD: dict[str, tuple[DeviceFaults, dict[str, Any]]] = {
    "TCP passive": (DeviceFaults(), {}),
    "TCP active": (DeviceFaults(), {"media": "tcp-active"}),
    "UDP": (DeviceFaults(), {"media": "udp"}),
    "SIP over TCP": (DeviceFaults(), {"transport": "tcp"}),
    "H.265": (DeviceFaults(), {"codec": "hevc"}),
    "2022": (DeviceFaults(), {"version_2022": True}),
    "digest of RFC 2069": (DeviceFaults(without_qop=True), {}),
    "a new port without REGISTER": (DeviceFaults(moves_port=True), {}),
    "LF only": (DeviceFaults(lf_only=True), {}),
    "folded": (DeviceFaults(folded=True), {}),
    "Content-Length 0": (DeviceFaults(length_zero=True), {}),
    "no To tag": (DeviceFaults(no_to_tag=True), {}),
    "GB bytes in a header": (DeviceFaults(chinese_header=True), {}),
    "no TCP passive": (DeviceFaults(refuses_passive=True), {}),
    "200 repeated": (DeviceFaults(repeats_200=3), {}),
    "a slow answer": (DeviceFaults(answers_after_s=0.4), {}),
    "BYE lost once": (DeviceFaults(loses_byes=1), {}),
    "recvonly": (DeviceFaults(recvonly=True), {}),
    "y= of 20 digits": (DeviceFaults(source_digits=20), {}),
    "y= of 9 digits": (DeviceFaults(source_digits=9), {}),
    "y=null": (DeviceFaults(source_digits=0), {}),
    "another source": (DeviceFaults(other_source=True), {}),
    "TS": (DeviceFaults(container="ts"), {}),
    "raw H.264": (DeviceFaults(container="raw"), {"media": "udp"}),
    "dollar framing": (DeviceFaults(framing="dollar"), {}),
    "a preamble": (DeviceFaults(preamble=b"\x01" * 256), {}),
    "out of order": (DeviceFaults(reorder=4), {"media": "udp"}),
    "strangers' packets": (DeviceFaults(alien_every=5), {"media": "udp"}),
    "a map that lies": (DeviceFaults(mux=MuxOptions(declared="h264")), {"codec": "hevc"}),
    "private streams": (DeviceFaults(mux=MuxOptions(private_streams=True, padding=True)), {}),
    "many PES packets": (DeviceFaults(mux=MuxOptions(pes_payload=900, pts_on="every")), {}),
}


AT_ONCE = 8


@pytest.mark.parametrize("first", range(0, len(GOOD), AT_ONCE))
def test_a_picture_comes_and_the_end_is_polite(first: int) -> None:
    """Each against a platform and a device of its own, several at once."""
    names = list(GOOD)[first : first + AT_ONCE]

    async def main() -> dict[str, BaseException]:
        results = await asyncio.gather(*map(visited, names), return_exceptions=True)
        named = zip(names, results, strict=True)
        return {name: exc for name, exc in named if isinstance(exc, BaseException)}

    failures = asyncio.run(main())
    assert not failures


async def visited(name: str) -> None:
    faults, changed = GOOD[name]

    async def work(town: Town) -> None:
        while faults.moves_port and sum(isinstance(e, PeerRegistered) for e in town.events) < 2:
            await town.visits.endpoint.changed(0.1)
        sample = await town.capture()
        assert sample.freshness is Freshness.LIVE
        assert len(sample.key_frames) == 2
        wanted = Codec.H265 if changed.get("codec") == "hevc" else Codec.H264
        assert {frame.codec for frame in sample.key_frames} == {wanted}
        await settled(town)
        assert town.device.counts.byes >= 1
        assert town.device.counts.acks >= 1

    await against_device(work, faults, **changed)


BAD: dict[str, tuple[DeviceFaults, str, type[StreamError], str]] = {
    "busy": (DeviceFaults(session_cap=1), CAMERAS[0], StreamBusy, "486"),
    "no such channel": (DeviceFaults(), "34020000001320009999", RefusedUs, "404"),
    "no media": (DeviceFaults(no_media=True), CAMERAS[0], WentSilent, "answered, and no media"),
    "port 0": (DeviceFaults(port_zero=True), CAMERAS[0], RefusedUs, "port 0"),
    "hangs up": (
        DeviceFaults(hangs_up_after_s=0.05, mux=MuxOptions(declared="svac")), CAMERAS[0],
        WentSilent, "ended",
    ),
    "no answer": (DeviceFaults(answers_after_s=4.0), CAMERAS[0], Unreachable, "no answer to"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_failure_says_what_was_seen_and_leaves_nothing(name: str) -> None:
    faults, channel, kind, said = BAD[name]

    async def work(town: Town) -> None:
        if name == "busy":
            first = asyncio.create_task(town.capture(CAMERAS[1]))
            while not town.device.sessions.open:
                await town.visits.endpoint.changed(0.1)
        with pytest.raises(kind, match=said) as failed:
            await town.capture(channel)
        assert PASSWORD not in str(failed.value)
        if name == "busy":
            await first
        await settled(town)

    run(work, faults)


def test_a_cancelled_visit_says_bye() -> None:
    async def work(town: Town) -> None:
        capture = asyncio.create_task(
            town.capture(options=VisitOptions(pictures=2, spacing_s=30.0, visit_timeout_s=60.0))
        )
        while not town.device.counts.acks:
            await town.visits.endpoint.changed(0.1)
        capture.cancel()
        with pytest.raises(asyncio.CancelledError):
            await capture
        await settled(town)
        assert town.device.counts.byes == 1

    run(work)


def test_a_peer_is_never_asked_for_more_than_was_agreed() -> None:
    async def work(town: Town) -> None:
        patient = VisitOptions(pictures=1, spacing_s=0.0, visit_timeout_s=15, connect_timeout_s=15)
        await asyncio.gather(*(town.capture(c, patient) for c in CAMERAS * 3))
        await settled(town)
        assert (town.device.counts.most_sessions, town.device.counts.busy) == (2, 0)

    run(work, DeviceFaults(session_cap=2), sessions=2)


def test_stages_are_told_in_their_order() -> None:
    async def work(town: Town) -> None:
        stages: list[VisitStage] = []
        await town.capture(options=VisitOptions(pictures=1, on_stage=stages.append))
        assert [s.name for s in stages] == [
            "registered", "invited", "answered", "media", "key_frame",
        ]  # fmt: skip
        await settled(town)

    run(work)


CATALOGS: dict[str, tuple[DeviceFaults, int, bool]] = {
    "plain": (DeviceFaults(), 5, True),
    "one a message, shuffled, twice": (
        DeviceFaults(items_per_message=1, shuffled=True, repeats_parts=True), 5, True,
    ),
    "a part lost": (DeviceFaults(items_per_message=2, loses_part=True), 4, False),
    "a sum too high": (DeviceFaults(sum_offset=2), 5, False),
    "a sum of zero": (DeviceFaults(sum_zero=True), 0, False),
    "UTF-8 under GB2312": (DeviceFaults(utf8=True), 5, True),
    "a bare ampersand": (DeviceFaults(bare_ampersand=True), 5, True),
    "doubled end tags": (DeviceFaults(doubled_end_tag=True), 5, True),
    "NUL bytes": (DeviceFaults(nul_bytes=True), 5, True),
    "cyclic parents": (DeviceFaults(cyclic=True), 5, True),
}  # fmt: skip


@pytest.mark.parametrize("name", CATALOGS)
def test_a_catalogue_comes_whatever_is_wrong_with_it(name: str) -> None:
    faults, count, complete = CATALOGS[name]

    async def work(town: Town) -> None:
        catalog = (await town.catalog()).catalog
        assert (len(catalog.items), catalog.complete) == (count, complete)
        if count and name != "a bare ampersand":
            assert catalog.items[CAMERAS[0]].name == "村口1号"

    run(work, faults)
