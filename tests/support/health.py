"""Camera health for tests: a state put into the store as a round that announced it leaves it."""

from datetime import datetime

from patrol.domain.health import CameraHealth
from patrol.domain.ids import CameraId
from patrol.store import UnitOfWork


def put_health(uow: UnitOfWork, camera: CameraId, state: str, since: datetime, why: str) -> None:
    """Give the camera this state, kept in its history."""
    health = CameraHealth(state=state, since=since, why=why, announced=state)
    uow.health.save(camera, health, changed=True)
