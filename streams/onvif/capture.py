"""Visit a camera by its ONVIF profile: ask for the stream's address, then open it.

The RTSP key frame comes first. The still picture that a device offers is the second choice, taken
where the stream brought none: it may be small, or an old one out of a cache. So its age is measured
where headers tell it, one that is older than MAX_PICTURE_AGE_S is refused, and two equal ones in a
row are reported as repeated. After a refused login nothing more is tried.
"""

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from streams.address import StreamAddress
from streams.control_http import Ask
from streams.errors import LOGIN_REFUSED, StreamError, Unreachable, Unreadable
from streams.model import Capture, Freshness, Sample, StreamFacts, VisitOptions, WallClock
from streams.onvif.client import DeviceFacts, OnvifClient, choose_profile
from streams.onvif.soap import OnvifProfile
from streams.playlist_age import STALE
from streams.sampling import freshness_by_bits

CALL_TIMEOUT_S: Final = 5.0  # of one call, where the visit leaves more
MIN_LEFT_S: Final = 2.0  # less of the visit is left: no second choice is begun
MAX_PICTURE_AGE_S: Final = 30.0  # a device that makes pictures on request is within seconds


@dataclass(frozen=True, slots=True)
class OnvifOpener:
    """Opens addresses of the scheme `onvif`; `capture` visits what the device names."""

    ask: Ask
    capture: Capture
    now: Callable[[], datetime]

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit. Raises StreamError, and only StreamError."""
        visit = _OnvifVisit(self, address, options)
        return await visit.run()


class _OnvifVisit:
    """One visit: the client's calls in their order, then the stream, then perhaps the picture."""

    def __init__(self, opener: OnvifOpener, address: StreamAddress, options: VisitOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline_s = self._loop.time() + options.visit_timeout_s
        self._options = options
        self._capture = opener.capture
        self._wanted = address.source_path[0] if address.source_path else ""
        self._client = OnvifClient(
            address=address, ask=opener.ask, now=opener.now, left_s=self._call_s
        )

    def _left_s(self) -> float:
        return self._deadline_s - self._loop.time()

    def _call_s(self) -> float:
        left_s = self._left_s()
        if left_s <= 0:
            raise Unreachable("the device answered too late for a stream to be opened")
        return min(left_s, CALL_TIMEOUT_S)

    async def run(self) -> Sample:
        client, reach = self._client, self._options.reach
        await client.read_clock()
        offset = client.clock_offset
        reach("device", f"{round(offset.total_seconds()):+d} s" if offset is not None else "")
        facts = await client.facts()
        namespace, profiles = await client.profiles(facts)
        profile = choose_profile(profiles, self._wanted)
        reach(
            "profile", f"{profile.token} {profile.encoding} {profile.width_px}×{profile.height_px}"
        )
        address = await client.stream_address(facts, namespace, profile)
        reach("stream_uri", str(address))
        try:
            sample = await self._capture(address, self._rest())
        except StreamError as exc:
            if exc.reason == LOGIN_REFUSED or self._left_s() < MIN_LEFT_S:
                raise
            sample = await self._snapshot(exc, facts, namespace, profile)
        return self._with_clock(sample)

    def _rest(self) -> VisitOptions:
        return dataclasses.replace(
            self._options, visit_timeout_s=max(self._left_s(), MIN_LEFT_S / 2)
        )

    async def _snapshot(
        self, first: StreamError, facts: DeviceFacts, namespace: str, profile: OnvifProfile
    ) -> Sample:
        """The still picture; where there is none either, the stream's error stands."""
        try:
            address = await self._client.snapshot_address(facts, namespace, profile)
            self._options.reach("snapshot_uri", f"{address} ({first.seen})")
            sample = await self._capture(address, self._rest())
        except StreamError as exc:
            if exc.reason == STALE:
                raise
            raise first from None
        return judged_snapshot(sample)

    def _with_clock(self, sample: Sample) -> Sample:
        """The sample with the device's clock, where the stream itself told no time of day."""
        offset = self._client.clock_offset
        if offset is None or sample.facts.clock_offset_s is not None:
            return sample
        facts: StreamFacts = dataclasses.replace(
            sample.facts,
            clock_offset_s=offset.total_seconds(),
            wall_clock=WallClock.TIME_OF_DAY,
        )
        return dataclasses.replace(sample, facts=facts)


def judged_snapshot(sample: Sample) -> Sample:
    """A device's still pictures, which may come out of a cache. Raises Unreadable for old ones."""
    age_s = sample.facts.picture_age_s
    if age_s is not None and age_s > MAX_PICTURE_AGE_S:
        raise Unreadable(f"the device's still picture is {age_s:.0f} s old", reason=STALE)
    repeated = freshness_by_bits(sample.key_frames) is Freshness.REPEATED_BITS
    return dataclasses.replace(sample, freshness=Freshness.REPEATED_BITS) if repeated else sample
