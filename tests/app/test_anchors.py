"""Each day's heads of the logs: once, to the broker, to the file beside the key, for a month."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import select

from patrol.app import Application, build
from patrol.app.anchors import DAYS_PUBLISHED, publish_anchor
from patrol.settings.site_keys import anchor_path
from patrol.store.schema_people import outbox
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.small_files import write_small_site

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/schemas/audit.json").read_text("utf-8"))
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(small_site.NOON)


@pytest.fixture
def app(tmp_path: Path, clock: ManualClock) -> Iterator[Application]:
    site = replace(write_small_site(tmp_path), registry=small_site.registry())
    with build(site, clock=clock) as built:
        yield built


def look(app: Application) -> None:
    with app.store.begin() as uow:
        now = app.clock.now()
        uow.access.append(at=now, who="op", what="view_picture", camera=small_site.CAMERA, why="x")
        uow.commit()


def published(app: Application) -> list[dict[str, Any]]:
    topic = "patrol/v1/shangba/centre/audit"
    wanted = select(outbox).where(outbox.c.topic == topic).order_by(outbox.c.number)
    with app.store.begin_read() as uow:
        rows = uow.db.all(wanted)
    assert all(row.retain for row in rows)
    return [json.loads(row.payload) for row in rows]


def test_a_day_is_published_once_with_the_last_line_of_that_day(
    app: Application, clock: ManualClock
) -> None:
    assert publish_anchor(app) is None  # nothing was ever logged
    look(app)
    look(app)
    clock.sleep(DAY.total_seconds())
    look(app)
    anchor = publish_anchor(app)
    assert anchor is not None
    assert anchor.heads["access_log"].number == 2
    assert publish_anchor(app) is None
    (body,) = published(app)
    jsonschema.Draft202012Validator(SCHEMA).validate(body)
    kept = [json.loads(line) for line in anchor_path(app.site.settings).read_text().splitlines()]
    assert kept == body["days"]
    assert anchor_path(app.site.settings).stat().st_mode & 0o777 == 0o600
    with app.store.begin_read() as uow:
        assert uow.anchors.problems_of("access_log", anchor.heads["access_log"]) is None


def test_the_message_holds_a_month(app: Application, clock: ManualClock) -> None:
    look(app)
    for _ in range(DAYS_PUBLISHED + 3):
        clock.sleep(DAY.total_seconds())
        look(app)
        assert publish_anchor(app) is not None
    body = published(app)[-1]
    jsonschema.Draft202012Validator(SCHEMA).validate(body)
    days = [day["day"] for day in body["days"]]
    assert len(days) == DAYS_PUBLISHED
    assert days == sorted(days, reverse=True)
