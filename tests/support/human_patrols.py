"""A plan of human patrols that may be walked at any hour of a test, with one thing to look at.

For the tests of its pages and of its API.
"""

from datetime import time, timedelta
from typing import Final

from patrol.domain.human_patrol import ChecklistItem, HumanPatrolPlan

ALL_DAY: Final = HumanPatrolPlan(
    name="all-day",
    title="全天人工巡查",
    start=time(0),
    finish_by=time(23, 59, 59),
    early=timedelta(hours=1),
    checkpoints=(),
    checklist=(ChecklistItem(text="看门窗"),),
    pace_s=60,
    look_twice=True,
)
