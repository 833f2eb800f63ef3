"""The machine's clocks, the clock that the service goes by, and the sun's times at the site.

`SystemClock` is the only reader of the system's time. `TrustedClock` watches one: it goes on by
counted seconds where the wall clock was set, until the step is adopted (domain/wall_clock.py
decides). Sunrise and sunset are computed by astral (NOAA's algorithm). The manual clock of tests is
in tests.support.clock.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from patrol.domain.wall_clock import (
    ClockChange,
    ClockRecord,
    ClockSample,
    ClockState,
    ClockTrust,
    SeenTime,
    confirmed_state,
    first_state,
    next_state,
)

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
LONGEST_READING_S: Final = 0.05  # between the two readings around one of the wall clock
READINGS: Final = 4  # a crowded machine may stop us between them; so often in a row it will not
UNSYNCHRONISED_US: Final = 16_000_000  # the kernel's maximum error while nobody disciplines it
SAME_TIME: Final = timedelta(seconds=2)


class MachineClock(Protocol):
    """A wall clock that may be set, and a monotonic one."""

    def now(self) -> datetime:
        """Aware UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never step."""

    def sleep(self, seconds: float) -> None:
        """Block this thread."""


class SystemClock:
    """Wall time in UTC; durations from the monotonic clock."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)  # noqa: TID251  the one place

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)  # noqa: TID251  the one place


class TrustedClock:
    """A `patrol.ports.Clock` that is not moved by a wall clock which was set, until `adopt`.

    `now` may be called from any thread. One thread calls `next_change` every second, moves what is
    timed, and adopts.
    """

    def __init__(
        self,
        machine: MachineClock,
        *,
        seen: SeenTime | None = None,
        boot: str = "",
        is_synchronised: Callable[[datetime], bool] | None = None,
    ) -> None:
        """`is_synchronised`: whether NTP vouches for this reading of the wall clock, right now."""
        self.boot = boot
        self._machine = machine
        self._running_s = running_s if isinstance(machine, SystemClock) else machine.monotonic_s
        self._is_synchronised = is_synchronised or kernel_is_synchronised
        self._lock = threading.Lock()
        self._state = first_state(self.read(), boot, seen)

    @classmethod
    def of_record(cls, machine: MachineClock, record: ClockRecord | None) -> "TrustedClock":
        """The clock that a service on this store goes by, for a command that ends at once."""
        clock = cls(machine, seen=record.seen if record else None, boot=machine_boot())
        wall = clock.read().wall
        is_accepted = record is not None and record.acceptance_of(wall) is not None
        clock.adopt(clock.next_change(lambda: is_accepted))
        return clock

    def now(self) -> datetime:
        """Aware UTC."""
        with self._lock:
            return self._state.now(self.read())

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        return self._machine.monotonic_s()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        self._machine.sleep(seconds)

    @property
    def state(self) -> ClockState:
        """What is believed just now."""
        with self._lock:
            return self._state

    @property
    def is_unconfirmed(self) -> bool:
        """Whether NTP or a person has to confirm the wall clock."""
        return self.state.is_unconfirmed

    @property
    def holds_history(self) -> bool:
        """Whether nothing may be written or destroyed now that time alone writes or destroys."""
        return self.state.trust is not ClockTrust.TRUSTED

    def read(self) -> ClockSample:
        """Wall clock and counted seconds, together."""
        for _ in range(READINGS):
            before_s, wall, after_s = self._running_s(), self._machine.now(), self._running_s()
            if after_s - before_s <= LONGEST_READING_S:
                return ClockSample(wall=wall, running_s=after_s)
        return ClockSample(wall=self._machine.now(), running_s=self._running_s())

    def next_change(self, confirms_now: Callable[[], bool] = lambda: False) -> ClockChange:
        """The change that the wall clock asks for now; nothing moves before `adopt`.

        `confirms_now`: whether a person has confirmed it; asked only where it needs to be.
        """
        state, reading = self.state, self.read()
        change = next_state(state, reading)
        if change.state.trust is ClockTrust.TRUSTED:
            return change
        if self._is_synchronised(reading.wall) or (change.state.is_unconfirmed and confirms_now()):
            return confirmed_state(state, reading)
        return change

    def adopt(self, change: ClockChange) -> None:
        """Go by the new state from now on."""
        with self._lock:
            self._state = change.state

    def seen(self) -> SeenTime | None:
        """What the store should keep as the newest believed time; None while there is none."""
        return self._seen(self.state)

    def seen_after(self, change: ClockChange) -> SeenTime | None:
        """What `seen` will be once the change is adopted."""
        return self._seen(change.state)

    def _seen(self, state: ClockState) -> SeenTime | None:
        if state.trust is not ClockTrust.TRUSTED:
            return None
        reading = self.read()
        return SeenTime(at=state.now(reading), running_s=reading.running_s, boot=self.boot)


def running_s() -> float:
    """Seconds since the machine was started, those that it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def machine_boot() -> str:
    """The kernel's name of this start of the machine; empty where it has none."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2), as far as it is read here."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_is_synchronised(wall: datetime) -> bool:
    """Whether a time daemon disciplines the kernel's clock, and it shows `wall`.

    adjtimex(2) with no mode only reads and needs no right. As `timedatectl` does, the maximum error
    is judged, not STA_UNSYNC; setting the clock by hand makes it unsynchronised again.
    """
    timex = _Timex()
    try:
        failed = ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0
    except (OSError, AttributeError):  # no such function in this C library
        return False
    if failed or timex.maxerror >= UNSYNCHRONISED_US:
        return False
    return abs(wall - datetime.fromtimestamp(timex.seconds, UTC)) < SAME_TIME


class SiteSun:
    """`SunTimes` of one place; a day without sunrise or sunset counts as light throughout."""

    def __init__(self, latitude: float, longitude: float, zone: ZoneInfo) -> None:
        self._zone = zone  # the day is a local one: at 98.75° E a June sunrise is yesterday in UTC
        from astral import LocationInfo  # noqa: PLC0415  20 ms, for rounds and checks alone

        self._observer = LocationInfo(latitude=latitude, longitude=longitude).observer

    def __call__(self, day: date) -> tuple[datetime, datetime]:
        """(sunrise, sunset) of the local day `day`, UTC."""
        from astral.sun import sun  # noqa: PLC0415  see __init__

        try:
            times = sun(self._observer, date=day, tzinfo=self._zone)
        except ValueError:  # polar day or night
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return midnight - timedelta(days=1), midnight + timedelta(days=2)
        return times["sunrise"].astimezone(UTC), times["sunset"].astimezone(UTC)
