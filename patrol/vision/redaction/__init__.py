"""Redaction (脱敏): what a picture must lose before it leaves the centre.

`redact` takes a stored picture, the box of the finding and the receiver, and returns a JPEG that is
cropped around the box, with every face, every head and every number plate made unrecognisable for
good, marked with case, time and receiver, without metadata. Where one of the three models is
missing the whole picture is made so coarse that nobody can be recognised.

The models say where a face or a plate *is*, and only so that it can be hidden. Nothing here reads
a plate, compares two faces or keeps what was found.
"""

from patrol.vision.redaction.find_private import PrivacyDetectors
from patrol.vision.redaction.redact import Redacted, RedactionMode, redact
from patrol.vision.redaction.watermark import Watermark

__all__ = ["PrivacyDetectors", "Redacted", "RedactionMode", "Watermark", "redact"]
