"""One simulated camera at run time: what it shows now, what is wrong with it now, who watches."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from simulators.farm.shelf import PacketLoop, Reel
from simulators.farm.timeline import FRAMES_PER_S, TICKS_PER_FRAME
from simulators.farm.vendors import VENDORS, Vendor
from simulators.faults import Fault
from simulators.scenes.catalogue import Scene
from simulators.town.model import Login, TownCamera

SKEW: Final = timedelta(minutes=-7)  # of a camera whose clock is off
_WITHHELD_FRAMES: Final = 30 * FRAMES_PER_S
_RARE_KEY_FRAMES: Final = 10 * FRAMES_PER_S
_LOCKED: Final = Login(scheme="digest-md5-qop", user="admin", password="\0")  # noqa: S106 nobody's
"""Nobody has this password."""


@dataclass(slots=True, eq=False)
class FarmCamera:
    """Mutable: the control channel changes `reel`, `shows` and `fault` while it serves."""

    record: TownCamera
    scene: Scene
    reel: Reel
    shows: str  # name of the scene just now
    fault: Fault
    number: int
    pulls: int = 0  # connections that asked for it
    viewers: int = 0  # sessions that play

    @property
    def vendor(self) -> Vendor:
        """Its maker."""
        return VENDORS[self.scene.vendor]

    @property
    def login(self) -> Login:
        """What it asks for; nobody's password when it is broken in that way."""
        return _LOCKED if self.fault is Fault.UNAUTHORIZED_401 else self.record.login

    @property
    def slot(self) -> int:
        """Its tick within each frame."""
        return self.number % TICKS_PER_FRAME

    @property
    def clock_skew(self) -> timedelta:
        """How far its clock is off."""
        return SKEW if self.fault is Fault.CLOCK_SKEW else timedelta()

    def loop(self, *, sub: bool) -> PacketLoop:
        """What the stream repeats."""
        return self.reel.sub if sub else self.reel.main

    def fails_this_pull(self) -> bool:
        """Count a connection; every other one fails while the camera is flaky."""
        self.pulls += 1
        return self.fault is Fault.FLAKY and self.pulls % 2 == 1


def frame_of(loop: PacketLoop, fault: Fault, index: int, played: int) -> int | None:
    """Which frame of the loop is due at frame `index` of the camera's time; None: nothing is.

    `played` counts this viewer's frames since PLAY.
    """
    frames, gop = loop.format.loop_frames, loop.format.gop_frames
    due = index % frames
    if fault is Fault.NO_PACKETS:
        return None
    if fault is Fault.FROZEN:
        return index % gop
    if fault is Fault.NO_KEY_FRAME_30S and played < _WITHHELD_FRAMES:
        return due if due % gop else (due - 1) % frames
    if fault is Fault.KEY_FRAME_EVERY_10S:
        turn, at = divmod(index, _RARE_KEY_FRAMES)
        first = turn % loop.format.gops * gop
        return first if at == 0 else first + 1 + (at - 1) % (gop - 1)
    return due
