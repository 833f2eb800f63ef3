"""`retention:` and `backup:` of site.yaml: how long what is of a household stays, and who reads it.

A module of its own, so that `patrol retention` checks these sections without all the others.
"""

from typing import Literal

from pydantic import Field

from patrol.domain.consent import RetentionDays
from patrol.settings.yaml_types import SettingsSection

RetentionReason = Literal["sample", "evidence", "photo", "reference", "message", "log"]


class RetentionSettings(SettingsSection):
    """How long pictures are kept (their deletion is recorded), and how long messages are."""

    sample_days: int = Field(default=7, ge=1, le=365)  # an ordinary visit that showed nothing
    evidence_days: int = Field(default=180, ge=1, le=3650)  # what a finding or a case stands on
    # After its newest sample, where a camera is not visited any more or waits for a person.
    reference_days: int = Field(default=180, ge=1, le=3650)
    # Of all pictures; beyond it the oldest samples are deleted early.
    evidence_mb: int | None = Field(default=None, ge=100, le=100_000_000)
    # Reports look back a year for when a case was pushed. Never less than what the relay publishes
    # again to a broker that lost everything (90 days).
    message_days: int = Field(default=400, ge=100, le=3650)
    # Why each class is kept so long, in the site's own words; `patrol retention` shows them.
    reasons: dict[RetentionReason, str] = Field(default_factory=dict)

    @property
    def days(self) -> RetentionDays:
        """How long pictures and references are kept."""
        return RetentionDays(
            sample=self.sample_days, evidence=self.evidence_days, reference=self.reference_days
        )


class BackupSettings(SettingsSection):
    """Who can read a backup: age recipients (`age1…`) that each is encrypted to."""

    recipients: tuple[str, ...] = ()
