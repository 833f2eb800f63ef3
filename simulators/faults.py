"""Faults of simulated cameras by name, and mixtures that give each fault its share of the cameras.

A fault is either in the transmission (what the RTSP server does) or in the picture (what the lens
sees); a camera has one at most. The shares of `town` are those of a real township: 90 % online,
4 % of pulls fail once, and so on.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final

import numpy as np

POWER_CUT_SHARE: Final = 0.6


class CameraFault(StrEnum):
    """What is wrong with one simulated camera."""

    NONE = auto()
    # the wire
    REFUSES_CONNECTION = auto()  # nothing listens at its port
    NEVER_ANSWERS = auto()  # accepts TCP, then not a byte
    UNAUTHORIZED_401 = auto()  # no password is ever right
    NOT_FOUND_404 = auto()
    NO_PACKETS = auto()  # PLAY is answered, nothing follows
    NO_KEY_FRAME_30S = auto()  # each session waits 30 s for its first key frame
    KEY_FRAME_EVERY_10S = auto()
    DROPS_MID_PICTURE = auto()  # hangs up inside its first key frame
    GARBAGE_BYTES = auto()  # answers PLAY, then sends noise instead of RTP
    WRONG_SDP = auto()  # the description is no SDP
    CORRUPT_BITSTREAM = auto()  # slices overwritten: mosaic
    CLOSES_SECOND_SESSION = auto()  # one viewer at a time
    FLAKY = auto()  # the first of every two pulls fails
    CLOCK_SKEW = auto()  # its RTCP clock is minutes off
    # the picture
    FROZEN = auto()  # the same key frame's bits again and again while RTP time runs
    BLACK = auto()
    SOLID = auto()
    BLURRED = auto()
    DARK = auto()
    BRIGHT = auto()
    COVERED = auto()
    SHIFTED = auto()
    DUSTY = auto()  # a dust storm: pale, brown, without contrast


SHOWN_IN_PICTURE: Final = frozenset(
    {
        CameraFault.FROZEN,
        CameraFault.BLACK,
        CameraFault.SOLID,
        CameraFault.BLURRED,
        CameraFault.DARK,
        CameraFault.BRIGHT,
        CameraFault.COVERED,
        CameraFault.SHIFTED,
        CameraFault.DUSTY,
    }
)
"""Faults that need a loop of their own; the server makes all others out of a sound loop."""

HIDES_SCENE: Final = SHOWN_IN_PICTURE | {
    CameraFault.REFUSES_CONNECTION,
    CameraFault.NEVER_ANSWERS,
    CameraFault.UNAUTHORIZED_401,
    CameraFault.NOT_FOUND_404,
    CameraFault.NO_PACKETS,
    CameraFault.NO_KEY_FRAME_30S,
    CameraFault.KEY_FRAME_EVERY_10S,
    CameraFault.DROPS_MID_PICTURE,
    CameraFault.GARBAGE_BYTES,
    CameraFault.WRONG_SDP,
    CameraFault.CORRUPT_BITSTREAM,
}
"""With one of these a problem in front of the camera cannot be relied on to be seen."""

Shares = Mapping[CameraFault, float]

_TOWN: Final[Shares] = {
    # 10 % offline, as a round meets it
    CameraFault.REFUSES_CONNECTION: 0.065,
    CameraFault.NEVER_ANSWERS: 0.025,
    CameraFault.UNAUTHORIZED_401: 0.005,
    CameraFault.NOT_FOUND_404: 0.005,
    # online, but the pull goes wrong
    CameraFault.FLAKY: 0.04,
    CameraFault.NO_PACKETS: 0.004,
    CameraFault.NO_KEY_FRAME_30S: 0.003,
    CameraFault.KEY_FRAME_EVERY_10S: 0.006,
    CameraFault.DROPS_MID_PICTURE: 0.003,
    CameraFault.GARBAGE_BYTES: 0.002,
    CameraFault.WRONG_SDP: 0.002,
    CameraFault.CLOSES_SECOND_SESSION: 0.02,
    CameraFault.CLOCK_SKEW: 0.018,
    # online, and the picture is poor
    CameraFault.BLURRED: 0.018,
    CameraFault.DARK: 0.009,
    CameraFault.BRIGHT: 0.0045,
    CameraFault.COVERED: 0.0063,
    CameraFault.SHIFTED: 0.009,
    CameraFault.FROZEN: 0.0027,
    CameraFault.CORRUPT_BITSTREAM: 0.0045,
    CameraFault.BLACK: 0.0018,
    CameraFault.SOLID: 0.0009,
}
_STORM: Final[Shares] = {
    CameraFault.DUSTY: 0.70,
    CameraFault.REFUSES_CONNECTION: 0.12,
    CameraFault.NEVER_ANSWERS: 0.04,
    CameraFault.FLAKY: 0.04,
}

MIXTURES: Final[Mapping[str, Shares]] = MappingProxyType(
    {"none": {}, "town": _TOWN, "storm": _STORM, "power_cut": _TOWN, "each": {}}
)
"""`power_cut` is `town` plus one village of which 60 % is down; `each` walks through all faults."""


def mixture_problem(name: str) -> str | None:
    """Why `name` is neither a mixture nor a fault (a fault befalls every camera); else None."""
    if name in MIXTURES or name in set(CameraFault):
        return None
    return f"{name!r} is no mixture, give one of {', '.join(MIXTURES)} or a fault's name"


def assign_faults(
    name: str, villages: Sequence[str], rng: np.random.Generator
) -> list[CameraFault]:
    """Assign one fault to each camera by the mixture `name`; camera i stands in `villages[i]`.

    Shares are dealt out exactly (largest remainder), so that 624 cameras always have their 57 to
    63 offline ones, and only *which* cameras is left to chance.
    """
    count = len(villages)
    if name in set(CameraFault):
        return [CameraFault(name)] * count
    if name == "each":
        every = list(CameraFault)
        return [every[i % len(every)] for i in range(count)]
    faults = _faults_by_share(MIXTURES[name], count)
    order = rng.permutation(count)
    assigned = [CameraFault.NONE] * count
    for index, fault in zip(order, faults, strict=True):
        assigned[int(index)] = fault
    if name == "power_cut" and villages:
        _cut_power(assigned, villages, rng)
    return assigned


def _faults_by_share(shares: Shares, count: int) -> list[CameraFault]:
    exact = {fault: share * count for fault, share in shares.items()}
    whole = {fault: int(value) for fault, value in exact.items()}
    left = round(sum(exact.values())) - sum(whole.values())
    by_remainder = sorted(exact, key=lambda fault: whole[fault] - exact[fault])
    for fault in by_remainder[:left]:
        whole[fault] += 1
    faults = [fault for fault, times in whole.items() for _ in range(times)]
    return [*faults, *[CameraFault.NONE] * (count - len(faults))]


def _cut_power(
    assigned: list[CameraFault], villages: Sequence[str], rng: np.random.Generator
) -> None:
    dark = str(rng.choice(sorted(set(villages))))
    there = [i for i, village in enumerate(villages) if village == dark]
    for i in rng.permutation(there)[: round(POWER_CUT_SHARE * len(there))]:
        assigned[int(i)] = CameraFault.REFUSES_CONNECTION
