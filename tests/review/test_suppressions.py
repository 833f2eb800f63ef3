"""A dismissal holds the same back: at this place, for its time, by its owner, until revoked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from patrol.domain.finding import AlreadyDecided, FindingState
from patrol.domain.observation import Box
from patrol.review.decisions import DismissedFinding, dismiss_and_suppress
from patrol.store import Store
from simulators import small_site
from tests.support.store import new_store

HERE: Box = (0.4, 0.4, 0.2, 0.2)
AROUND: Box = (0.35, 0.35, 0.3, 0.3)
DAY = timedelta(days=1)


def dismissed(store: Store, reason: str, box: Box | None = HERE) -> DismissedFinding:
    finding = replace(small_site.finding(), box=box)
    with store.begin() as uow:
        uow.findings.add(finding)
        done = dismiss_and_suppress(uow, finding.id, by="wang", now=small_site.NOON, reason=reason)
        uow.commit()
    return done


@pytest.mark.parametrize(("reason", "box", "area", "lasts"), [
    pytest.param("shadow", HERE, AROUND, 14 * DAY, id="a shadow: here, two weeks"),
    pytest.param(" shadow ", HERE, AROUND, 14 * DAY, id="the word counts, not its blanks"),
    pytest.param("animal", HERE, AROUND, 2 * DAY, id="an animal walks on"),
    pytest.param("known_object", HERE, AROUND, 180 * DAY, id="a known thing: a season"),
    pytest.param("known_object", None, None, timedelta(hours=18), id="nobody knows where: short"),
    pytest.param("weather", HERE, None, timedelta(hours=18), id="weather: all of the picture"),
    pytest.param("camera_fault", HERE, None, 3 * DAY, id="the maintainer's within days"),
])  # fmt: skip
def test_the_reason_decides_what_is_held_back(
    reason: str, box: Box | None, area: Box | None, lasts: timedelta
) -> None:
    store = new_store()
    done = dismissed(store, reason, box)
    assert done.finding.state is FindingState.DISMISSED
    with store.begin_read() as uow:
        (standing,) = uow.suppressions.active(small_site.NOON)
    assert standing == done.suppression
    assert (standing.camera, standing.kind) == (done.finding.camera, done.finding.kind)
    assert (standing.box is None) == (area is None)
    assert standing.box is None or standing.box == pytest.approx(area)
    assert (standing.owner, standing.until - small_site.NOON) == ("wang", lasts)


@pytest.mark.parametrize("reason", ["duplicate", "other", "看过了,是邻居的车"])
def test_what_is_not_understood_teaches_nothing(reason: str) -> None:
    store = new_store()
    assert dismissed(store, reason).suppression is None
    with store.begin_read() as uow:
        assert uow.suppressions.list() == []


def test_who_comes_second_teaches_nothing() -> None:
    store = new_store()
    dismissed(store, "shadow")
    with store.begin() as uow, pytest.raises(AlreadyDecided):
        dismiss_and_suppress(
            uow, small_site.finding().id, by="li", now=small_site.NOON, reason="known_object"
        )
    with store.begin_read() as uow:
        assert [one.owner for one in uow.suppressions.list()] == ["wang"]
