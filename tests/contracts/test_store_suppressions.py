"""What every store promises of suppressions."""

from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.suppression import Suppression
from patrol.store import Store, UnitOfWork

HOUR = timedelta(hours=1)


def suppress(unit: UnitOfWork, make: Any, camera: int = 1, **fields: Any) -> Suppression:
    return unit.suppressions.add(
        **{
            "camera": make.camera(camera),
            "kind": "livestock",
            "box": (0.5, 0.5, 0.25, 0.25),
            "reason": "animal",
            "owner": "值班员",
            "now": make.now,
            "until": make.now + HOUR,
            **fields,
        }
    )


def test_standing_until_it_expires_or_is_revoked(store: Store, make: Any) -> None:
    with store.begin() as unit:
        first = suppress(unit, make)
        second = suppress(unit, make, 2, until=make.now + 2 * HOUR, box=None)
        third = suppress(unit, make)
        assert unit.suppressions.revoke(third.number, by="值班长", now=make.now) is True
        assert unit.suppressions.revoke(third.number, by="值班长", now=make.now) is False
        assert unit.suppressions.revoke(999, by="值班长", now=make.now) is False
        unit.commit()
    with store.begin_read() as unit:
        assert unit.suppressions.active(make.now) == [first, second]
        assert unit.suppressions.active(make.now, camera=make.camera(2)) == [second]
        assert unit.suppressions.active(make.now + HOUR) == [second]
        assert [one.number for one in unit.suppressions.list(limit=2)] == [
            third.number,
            second.number,
        ]
        revoked = unit.suppressions.list()[0]
    assert (revoked.revoked_by, revoked.revoked_at) == ("值班长", make.now)


def test_one_that_would_never_hold_is_refused(store: Store, make: Any) -> None:
    with store.begin() as unit, pytest.raises(ValueError, match="suppression"):
        suppress(unit, make, until=make.now)
