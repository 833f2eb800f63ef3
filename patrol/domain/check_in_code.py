"""Codes of patrol points, printed as QR codes and written on NFC tags: signed, revocable. Pure.

A code names its point, whether it is printed or a tag, and the version that points.csv gives the
point; an HMAC-SHA256 signature makes it. Raising the version makes older codes worthless. A code
proves that somebody read it; that it was read at the point is what time, order and location are
compared for (ground_patrol.py). In an address it stands behind `#`, which browsers do not send: a
phone without network opens its own copy of the page, and no server's log has the code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from patrol.domain.ground_patrol import CheckInMethod, CheckInRefused
from patrol.domain.picture_link import is_signature_hex, sign_hex
from patrol.domain.registry import PatrolPoint

GROUND_PATH: Final = "/ground"
CHECK_IN_KEY: Final = "check_in_codes"  # of site_keys
_PURPOSE: Final = "check-in-code"
_LETTERS: Final = {CheckInMethod.QR: "q", CheckInMethod.NFC: "n"}
_METHODS: Final = {letter: method for method, letter in _LETTERS.items()}
_CODE: Final = re.compile(r"([A-Za-z0-9_.-]{1,64})~(\d{1,6})~([qn])~([0-9a-f]{40})", re.ASCII)
MAX_CODE_CHARACTERS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInCodes:
    """Makes and reads the codes of one site, with its key."""

    base_url: str  # where phones reach the console; empty: nobody knows
    key: bytes = field(repr=False)

    def code(self, point: PatrolPoint, method: CheckInMethod) -> str:
        """The code of a point, for print or for a tag."""
        body = f"{point.id}~{point.code_version}~{_LETTERS[method]}"
        return f"{body}~{sign_hex(self.key, body.encode(), purpose=_PURPOSE)}"

    def address(self, point: PatrolPoint, method: CheckInMethod) -> str:
        """What is printed: the phone page's address with the code behind `#`."""
        return f"{self.base_url}{GROUND_PATH}#{self.code(point, method)}"

    def read(
        self, text: str, points: Mapping[str, PatrolPoint]
    ) -> tuple[PatrolPoint, CheckInMethod]:
        """The point and the way of a code, also within its address.

        Raises CheckInRefused: not ours, of a point that is gone, or revoked.
        """
        code = text.strip()[:MAX_CODE_CHARACTERS].rpartition("#")[2]
        match = _CODE.fullmatch(code)
        body = code.rpartition("~")[0].encode()
        if match is None or not is_signature_hex(match[4], self.key, body, purpose=_PURPOSE):
            raise CheckInRefused("code: is none of this site's")
        point = points.get(match[1])
        if point is None:
            raise CheckInRefused(f"code: point {match[1]} is not in points.csv any more")
        if int(match[2]) != point.code_version:
            raise CheckInRefused(f"code: point {point.id} has a newer one, this one is worthless")
        return point, _METHODS[match[3]]
