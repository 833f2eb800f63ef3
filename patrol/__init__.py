"""Two online patrol rounds a day over a township's household cameras.

See README.md for the map of rooms. Units: seconds end in ``_s``, pixels in ``_px``; times are
aware UTC datetimes unless a name says ``local``.
"""

import os

# The net below the check of every header (patrol/pixels.py), in pixels: the most that
# `limits: picture_mp:` can be. OpenCV reads it once, when it is loaded.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(100_000_000))

# There are as many judging threads as cores. With a pool of its own numpy's BLAS would wake them
# all for a product of 6 × 360 × 640, and each spins while it waits: ten times the CPU of the
# product itself on a busy machine. Read once, when numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
