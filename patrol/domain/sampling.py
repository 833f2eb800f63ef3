"""Which stream of a camera is judged, and from which one the evidence of what was found is fetched.

A site whose uplinks carry little judges the sub streams, a fifth of the bytes, and connects to the
main stream only of a camera in whose pictures something was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from streams.address import StreamChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSampling:
    """The streams of one camera's visits."""

    stream: StreamChoice = StreamChoice.MAIN  # judged
    evidence: StreamChoice | None = None  # fetched for what was found; None: the judged one


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPolicy:
    """The site's streams, and those of cameras that have their own."""

    site: CameraSampling = CameraSampling()
    cameras: Mapping[CameraId, CameraSampling] = field(default_factory=dict)

    def judged_stream(self, camera: Camera) -> StreamChoice:
        """The stream that a camera's visits judge."""
        return self._of(camera).stream

    def evidence_stream(self, camera: Camera) -> StreamChoice | None:
        """The stream to fetch evidence from; None where the judged one is that stream already."""
        own = self._of(camera)
        if own.evidence is None or camera.stream(own.evidence) == camera.stream(own.stream):
            return None
        return own.evidence

    def clearest_stream(self, camera: Camera) -> StreamChoice:
        """The stream of a single visit outside the rounds, such as a recheck."""
        return self.evidence_stream(camera) or self.judged_stream(camera)

    def _of(self, camera: Camera) -> CameraSampling:
        return self.cameras.get(camera.id, self.site)
