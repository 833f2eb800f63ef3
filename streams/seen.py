"""What was seen of a stream that played and gave no key frame: the kind of error, and its words."""

from streams.errors import StreamError, Unreadable, WentSilent
from streams.rtsp.session import Session


def no_key_frame(what: str, session: Session, bytes_received: int) -> StreamError:
    """Silence and noise look alike from afar; the counts tell them apart."""
    wire, assembler = session.wire, session.assembler
    seen = f"{what}: {bytes_received} bytes, {wire.media_packets} video packets"
    if wire.garbage_bytes:
        return Unreadable(f"{seen}, {wire.garbage_bytes} bytes of garbage")
    if assembler is not None and assembler.undecodable:
        return Unreadable(f"{seen}; key frames without parameter sets, in SDP or in band")
    if assembler is not None and assembler.lost:
        seen += f"; {assembler.lost} key frames lost packets"
    return WentSilent(seen)
