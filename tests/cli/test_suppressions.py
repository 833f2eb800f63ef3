"""Suppressions, the ranked queue and new normals, from the command line on a real store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np

from patrol.domain.ids import CameraId
from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.pictures import FilePictureStore, JpegEncoder
from patrol.store import open_store

CliSite = Any  # conftest's


def test_a_dismissal_is_listed_and_can_be_taken_back(cli_site: CliSite) -> None:
    cli_site.seed_round()
    assert cli_site("suppressions", "--json").document == []
    assert "无" in cli_site("suppressions").out
    assert cli_site("dismiss", "F000001", "--reason", "shadow", "--by", "甲").code == 0
    (standing,) = cli_site("suppressions", "--json").document
    assert {k: standing[k] for k in ("id", "camera", "kind", "box", "owner", "held")} == {
        "id": 1,
        "camera": "62090204011327000001",
        "kind": "blocking_vehicle",
        "box": None,
        "owner": "甲",
        "held": 0,
    }
    assert "shadow（甲）" in cli_site("suppressions").out
    assert cli_site("suppress", "revoke", "1", "--by", "乙", "--json").document == {
        "revoked": 1,
        "by": "乙",
    }
    assert cli_site("suppressions", "--json").document == []
    (revoked,) = cli_site("suppressions", "--all", "--json").document
    assert (revoked["standing"], revoked["revoked_by"]) == (False, "乙")
    again = cli_site("suppress", "revoke", "1")
    assert again.code == 2
    assert len(again.err.splitlines()) == 1


def test_the_queue_says_why_each_stands_where_it_stands(cli_site: CliSite) -> None:
    cli_site.seed_round(2)
    first, second = cli_site("queue", "--json").document
    assert (first["id"], second["id"]) == ("F000001", "F000002")
    assert "得分 0.82" in first["rank_why"]
    assert "得分" in cli_site("queue").out
    assert cli_site("dismiss", "F000001", "--reason", "other").code == 0
    (left,) = cli_site("queue", "--json").document
    assert "以往 0/1 属实" in left["rank_why"]


def test_a_stored_picture_is_accepted_where_there_is_one_and_consent(cli_site: CliSite) -> None:
    cli_site.seed_round()
    nothing = cli_site("accept", "000001", "--by", "甲")
    assert (nothing.code, len(nothing.err.splitlines())) == (1, 1)
    assert "no usable picture" in nothing.err
    indoors = cli_site("accept", "000002")
    assert (indoors.code, len(indoors.err.splitlines())) == (1, 1)
    assert "indoor" in indoors.err
    assert cli_site("accept", "999999").code == 2
    add_visit(cli_site)
    accepted = cli_site("accept", "000001", "--by", "甲", "--json").document
    assert (accepted["light"], accepted["taken_at"]) == ("day", "2026-11-22T05:00:00Z")
    assert "新常态" in cli_site("accept", "62090204011327000001").out


def add_visit(cli_site: CliSite) -> None:
    rng = np.random.default_rng(1)
    yard = cv2.resize(rng.normal(110, 35, (36, 64, 3)).astype(np.float32), (640, 360))
    noisy = (yard + rng.normal(0, 2, yard.shape)).clip(0, 255).astype(np.uint8)
    jpeg, _ = JpegEncoder()(noisy)
    at = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
    camera = CameraId("62090204011327000001")
    stored = StoredPicture(
        sha256=FilePictureStore(cli_site.home / "evidence").put(jpeg), camera=camera, taken_at=at,
        width_px=640, height_px=360, bytes=len(jpeg), purpose="sample",
        delete_after=at + timedelta(days=7),
    )  # fmt: skip
    visit = Visit(
        round=None, camera=camera, outcome=VisitOutcome.NORMAL, started_at=at, finished_at=at,
        usable_pictures=1, light="day", pictures=(stored,),
    )  # fmt: skip
    with open_store(cli_site.database) as store, store.begin() as uow:
        assert uow.rounds.record_visit(visit)
        uow.commit()
