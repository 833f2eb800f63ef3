"""The burnt-in clock, read where a template says that one stands; unreadable is no reading."""

from patrol.vision.osd_clock.read import burnt_in_skew, read_clock

__all__ = ["burnt_in_skew", "read_clock"]
