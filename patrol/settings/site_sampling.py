"""site.yaml, section `sampling`: pictures of a visit, and the streams that they come from."""

from collections.abc import Collection
from pathlib import Path

from pydantic import Field

from patrol.domain.ids import CameraId
from patrol.domain.sampling import CameraSampling, SamplingPolicy
from patrol.settings.config_file import ProblemLog
from patrol.settings.yaml_file import read_yaml
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


def note_unknown_sampling(
    sampling: SamplingSettings, cameras: Collection[CameraId], path: Path, notes: ProblemLog
) -> None:
    """Note a camera of `sampling.cameras` that is in no file: its streams would never be used."""
    unknown = [ident for ident in sampling.cameras if ident not in cameras]
    document = read_yaml(path, ProblemLog().for_file(path)) if unknown else None
    for ident in unknown:
        line = document.line(("sampling", "cameras", ident)) if document else 1
        text = "this camera is not in cameras.csv, correct the id or delete the entry"
        notes.for_file(path).add_problem(line, f"sampling.cameras.{ident}", text)
