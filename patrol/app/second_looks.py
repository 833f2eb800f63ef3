"""Second looks put together: one glass, and who looks through it — cases and doubted leads."""

from dataclasses import dataclass
from datetime import timedelta

from patrol.app.doubts import Doubts
from patrol.app.glass import Glass
from patrol.app.looks import Looker
from patrol.dispatch.wire import Wire
from patrol.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLooks:
    """Rung by the bell, each on its own."""

    cases: Looker
    leads: Doubts

    @classmethod
    def through(cls, glass: Glass, announcer: Wire, settings: Settings) -> "SecondLooks":
        """With the site's own words on who verifies and how long evidence is kept."""
        keep = timedelta(days=settings.retention.evidence_days)
        return cls(
            cases=Looker(
                store=glass.store,
                clock=glass.clock,
                glass=glass,
                announcer=announcer,
                verifier=settings.verification,
                keep_evidence=keep,
            ),
            leads=Doubts(store=glass.store, clock=glass.clock, glass=glass, keep_evidence=keep),
        )
