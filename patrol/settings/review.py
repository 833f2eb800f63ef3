"""How people judge, as site.yaml writes it: the blind sample, and who verifies a handled case."""

from dataclasses import dataclass

from pydantic import Field

from patrol.settings.fields import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """What stands in the review queue beside the machine's leads."""

    # Of a round's normal views, rounded down: a town of nine cameras gets none (domain.md: 10 %).
    blind_sample: float = 0.1
    known_positives: float = 0.0  # of what a round plans: earlier real leads, shown again


class ReviewSection(Section):
    """`review:`."""

    blind_sample: float = Field(default=ReviewSettings().blind_sample, ge=0, le=1)
    known_positives: float = Field(default=ReviewSettings().known_positives, ge=0, le=0.1)

    def policy(self) -> ReviewSettings:
        """As the rooms get it."""
        return ReviewSettings(**self.model_dump())
