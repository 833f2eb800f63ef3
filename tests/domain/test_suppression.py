"""What a suppression holds back."""

from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.ids import CameraId
from patrol.domain.observation import Box
from patrol.domain.suppression import Suppression

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = Suppression(
    number=1,
    camera=CameraId("62090204011327000001"),
    kind="livestock",
    box=(0.5, 0.5, 0.25, 0.25),
    reason="animal",
    owner="值班员",
    created_at=NOW,
    until=NOW + HOUR,
)


@pytest.mark.parametrize(
    ("kind", "box", "at"),
    [
        pytest.param("livestock", (0.55, 0.55, 0.1, 0.1), NOW, id="inside"),
        pytest.param("livestock", (0.4, 0.4, 0.3, 0.3), NOW, id="overlapping, its middle inside"),
    ],
)
def test_held_back(kind: str, box: Box, at: datetime) -> None:
    assert ONE.applies_to(kind, box, at)


@pytest.mark.parametrize(
    ("kind", "box", "at"),
    [
        pytest.param("livestock", (0.0, 0.0, 0.2, 0.2), NOW, id="elsewhere"),
        pytest.param("livestock", None, NOW, id="nowhere in particular"),
        pytest.param("dumping", (0.55, 0.55, 0.1, 0.1), NOW, id="another kind"),
        pytest.param("livestock", (0.55, 0.55, 0.1, 0.1), NOW + HOUR, id="expired to the second"),
    ],
)
def test_not_held_back(kind: str, box: Box | None, at: datetime) -> None:
    assert not ONE.applies_to(kind, box, at)


def test_it_ends_after_it_began() -> None:
    with pytest.raises(ValueError, match="ends after it began"):
        Suppression(
            number=1,
            camera=ONE.camera,
            kind="x",
            box=None,
            reason="",
            owner="",
            created_at=NOW,
            until=NOW,
        )
