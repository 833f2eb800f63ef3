"""Our client against the look-alike, without sockets: each trap, and never a locked account."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from simulators.http_sources.onvif_device import OnvifDevice, OnvifFault
from streams.address import StreamAddress
from streams.errors import LOGIN_REFUSED, RefusedUs, StreamError, Unreadable, WentSilent
from streams.model import Codec, Freshness, KeyFrame, Sample, StreamFacts, VisitOptions, WallClock
from streams.onvif.capture import OnvifOpener, judged_snapshot
from streams.playlist_age import STALE
from tests.support.lookalikes import NOON, RecordedVisits, calling, media

PASSWORD = "pa/ss@wörd"
ADDRESS = "onvif://admin:pa%2Fss%40w%C3%B6rd@cam:8000/Profile_1"
F = OnvifFault


def device(*faults: OnvifFault, user: str = "admin") -> OnvifDevice:
    made = OnvifDevice(media(), user=user, faults=frozenset(faults), now=lambda: NOON)
    made.media.rtsp_port, made.port = 8554, 8000
    return made


def visit(made: OnvifDevice, url: str = ADDRESS, *errors: Exception | None) -> tuple[Any, Any]:
    """The result or the error of a visit, and what was opened."""
    visits = RecordedVisits(*errors)
    ask = calling(made.handle, lambda: NOON + made.offset)
    opener = OnvifOpener(ask, visits, lambda: NOON)
    try:
        result = asyncio.run(opener(StreamAddress.parse(url), VisitOptions()))
    except StreamError as exc:
        result = exc
    except AttributeError:  # the recorded sample is no Sample: the visit came to its end
        result = None
    return result, visits.opened


@pytest.mark.parametrize(
    "faults",
    [(), (F.CLOCK_BEHIND,), (F.CLOCK_JUMPS,), (F.WRONG_XADDR,), (F.HTTP_DIGEST,),
     (F.CLOCK_NEEDS_LOGIN,), (F.CLOCK_NEEDS_LOGIN, F.CLOCK_BEHIND), (F.FAULTS_AS_500,),
     (F.NO_CAPABILITIES,), (F.MEDIA2_ONLY,), (F.HTTP_DIGEST, F.CLOCK_BEHIND, F.WRONG_XADDR),
     (F.MEDIA2_ONLY, F.HTTP_DIGEST), (F.CLOCK_JUMPS, F.FAULTS_AS_500)],
)  # fmt: skip
def test_every_trap_leads_to_the_stream(faults: tuple[OnvifFault, ...]) -> None:
    made = device(*faults)
    _, ((address, options),) = visit(made)
    assert str(address) == "rtsp://cam:8554/live?…"
    assert address.query == "profile=Profile_1&unicast=true"
    assert (address.user, address.password) == ("admin", PASSWORD)
    assert made.refused <= 1
    assert options.targets is None


def test_the_largest_profile_where_none_is_named() -> None:
    _, ((address, _),) = visit(device(), ADDRESS.replace("Profile_1", ""))
    assert "Profile_1" in address.query


def test_a_device_without_a_password() -> None:
    _, ((address, _),) = visit(device(user=""), "onvif://cam/")
    assert not address.user


@pytest.mark.parametrize("faults", [(), (F.HTTP_DIGEST,), (F.CLOCK_BEHIND,), (F.CLOCK_JUMPS,)])
def test_a_wrong_password_is_tried_twice_at_most(faults: tuple[OnvifFault, ...]) -> None:
    """Devices lock an account after three."""
    made = device(*faults)
    error, opened = visit(made, "onvif://admin:wrong@cam/")
    assert isinstance(error, RefusedUs)
    assert error.reason == LOGIN_REFUSED
    assert "wrong" not in error.seen
    assert made.refused <= 2
    assert opened == []


def test_no_login_where_one_is_wanted() -> None:
    error, _ = visit(device(), "onvif://cam/")
    assert "a user and a password are wanted" in error.seen
    error, _ = visit(device(F.HTTP_DIGEST), "onvif://cam/")
    assert "a user and a password are wanted" in error.seen


@pytest.mark.parametrize(
    ("fault", "said"),
    [(F.NO_PROFILES, "no profile"), (F.NO_ONVIF, "HTTP 404, no ONVIF device"),
     (F.XML_BOMB, "document type"), (F.HUGE_ANSWER, "more than 1024 kB")],
)  # fmt: skip
def test_what_is_no_camera_is_one_clear_error(fault: OnvifFault, said: str) -> None:
    error, opened = visit(device(fault))
    assert isinstance(error, Unreadable)
    assert said in error.seen
    assert opened == []


def test_the_snapshot_is_the_second_choice_and_only_that() -> None:
    _, opened = visit(device(), ADDRESS, WentSilent("no key frame"))
    assert [address.scheme for address, _ in opened] == ["rtsp", "http"]
    made = device()
    error, opened = visit(made, ADDRESS, RefusedUs("401", reason=LOGIN_REFUSED))
    assert [address.scheme for address, _ in opened] == ["rtsp"]
    assert (error.reason, made.asked["GetSnapshotUri"]) == (LOGIN_REFUSED, 0)


def test_without_a_snapshot_the_streams_error_stands() -> None:
    error, opened = visit(device(), ADDRESS, WentSilent("no key frame"), RefusedUs("404"))
    assert error.seen == "no key frame"
    assert len(opened) == 2


def sample(*digests: str, age_s: float | None = None) -> Sample:
    frames = tuple(
        KeyFrame(codec=Codec.MJPEG, data=b"x", taken_at=NOON, media_time_s=None, sha256=digest)
        for digest in digests
    )
    facts = StreamFacts(transport="http", codec="mjpeg", picture_age_s=age_s)
    return Sample(key_frames=frames, facts=facts, freshness=Freshness.STILL)


def test_an_old_snapshot_is_refused_and_equal_ones_are_called_repeated() -> None:
    with pytest.raises(Unreadable, match="172800 s old") as caught:
        judged_snapshot(sample("a", "b", age_s=172_800.0))
    assert caught.value.reason == STALE
    assert judged_snapshot(sample("a", "a")).freshness is Freshness.REPEATED_BITS
    assert judged_snapshot(sample("a", "b", age_s=3.0)).freshness is Freshness.STILL


def test_the_devices_clock_stands_in_the_facts_and_stages_are_told() -> None:
    made, stages = device(F.CLOCK_BEHIND), []

    async def capture(_address: StreamAddress, _options: VisitOptions) -> Sample:
        return sample("a", "b")

    options = VisitOptions(on_stage=stages.append)
    opener = OnvifOpener(calling(made.handle), capture, lambda: NOON)
    result = asyncio.run(opener(StreamAddress.parse(ADDRESS), options))
    assert result.facts.clock_offset_s == -timedelta(hours=5).total_seconds()
    assert result.facts.wall_clock is WallClock.TIME_OF_DAY
    assert [stage.name for stage in stages] == ["device", "profile", "stream_uri"]
    assert PASSWORD not in repr(stages)
