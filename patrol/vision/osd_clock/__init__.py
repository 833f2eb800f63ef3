"""Read the burnt-in clock at the place that the camera's template gives; None where unreadable."""

from patrol.vision.osd_clock.read import burnt_in_skew, read_clock

__all__ = ["burnt_in_skew", "read_clock"]
