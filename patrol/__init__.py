"""Two online patrol rounds a day over a township's household cameras.

See README.md for the map of rooms. Units: seconds end in ``_s``, pixels in ``_px``; times are
aware UTC datetimes unless a name says ``local``.
"""

__version__ = "0.1.0"
