"""The health book: each camera's story, and every change of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select

from patrol.domain.health import Story
from patrol.domain.ids import CameraId
from patrol.store.db import Db
from patrol.store.desk_tables import health, health_changes

_OF_CAMERA = select(health).where(health.c.camera == bindparam("this"))


class SqlHealth:
    """What is known of each camera, for change-only notices."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def get(self, camera: CameraId) -> tuple[str, datetime, str] | None:
        """(state, since, why), or None before the first visit."""
        story = self.story(camera)
        return None if story is None else (story.state, story.since, story.why)

    def put(self, camera: CameraId, state: str, since: datetime, why: str) -> None:
        """Replace, as told; the change is kept in the camera's history."""
        self.put_story(camera, Story(state=state, since=since, why=why, told=state), changed=True)

    def all(self) -> Mapping[CameraId, tuple[str, datetime, str]]:
        """What `get` answers, for every camera that has one."""
        return {camera: (s.state, s.since, s.why) for camera, s in self.stories().items()}

    def story(self, camera: CameraId) -> Story | None:
        """All that is known, or None before the first visit."""
        row = self._db.first(_OF_CAMERA, {"this": camera})
        return None if row is None else _story(row)

    def put_story(self, camera: CameraId, story: Story, *, changed: bool) -> None:
        """Replace; `changed`: state or reason differ, which is kept in the camera's history."""
        brief = {"camera": camera, "state": story.state, "since": story.since, "why": story.why}
        row = {
            **brief,
            "told": story.told,
            "failures": story.failures,
            "failing_since": story.failing_since,
            "grade": story.grade,
        }
        self._db.put(health, row, "camera")
        if changed:
            self._db.add(health_changes, [brief])

    def stories(self) -> Mapping[CameraId, Story]:
        """What `story` answers, for every camera that has one."""
        rows = self._db.all(select(health).order_by(health.c.camera))
        return {row.camera: _story(row) for row in rows}

    def history(self, camera: CameraId, *, limit: int = 20) -> Sequence[tuple[str, datetime, str]]:
        """(state, since, why) of its changes, newest first."""
        mine = select(health_changes).where(health_changes.c.camera == camera)
        newest = self._db.all(mine.order_by(health_changes.c.number.desc()).limit(limit))
        return [(row.state, row.since, row.why) for row in newest]


def _story(row: Row[Any]) -> Story:
    return Story(
        state=row.state,
        since=row.since,
        why=row.why,
        told=row.told,
        failures=row.failures,
        failing_since=row.failing_since,
        grade=row.grade,
    )
