"""`calendar:` and `health:` of site.yaml: what they mean, and every way to write them wrong."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from patrol.domain.schedule import StoppageScope
from patrol.settings import load_site

Town = Any  # conftest's
GOOD = """
calendar:
  holidays:
    - {name: 春节, from: 2027-02-06, until: "2027-02-12", skip: [noon, morning]}
  key_periods:
    - name: 春运
      from: 2027-02-01
      until: 2027-03-12
      only_key: true
      tags: [铁路]
      plans:
        noon: {start: "12:00", finish_by: "13:00"}
  maintenance:
    - {link: v203, from: 2026-11-22 08:00, until: 2026-11-23, reason: 换交换机, by: 运维}
    - {camera: "62090204011327000001", from: 2026-11-22, until: 2026-11-23, reason: 移杆}
    - {village: "620902104203000", from: 2026-11-22, until: 2026-11-23, reason: 停电检修}
health: {offline_after_visits: 3, offline_after_min: 90, group_share: 0.7, group_least: 5}
"""


@pytest.fixture
def planned(town: Town) -> Town:
    """The small town with a calendar."""
    text = (town.directory / "site.yaml").read_text(encoding="utf-8")
    town.write("site.yaml", text + GOOD)
    return town


def test_a_calendar_is_read(planned: Town) -> None:
    site = load_site(planned.directory, {})
    calendar = site.settings.calendar
    assert list(calendar.all_plans) == ["morning", "noon"]
    assert list(calendar.plans) == list(site.settings.plans) == ["morning"]
    assert list(calendar.plans_on(date(2027, 2, 5))) == ["morning", "noon"]
    assert list(calendar.plans_on(date(2027, 2, 12))) == []
    wanted = [c.id for c in site.registry.cameras.values() if calendar.plan_includes("noon", c)]
    assert wanted == []  # the key camera's tags are others
    assert all(calendar.plan_includes("morning", c) for c in site.registry.cameras.values())


def test_maintenance_is_on_the_site_s_wall_clock(planned: Town) -> None:
    link, camera, village = load_site(planned.directory, {}).settings.calendar.maintenance
    assert (link.scope, link.subject, link.by) == (StoppageScope.LINK, "v203", "运维")
    assert link.start == datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
    assert link.until == datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    assert (camera.scope, camera.by) == (StoppageScope.CAMERA, "site.yaml")
    assert (village.scope, village.reason) == (StoppageScope.GRID, "停电检修")


def test_the_hysteresis_is_the_site_s(planned: Town) -> None:
    health = load_site(planned.directory, {}).settings.health
    assert (health.offline_after_visits, health.group_least) == (3, 5)
    assert (health.offline_after, health.group_share) == (timedelta(minutes=90), 0.7)


@pytest.mark.parametrize(
    ("old", "new", "reported"),
    [
        pytest.param(
            "from: 2027-02-06", "from: 6.2.2027", "'6.2.2027' is not a day, write 2027-02-06",
            id="a day in other words",
        ),
        pytest.param("2027-02-12", "2027-01-12", "until 2027-01-12 is before from", id="backwards"),
        pytest.param("[noon, morning]", "[evening]", "no plan 'evening', give some of", id="skip"),
        pytest.param("[noon, morning]", "[]", "is too short, give at least 1", id="skips nothing"),
        pytest.param("noon: {start", "morning: {start", "'morning' stands twice", id="twice"),
        pytest.param('"13:00"', '"11:00"', "finish_by 11:00 is not after start", id="plan"),
        pytest.param("08:00, until", "08h, until", "write 2027-02-06 08:00", id="a time"),
        pytest.param(
            "2026-11-22 08:00", "2026-11-22T08:00+08:00", "names a zone, write the site's own",
            id="a zone",
        ),
        pytest.param("{link: v203, ", "{", "name one of camera, link, village", id="of nothing"),
        pytest.param('camera: "6209020401', 'camera: "1', "is not a GB/T 28181", id="camera"),
        pytest.param("offline_after_visits: 3", "offline_after_visits: 0", "give at least 1",
                     id="no patience"),
        pytest.param("group_share: 0.7", "group_shares: 0.7", "did you mean 'group_share'",
                     id="a slip"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(planned: Town, old: str, new: str, reported: str) -> None:
    planned.spoil("site.yaml", old, new)
    (complaint,) = planned.complaints()
    assert reported in complaint


def test_maintenance_of_what_is_in_no_file_is_noticed(planned: Town) -> None:
    planned.spoil("site.yaml", "link: v203", "link: v999")
    (notice,) = load_site(planned.directory, {}).notices[:1]
    assert (notice.field, "'v999'" in notice.text) == ("calendar.maintenance[0]", True)
    text = (planned.directory / "site.yaml").read_text(encoding="utf-8")
    assert "v999" in text.splitlines()[notice.line - 1]
