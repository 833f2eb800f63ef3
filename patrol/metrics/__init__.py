"""What a machine may ask of the house: Prometheus numbers and one word on its health.

On loopback only by default: numbers tell when a town sleeps. No name, no camera, no address is ever
a label. The only importer of prometheus_client.
"""

from patrol.metrics.health import Check, Heartbeats
from patrol.metrics.meters import Meters
from patrol.metrics.server import MetricsFailed, serve

__all__ = ["Check", "Heartbeats", "Meters", "MetricsFailed", "serve"]
