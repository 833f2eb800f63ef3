"""Whole visits to simulated devices on loopback, with one fault of the field each."""

import ast
import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.platform_above import AboveFaults
from simulators.gb28181.program_stream import MuxOptions
from streams.errors import RefusedUs, StreamBusy, StreamError, Unreachable, WentSilent
from streams.gb28181 import peers, sessions, upward, visit
from streams.gb28181.events import (
    AlarmReceived,
    CatalogNoticed,
    PeerGone,
    PeerRegistered,
    PlatformEvent,
    Refused,
)
from streams.model import Codec, Freshness, VisitOptions, VisitStage
from tests.streams.gb28181.loopback import (
    CAMERAS,
    DEVICE,
    PASSWORD,
    QUICK,
    Town,
    against_device,
    device_of,
    listening,
    nvr,
    run,
    settled,
)


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "LINGER_S", 0.2)  # a loopback has no late packets
    monkeypatch.setattr(visit, "ASK_KEY_FRAME_AFTER_S", 0.3)
    monkeypatch.setattr(sessions, "BYE_S", 0.5)


def failures_of(names: list[str], work: Callable[[str], Awaitable[None]]) -> dict[str, Any]:
    """What goes wrong, each against a platform and a device of its own, several at once."""

    async def main() -> list[BaseException | None]:
        return await asyncio.gather(*map(work, names), return_exceptions=True)

    results = zip(names, asyncio.run(main()), strict=True)
    return {name: exc for name, exc in results if exc is not None}


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
    "a map of nonsense": (DeviceFaults(mux=MuxOptions(broken_map=True, audio=True)), {}),
    "no map": (DeviceFaults(mux=MuxOptions(with_map=False, zero_length=True)), {"media": "udp"}),
    "Content-Length too long": (DeviceFaults(length_excess=40), {}),
    "no Expires, no algorithm needed": (DeviceFaults(no_expires=True, needs_algorithm=False), {}),
    "another address of ours": (DeviceFaults(exact=True), {"multi_homed": True, "media": "udp"}),
    "exact": (DeviceFaults(exact=True), {}),
    "a private address in its answer": (
        DeviceFaults(named_host="127.0.0.99"),
        {"media": "tcp-active"},
    ),
    "no address in its answer": (DeviceFaults(named_host="0.0.0.0"), {"media": "tcp-active"}),  # noqa: S104
    "a private source of media": (DeviceFaults(named_host="10.9.8.7"), {"media": "udp"}),
    "key frames only when asked": (DeviceFaults(waits_for_command=True), {}),
    "a lossy way": (DeviceFaults(lose_every=50), {"media": "udp"}),
    "media behind its BYE": (DeviceFaults(media_after_bye=True), {"media": "udp"}),
}


AT_ONCE = 8


@pytest.mark.parametrize("first", range(0, len(GOOD), AT_ONCE))
def test_a_picture_comes_and_the_end_is_polite(first: int) -> None:
    assert not failures_of(list(GOOD)[first : first + AT_ONCE], visited)


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
        assert town.device.counts.dropped == 0
        assert town.device.counts.commands >= faults.waits_for_command
        if faults.media_after_bye:
            await town.visits.close(6.0)
            assert town.platform.refusals.by_reason()["media goes on behind its BYE"]

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
    "200 behind our CANCEL": (
        DeviceFaults(answers_after_s=2.0, ignores_cancel=True), CAMERAS[0], Unreachable,
        "no answer to",
    ),
    "BYE before 200": (
        DeviceFaults(hangs_up_first=True), CAMERAS[0], WentSilent, "ended the session before",
    ),
    "reset in the middle": (
        DeviceFaults(reset_after=2), CAMERAS[0], WentSilent, "connection (broke|was closed)",
    ),
    "sessions freed late": (
        DeviceFaults(session_cap=1, frees_after_s=9.0), CAMERAS[0], StreamBusy, "486",
    ),
    "every other packet lost": (
        DeviceFaults(lose_every=2, mux=MuxOptions(pes_payload=700)), CAMERAS[0], WentSilent,
        "gaps",
    ),
}  # fmt: skip
LOSSY = VisitOptions(pictures=2, spacing_s=0.2, visit_timeout_s=2.0, connect_timeout_s=1.0)


def test_a_failure_says_what_was_seen_and_leaves_nothing() -> None:
    assert not failures_of(list(BAD), failed)


async def failed(name: str) -> None:
    faults, channel, kind, said = BAD[name]

    async def work(town: Town) -> None:
        if name == "busy":
            first = asyncio.create_task(town.capture(CAMERAS[1]))
            while not town.device.sessions.open:
                await town.visits.endpoint.changed(0.1)
        if faults.frees_after_s:
            await town.capture(CAMERAS[1])
        with pytest.raises(kind, match=said) as raised:
            await town.capture(channel, LOSSY if faults.lose_every else QUICK)
        assert PASSWORD not in str(raised.value)
        if name == "busy":
            await first
        await settled(town)
        if faults.ignores_cancel:
            counts = town.device.counts
            assert (counts.cancels >= 1, counts.acks, counts.byes) == (True, 1, 1)

    await against_device(work, faults, media="udp" if faults.lose_every else "tcp-passive")


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


