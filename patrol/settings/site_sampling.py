"""site.yaml, section `sampling`: pictures of a visit, and the streams that they come from."""

from pydantic import Field

from patrol.domain.ids import CameraId
from patrol.domain.sampling import CameraSampling, SamplingPolicy
from patrol.settings.yaml_types import CameraIdKey, SettingsSection
from streams.address import StreamChoice


class CameraSamplingSettings(SettingsSection):
    """The streams of one camera, where they are not the site's."""

    stream: StreamChoice | None = None
    evidence: StreamChoice | None = None


class SamplingSettings(SettingsSection):
    """Sampling of one visit: how many pictures, how far apart, of which stream."""

    pictures: int = Field(default=2, ge=1, le=10)  # two prove that the stream is live
    spacing_s: float = Field(default=3.0, ge=0, le=60)
    stream: StreamChoice = StreamChoice.MAIN  # judged
    evidence: StreamChoice | None = None  # fetched for what was found; None: as judged
    cameras: dict[CameraIdKey, CameraSamplingSettings] = Field(default_factory=dict)

    @property
    def policy(self) -> SamplingPolicy:
        """The streams of every camera; a camera's own setting replaces the site's, each by itself.

        A camera with a stream of its own and no evidence stream judges that one alone.
        """
        return SamplingPolicy(
            site=CameraSampling(stream=self.stream, evidence=self.evidence),
            cameras={
                CameraId(ident): CameraSampling(
                    stream=own.stream or self.stream,
                    evidence=own.evidence or (None if own.stream else self.evidence),
                )
                for ident, own in self.cameras.items()
            },
        )
