"""Loops cut into packets, each once per way of packing, shared by all cameras that play it."""

from dataclasses import dataclass, field

from simulators.farm.packets import VIDEO_TYPE, PacketFrame, packet_frame
from simulators.farm.payload import is_parameter_set, is_sei, payloads, split_annexb
from simulators.farm.vendors import Vendor
from simulators.scenes.catalogue import Format
from simulators.scenes.encode import EncodedLoop
from simulators.scenes.library import Library, LoopSpec


@dataclass(frozen=True, slots=True, eq=False)
class PacketLoop:
    """Frames that repeat for ever, ready to be stamped and sent."""

    format: Format
    sets: tuple[bytes, ...]  # parameter sets, for the SDP
    frames: tuple[PacketFrame, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reel:
    """What one camera shows: main and sub stream."""

    main: PacketLoop
    sub: PacketLoop


@dataclass(slots=True)
class Shelf:
    """Reels by what they show; the vendor follows from the scene, so it is no part of the key."""

    library: Library
    _reels: dict[LoopSpec, Reel] = field(default_factory=dict)

    def reel(self, spec: LoopSpec, vendor: Vendor) -> Reel:
        """Cut it on first use."""
        reel = self._reels.get(spec)
        if reel is None:
            pair = self.library.load(spec)
            reel = Reel(cut(pair.main, vendor), cut(pair.sub, vendor))
            self._reels[spec] = reel
        return reel


def cut(loop: EncodedLoop, vendor: Vendor) -> PacketLoop:
    """Access units → packets, the vendor's way."""
    codec = loop.format.codec
    frames, sets = [], dict[bytes, None]()
    for index, data in enumerate(loop.units):
        units = split_annexb(data)
        sets.update((unit, None) for unit in units if is_parameter_set(codec, unit))
        sent = [unit for unit in units if _is_sent(codec, unit, vendor)]
        packed = payloads(codec, sent, aggregate=vendor.aggregate)
        frames.append(packet_frame(packed, payload_type=VIDEO_TYPE, key=loop.is_key(index)))
    return PacketLoop(loop.format, tuple(sets), tuple(frames))


def _is_sent(codec: str, unit: bytes, vendor: Vendor) -> bool:
    """Everything but the encoder's banner, and the sets where they stand in the SDP alone."""
    if is_parameter_set(codec, unit):
        return vendor.sets_in_band
    return not is_sei(codec, unit)