def test_a_channel_has_one_session_at_a_time() -> None:
    async def work(town: Town) -> None:
        patient = VisitOptions(pictures=1, spacing_s=0.0, visit_timeout_s=9, connect_timeout_s=9)
        await asyncio.gather(*(town.capture(CAMERAS[0], patient) for _ in range(3)))
        await settled(town)
        assert (town.device.counts.most_sessions, town.device.counts.invites) == (1, 3)
        watching = asyncio.create_task(town.capture(options=replace(patient, pictures=99)))
        while not town.device.counts.acks > 3:
            await town.visits.endpoint.changed(0.1)
        with pytest.raises(StreamBusy, match="in use by another visit"):
            await town.capture(options=replace(patient, connect_timeout_s=0.1))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await settled(town)

    run(work)


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
    "a sum too low": (DeviceFaults(sum_offset=-3, items_per_message=1), 5, False),
    "signed by a lower platform": (DeviceFaults(signs_as="34020100002000000007"), 5, True),
    "Content-Length too long": (DeviceFaults(length_excess=9), 5, True),
}  # fmt: skip


def test_a_catalogue_comes_whatever_is_wrong_with_it() -> None:
    assert not failures_of(list(CATALOGS), catalogued)


async def catalogued(name: str) -> None:
    faults, count, complete = CATALOGS[name]

    async def work(town: Town) -> None:
        catalog = (await town.catalog()).catalog
        assert (len(catalog.items), catalog.complete) == (count, complete)
        if count and name != "a bare ampersand":
            assert catalog.items[CAMERAS[0]].name == "村口1号"

    await against_device(work, faults)


def test_a_wrong_password_is_refused_and_what_was_hashed_is_shown() -> None:
    async def main() -> None:
        events: list[PlatformEvent] = []
        visits = await listening(nvr(), events)
        device = device_of(visits, faults=DeviceFaults(wrong_password=True))
        try:
            await device.start()
            while not device.counts.refused:
                await visits.endpoint.changed(0.1)
            with pytest.raises(
                Unreachable, match="here; its REGISTER was refused: a wrong password"
            ) as caught:
                await visits.capture("nvr", CAMERAS[0], VisitOptions(connect_timeout_s=0.1))
        finally:
            await device.close()
            await visits.endpoint.close()
        assert caught.value.reason == "registration_refused"
        (refused,) = (event for event in events if isinstance(event, Refused))
        assert refused.reason == "a wrong password of peer nvr"
        assert f"username='{DEVICE}'" in refused.seen
        assert "uri='sip:" in refused.seen
        assert PASSWORD not in refused.seen
        assert "response" not in refused.seen

    asyncio.run(main())


def test_a_device_without_signs_of_life_is_gone() -> None:
    async def work(town: Town) -> None:
        async with asyncio.timeout(5):
            while not any(isinstance(event, PeerGone) for event in town.events):
                await town.visits.endpoint.changed(0.1)

    run(work, DeviceFaults(silent=True), keepalive_s=0.1)


def test_a_device_that_starts_again_in_mid_visit_leaves_nothing_open() -> None:
    """The BYE goes to where it was, and then to where it is: it knows no such session any more."""

    async def work(town: Town) -> None:
        options = VisitOptions(
            pictures=2, spacing_s=9.0, visit_timeout_s=20.0, silence_timeout_s=0.5
        )
        capture = asyncio.create_task(town.capture(options=options))
        while not town.device.counts.acks:
            await town.visits.endpoint.changed(0.1)
        await town.device.close()
        town.device = again = device_of(town.visits)
        await again.start()
        try:
            await again.registered()
            with contextlib.suppress(WentSilent):  # or the picture that it has
                await capture
            await settled(town)
            assert again.counts.byes == 1
            await town.capture()
            await settled(town)
            assert not town.platform.sessions.orphans
        finally:
            await again.close()

    run(work)


def test_a_subscription_that_may_not_be_renewed_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upward, "SUBSCRIBE_AFTER_S", 0.0)
    monkeypatch.setattr(upward, "REFRESH_AT", 0.004)

    async def work(town: Town) -> None:
        async with asyncio.timeout(8):
            while town.device.counts.subscriptions < 2:
                await town.visits.endpoint.changed(0.1)
            town.device.notify(CAMERAS[1], "OFF")
            while not any(isinstance(event, CatalogNoticed) for event in town.events):
                await town.visits.endpoint.changed(0.1)
        notice = next(event for event in town.events if isinstance(event, CatalogNoticed))
        assert [(item.code, item.online) for item in notice.items] == [(CAMERAS[1], False)]

    run(work, DeviceFaults(refuses_refresh=True), subscribe_catalog=True)


def test_a_storm_of_alarms_is_answered_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MAX_ALARMS_A_PERIOD", 30)

    async def work(town: Town) -> None:
        for number in range(100):
            for _ in range(2):  # each is repeated
                town.device.send_alarm(CAMERAS[0], f"2026-11-30T{number:06d}")
            if number % 20 == 0:
                await asyncio.sleep(0)
        reason = "more alarms of a peer than are kept a minute"
        async with asyncio.timeout(8):
            while town.platform.refusals.by_reason().get(reason, 0) < 70:
                await town.visits.endpoint.changed(0.1)
        assert sum(isinstance(e, AlarmReceived) for e in town.events) == 30
        assert sum(isinstance(e, Refused) for e in town.events) == 1
        await town.capture()
        await settled(town)

    run(work, alarms=True)


def test_every_knob_of_the_simulators_is_turned_by_a_test() -> None:
    turned: set[str] = set()
    makers = {"DeviceFaults", "AboveFaults", "replace"}
    for path in Path(__file__).parent.glob("test_*.py"):
        calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
        for call in calls:
            if isinstance(call.func, ast.Name) and call.func.id in makers:
                turned |= {keyword.arg for keyword in call.keywords if keyword.arg}
    knobs = {field.name for kind in (DeviceFaults, AboveFaults) for field in fields(kind)}
    assert knobs - turned == set()
