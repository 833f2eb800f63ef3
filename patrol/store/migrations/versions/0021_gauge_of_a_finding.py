"""The gauge or model that saw a finding, with its version; earlier ones by their observations."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None

# The observation that a finding was made of shows the same camera's picture of the same moment.
_SEEN_BY = """
UPDATE findings SET gauge = COALESCE((
    SELECT o.gauge FROM observations AS o
    WHERE o.camera = findings.camera AND o.at = findings.found_at AND o.kind = findings.kind
    ORDER BY o.score DESC, o.number LIMIT 1
), '') WHERE origin = 'machine'
"""
# Blind samples look like changes without a name, and known positives like what they were.
_LIKE_OTHERS = """
UPDATE findings SET gauge = COALESCE((
    SELECT max(o.gauge) FROM observations AS o WHERE o.kind = findings.kind
), '') WHERE origin IN ('sample', 'probe')
"""


def upgrade() -> None:
    """Apply."""
    gauge = sa.Column("gauge", sa.Text(), nullable=False, server_default="")
    op.add_column("findings", gauge)
    op.execute(_SEEN_BY)
    op.execute(_LIKE_OTHERS)
