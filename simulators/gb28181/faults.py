"""What simulated GB/T 28181 devices do wrong: one knob for each trap of the field."""

from dataclasses import dataclass, field

from simulators.gb28181.program_stream import MuxOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFaults:
    """The knobs; the defaults are a good device."""

    # registration
    without_qop: bool = False  # answers a qop challenge as RFC 2069 has it
    wrong_password: bool = False
    no_expires: bool = False
    needs_algorithm: bool = True  # Dahua: no answer to a challenge without it
    # signs of life
    moves_port: bool = False  # NAT: keep-alives come from a new port, no REGISTER
    silent: bool = False  # none at all
    # messages
    lf_only: bool = False
    folded: bool = False
    length_zero: bool = False  # Content-Length: 0 in front of a body
    length_excess: int = 0  # by so many bytes Content-Length is more than the datagram has
    signs_as: str = ""  # the code in From of its messages: a lower platform's, a camera's
    exact: bool = False  # drops what is from another address than it wrote to, or has no From tag
    no_to_tag: bool = False
    chinese_header: bool = False  # GB bytes in User-Agent
    # catalogue
    items_per_message: int = 4
    shuffled: bool = False
    repeats_parts: bool = False
    loses_part: bool = False
    sum_offset: int = 0  # SumNum is wrong by so many
    sum_zero: bool = False
    cyclic: bool = False  # parents that lead back
    utf8: bool = False  # under a prolog that says GB2312
    bare_ampersand: bool = False
    doubled_end_tag: bool = False
    nul_bytes: bool = False
    # sessions
    session_cap: int = 0  # 486 beyond; 0: none
    frees_after_s: float = 0.0  # behind a BYE a session counts for the cap so long
    refuses_passive: bool = False  # 488 to TCP passive
    answers_after_s: float = 0.0
    ignores_cancel: bool = False
    repeats_200: int = 0  # times
    loses_byes: int = 0  # so many BYE are not answered
    hangs_up_after_s: float = 0.0  # sends BYE itself
    hangs_up_first: bool = False  # its BYE comes before its 200
    named_host: str = ""  # in Contact and `c=`: a private address behind NAT
    port_zero: bool = False
    recvonly: bool = False
    source_digits: int = 10  # of y= in the answer: 9, 10, 20; 0: null
    other_source: bool = False  # another y= and SSRC than asked
    refuses_refresh: bool = False  # of a subscription
    # media
    no_media: bool = False
    mux: MuxOptions = field(default_factory=MuxOptions)
    container: str = "ps"  # ps, ts, raw
    framing: str = "rfc4571"  # or dollar
    preamble: bytes = b""  # eHome's, in front of the first packet
    waits_for_command: bool = False  # no key frame before it was asked for one
    reset_after: int = 0  # packets, then its connection is reset
    lose_every: int = 0  # every n-th packet
    reorder: int = 0  # packets by which some are late
    alien_every: int = 0  # every n-th packet is followed by one of another source
    media_after_bye: bool = False
