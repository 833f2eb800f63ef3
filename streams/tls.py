"""TLS towards cameras, recorders and platforms: certificates are verified, one context for all.

As `DECODE_GATE` it is of the process: the application sets it once, from site.yaml. A private
authority (a recorder's own, the county's) is added to the system's; a site that cannot have
certificates switches verification off as a whole, and is told so by `patrol check`.
"""

import ssl
from pathlib import Path
from typing import Final


class CameraTls:
    """How certificates are checked; the context is made when it is first needed."""

    def __init__(self) -> None:
        self.verify = True
        self.ca_file: Path | None = None
        self._context: ssl.SSLContext | None = None

    def configure(self, *, verify: bool, ca_file: Path | None) -> None:
        """Set it for every connection from now on."""
        self.verify, self.ca_file, self._context = verify, ca_file, None

    def context(self) -> ssl.SSLContext:
        """For one TLS connection. Raises OSError for a CA file that cannot be read."""
        if self._context is None:
            context = ssl.create_default_context()
            if self.ca_file is not None:
                context.load_verify_locations(self.ca_file)
            if not self.verify:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._context = context
        return self._context

    def libav_options(self) -> dict[str, str]:
        """The same for what libav opens by itself (RTMPS). libav knows one CA file, or none."""
        if not self.verify:
            return {"tls_verify": "0"}
        default = ssl.get_default_verify_paths().cafile
        ca_file = str(self.ca_file) if self.ca_file else default
        return {"tls_verify": "1", **({"ca_file": ca_file} if ca_file else {})}


def tls_problem(error: ssl.SSLError) -> str:
    """What is wrong with a server's TLS and how to mend it; quotes no address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message}); give its authority as"
            " camera_tls.ca_file"
        )
    return f"TLS failed ({error.reason})"


CAMERA_TLS: Final = CameraTls()
